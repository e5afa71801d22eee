"""What objects of each kind of class are made of, and how they are made again without running their code.

No `__init__`, `__post_init__`, `__setstate__` or validator runs: an object comes back with the fields that it
had, as `copy.copy` would give it, even where its class has come to refuse such fields.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from functools import cached_property
from operator import attrgetter
from typing import Any, Final, cast

from ...errors import CorruptValue, NotDecodable, RecordedError
from . import exceptions, registry, wire
from .classes import Shape

__all__ = ["MISSING", "PENDING", "fill", "items", "make"]


class Mark:
    """A value that is none."""

    __slots__ = ("said",)

    def __init__(self, said: str) -> None:
        self.said = said

    def __repr__(self) -> str:
        return self.said


#: In place of a field that was never set.
MISSING: Final = Mark("<no value>")
#: In place of a thing that can only be made once all it consists of is there.
PENDING: Final = Mark("<not made yet>")


class Unfit(Exception):
    """An object is not as its class lets expect; the message says how."""


def items(shape: Shape, thing: Any, recordable: exceptions.Check) -> list[Any]:
    """What an object is made of, in the order in which it is written.

    Raises:
        Unfit: it has more to it than can be recorded.
    """
    kind = shape.kind
    if kind == wire.DATACLASS:
        return _dataclass_items(shape, thing)
    if kind == wire.NAMEDTUPLE:
        if getattr(thing, "__dict__", None):
            raise Unfit("it is a tuple that has attributes, too")
        return list(thing)
    if kind == wire.PYDANTIC:
        return _model_items(shape, thing)
    if kind == wire.EXCEPTION:
        return exceptions.exception_items(thing, recordable)
    if kind == wire.FLAG:
        return [thing._value_]
    if kind == wire.ENUM:
        if shape.cls.__members__.get(thing._name_) is not thing:
            raise Unfit("it is no member of its enum")
        return [thing._name_]
    if kind == wire.REGISTERED:
        return [registry.by_class[shape.cls].encode(thing)]
    return []


def _extras(cls: type[Any], state: dict[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    """What an object holds besides its fields. A cached property is not lost: it is worked out again."""
    return {
        name: thing
        for name, thing in state.items()
        if name not in fields and not isinstance(getattr(cls, name, None), cached_property)
    }


def _dataclass_items(shape: Shape, thing: Any) -> list[Any]:
    fields = shape.fields
    if shape.direct:
        state: dict[str, Any] = thing.__dict__
        if state.keys() == shape.fieldset:
            if len(fields) > 1:
                return list(attrgetter(*fields)(thing))
            return list(state.values())
    else:
        state = getattr(thing, "__dict__", {})
    found = [getattr(thing, name, MISSING) for name in fields]
    extras = _extras(shape.cls, state, shape.fieldset)
    if extras:
        found.append(extras)
    return found


def _model_items(shape: Shape, model: Any) -> list[Any]:
    state: dict[str, Any] = model.__dict__
    found: list[Any] = [state.get(name, MISSING) for name in shape.fields]
    given: Any = model.__pydantic_fields_set__
    extra: dict[str, Any] | None = model.__pydantic_extra__
    private: dict[str, Any] | None = model.__pydantic_private__
    if private:
        undefined = sys.modules["pydantic_core"].PydanticUndefined
        private = {name: thing for name, thing in private.items() if thing is not undefined}
    if given == shape.fieldset:
        told: Any = True
    else:  # in an order that does not depend on hashes
        told = [name for name in shape.fields if name in given] + sorted(given - shape.fieldset)
    found += (told, extra, private)
    others = _extras(shape.cls, state, shape.fieldset)
    if others:
        found.append(others)
    return found


def make(shape: Shape) -> Any:
    """An object that is still without its fields, or `PENDING`."""
    kind = shape.kind
    if kind in (wire.DATACLASS, wire.PYDANTIC):
        return object.__new__(shape.cls)
    if kind == wire.EXCEPTION and not issubclass(shape.cls, BaseExceptionGroup):
        if shape.cls is RecordedError:
            return RecordedError.__new__(RecordedError)
        return exceptions.make_exception(shape.cls)
    return PENDING


def fill(shape: Shape, fields: tuple[str, ...], thing: Any, found: list[Any]) -> Any:
    """The object with its fields.

    Args:
        shape: its class, as it is today.
        fields: the fields that the class had when the object was recorded.
        thing: what `make` gave.
        found: what `items` had given.

    Raises:
        NotDecodable: the class has changed.
    """
    kind = shape.kind
    if kind == wire.DATACLASS:
        _fill_dataclass(shape, fields, thing, found)
    elif kind == wire.PYDANTIC:
        _fill_model(shape, fields, thing, found)
    elif kind == wire.NAMEDTUPLE:
        return _make_tuple(shape, fields, found)
    elif kind == wire.EXCEPTION:
        if thing is PENDING:
            thing = exceptions.make_group(shape.cls, found)
        exceptions.fill_exception(thing, found)
        if type(thing) is RecordedError:
            thing.module, thing.qualname = shape.module, shape.qualname
    elif kind == wire.ENUM:
        (name,) = found
        member: Any = cast("Any", shape.cls).__members__.get(name)
        if member is None:
            raise NotDecodable(
                f"{shape.module}.{shape.qualname}.{name} was recorded, and the enum has no such member"
            )
        return member
    elif kind == wire.FLAG:
        (value,) = found
        if type(value) is not int:
            raise CorruptValue(f"{value!r} is no value of a flag")
        return shape.cls(value)
    elif kind == wire.REGISTERED:
        (state,) = found
        return registry.named(shape.module).decoder(int(shape.qualname))(state)
    elif kind == wire.CLASS:
        () = found
        return shape.cls
    return thing


def _changed(shape: Shape, name: str, problem: str) -> NotDecodable:
    return NotDecodable(
        f"a {shape.module}.{shape.qualname} was recorded with other fields than the class has now: "
        f"{name!r} {problem}"
    )


def _update(
    shape: Shape, fields: tuple[str, ...], found: list[Any], default: Callable[[str], Any]
) -> dict[str, Any]:
    """The fields by name, with defaults for those that have come to the class since."""
    state = dict(zip(fields, found, strict=True))
    if id(MISSING) in map(id, found):
        state = {name: thing for name, thing in state.items() if thing is not MISSING}
    if fields != shape.fields:
        for name in fields:
            if name not in shape.fieldset:
                raise _changed(shape, name, "is gone")
        for name in shape.fields:
            if name not in fields:
                value = default(name)
                if value is MISSING:
                    raise _changed(shape, name, "is new and has no default")
                state[name] = value
    return state


def _fill_dataclass(shape: Shape, fields: tuple[str, ...], thing: Any, found: list[Any]) -> None:
    def default(name: str) -> Any:
        known = getattr(shape.cls, "__dataclass_fields__", {})
        if name not in known:
            return MISSING
        field: dataclasses.Field[Any] = known[name]
        if field.default is not dataclasses.MISSING:
            return field.default
        return MISSING if field.default_factory is dataclasses.MISSING else field.default_factory()

    size = len(fields)
    state = _update(shape, fields, found[:size], default)
    if shape.direct:
        thing.__dict__.update(state)
    else:
        for name, value in state.items():
            object.__setattr__(thing, name, value)
    for extras in found[size:]:
        thing.__dict__.update(extras)


def _fill_model(shape: Shape, fields: tuple[str, ...], model: Any, found: list[Any]) -> None:
    def default(name: str) -> Any:
        field: Any = cast("Any", shape.cls).model_fields[name]
        return MISSING if field.is_required() else field.get_default(call_default_factory=True)

    size = len(fields)
    state = _update(shape, fields, found[:size], default)
    told, extra, private, *others = found[size:]
    for more in others:
        state.update(more)
    object.__setattr__(model, "__dict__", state)
    object.__setattr__(model, "__pydantic_fields_set__", set(fields if told is True else told))
    object.__setattr__(model, "__pydantic_extra__", extra)
    object.__setattr__(model, "__pydantic_private__", private)


def _make_tuple(shape: Shape, fields: tuple[str, ...], found: list[Any]) -> Any:
    defaults: dict[str, Any] = getattr(shape.cls, "_field_defaults", {})
    state = _update(shape, fields, found, lambda name: defaults.get(name, MISSING))
    return cast("Any", tuple).__new__(shape.cls, [state[name] for name in shape.fields])
