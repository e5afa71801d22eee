"""What a tool says of itself, as effects.

The hints of MCP are no promises, and their defaults are the careful ones: what is not said to be read-only
writes, and a tool that says nothing at all is ordered with everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..effects import Effects, Kind, Resource

if TYPE_CHECKING:
    from mcp.types import ToolAnnotations

__all__ = ["effects_of_hints"]


def effects_of_hints(hints: ToolAnnotations | None, resource: str) -> tuple[Effects, dict[str, Any]]:
    """The effects of a tool on the resource that its server is, and the options of its call.

    Whether a write is destructive changes nothing here: one that only adds is seen by what reads after it.
    """
    said = hints is not None and (
        hints.read_only_hint is not None
        or hints.destructive_hint is not None
        or hints.idempotent_hint is not None
    )
    if hints is None or not said:
        return Effects(Kind.PLAIN), {}
    of_server = (Resource.parse(resource),)
    if hints.read_only_hint:
        return Effects(Kind.READS, reads=of_server), {}
    return Effects(Kind.WRITES, writes=of_server), {"idempotent": True} if hints.idempotent_hint else {}
