"""What is known about values before they are there: exact builtin types, and what follows.

A declared return type is a promise (`-> str`), so an expression over a slot can often be judged
while the slot is still empty: `text.upper()` on a `str` runs no unknown code and looks at nothing
that changes, whatever the text will be. `infer` does that judging for expressions; what it cannot
judge it calls impure, never the other way round. `Checker` keeps the promise when the value comes.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

__all__ = [
    "ELLIPSIS",
    "Checker",
    "Json",
    "T",
    "Verdict",
    "attribute_type",
    "checker_of",
    "declare_attribute",
    "declare_method",
    "infer",
    "item_checker_of",
    "method_call",
    "method_type",
    "of_annotation",
    "of_class",
    "of_value",
    "take_back_attributes",
    "tell_apart",
    "text_of",
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
    """

    __slots__ = ("args", "cls")
    _made: ClassVar[dict[tuple[type, tuple[T | None, ...]], T]] = {}

    cls: type
    args: tuple[T | None, ...]

    def __new__(cls, kind: type, args: tuple[T | None, ...] = ()) -> T:
        found = T._made.get((kind, args))
        if found is None:
            made = super().__new__(cls)
            made.cls, made.args = kind, args
            found = T._made.setdefault((kind, args), made)
        return found

    def __repr__(self) -> str:
        return f"T({self.cls.__name__}{''.join(f', {a!r}' for a in self.args)})"


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
    "pathlib": "PurePosixPath PureWindowsPath PosixPath WindowsPath",
}
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
            if isinstance(found, type) and found.__module__.split(".")[0] == name:
                _SIMPLE.setdefault(found, T(found))
        if name == "pathlib" and module is not None:
            # `Path` is never the class of an instance; which one it is depends on the machine.
            for general in ("Path", "PurePath"):
                path: type = getattr(module, general)
                made: object = path()
                _PATHS.setdefault(path, T(type(made)))
    return _SIMPLE.get(cls)


_PATHS: Final[dict[type, T]] = {}


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


def of_annotation(annotation: object) -> T | None:
    """The exact type that an annotation promises, or None where it does not promise one."""
    if annotation is None:
        return _SIMPLE[type(None)]
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return _entry(annotation) or _PATHS.get(annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return of_annotation(typing.get_args(annotation)[0])
    if origin not in _CONTAINERS:
        return None
    args = typing.get_args(annotation)
    if origin is tuple:
        if len(args) == 2 and args[1] is ...:
            return T(tuple, (of_annotation(args[0]), ELLIPSIS))
        return T(tuple, tuple(map(of_annotation, args)))
    wanted = 2 if origin is dict else 1
    return T(origin, tuple(map(of_annotation, args))) if len(args) == wanted else T(origin)


def of_value(value: object) -> T | None:
    """The type of a value, without its elements, or None if it is not a builtin one."""
    cls = type(value)
    return _SIMPLE.get(cls) or _entry(cls)


#: The type whose values have exactly this class, where it was met before.
of_class: Final[Callable[[Any], T | None]] = _SIMPLE.get


# ------------------------------------------------------------------ checking promises

_Check = Callable[[Any], bool]


class Checker:
    """Whether a value keeps a declared return type.

    Attributes:
        type: the exact type that is promised, or None.
        text: the annotation as it was written, near enough.
        always: whether there is nothing to check.
        exact: the class whose direct instances all keep it, where it is a builtin one: the quickest check.
        ok: asks whether a value keeps the promise; what cannot be checked does.
    """

    __slots__ = ("_check", "always", "exact", "ok", "text", "type")

    def __init__(self, annotation: object = typing.Any, text: str | None = None) -> None:
        self.type = of_annotation(annotation)
        plain = annotation is None or (
            isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias)
        )
        self.exact = self.type.cls if plain and self.type is not None else None
        self.text = text if text is not None else text_of(annotation)
        check = _check_of(annotation)
        self.always = check is None
        self._check = check
        self.ok: _Check = check if check is not None else _always

    def __repr__(self) -> str:
        return f"Checker({self.text})"


def _always(value: Any) -> bool:
    return True


def text_of(annotation: object) -> str:
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation.__qualname__
    return str(annotation).replace("typing.", "")


def _instance_check(classes: type | tuple[type, ...]) -> _Check:
    return lambda value: isinstance(value, classes)


