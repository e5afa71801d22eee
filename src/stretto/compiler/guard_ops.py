"""The operations of guarded code: each looks at its operands, then does exactly what Python does.

The first line of each is the common case (exact builtin types, one or two set lookups); everything
else goes to a slower function beside it. An operation that may run unknown code, or change
something that others see, ends in `stop`, which raises `NeedsOrder` before anything has happened.
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from stretto.compiler import known
from stretto.compiler.guard_state import current, fresh, keep, stop
from stretto.compiler.known_objects import (
    BUILTIN,
    ITERATORS,
    MUTABLE,
    PLAIN,
    SCALARS,
    class_attribute,
    class_name,
    defining_class,
    is_inert,
    is_plain_class,
    slots_safe,
)

__all__ = [
    "comparable", "contains", "formatted", "hashable", "inert", "iterable", "iterable_temporary",
    "iterables", "mapping", "name_of", "nested", "operand", "operators", "plain_items",
    "plain_pairs", "starred", "truth", "unpacked",
]  # fmt: skip

_BINARY: Final = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%",
    "pow": "**", "lshift": "<<", "rshift": ">>", "or": "|", "xor": "^", "and": "&", "matmul": "@",
}  # fmt: skip
_COMPARE: Final = {"lt": ("<", "gt"), "le": ("<=", "ge"), "gt": (">", "lt"), "ge": (">=", "le"),
                   "eq": ("==", "eq"), "ne": ("!=", "ne")}  # fmt: skip
_UNARY: Final = {"neg": "-", "pos": "+", "invert": "~"}


def name_of(thing: object) -> str:
    """The class of `thing`, for a message."""
    return str(class_name(type(thing)))


def operand(thing: Any, *names: str) -> bool:
    """Whether these special methods of `thing` run no unknown code."""
    cls = type(thing)
    if cls in PLAIN or is_plain_class(cls):
        return True
    if slots_safe(cls, *names):
        return True
    return known.in_assumed_package(cls)


def inert(thing: Any) -> bool:
    """Whether no operator at all runs unknown code on `thing`."""
    cls = type(thing)
    return cls in PLAIN or is_inert(cls) or known.in_assumed_package(cls)


def _binary_slow(a: Any, b: Any, name: str, do: Callable[[Any, Any], Any]) -> Any:
    for side in (a, b):
        # Not only `__add__`: `%` of a text asks for `__str__`, `*` of a list for `__index__`.
        if not inert(side):
            stop(f"`{_BINARY[name]}` on a {name_of(side)}")
    if name == "mod" and getattr(b, "default_factory", None) is not None and type(b) in MUTABLE:
        stop("`%` with a defaultdict")
    result = do(a, b)
    return keep(result) if type(result) in MUTABLE else result


def _inplace_slow(a: Any, b: Any, name: str, do: Callable[[Any, Any], Any]) -> Any:
    cls = type(a)
    if cls in MUTABLE or defining_class(cls, f"__i{name}__") is not None:
        if cls not in PLAIN or not inert(b):
            stop(f"`{_BINARY[name]}=` on a {name_of(a)}")
        if not fresh(a) and defining_class(cls, f"__i{name}__") is not None:
            stop(f"`{_BINARY[name]}=` changes a {name_of(a)} that was not made here")
        if type(b) in ITERATORS or type(b) not in PLAIN:
            b = iterable(b)
        if name == "or" and cls is not set and type(b) not in (dict, cls):
            b = plain_pairs(b)
        return keep(do(a, b))
    return _binary_slow(a, b, name, do)


def _compare_slow(a: Any, b: Any, name: str, do: Callable[[Any, Any], Any]) -> Any:
    symbol, mirrored = _COMPARE[name]
    names = {f"__{name}__", f"__{mirrored}__"} | ({"__eq__"} if name == "ne" else set())
    for side in (a, b) if type(a) is not type(b) else (a,):
        if not operand(side, *names):
            stop(f"`{symbol}` on a {name_of(side)}")
    if {type(a), type(b)} & PLAIN - BUILTIN and not (inert(a) and inert(b)):
        # Written in Python, and curious about the other side (`Fraction`).
        stop(f"`{symbol}` on a {name_of(a)} and a {name_of(b)}")
    return do(a, b)


def _unary_slow(a: Any, name: str, do: Callable[[Any], Any]) -> Any:
    if not inert(a):
        stop(f"`{_UNARY[name]}` on a {name_of(a)}")
    return do(a)


# The operators differ only in a symbol; written as text so that each is one native operation.
_OPERATOR = """
def op_{name}(a, b, S=SCALARS):
    if type(a) in S and type(b) in S:
        return a {symbol} b
    return _{kind}_slow(a, b, {name!r}, lambda a, b: a {symbol} b)
