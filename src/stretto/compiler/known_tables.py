"""The names of the standard library's functions that are known to be free of effects.

Left out on purpose: everything that prints, opens, sleeps, asks the clock or the environment, that
keeps state between calls (`locale`, `random`), runs text (`eval`) or depends on the caller's frame
(`locals`, `super`).
"""

from __future__ import annotations

from typing import Final

__all__ = ["DRAWS", "HIGHER_ORDER_NAMES", "MODULES", "MUTATES_FIRST", "RESOURCES", "SEEDED"]

MODULES: Final[dict[str, str]] = {
    "builtins": (
        "abs all any ascii bin bool bytearray bytes callable chr complex dict divmod enumerate "
        "filter float format frozenset hash hex id int isinstance issubclass iter len list map max "
        "min next object oct ord pow range repr reversed round set slice sorted str sum tuple zip "
        "getattr hasattr str.maketrans bytes.maketrans"
    ),
    "json": "loads dumps JSONDecodeError",
    "re": ("compile match search fullmatch sub subn split findall finditer escape error"),
    "math": (
        "acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist erf "
        "erfc exp exp2 expm1 fabs factorial floor fma fmod frexp fsum gamma gcd hypot isclose "
        "isfinite isinf isnan isqrt lcm ldexp lgamma log log10 log1p log2 modf nextafter perm pow "
        "prod radians remainder sin sinh sqrt sumprod tan tanh trunc ulp"
    ),
    "cmath": (
        "acos acosh asin asinh atan atanh cos cosh exp isclose isfinite isinf isnan log log10 "
        "phase polar rect sin sinh sqrt tan tanh"
    ),
    "statistics": (
        "mean fmean geometric_mean harmonic_mean median median_low median_high median_grouped "
        "mode multimode quantiles stdev pstdev variance pvariance correlation covariance "
        "linear_regression StatisticsError"
    ),
    "itertools": (
        "accumulate batched chain combinations combinations_with_replacement count cycle "
        "dropwhile filterfalse groupby islice pairwise permutations product repeat starmap "
        "takewhile zip_longest"
    ),
    "functools": "partial reduce cmp_to_key",
    "operator": (
        "abs add and_ attrgetter concat eq floordiv ge gt index "
        "inv invert is_ is_not itemgetter le length_hint lshift lt matmul mod mul ne neg not_ or_ "
        "pos pow rshift sub truediv truth xor methodcaller"
    ),
    "string": "capwords Template Formatter",
    "textwrap": "dedent indent fill shorten wrap TextWrapper",
    "datetime": "date datetime time timedelta timezone",
    "asyncio": "BoundedSemaphore Lock Semaphore",
    "collections": "Counter OrderedDict defaultdict deque",
    "copy": "copy deepcopy",
    "base64": (
        "b64encode b64decode b32encode b32decode b16encode b16decode b85encode b85decode a85encode "
        "a85decode standard_b64encode standard_b64decode urlsafe_b64encode urlsafe_b64decode "
        "encodebytes decodebytes b32hexencode b32hexdecode"
    ),
    "binascii": (
        "a2b_base64 b2a_base64 a2b_hex b2a_hex hexlify unhexlify crc32 crc_hqx a2b_uu b2a_uu a2b_qp b2a_qp"
    ),
    "hashlib": (
        "md5 sha1 sha224 sha256 sha384 sha512 sha3_224 sha3_256 sha3_384 sha3_512 blake2b blake2s "
        "shake_128 shake_256 new pbkdf2_hmac scrypt"
    ),
    "hmac": "digest compare_digest new",
    "urllib.parse": (
        "urlparse urlsplit urlunparse urlunsplit urljoin urldefrag quote quote_plus quote_from_bytes "
        "unquote unquote_plus unquote_to_bytes urlencode parse_qs parse_qsl SplitResult ParseResult"
    ),
    "html": "escape unescape",
    "pathlib": "PurePath PurePosixPath PureWindowsPath Path PosixPath",
    "dataclasses": "asdict astuple replace fields is_dataclass",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "heapq": "nlargest nsmallest merge",
    "bisect": "bisect bisect_left bisect_right",
    "unicodedata": (
        "normalize name lookup category bidirectional combining decimal decomposition digit "
        "east_asian_width is_normalized mirrored numeric"
    ),
    "difflib": "get_close_matches unified_diff context_diff ndiff IS_LINE_JUNK IS_CHARACTER_JUNK",
    "zlib": "compress decompress crc32 adler32",
    "gzip": "decompress",
    "bz2": "compress decompress",
    "lzma": "compress decompress",
    "struct": "pack unpack unpack_from calcsize iter_unpack Struct",
    "types": "SimpleNamespace MappingProxyType",
    "typing": "cast",
    "uuid": "UUID uuid3 uuid5",
    "fnmatch": "fnmatch fnmatchcase filter translate",
    "posixpath": (
        "basename commonpath commonprefix dirname isabs join normcase normpath split splitdrive splitext"
    ),
    "ntpath": (
        "basename commonpath commonprefix dirname isabs join normcase normpath split splitdrive splitext"
    ),
    "calendar": "isleap leapdays monthrange weekday monthcalendar timegm",
    "colorsys": "rgb_to_hls hls_to_rgb rgb_to_hsv hsv_to_rgb rgb_to_yiq yiq_to_rgb",
    "keyword": "iskeyword issoftkeyword",
    "shlex": "quote split join",
    "pprint": "pformat saferepr",
    "ast": "literal_eval",
    "contextlib": "suppress nullcontext",
    "ipaddress": ("ip_address ip_network IPv4Address IPv6Address IPv4Network IPv6Network"),
    "email.utils": "parseaddr formataddr",
    "mimetypes": "",
    "numbers": "",
    "enum": "",
    "abc": "",
    "io": "StringIO BytesIO",
    "time": "mktime strptime",
    "reprlib": "repr",
    "quopri": "encodestring decodestring",
    "stringprep": "",
    "array": "array",
}

