"""What operators, functions and methods of builtin types give back, as far as it is certain."""

from __future__ import annotations

import ast
import builtins
import itertools
import re
from collections import Counter
from typing import Final

from stretto.compiler import types_patterns as patterns
from stretto.compiler.known_objects import SCALARS
from stretto.compiler.types import ELLIPSIS, Json, Never, Promise, Scalar, T, either, holding, one_of

__all__ = [
    "attribute_result",
    "binary_result",
    "call_result",
    "element",
    "item_result",
    "looked",
    "method_result",
    "updated",
]

_NUMBERS: Final = (bool, int, float, complex)
_INT, _STR, _FLOAT, _BOOL, _BYTES = T(int), T(str), T(float), T(bool), T(bytes)
_IN_JSON: Final = frozenset({Json, str, int, float, bool})
_SAME: Final = (list, str, bytes, bytearray)


def element(kind: T | None) -> T | None:
    """The type of what iterating over this yields."""
    if kind is None:
        return None
    if kind.cls is str:
        return _STR
    if kind.cls is Json:
        return kind
    if kind.cls is Scalar:
        parts = [part for part in kind.args if part is not None and part.cls in (str, bytes)]
        return one_of([element(part) for part in parts]) if parts else None
    if kind.cls in (bytes, bytearray, range):
        return _INT
    if kind.cls is tuple:
        args = [arg for arg in kind.args if arg != ELLIPSIS]
        return args[0] if args and all(arg == args[0] for arg in args) else None
    if kind.args and kind.args[-1] is not None and kind.args[-1].cls is Promise:
        return None  # an object, whose fields say nothing of what it gives
    inner = kind.args[0] if kind.args else None
    return None if inner is not None and inner.cls is Never else inner


def looked(kind: T | None, method: str) -> T | None:
    """The type of what a look at a container that is a value gives (see `stretto.engine.updates`)."""
    if method == "len":
        return _INT
    if method in ("bool", "in"):
        return _BOOL
    if method != "getitem" or kind is None or not kind.args or kind.cls not in (list, dict):
        return None
    found = kind.args[-1]
    return None if found is None or found.cls is Never else found


def updated(kind: T | None, method: str, args: list[T | None]) -> T | None:
    """The type of a container that is a value after a change (see `stretto.engine.updates`)."""
    if kind is None or not kind.args or kind.cls not in (list, dict, set):
        return kind if kind is None or kind.cls in (list, dict, set) else None
    if method == "repeat":
        return kind
    if method == "extend":
        given = args[0]
        nothing = (
            given is not None and given.args and given.args[0] is not None and given.args[0].cls is Never
        )
        parts: tuple[T | None, ...] = kind.args if nothing else (element(given),)
    else:
        parts = tuple(args) if kind.cls is dict else (args[-1],)
    return either(kind, holding(kind.cls, parts))


def item_result(kind: T, key: T) -> T | None:
    """The type of an item of what nobody can change, by an index, a slice or the name of a group."""
    found: list[T | None] = []
    for part in kind.args if kind.cls is Scalar else (kind,):
        if part is not None and part.cls is re.Match:
            found.append(patterns.group(part))
        elif part is not None and part.cls in (str, bytes):
            found.append(element(part) if key.cls in (int, bool) else part if key.cls is slice else None)
    return one_of(found) if found else None


def binary_result(op: type[ast.operator], left: T | None, right: T | None) -> T | None:
    """The type of `left op right`, or None if it is not certain."""
    if left is None or right is None:
        return None
    a, b = left.cls, right.cls
    if Json in (a, b) and op is not ast.Pow and {a, b} <= _IN_JSON:
        return T(Json)
    if a in _NUMBERS and b in _NUMBERS:
        return _number(op, a, b)
    if op is ast.Mod and a in (str, bytes):
        return T(a)
    if a is b is re.RegexFlag:
        return left
    if Scalar in (a, b) and all(k is Scalar or k in SCALARS for k in (a, b)):
        return T(Scalar)
    if op is ast.Mult:
        if a in (int, bool):
            a, b, left = b, a, right
        if b in (int, bool) and a in _SAME:
            return left
        return None
    if op is ast.Add and a is b:
        if a in (str, bytes):
            return T(a)
        if a is list:
            return left if left == right else T(list)
        if a is tuple:
            known = ELLIPSIS not in (*left.args, *right.args) and left.args and right.args
            return T(tuple, left.args + right.args) if known else T(tuple)
    if op is ast.Div and a.__module__.startswith("pathlib") and (b is str or b is a):
        return left
    if op in (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor) and a is b and a in (set, frozenset):
        return left if left == right else T(a)
    if op is ast.BitOr and a is b is dict:
        return left if left == right else T(dict)
    return None


