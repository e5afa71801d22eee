"""What is known about values before they are there: exact builtin types, and what follows.

A declared return type is a promise (`-> str`), so an expression over a slot can often be judged
while the slot is still empty: `text.upper()` on a `str` runs no unknown code and looks at nothing
that changes, whatever the text will be. `infer` does that judging for expressions; what it cannot
judge it calls impure, never the other way round. That the value keeps the promise is asked when it
comes (`checkers`).
"""

from __future__ import annotations

import re
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from .known_objects import SCALARS

__all__ = [
    "CAUGHT",
    "CAUGHT_CLASS",
    "ELLIPSIS",
    "Either",
    "Json",
    "Never",
    "Promise",
    "Scalar",
    "T",
    "Verdict",
    "Wrapper",
    "attribute_type",
    "declare_attribute",
    "declare_method",
    "either",
    "holding",
    "infer",
    "method_call",
    "method_type",
    "of_annotation",
    "of_class",
    "of_value",
    "one_of",
    "take_back_attributes",
    "tell_apart",
]


class T:
    """A builtin type that is known exactly.

    There is one object for each type: they are keys of what is known of fragments and regions, compared at
    every operation, and comparing identities is cheapest.

    Attributes:
        cls: the class itself, not a subclass of it.
        args: the types of the elements where they are known: one for `list`, `set` and `frozenset`,
            two for `dict` (key, value), one for each place of a `tuple`; for `tuple[int, ...]` the
            element and `ELLIPSIS`. Empty where nothing is known.
        firm: whether nothing in it is a promise about fields (`types_fields`).
        lasting: whether it holds whatever is changed: nothing is said of fields, nor of elements that others
            could take the place of.
    """

    __slots__ = ("args", "cls", "firm", "lasting")
    _made: ClassVar[dict[tuple[type, tuple[T | None, ...]], T]] = {}

    cls: type
    args: tuple[T | None, ...]
    firm: bool
    lasting: bool

    def __new__(cls, kind: type, args: tuple[T | None, ...] = ()) -> T:
        found = T._made.get((kind, args))
        if found is None:
            made = super().__new__(cls)
            made.cls, made.args = kind, args
            made.firm = kind is not Promise and all(arg is None or arg.firm for arg in args)
            open_ = bool(args) and kind in (list, dict, set)
            made.lasting = made.firm and not open_ and all(arg is None or arg.lasting for arg in args)
            found = T._made.setdefault((kind, args), made)
        return found

    def __repr__(self) -> str:
        return f"T({self.cls.__name__}{''.join(f', {a!r}' for a in self.args)})"


class Promise:
    """The argument of a class whose fields are as they are annotated (see `types_fields`)."""


class Scalar:
    """Stands for one of several built-in types that nobody can change: those in the arguments, or any."""


class Either:
    """Stands for one of several types, those in the arguments."""


class Never:
    """Stands for the type of the elements of a container that has none yet."""


class Json:
    """Stands for the type of what `json.loads` gives: a str, number, bool, None, list or dict, all the way
    down; and of objects that are declared to hold nothing else."""


#: Stands behind the element type of a tuple of any length.
ELLIPSIS: Final = T(type(...))

_SIMPLE: Final[dict[type, T]] = {
    cls: T(cls)
    for cls in (
        str, int, float, bool, bytes, complex, type(None), list, dict, set, tuple, frozenset,
        bytearray, range,
    )
}  # fmt: skip
_CONTAINERS: Final = (list, dict, set, tuple, frozenset)
# Entered when somebody has loaded the module: a value of theirs cannot exist before.
_LATER: Final[dict[str, str]] = {
    "datetime": "datetime date time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "uuid": "UUID",
    "re": "Match Pattern RegexFlag",
    "urllib.parse": "SplitResult ParseResult",
    "pathlib": "PurePosixPath PureWindowsPath PosixPath WindowsPath",
    # Looked at as what nobody knows; but what setting an item of an array does is known (`arrays`).
    "numpy": "ndarray float64 float32 int64 int32 bool",
}
#: What nobody can change, with what it holds.
_UNCHANGING: Final = SCALARS | {re.Match, re.Pattern, re.RegexFlag}
_seen_modules = -1