#: Those of the above that call functions they are given; pure when these are.
HIGHER_ORDER_NAMES: Final[dict[str, str]] = {
    "builtins": "map filter sorted min max sum any all iter next",
    "functools": "partial reduce cmp_to_key",
    "itertools": "accumulate dropwhile filterfalse groupby starmap takewhile",
    "re": "sub subn",
    "json": "loads dumps",
    "heapq": "nlargest nsmallest merge",
    "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
    "collections": "defaultdict",
    "difflib": "ndiff",
    "dataclasses": "asdict astuple",
    "operator": "methodcaller attrgetter itemgetter",
    "textwrap": "indent",
    "urllib.parse": "urlencode",
    "hmac": "new digest",
    "hashlib": "pbkdf2_hmac",
}

#: Functions whose only effect is a change of their first argument.
MUTATES_FIRST: Final[dict[str, str]] = {
    "heapq": "heappush heappop heapify heapreplace heappushpop",
    "bisect": "insort insort_left insort_right",
    "operator": "setitem delitem iadd iand iconcat ior ixor isub imul",
}

_CLOCK = (
    "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns "
    "thread_time thread_time_ns localtime gmtime ctime asctime strftime clock_gettime "
    "clock_gettime_ns"
)
_DRAWS = (
    "random uniform triangular randint choice randrange sample choices shuffle normalvariate "
    "lognormvariate expovariate vonmisesvariate gammavariate gauss betavariate paretovariate "
    "weibullvariate getrandbits randbytes binomialvariate getstate"
)
#: Classes of generators -> the methods that draw random numbers, or seed it. (The functions of `random`, most
#: of `secrets`, and those of `numpy.random` are methods of generators, too.)
DRAWS: Final[dict[str, frozenset[str]]] = {
    "random.Random": frozenset([*_DRAWS.split(), "seed"]),
    "random.SystemRandom": frozenset(_DRAWS.split()),
    "numpy.random.Generator": frozenset(
        "beta binomial bytes chisquare choice dirichlet exponential f gamma geometric gumbel hypergeometric "
        "integers laplace logistic lognormal logseries multinomial multivariate_hypergeometric "
        "multivariate_normal negative_binomial noncentral_chisquare noncentral_f normal pareto permutation "
        "permuted poisson power random rayleigh shuffle standard_cauchy standard_exponential "
        "standard_gamma standard_normal standard_t triangular uniform vonmises wald weibull zipf".split()
    ),
    "numpy.random.RandomState": frozenset(
        "beta binomial bytes chisquare choice dirichlet exponential f gamma geometric get_state gumbel "
        "hypergeometric laplace logistic lognormal logseries multinomial multivariate_normal "
        "negative_binomial noncentral_chisquare noncentral_f normal pareto permutation poisson power rand "
        "randint randn random random_integers random_sample rayleigh seed shuffle standard_cauchy "
        "standard_exponential standard_gamma standard_normal standard_t tomaxint triangular uniform "
        "vonmises wald weibull zipf".split()
    ),
}
#: Makes a generator, or seeds one, from the outside if no seed is given.
SEEDED: Final[dict[str, str]] = {
    "random": "Random",
    "numpy.random": "default_rng RandomState SeedSequence PCG64 PCG64DXSM MT19937 Philox SFC64 seed",
}
#: Functions whose answer is not determined by their arguments, and what they look at.
RESOURCES: Final[dict[str, dict[str, str]]] = {
    "time": dict.fromkeys(_CLOCK.split(), "clock"),
    "secrets": dict.fromkeys("randbelow token_bytes token_hex token_urlsafe".split(), "random"),
    "os": {
        "urandom": "random",
        "getrandom": "random",
        **dict.fromkeys("getenv getenvb getcwd getcwdb getpid getppid getlogin cpu_count".split(), "env"),
    },
    "posixpath": dict.fromkeys("abspath expanduser expandvars".split(), "env"),
    "ntpath": dict.fromkeys("abspath expanduser expandvars".split(), "env"),
    "socket": dict.fromkeys("gethostname getfqdn".split(), "env"),
    "getpass": {"getuser": "env"},
    "platform": dict.fromkeys(
        "node platform machine system release version processor python_version".split(), "env"
    ),
    "uuid": dict.fromkeys("uuid1 uuid4 uuid6 uuid7 getnode".split(), "uuid"),
}