def _number(op: type[ast.operator], a: type, b: type) -> T | None:
    if op is ast.Pow or complex in (a, b) or op is ast.MatMult:
        return None
    if float in (a, b):
        arithmetic = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
        return _FLOAT if op in arithmetic else None
    if op is ast.Div:
        return _FLOAT
    if a is b is bool and op in (ast.BitOr, ast.BitAnd, ast.BitXor):
        return _BOOL
    return _INT


_BUILTIN: Final[dict[str, T]] = {
    "len": _INT, "str": _STR, "repr": _STR, "ascii": _STR, "format": _STR, "int": _INT,
    "float": _FLOAT, "bool": _BOOL, "bytes": _BYTES, "ord": _INT, "chr": _STR, "hash": _INT,
    "hex": _STR, "bin": _STR, "oct": _STR, "hasattr": _BOOL, "range": T(range),
    "bytearray": T(bytearray), "complex": T(complex), "slice": T(slice),
}  # fmt: skip
_NAMED: Final[dict[tuple[str, str], T]] = {
    ("json", "loads"): T(Json),
    ("json", "dumps"): _STR,
    ("html", "escape"): _STR,
    ("html", "unescape"): _STR,
    **{("textwrap", n): _STR for n in ("dedent", "indent", "fill", "shorten")},
    ("textwrap", "wrap"): T(list, (_STR,)),
    **{("shlex", n): _STR for n in ("quote", "join")},
    ("shlex", "split"): T(list, (_STR,)),
    **{("urllib.parse", n): _STR for n in ("quote", "quote_plus", "unquote", "unquote_plus")},
    **{
        ("math", n): _FLOAT
        for n in "sqrt sin cos tan exp log log2 log10 hypot fsum degrees radians fabs dist".split()
    },
    **{("math", n): _INT for n in ("floor", "ceil", "gcd", "lcm", "factorial", "comb", "isqrt")},
    **{("math", n): _BOOL for n in ("isclose", "isnan", "isinf", "isfinite")},
    **{("base64", n): _BYTES for n in ("b64encode", "b64decode", "urlsafe_b64encode")},
}


def call_result(f: object, args: list[T | None]) -> T | None:
    """The type of what a known function gives back for arguments of these types."""
    name = getattr(f, "__name__", "")
    first = args[0] if args else None
    if getattr(builtins, name, None) is f:
        if (
            name in ("int", "float")
            and first is not None
            and first.cls not in (*_NUMBERS, str, bytes, Json, Scalar)
        ):
            return None
        if name in _BUILTIN:
            return _BUILTIN[name]
        if name in ("abs", "round") and first is not None and first.cls in (int, float, bool):
            if name == "round" and (len(args) == 1 or args[1] == T(type(None))):
                return _INT
            return T(int if first.cls is bool else first.cls)
        inner = element(first)
        one = (inner,) if inner is not None else ()
        if name in ("list", "set", "frozenset"):
            return T(getattr(builtins, name), one)
        if name == "tuple":
            return T(tuple, (inner, ELLIPSIS)) if inner is not None else T(tuple)
        if name == "dict":
            return first if first is not None and first.cls is dict and len(args) == 1 else T(dict)
        if name == "enumerate":
            return T(enumerate, (T(tuple, (_INT, inner)),))
        if name == "zip":
            return T(zip, (T(tuple, tuple(map(element, args))),))
        if name == "reversed":
            return T(reversed, one)
        return None
    if f is itertools.chain:
        kinds = {element(arg) for arg in args}
        kind = kinds.pop() if len(kinds) == 1 else None
        return T(itertools.chain, (kind,) if kind is not None else ())
    if f is Counter:
        # The keys of a mapping come with counts that are whatever it held.
        counted = len(args) == 1 and first is not None and first.cls not in (dict, Counter, Json)
        inner = element(first) if counted else None
        return T(Counter, (inner, _INT)) if inner is not None else T(Counter)
    module = getattr(f, "__module__", "")
    if isinstance(f, type):
        from stretto.compiler.known_objects import is_plain_class

        return T(f) if is_plain_class(f) and module in ("datetime", "decimal", "fractions") else None
    return patterns.function_result(name, args) if module == "re" else _NAMED.get((module, name))