def _entry(cls: type) -> T | None:
    """The entry of a class that is not among the first."""
    global _seen_modules
    if len(sys.modules) == _seen_modules:
        return _SIMPLE.get(cls)
    _seen_modules = len(sys.modules)
    for name, classes in _LATER.items():
        module = sys.modules.get(name)
        for part in classes.split() if module is not None else ():
            found = getattr(module, part, None)
            # A patched class (a frozen clock) is somebody else's.
            if isinstance(found, type) and found.__module__.split(".")[0] == name.split(".")[0]:
                _SIMPLE.setdefault(found, T(found))
        if name == "pathlib" and module is not None:
            # `Path` is never the class of an instance; which one it is depends on the machine.
            for general in ("Path", "PurePath"):
                path: type = getattr(module, general)
                made: object = path()
                _PATHS.setdefault(path, T(type(made)))
    return _SIMPLE.get(cls)


_PATHS: Final[dict[type, T]] = {}


class _Caught:
    """Stands for the class of an exception that is being handled, whichever it is."""


#: The type of what ``except ... as`` binds, where what a region may write is worked out: its text is made
#: without effects (which is assumed), and nothing else is known of it.
CAUGHT: Final = T(_Caught)


class _Class:
    """Stands for the class of the class of such an exception."""


#: The type of the class of what is being handled: its name and its text are made without effects.
CAUGHT_CLASS: Final = T(_Class)


class _Stdout:
    """Stands for the class of ``sys.stdout``, whatever that is."""


class _Stderr:
    """Stands for the class of ``sys.stderr``."""


#: The types of what these attributes of `sys` are.
STREAMS: Final = {"stdout": T(_Stdout), "stderr": T(_Stderr)}


#: Attributes and methods that are declared free of effects, with the types that they give.
_declared: Final[dict[tuple[type, str], T | None]] = {}
_methods: Final[dict[tuple[type, str], T]] = {}
_told_apart: Final[list[type]] = []
_MRO: Final = type.__dict__["__mro__"].__get__


def tell_apart(cls: type) -> None:
    """Know instances of exactly this class from others: something is declared of them."""
    if _entry(cls) is None:
        _SIMPLE[cls] = T(cls)
        _told_apart.append(cls)


def declare_attribute(cls: type, name: str, kind: T | None) -> None:
    """Reading this attribute of an instance, or calling this method, has no effects and gives this type."""
    tell_apart(cls)
    _declared[cls, name] = kind


def declare_method(cls: type, name: str, call: Any) -> None:
    """Looking this method up on an instance has no effects, whatever calling it has."""
    tell_apart(cls)
    _methods[cls, name] = T(type(name, (_Method,), {"call": call}))


class Wrapper:
    """Stands for the type of what a call makes that gives the items of one of its arguments: one class for
    each call; the type of the argument is in the arguments."""

    call: ClassVar[Any]


class _Method:
    """Stands for the type of a declared method that was looked up on an instance: one class for each."""

    call: ClassVar[Any]


def method_type(cls: type, name: str) -> T | None:
    """The type of a declared method, looked up on exactly such an instance; None if it is none."""
    if _methods:
        for base in _MRO(cls):
            if (base, name) in _methods:
                return _methods[base, name]
            if name in vars(base):
                break  # overridden
    return None


def method_call(found: T | None) -> Any:
    """The declared call that values of this type are; None if they are none."""
    return found.cls.call if found is not None and issubclass(found.cls, _Method) else None


def attribute_type(cls: type, name: str) -> tuple[bool, T | None]:
    """Whether an attribute of exactly such an instance is declared free of effects, and its type."""
    if not _declared:
        return False, None
    for base in _MRO(cls):
        if (base, name) in _declared:
            return True, _declared[base, name]
        if name in vars(base):
            break  # overridden
    return False, None


def take_back_attributes() -> None:
    """Forget what was declared of attributes."""
    for cls in _told_apart:
        _SIMPLE.pop(cls, None)
    _told_apart.clear()
    _declared.clear()
    _methods.clear()


