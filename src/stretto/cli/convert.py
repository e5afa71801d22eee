"""From a word of the command line to a value of the type that the flow's annotation names."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import json
import sys
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

__all__ = ["ConversionError", "convert", "describe", "list_item", "sequence_of", "without_none"]

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_SEQUENCES: dict[Any, Callable[[list[Any]], Any]] = {
    list: list, tuple: tuple, set: set, frozenset: frozenset,
}  # fmt: skip


class ConversionError(ValueError):
    """A word is not of the type; the message says what was expected."""


def convert(word: str, annotation: Any) -> Any:
    """A word as a value of `annotation`. Where there is none: JSON if it is JSON, else the word."""
    annotation = _bare(annotation)
    if annotation in (Any, object, inspect.Parameter.empty):
        try:
            return json.loads(word)
        except json.JSONDecodeError:
            return word
    if _is_union(annotation):
        return _first_that_takes(word, annotation)
    if annotation is None or annotation is type(None):
        if word.lower() in {"none", "null", ""}:
            return None
        raise ConversionError("expected none")
    if annotation is bool:
        if word.lower() in _TRUE or word.lower() in _FALSE:
            return word.lower() in _TRUE
        raise ConversionError("expected true or false")
    if typing.get_origin(annotation) is typing.Literal:
        for value in typing.get_args(annotation):
            if str(value) == word:
                return value
        raise ConversionError(f"expected {describe(annotation)}")
    if inspect.isclass(annotation):
        if issubclass(annotation, enum.Enum):
            return _member(word, annotation)
        if annotation in (int, float):
            return _number(word, annotation)
        if annotation is bytes:
            return word.encode()
        if annotation in (str, Path, date, datetime):
            return _from_json(word, annotation)
    return _from_json(_parse(word, annotation), annotation)


def describe(annotation: Any) -> str:
    """A type in the words of a usage message."""
    annotation = _bare(annotation)
    if annotation in (Any, object, inspect.Parameter.empty):
        return "any"
    if annotation is None or annotation is type(None):
        return "none"
    if _is_union(annotation):
        return " or ".join(describe(member) for member in typing.get_args(annotation))
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(str(value) for value in typing.get_args(annotation))
    if inspect.isclass(annotation) and not typing.get_args(annotation):
        if issubclass(annotation, enum.Enum):
            return " or ".join(member.name for member in annotation)
        if _has_fields(annotation):
            return f"{annotation.__name__} (JSON)"
        return "JSON" if annotation is dict else annotation.__name__
    if typing.get_origin(annotation) is dict:
        return "JSON"
    return str(annotation).replace("typing.", "").replace("pathlib.", "")


def list_item(annotation: Any) -> Any:
    """The type of the items of a list, tuple or set; None where `annotation` is no such type."""
    annotation = without_none(annotation)
    origin = typing.get_origin(annotation) or annotation
    if not inspect.isclass(origin):
        return None
    arguments = typing.get_args(annotation)
    if origin is tuple and (len(arguments) != 2 or arguments[1] is not ...):
        return Any if annotation is tuple else None
    if origin in (*_SEQUENCES, collections.abc.Sequence, collections.abc.MutableSequence):
        return arguments[0] if arguments else Any
    return None


def sequence_of(annotation: Any) -> Callable[[list[Any]], Any]:
    """What makes a list into the list, tuple or set that `annotation` names."""
    annotation = without_none(annotation)
    return _SEQUENCES.get(typing.get_origin(annotation) or annotation, list)


def without_none(annotation: Any) -> Any:
    """``X`` of ``X | None``; anything else as it is."""
    annotation = _bare(annotation)
    if _is_union(annotation):
        members = [m for m in typing.get_args(annotation) if m is not type(None)]
        if len(members) == 1:
            return _bare(members[0])
    return annotation


def _bare(annotation: Any) -> Any:
    if typing.get_origin(annotation) is typing.Annotated:
        return typing.get_args(annotation)[0]
    return getattr(annotation, "__value__", annotation)  # `type X = ...`


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _has_fields(annotation: Any) -> bool:
    return dataclasses.is_dataclass(annotation) or _is_model(annotation)


def _is_model(annotation: Any) -> bool:
    """Whether this is a pydantic model; without importing pydantic, which the user may not have."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and inspect.isclass(annotation) and issubclass(annotation, pydantic.BaseModel)