def attribute_result(owner: T, name: str) -> T | None:
    """The type of an attribute of a builtin type."""
    if owner.cls.__module__.split(".")[0] == "pathlib":
        if name in ("name", "stem", "suffix"):
            return _STR
        if name == "parent":
            return owner
    return None


_STR_TO_STR: Final = frozenset(
    "upper lower strip lstrip rstrip title capitalize casefold swapcase center ljust rjust zfill "
    "replace join format format_map removeprefix removesuffix expandtabs translate".split()
)
_TO_BOOL: Final = frozenset(
    "startswith endswith isalpha isdigit isalnum isspace isupper islower istitle isnumeric "
    "isdecimal isidentifier isprintable isascii issubset issuperset isdisjoint is_integer "
    "is_absolute is_relative_to".split()
)
_TO_INT: Final = frozenset("find rfind index rindex count bit_length bit_count".split())
_EMPTY: Final[dict[str, str]] = {}
_KEYS, _VALUES, _ITEMS = type(_EMPTY.keys()), type(_EMPTY.values()), type(_EMPTY.items())


def method_result(owner: T, name: str, args: list[T | None]) -> T | None:
    """The type of what a method of a builtin type gives back."""
    cls = owner.cls
    if cls is Json:
        return _json_method(name, args)
    if cls in (re.Pattern, re.Match):
        return patterns.method_result(owner, name, args)
    if name in _TO_BOOL and cls in (str, bytes, set, frozenset, float):
        return _BOOL
    if name in _TO_INT and cls in (str, bytes, list, tuple, int, bool):
        return _INT
    if cls in (str, bytes):
        if name in _STR_TO_STR:
            return T(cls)
        if name in ("split", "rsplit", "splitlines"):
            return T(list, (T(cls),))
        if name in ("partition", "rpartition"):
            return T(tuple, (T(cls),) * 3)
        if name in ("encode", "decode"):
            return _BYTES if cls is str else _STR
        return _STR if name == "hex" else None
    if cls is dict:
        key, value = owner.args if len(owner.args) == 2 else (None, None)
        if name == "keys":
            return T(_KEYS, (key,) if key is not None else ())
        if name == "values":
            return T(_VALUES, (value,) if value is not None else ())
        if name == "items":
            return T(_ITEMS, (T(tuple, (key, value)),))
        if name == "copy":
            return owner
        if name == "get" and len(args) == 2 and args[1] == value:
            return value
        return None
    if cls is Counter and name == "most_common":
        return T(list, (T(tuple, (owner.args[0], _INT)),)) if len(owner.args) == 2 else T(list)
    if name == "copy" and cls in (list, set, frozenset):
        return owner
    if cls in (set, frozenset) and name in ("difference", "intersection"):
        return owner
    if cls in (set, frozenset) and name in ("union", "symmetric_difference"):
        return owner if all(element(arg) == element(owner) for arg in args) else T(cls)
    if name == "isoformat" and cls.__module__ == "datetime":
        return _STR
    if name == "as_posix":
        return _STR
    return None


def _json_method(name: str, args: list[T | None]) -> T | None:
    if name == "items":
        return T(_ITEMS, (T(tuple, (_STR, T(Json))),))
    if name == "keys":
        return T(_KEYS, (_STR,))
    if name == "values":
        return T(_VALUES, (T(Json),))
    if name == "get":
        default = args[1] if len(args) == 2 else T(type(None))
        return T(Json) if default is not None and default.cls in (*_IN_JSON, type(None)) else None
    if hasattr(str, name) and not hasattr(dict, name) and not hasattr(list, name):
        return method_result(_STR, name, args)
    return _INT if name in ("count", "index") else None
