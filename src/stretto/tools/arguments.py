"""The arguments of a tool: a JSON schema as a signature, and whether arguments fit it."""

from __future__ import annotations

import inspect
import keyword
import math
import os
from collections.abc import Mapping
from typing import Any, cast

from ..errors import ToolArgumentError

__all__ = ["Arguments", "plain"]

#: What lets arguments in that ``properties`` does not name.
_OPEN = ("patternProperties", "unevaluatedProperties", "allOf", "anyOf", "oneOf", "$ref", "if")


class Arguments:
    """What a tool takes, by name.

    Attributes:
        signature: as Python sees it: every argument by keyword; those whose names are no Python names only
            as ``**{...}``.
        required: the names without which there is no call.
        certain: names that always have a value when the call is made: a resource can be named after them.
    """

    def __init__(self, whose: str, schema: Mapping[str, Any]) -> None:
        self._whose = whose
        self._schema = schema
        self._validator: Any = None
        properties = cast("Mapping[str, Any]", schema.get("properties") or {})
        self.required: tuple[str, ...] = tuple(cast("list[str]", schema.get("required") or ()))
        more = schema.get("additionalProperties")
        self._properties = properties
        self._open = (not properties and more is not False) or bool(more) or any(k in schema for k in _OPEN)
        parameters: list[inspect.Parameter] = []
        rest = self._open
        for name, about in properties.items():
            if not name.isidentifier() or keyword.iskeyword(name):
                rest = True
                continue
            default: Any = inspect.Parameter.empty
            if name not in self.required:
                default = cast("Any", about).get("default") if isinstance(about, Mapping) else None
            parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default))
        self.certain = frozenset(
            p.name for p in parameters if p.default is p.empty or isinstance(p.default, (str, int, float))
        )
        parameters.sort(key=lambda p: p.default is not p.empty)
        if rest:
            parameters.append(inspect.Parameter("arguments", inspect.Parameter.VAR_KEYWORD))
        self.signature = inspect.Signature(parameters)

    def checked(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as JSON has them. `ToolArgumentError` if they are not what the tool takes."""
        if args:
            raise ToolArgumentError(f"{self._whose} takes its arguments by name. {self._takes()}")
        given = {name: plain(value, f"{self._whose}: {name}") for name, value in kwargs.items()}
        problems: list[str] = []
        if not self._open:
            unknown = [name for name in given if name not in self._properties]
            problems += [f"there is no argument {name!r}" for name in unknown]
        for error in self._errors(given):
            path = "".join(f"[{p!r}]" if i else str(p) for i, p in enumerate(error.absolute_path))
            problems.append(f"{path}: {error.message}" if path else str(error.message))
        if problems:
            raise ToolArgumentError(f"{self._whose}: {'; '.join(dict.fromkeys(problems))}. {self._takes()}")
        return given

    def _errors(self, given: Mapping[str, Any]) -> list[Any]:
        if self._validator is None:
            from jsonschema.validators import validator_for
            from referencing import Registry

            kind: Any = validator_for(cast("Any", self._schema))
            # with a registry of its own, which is empty, a `$ref` to elsewhere is not fetched
            self._validator = kind(self._schema, registry=cast("Any", Registry)())
        return sorted(
            self._validator.iter_errors(dict(given)), key=lambda e: [str(p) for p in e.absolute_path]
        )

    def _takes(self) -> str:
        parts: list[str] = []
        for name, about in self._properties.items():
            kind = cast("Mapping[str, Any]", about).get("type") if isinstance(about, Mapping) else None
            text = f"{name} ({kind})" if isinstance(kind, str) else name
            parts.append(text if name in self.required else f"[{text}]")
        if self._open:
            parts.append("others by name" if parts else "any, by name")
        return f"It takes: {', '.join(parts) or 'nothing'}"


def plain(value: Any, where: str) -> Any:
    """A value as JSON has it: tuples as lists, paths as texts. `ToolArgumentError` for what JSON has not."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ToolArgumentError(f"{where}: JSON has no {value!r}")
    if isinstance(value, str):
        return _sendable(value, where)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value).items()
        for key, _ in pairs:
            if not isinstance(key, str):
                raise ToolArgumentError(f"{where}: keys are texts, found {key!r}")
            _sendable(key, where)
        return {key: plain(item, f"{where}[{key!r}]") for key, item in pairs}
    if isinstance(value, (list, tuple)):
        items = cast("list[Any] | tuple[Any, ...]", value)
        return [plain(item, f"{where}[{i}]") for i, item in enumerate(items)]
    if isinstance(value, os.PathLike):
        return plain(os.fspath(cast("os.PathLike[str]", value)), where)
    raise ToolArgumentError(
        f"{where}: JSON has texts, numbers, True, False, None, lists and dicts; found {type(value).__name__}"
    )


def _sendable(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ToolArgumentError(
            f"{where}: a text that cannot be sent, as it is no Unicode: {error}"
        ) from None
    return text
