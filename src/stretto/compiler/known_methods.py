"""What the methods of builtin and standard library classes do to their receiver.

Two lists per class are enough: the methods that change the receiver, and the ones that are left
out because they see or do something outside (`datetime.now`, `Path.exists`). Every other public
method is free of effects given plain arguments. For classes whose public methods are mostly
operations on the outside world (`Path`) the free ones are listed instead.

Classes of modules that may not be loaded yet are named by text, so that nothing is imported here.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LISTED", "MUTATORS", "NEW_FUNCTIONS", "NEW_METHODS", "OUTSIDE", "PLAIN_CLASSES"]

_LIST = "append extend insert pop remove clear sort reverse __setitem__ __delitem__ __iadd__ __imul__"
_DICT = "update pop popitem setdefault clear __setitem__ __delitem__ __ior__"
_SET = (
    "add discard remove pop clear update intersection_update difference_update "
    "symmetric_difference_update __ior__ __iand__ __isub__ __ixor__"
)

#: "module.Class" -> the methods that change the receiver (or its position, for streams).
MUTATORS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(text.split())
    for name, text in {
        "builtins.list": _LIST,
        "builtins.dict": _DICT,
        "builtins.set": _SET,
        "builtins.bytearray": _LIST,
        "collections.deque": _LIST + " appendleft extendleft popleft rotate",
        "collections.OrderedDict": _DICT + " move_to_end",
        "collections.defaultdict": _DICT + " __missing__",
        "collections.Counter": _DICT + " subtract __iadd__ __isub__ __iand__",
        "collections.UserList": _LIST,
        "collections.UserDict": _DICT,
        "collections.ChainMap": _DICT,
        "array.array": _LIST + " fromlist frombytes fromfile fromunicode byteswap",
        "_io.StringIO": "write writelines seek truncate read readline readlines close detach",
        "_io.BytesIO": "write writelines seek truncate read readline readlines readinto close detach",
        "_hashlib.HASH": "update",
        "hmac.HMAC": "update",
    }.items()
}

#: Methods of otherwise plain classes that see or touch something outside their operands.
OUTSIDE: Final[dict[str, frozenset[str]]] = {
    "datetime.datetime": frozenset({"now", "utcnow", "today"}),
    "datetime.date": frozenset({"today"}),
    "re.Pattern": frozenset({"scanner"}),
}

#: Classes of which only these methods are free of effects.
_PURE_PATH = (
    "as_posix as_uri is_absolute is_relative_to is_reserved joinpath match full_match "
    "relative_to with_name with_stem with_suffix with_segments"
)
LISTED: Final[dict[str, frozenset[str]]] = {
    f"pathlib.{name}": frozenset(_PURE_PATH.split())
    for name in ("PurePath", "PurePosixPath", "PureWindowsPath", "Path", "PosixPath", "WindowsPath")
}

#: Classes whose instances, when their type is exactly this, run no code of the user's in any
#: operator, and whose attribute reads have no effect.
PLAIN_CLASSES: Final[tuple[str, ...]] = (
    "collections.deque",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.Counter",
    "datetime.datetime",
    "datetime.date",
    "datetime.time",
    "datetime.timedelta",
    "datetime.timezone",
    "decimal.Decimal",
    "fractions.Fraction",
    "uuid.UUID",
    "re.Pattern",
    "re.Match",
    "re.RegexFlag",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "struct.Struct",
    "textwrap.TextWrapper",
    "string.Template",
    "urllib.parse.SplitResult",
    "urllib.parse.ParseResult",
    "urllib.parse.DefragResult",
    "ipaddress.IPv4Address",
    "ipaddress.IPv6Address",
    "ipaddress.IPv4Network",
    "ipaddress.IPv6Network",
    "time.struct_time",
    "_hashlib.HASH",
    "hmac.HMAC",
)

_STR_NEW = "split rsplit splitlines"
_COPIES = "copy"
_SETS = "copy union intersection difference symmetric_difference"
#: "module.Class" -> methods whose result, when it is mutable, is an object that nobody else holds.
NEW_METHODS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(text.split())
    for name, text in {
        "builtins.str": _STR_NEW,
        "builtins.bytes": _STR_NEW,
        "builtins.bytearray": _STR_NEW + " copy",
        "builtins.list": _COPIES,
        "builtins.dict": "copy fromkeys",
        "builtins.set": _SETS,
        "builtins.frozenset": _SETS,
        "collections.deque": _COPIES,
        "collections.OrderedDict": "copy fromkeys",
        "collections.defaultdict": _COPIES,
        "collections.Counter": "copy elements most_common",
        "re.Pattern": "findall split finditer",
        "re.Match": "groupdict",
        "struct.Struct": "iter_unpack",
        "textwrap.TextWrapper": "wrap",
        "itertools.chain": "from_iterable",
    }.items()
}

#: Functions whose result, when it is mutable, is an object that nobody else holds.
NEW_FUNCTIONS: Final[tuple[str, ...]] = (
    "builtins.sorted",
    "copy.deepcopy",
    "copy.copy",
    "hashlib.md5",
    "hashlib.sha1",
    "hashlib.sha224",
    "hashlib.sha256",
    "hashlib.sha384",
    "hashlib.sha512",
    "hashlib.new",
    "hmac.new",
    "re.findall",
    "re.split",
    "re.finditer",
    "json.loads",
    "dataclasses.asdict",
    "dataclasses.replace",
    "heapq.nlargest",
    "heapq.nsmallest",
    "heapq.merge",
    "textwrap.wrap",
    "shlex.split",
    "difflib.get_close_matches",
    "difflib.unified_diff",
    "difflib.context_diff",
    "difflib.ndiff",
    "urllib.parse.parse_qs",
    "urllib.parse.parse_qsl",
    "statistics.multimode",
    "statistics.quantiles",
    "calendar.monthcalendar",
    "struct.iter_unpack",
)
