"""Where in a value something is, in words of Python. Only asked when it cannot be recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from ...errors import NotRecordable
from . import wire
from .classes import shape_of
from .extensions import extension_of
from .wire import class_of

if TYPE_CHECKING:
    from .encoder import Refused

__all__ = ["explain"]

_ADVICE = (
    "return plain data in its place, declare how it is recorded (stretto.journal.codecs.codec), "
    "or allow pickle (pickle=True)"
)


def explain(places: Mapping[str, Any], refused: Refused) -> NotRecordable:
    """The error for something that cannot be recorded and is somewhere in the values of `places`."""
    thing = refused.thing
    ways = (_way(value, name, thing) for name, value in places.items())
    way = next((way for way in ways if way is not None), next(iter(places)))
    cls = type(thing)
    what = f"{cls.__module__}.{cls.__qualname__}"
    if isinstance(thing, type):
        what = f"the class {thing.__module__}.{thing.__qualname__}"
    problem = f"{what} cannot be recorded"
    if refused.reason:
        problem += f": {refused.reason}"
    return NotRecordable(way, problem, _ADVICE)


def _way(value: Any, name: str, wanted: object) -> str | None:
    """How to get from `value` to `wanted`, if it is in there."""
    seen: set[int] = set()
    keep: list[Any] = []  # parts that are made for the occasion must not give their identity to others
    todo: list[tuple[str, Any]] = [(name, value)]
    while todo:
        way, thing = todo.pop(0) if len(todo) < 1000 else todo.pop()
        if thing is wanted:
            return way
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        keep.append(thing)
        try:
            todo.extend((way + step, part) for step, part in _steps(thing))
        except Exception:  # it is on the way to being refused; all that is lost is the rest of a message
            continue
    return None


def _steps(given: Any) -> Iterator[tuple[str, Any]]:
    thing: object = given
    if isinstance(thing, (str, bytes, bytearray, int, float)):
        return
    if isinstance(thing, Mapping):
        for key, part in cast("Mapping[Any, Any]", thing).items():
            yield f"[{key!r:.60}]", part
            yield f".keys()[{key!r:.60}]", key
        return
    names = getattr(class_of(given), "_fields", None)
    if isinstance(thing, (list, tuple)) and names is None:
        for at, part in enumerate(cast("list[Any]", thing)):
            yield f"[{at}]", part
        return
    if isinstance(thing, (set, frozenset)):
        for part in cast("set[Any]", thing):
            yield f"{{{part!r:.60}}}", part
        return
    if isinstance(thing, BaseException):
        for at, part in enumerate(thing.args):
            yield f".args[{at}]", part
        yield ".__cause__", thing.__cause__
        yield ".__context__", thing.__context__
    shape = shape_of(class_of(given))
    if not isinstance(shape, str):
        for field in shape.fields:
            yield f".{field}", getattr(given, field, None)
        if shape.kind == wire.REGISTERED:
            from .objects import items

            for part in items(shape, given, lambda _: True):
                yield f" as encoded by {shape.module!r}", part
        for place in ("__dict__", "__pydantic_private__", "__pydantic_extra__"):
            held: dict[str, Any] = getattr(given, place, None) or {}
            for field, part in held.items():
                if field not in shape.fieldset:
                    yield f".{field}", part
        return
    extension = extension_of(class_of(given))
    if extension is not None:
        for at, part in enumerate(extension.items(given)):
            yield (".tzinfo" if hasattr(given, "tzinfo") else f"[{at}]"), part