def _first_that_takes(word: str, union: Any) -> Any:
    """Text takes every word, so it is tried last."""
    for member in sorted(typing.get_args(union), key=lambda m: (m is str, m is Path)):
        try:
            return convert(word, member)
        except ConversionError:
            continue
    raise ConversionError(f"expected {describe(union)}")


def _number(word: str, kind: type) -> Any:
    try:
        return kind(word)
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise ConversionError(f"expected {expected}") from None


def _member(word: str, kind: type[enum.Enum]) -> enum.Enum:
    for member in kind:
        if word in (member.name, str(member.value)):
            return member
    raise ConversionError(f"expected {describe(kind)}")


def _parse(word: str, annotation: Any) -> Any:
    """JSON, or ``@file`` that holds it."""
    text = word
    if word.startswith("@"):
        try:
            text = Path(word[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise ConversionError(f"{word[1:]} cannot be read: {error.strerror}") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConversionError(f"expected {describe(annotation)} as JSON or @FILE ({error})") from None


def _from_json(value: Any, annotation: Any) -> Any:
    """A JSON value as a value of `annotation`, through lists, dicts and dataclasses."""
    annotation = _bare(annotation)
    if annotation in (Any, object, inspect.Parameter.empty):
        return value
    if _is_union(annotation):
        for member in typing.get_args(annotation):
            try:
                return _from_json(value, member)
            except ConversionError:
                continue
        raise ConversionError(f"expected {describe(annotation)}, found {value!r}")
    if _is_model(annotation):
        try:
            return annotation.model_validate(value)
        except ValueError as error:
            raise ConversionError(str(error)) from None
    if dataclasses.is_dataclass(annotation) and inspect.isclass(annotation):
        return _dataclass(value, annotation)
    if list_item(annotation) is not None or annotation in _SEQUENCES:
        return _sequence(value, annotation)
    origin = typing.get_origin(annotation) or annotation
    if origin is tuple and isinstance(value, list):
        members = typing.get_args(annotation)
        items = typing.cast("list[Any]", value)
        if len(items) == len(members):
            return tuple(map(_from_json, items, members))
    if inspect.isclass(origin) and issubclass(dict, origin) and isinstance(value, dict):
        keys, values = typing.get_args(annotation) or (Any, Any)
        pairs = typing.cast("dict[str, Any]", value)
        return {convert(k, keys) if keys is not Any else k: _from_json(v, values) for k, v in pairs.items()}
    return _scalar(value, annotation)


def _sequence(value: Any, annotation: Any) -> Any:
    if not isinstance(value, list):
        raise ConversionError(f"expected a list, found {value!r}")
    item = list_item(annotation)
    items = typing.cast("list[Any]", value)
    return sequence_of(annotation)([_from_json(one, item) for one in items])


def _dataclass(value: Any, annotation: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ConversionError(f"expected an object with the fields of {annotation.__name__}, found {value!r}")
    given = dict(typing.cast("Mapping[str, Any]", value))
    hints = typing.get_type_hints(annotation)
    fields = {field.name for field in dataclasses.fields(annotation) if field.init}
    if unknown := sorted(given.keys() - fields):
        known = ", ".join(sorted(fields))
        raise ConversionError(f"{annotation.__name__} has no {unknown[0]!r}; it has {known}")
    try:
        return annotation(**{name: _from_json(one, hints.get(name, Any)) for name, one in given.items()})
    except TypeError as error:
        raise ConversionError(str(error)) from None


def _scalar(value: Any, annotation: Any) -> Any:
    if isinstance(value, str) and annotation is not str:
        if annotation is Path:
            return Path(value)
        if annotation in (date, datetime):
            try:
                return annotation.fromisoformat(value)
            except ValueError:
                raise ConversionError("expected a date such as 2026-01-31 (and T12:30 for a time)") from None
        if typing.get_origin(annotation) is typing.Literal or _is_enum(annotation):
            return convert(value, annotation)
    if annotation is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if annotation is type(None) and value is None:
        return None
    if annotation in (str, int, float, bool) and type(value) is annotation:
        return value
    if _is_enum(annotation) or typing.get_origin(annotation) is typing.Literal:
        return convert(str(value), annotation)
    raise ConversionError(f"expected {describe(annotation)}, found {value!r}")


def _is_enum(annotation: Any) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, enum.Enum)
