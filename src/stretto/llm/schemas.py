"""JSON schemas of the forms that answers are to have, and what an answer of that form means."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["Form", "form_of", "strict"]

#: What a form is put in that is no object by itself: servers want one.
_VALUE = "value"


class Form:
    """The form that an answer is to have.

    Attributes:
        schema: its JSON schema, which is that of an object.
    """

    def __init__(self, into: Any) -> None:
        from pydantic import TypeAdapter

        self._adapter: TypeAdapter[Any] = TypeAdapter(into)
        schema = self._adapter.json_schema()
        self._wrapped = _resolved(schema, schema).get("type") != "object"
        if self._wrapped:
            definitions = schema.pop("$defs", None)
            schema = {"type": "object", "properties": {_VALUE: schema}, "required": [_VALUE]}
            if definitions:
                schema["$defs"] = definitions
        self.schema: dict[str, Any] = schema

    def read(self, said: str) -> Any:
        """The value that a text stands for. ValueError says what is wrong with it, for a model to read."""
        from pydantic import ValidationError
        from pydantic_core import from_json

        try:
            found: Any = from_json(unfenced(said))
        except ValueError as error:
            raise ValueError(f"It is not valid JSON: {error}") from None
        if self._wrapped:
            if not isinstance(found, dict) or _VALUE not in found:
                raise ValueError(f'Expected a JSON object with the one key "{_VALUE}".')
            found = cast("dict[str, Any]", found)[_VALUE]
        try:
            return self._adapter.validate_json(_json(found))
        except ValidationError as error:
            raise ValueError(told(error)) from None


def _json(value: Any) -> bytes:
    from pydantic_core import to_json

    return to_json(value)


def told(error: Any) -> str:
    """What is wrong with a value, line by line, as pydantic says it."""
    lines: list[str] = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(map(str, one["loc"]))
        lines.append(f"- {where or 'the whole'}: {one['msg']}")
    return "\n".join(lines)


def unfenced(said: str) -> str:
    """JSON without the fence that models put around it in Markdown."""
    text = said.strip()
    if text.startswith("```") and text.endswith("```") and "\n" in text:
        return text[text.index("\n") : -3].strip()
    return text


@functools.lru_cache(maxsize=256)
def _form(into: Any) -> Form:
    return Form(into)


def form_of(into: Any) -> Form:
    """The form of a type."""
    try:
        return _form(into)
    except TypeError:  # it cannot be hashed
        return Form(into)


def strict(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The schema as servers take it that promise to keep to it: every object says all of its keys, and needs
    them all. None where one has keys that nobody has named."""
    try:
        found: dict[str, Any] = _strict(schema)
    except _OpenError:
        return None
    return found


class _OpenError(Exception):
    """An object may have any keys."""


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(part) for part in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    given = cast("dict[str, Any]", schema)
    if "$ref" in given:
        return {"$ref": given["$ref"]} | ({"$defs": _named(given["$defs"])} if "$defs" in given else {})
    found: dict[str, Any] = {}
    for key, value in given.items():
        if key in ("properties", "$defs"):
            found[key] = _named(value)
        elif key not in ("default", "enum", "const", "examples", "title", "discriminator"):
            found["anyOf" if key == "oneOf" else key] = _strict(value)
        elif key in ("enum", "const"):
            found[key] = value
    if given.get("type") == "object" or "properties" in given:
        if given.get("additionalProperties") or "properties" not in given:
            raise _OpenError
        found["additionalProperties"] = False
        found["required"] = list(given["properties"])
    return found


def _named(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _strict(part) for name, part in parts.items()}


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a schema is that says only where it stands."""
    while "$ref" in schema:
        name = str(schema["$ref"]).removeprefix("#/$defs/")
        schema = root["$defs"][name]
    return schema