"""
_IN_PLACE = """
def iop_{name}(a, b, S=SCALARS):
    if type(a) in S and type(b) in S:
        a {symbol}= b
        return a
    def do(a, b):
        a {symbol}= b
        return a
    return _inplace_slow(a, b, {name!r}, do)
"""
_UNARY_OPERATOR = """
def op_{name}(a, S=SCALARS):
    if type(a) in S:
        return {symbol}a
    return _unary_slow(a, {name!r}, lambda a: {symbol}a)
"""


def operators() -> dict[str, Any]:
    text: list[str] = []
    for name, symbol in _BINARY.items():
        text.append(_OPERATOR.format(name=name, symbol=symbol, kind="binary"))
        text.append(_IN_PLACE.format(name=name, symbol=symbol))
    for name, (symbol, _) in _COMPARE.items():
        text.append(_OPERATOR.format(name=name, symbol=symbol, kind="compare"))
    for name, symbol in _UNARY.items():
        text.append(_UNARY_OPERATOR.format(name=name, symbol=symbol))
    space: dict[str, Any] = {
        "SCALARS": SCALARS,
        "_binary_slow": _binary_slow,
        "_inplace_slow": _inplace_slow,
        "_compare_slow": _compare_slow,
        "_unary_slow": _unary_slow,
    }
    # Under this file's name, so that its frames are stripped from tracebacks with the others.
    exec(compile("".join(text), __file__, "exec"), space)
    return {name: f for name, f in space.items() if name.startswith(("op_", "iop_"))}


# ------------------------------------------------------------------ single operands


def truth(x: Any) -> Any:
    """Give `x` back if testing its truth runs no unknown code."""
    if type(x) in PLAIN or operand(x, "__bool__", "__len__"):
        return x
    stop(f"the truth of a {name_of(x)}")


def hashable(x: Any) -> Any:
    """Give `x` back if hashing it and comparing it for equality run no unknown code."""
    if type(x) in PLAIN or operand(x, "__hash__", "__eq__"):
        return x
    stop(f"the hash of a {name_of(x)}")


def comparable(x: Any) -> Any:
    """Give `x` back if no comparison with it runs unknown code (chained comparisons)."""
    if type(x) in PLAIN or operand(
        x, "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__contains__", "__iter__",
        "__getitem__", "__hash__",
    ):  # fmt: skip
        if type(x) in ITERATORS or type(type(x)) not in (type,):
            stop(f"a chained comparison with a {name_of(x)}")
        return x
    stop(f"a comparison with a {name_of(x)}")


def formatted(x: Any) -> Any:
    """Give `x` back if putting it into an f-string runs no unknown code."""
    if type(x) in PLAIN or operand(x, "__format__", "__str__", "__repr__"):
        return x
    stop(f"the text of a {name_of(x)}")


def mapping(x: Any) -> Any:
    """Give `x` back if it can be unpacked with `**`."""
    if type(x) is dict or (type(x) in MUTABLE and issubclass(type(x), dict)):
        return x
    if (
        issubclass(type(x), dict)
        and slots_safe(type(x), "__iter__", "__getitem__")
        and slots_safe(type(x), "keys", "__missing__")
    ):
        return x
    if type(x) in SCALARS:
        return x  # a TypeError, which Python raises
    stop(f"`**` of a {name_of(x)}")


def contains(x: Any, box: Any) -> bool:
    """`x in box`."""
    if type(x) not in PLAIN and not operand(x, "__eq__", "__hash__", "__index__"):
        stop(f"`in` with a {name_of(x)}")
    if type(box) in PLAIN or is_plain_class(type(box)):
        return x in box
    if defining_class(type(box), "__next__") is not None or not operand(
        box, "__contains__", "__iter__", "__getitem__"
    ):
        stop(f"`in` a {name_of(box)}")
    if issubclass(type(box), type):
        stop(f"`in` the class {class_name(box)}")
    return x in box


# ------------------------------------------------------------------ iteration


def iterable(x: Any, temporary: bool = False) -> Any:
    """What guarded code iterates over instead of `x`, if that runs no unknown code."""
    cls = type(x)
    if cls in PLAIN and cls not in ITERATORS:
        return x
    if cls in ITERATORS or cls is filter:
        execution = current.execution
        if execution is not None:
            lazy = execution.lazies.get(id(x))
            if lazy is not None:
                if lazy.exact or temporary or lazy.temporary:
                    return lazy.twin
                stop(f"advancing a {name_of(x)} that may be used elsewhere too")
            if id(x) in execution.fresh:
                return x
        stop(f"advancing a {name_of(x)} that was not made here")
    if issubclass(type(x), type):
        found = class_attribute(cls, "__iter__")
        if found is None or getattr(found[1], "__module__", "") == "enum":
            return x
        stop(f"iteration over the class {class_name(x)}")
    if is_plain_class(cls):
        return x
    if defining_class(cls, "__next__") is not None:
        stop(f"advancing a {name_of(x)}")
    if slots_safe(cls, "__iter__", "__getitem__", "__len__"):
        return x
    if known.in_assumed_package(cls):
        return x
    stop(f"iteration over a {name_of(x)}")


def iterable_temporary(x: Any) -> Any:
    """As `iterable`, for what a call or a generator expression has just made."""
    if type(x) in PLAIN:
        return x
    execution = current.execution
    if execution is not None:
        lazy = execution.lazies.get(id(x))
        if lazy is not None:
            return lazy.twin if lazy.exact or lazy.temporary else iterable(x)
    return iterable(x)


def starred(x: Any) -> Any:
    """As `iterable_temporary`, for `f(*x)`; what is not iterable would be named wrongly."""
    if defining_class(type(x), "__iter__") is None:
        stop(f"`*` of a {name_of(x)}")
    return iterable_temporary(x)


def unpacked(x: Any) -> Any:
    """As `iterable`, for `a, b = x`."""
    if type(x) is tuple or type(x) is list:
        return x
    return iterable(x)


def plain_items(items: Any, *names: str) -> Any:
    """The same items, each of which is checked before it is handed on."""
    if type(items) in (list, tuple, set, frozenset, deque_type()):
        kinds = set(map(type, items))
        if kinds <= PLAIN or all(
            kind in PLAIN or slots_safe(kind, *names) or (kind in ITERATORS and not names) for kind in kinds
        ):
            return items
    elif type(items) in (str, bytes, range, bytearray):
        return items
    return _checked(items, names)


def deque_type() -> type:
    """`collections.deque`, or `list` where nobody has loaded it."""
    found = known.find("collections.deque")
    return found if isinstance(found, type) else list


def _checked(items: Any, names: tuple[str, ...]) -> Any:
    for item in items:
        if type(item) not in PLAIN and not operand(item, *names):
            stop(f"an operation on a {name_of(item)}")
        yield item


def plain_pairs(items: Any) -> Any:
    """Items that will themselves be iterated over (the pairs that `dict` takes)."""
    if type(items) in (list, tuple) and set(map(type, items)) <= {tuple, list, str}:
        return items
    return iterables(items)


def iterables(items: Any) -> Any:
    """The same items, each of which can be iterated over."""
    for item in items:
        yield iterable(item)


def nested(items: Any, shape: Any) -> Any:
    """Items that a comprehension takes apart further, each checked against that pattern."""
    iterator = iter(items)  # now: what cannot be iterated over fails outside of the comprehension
    return (_shaped(item, shape) for item in iterator)


def _shaped(item: Any, shape: Any) -> Any:
    if shape is None:
        return item
    if type(item) is not tuple and type(item) is not list:
        item = iterable(item)
        if any(part is not None for part in shape):
            stop(f"taking a {name_of(item)} apart")
        return item
    star = next((i for i, part in enumerate(shape) if part == "*"), None)
    for place, part in enumerate(shape):
        if type(part) is tuple:
            at = place if star is None or place < star else place - len(shape)
            if -len(item) <= at < len(item):
                _shaped_inner(item[at], part)
    return item


def _shaped_inner(item: Any, shape: Any) -> None:
    if type(item) in ITERATORS:
        stop(f"taking a {name_of(item)} apart")
    _shaped(item, shape)