def of_annotation(annotation: object, *, fields: bool = False) -> T | None:
    """The exact type that an annotation promises, or None where it does not promise one.

    `fields` says that the annotations of the fields of classes are promises, too: they are checked.
    """
    if annotation is None:
        return _SIMPLE[type(None)]
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        known = _entry(annotation) or _PATHS.get(annotation)
        if fields and (known is None or annotation in _told_apart):
            return _promised(annotation) or known
        return known
    origin: Any = typing.get_origin(annotation)
    args = typing.get_args(annotation)
    if origin is typing.Annotated:
        return of_annotation(args[0], fields=fields)
    if origin is typing.Literal:
        return one_of([of_class(type(arg)) for arg in args])  # pyright: ignore[reportUnknownArgumentType]
    inner = [None if arg is ... else of_annotation(arg, fields=fields) for arg in args]
    if origin is typing.Union or origin is types.UnionType:
        found = one_of(inner)
        return found if fields or found is None or found.cls is not Either else None
    if origin not in _CONTAINERS:
        return _promised(origin, tuple(inner)) if fields and isinstance(origin, type) else None
    if origin is tuple:
        if len(args) == 2 and args[1] is ...:
            return T(tuple, (inner[0], ELLIPSIS))
        return T(tuple, tuple(inner))
    wanted = 2 if origin is dict else 1
    return T(origin, tuple(inner)) if len(args) == wanted else T(origin)


def _promised(cls: type, args: tuple[T | None, ...] = ()) -> T | None:
    from .types_fields import promised  # late: it works with the types defined here

    return promised(cls, args)


def one_of(kinds: Sequence[T | None]) -> T | None:
    """The type of a value that has one of these; None where one of them is not known."""
    parts: dict[T, None] = {}
    for kind in kinds:
        if kind is None:
            return None
        inner = kind.args if kind.cls in (Scalar, Either) else (kind,)
        parts.update(dict.fromkeys(part for part in inner if part is not None))
        if kind.cls is Scalar and not inner:
            parts[kind] = None
    found = tuple(sorted(parts, key=repr))  # one object, in whatever order they are met
    if len(found) < 2:
        return found[0] if found else None
    if not all(part.cls is Scalar or part.cls in _UNCHANGING for part in found):
        return T(Either, found)
    if any(part.cls is Scalar for part in found):
        return T(Scalar) if all(part.cls is Scalar or part.cls in SCALARS for part in found) else None
    return T(Scalar, found)


def either(one: T | None, other: T | None) -> T | None:
    """The type of a value that has one of these; None where that is none of the two."""
    if one == other or one is None or other is None:
        return one if one == other else None
    if one.cls is Never or other.cls is Never:
        return other if one.cls is Never else one
    if one.cls is not other.cls or one.cls not in (list, dict, set):
        return None
    if not (one.args and other.args) or len(one.args) != len(other.args):
        return T(one.cls)
    return holding(one.cls, tuple(map(either, one.args, other.args)))


def holding(kind: type, parts: tuple[T | None, ...]) -> T:
    """The type of a container with such elements; nothing is said of what they hold, which may be changed
    without the container."""
    found = tuple(map(_outside, parts))
    return T(kind) if None in found else T(kind, found)


def _outside(part: T | None) -> T | None:
    open_ = part is not None and not part.lasting and part.cls in _CONTAINERS
    return T(part.cls) if part is not None and open_ else part


def of_value(value: object) -> T | None:
    """The type of a value, without its elements, or None if it is not a builtin one."""
    cls = type(value)
    return _SIMPLE.get(cls) or _entry(cls)


#: The type whose values have exactly this class, where it was met before.
of_class: Final[Callable[[Any], T | None]] = _SIMPLE.get


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `infer` found out about an expression.

    Attributes:
        pure: it provably runs no unknown code and changes nothing.
        heap: it looks into an object that others might change.
        type: the exact type of its value, where that is known.
    """

    pure: bool
    heap: bool
    type: T | None


def infer(node: Any, types: Mapping[str, T | None], resolve: Callable[[str], object]) -> Verdict:
    """Judge an expression without running it.

    Args:
        node: the expression (an `ast.expr`).
        types: names of the function, with their types where known.
        resolve: the current value of any other name; raises `KeyError` for unknown ones.
    """
    from stretto.compiler.types_calls import Inference  # late: it works with the types defined here

    return Inference(types, resolve).judge(node)