def _check_of(annotation: object) -> _Check | None:
    """A check for this annotation, or None where nothing can be checked."""
    if annotation is None:
        annotation = type(None)
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if annotation is object or annotation is typing.Any:
            return None
        if annotation is float:  # PEP 484: an int will do
            return _instance_check((float, int))
        if annotation is complex:
            return _instance_check((complex, float, int))
        if getattr(annotation, "_is_protocol", False) or typing.is_typeddict(annotation):
            return _instance_check(dict) if typing.is_typeddict(annotation) else None
        return _instance_check(annotation)
    origin: Any = typing.get_origin(annotation)
    args = typing.get_args(annotation)
    if origin is typing.Annotated:
        return _check_of(args[0])
    if origin is typing.Union or origin is types.UnionType:
        return _union_check(args)
    if origin is typing.Literal:
        return lambda value: any(value == arg and type(value) is type(arg) for arg in args)
    if origin is tuple:
        return _tuple_check(args)
    if origin is dict and len(args) == 2:
        return _dict_check(_check_of(args[0]), _check_of(args[1]))
    if origin in (list, set, frozenset) and len(args) == 1:
        return _items_check(origin, _check_of(args[0]))
    return _instance_check(origin) if _is_plain_class(origin) else None


def _is_plain_class(thing: object) -> bool:
    return isinstance(thing, type) and not getattr(thing, "_is_protocol", False)


def _union_check(args: Sequence[Any]) -> _Check | None:
    checks = [_check_of(arg) for arg in args]
    if any(check is None for check in checks):
        return None
    if all(isinstance(arg, type) and not isinstance(arg, types.GenericAlias) for arg in args):
        if float not in args and complex not in args and not any(map(typing.is_typeddict, args)):
            return _instance_check(tuple(args))
    known = [check for check in checks if check is not None]
    return lambda value: any(check(value) for check in known)


def _tuple_check(args: Sequence[Any]) -> _Check:
    if len(args) == 2 and args[1] is ...:
        return _items_check(tuple, _check_of(args[0]))
    checks = [_check_of(arg) or _always for arg in args]

    is_tuple = _instance_check(tuple)

    def ok(value: Any) -> bool:
        return (
            is_tuple(value)
            and len(value) == len(checks)
            and all(check(item) for check, item in zip(checks, value, strict=True))
        )

    return ok


def _items_check(cls: type, item: _Check | None) -> _Check:
    if item is None:
        return _instance_check(cls)
    return lambda value: isinstance(value, cls) and all(map(item, typing.cast("Iterable[Any]", value)))


def _dict_check(key: _Check | None, item: _Check | None) -> _Check:
    is_dict = _instance_check(dict)

    def ok(value: Any) -> bool:
        return (
            is_dict(value)
            and (key is None or all(map(key, value)))
            and (item is None or all(map(item, value.values())))
        )

    return ok


_UNCHECKED: Final = Checker()


class _LazyChecker(Checker):
    """Reads the annotation when it is first asked: what it names may not be defined before."""

    __slots__ = ("_fn", "_items", "_ready")

    def __init__(self, fn: Any, items: bool = False) -> None:
        self._fn = fn
        self._items = items
        self._ready = False

    def __getattr__(self, name: str) -> Any:
        # Only reached while the slots are empty.
        if self._ready or name not in ("type", "text", "always", "exact", "ok", "_check"):
            raise AttributeError(name)
        self._ready = True
        raw = getattr(self._fn, "__annotations__", {}).get("return", typing.Any)
        text: str | None = raw if isinstance(raw, str) else text_of(raw)
        try:
            found = typing.get_type_hints(self._fn, include_extras=True).get("return", typing.Any)
        except Exception:  # whatever the user's annotation does when it is evaluated
            found = typing.Any
        if self._items:
            found, text = (*typing.get_args(found), typing.Any)[0], None
        Checker.__init__(self, found, text)
        return getattr(self, name)


def checker_of(fn: Any, is_async: bool) -> Checker:
    """The check of what `fn` returns, by its annotation.

    Args:
        fn: the function.
        is_async: whether it is awaited; the annotation of an `async def` already names the result,
            that of a plain function that returns an awaitable names the awaitable.
    """
    annotations = getattr(fn, "__annotations__", None)
    if not isinstance(annotations, dict) or "return" not in annotations:
        return _UNCHECKED
    if is_async:
        import inspect

        if not inspect.iscoroutinefunction(fn):
            return _UNCHECKED
    return _LazyChecker(fn)


def item_checker_of(fn: Any) -> Checker:
    """The check of the items that a stream gives, by the annotation of the function: ``Iterator[str]``."""
    annotations = getattr(fn, "__annotations__", None)
    if not isinstance(annotations, dict) or "return" not in annotations:
        return _UNCHECKED
    return _LazyChecker(fn, items=True)


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
