"""Whether a value keeps the promise of a declared return type, asked when the value arrives."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from .types import of_annotation

__all__ = ["Checker", "checker_of", "item_checker_of", "text_of"]

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

    def __init__(
        self, annotation: object = typing.Any, text: str | None = None, *, fields: bool = True
    ) -> None:
        self.type = of_annotation(annotation, fields=fields)
        plain = annotation is None or (
            isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias)
        )
        self.exact = self.type.cls if plain and self.type is not None and self.type.firm else None
        self.text = text if text is not None else text_of(annotation)
        check = _check_of(annotation)
        self.always = check is None
        self._check = check
        self.ok: _Check = check if check is not None else _always

    def __repr__(self) -> str:
        return f"Checker({self.text})"

    def broken(self, value: Any) -> str:
        """What in a value breaks a promise about fields that was made use of, in words; empty if nothing."""
        if self.type is None or self.type.firm:
            return ""
        from .types_fields import broken

        return broken(value, self.type)


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

    def __reduce__(self) -> tuple[Any, ...]:
        """A call that is sent to another process reads its annotation there."""
        return _LazyChecker, (self._fn, self._items)

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
        Checker.__init__(self, found, text, fields=not self._items)
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
