"""What a tool answers, as a value: such as `json.loads` gives, so that journals record it as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..compiler.checkers import Checker
from ..compiler.types import Json, T
from ..errors import ToolError

if TYPE_CHECKING:
    from mcp.types import CallToolResult

__all__ = ["json_checker", "value_of", "wraps"]


#: What a schema may say of values that are no objects, and what these are in Python.
_KINDS: dict[str, type] = {"string": str, "integer": int, "boolean": bool}


def json_checker(schema: Mapping[str, Any] | None = None) -> Checker:
    """What is promised of a tool's answers. Those that are made here are JSON, so there is nothing to check;
    a schema of wrapped ones may say more."""
    if schema is not None and wraps(schema):
        kind: Any = cast("Mapping[str, Any]", schema["properties"]["result"]).get("type")
        if isinstance(kind, str) and kind in _KINDS:
            return Checker(_KINDS[kind])
    checker = Checker(text="json")
    checker.type = T(Json)
    return checker


def wraps(schema: Mapping[str, Any] | None) -> bool:
    """Whether structured answers are wrapped: what is no object of its own stands under ``result``."""
    properties: Any = (schema or {}).get("properties")
    return isinstance(properties, Mapping) and list(cast("Mapping[str, Any]", properties)) == ["result"]


def value_of(answer: CallToolResult, *, tool: str, server: str, wrapped: bool) -> Any:
    """The structured content, if there is any; else the text; else the blocks, as the protocol writes them.

    Raises `ToolError` if the tool says that it has failed.
    """
    texts = [block.text for block in answer.content if block.type == "text"]
    if answer.is_error:
        said = "\n".join(texts) or "it says no more"
        raise ToolError(f"{tool} of {server} has failed: {said}", tool=tool, server=server, text=said)
    found: Any = answer.structured_content
    if found is not None:
        if wrapped and isinstance(found, dict) and list(cast("dict[str, Any]", found)) == ["result"]:
            return cast("dict[str, Any]", found)["result"]
        return cast("Any", found)
    if len(texts) == len(answer.content):
        return "\n".join(texts)
    return [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in answer.content]
