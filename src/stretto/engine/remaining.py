"""How long the path is that hangs on an operation, as far as it has been issued.

That is the time until the last of what depends on it has ended, in a run in which nothing else waits and each
call takes as long as such calls do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .nodes import CallNode, Node
from .slots import Slot
from .strands import Strand
from .streams import Source

if TYPE_CHECKING:
    from ..calls import Call
    from .machine import Engine

__all__ = ["length_of", "lengths"]


def lengths(engine: Engine, seconds: Callable[[Call[..., Any] | None], float]) -> dict[Any, float]:
    """The length for each operation that has not ended, its own time included."""
    found: dict[Any, float] = {}
    after: dict[Any, list[Any]] = {}
    stack: list[Any] = list(engine.sources)
    entry = engine.end.following
    while entry is not engine.end:
        stack.append(entry)
        entry = entry.following
    while stack:
        one = stack[-1]
        others = after.get(one)
        if others is None:
            # what comes after it is measured first
            others = after[one] = _dependents(one)
            stack += [other for other in others if other not in after]
            continue
        stack.pop()
        if one not in found:
            found[one] = length_of(one, found, seconds, others)
    return found


def length_of(
    one: Any, found: dict[Any, float], seconds: Callable[[Call[..., Any] | None], float], others: Any = None
) -> float:
    """The length for one operation, where those of what hangs on it are known."""
    own = 0.0
    if type(one) is CallNode or type(one) is Source:
        own = seconds(one.call)
    elif type(one) is Strand:
        own = seconds(None)  # it is going to make a call, or it would not be here
    after = [found.get(other, 0.0) for other in (_dependents(one) if others is None else others)]
    return own + max(after, default=0.0)


def _dependents(one: Any) -> list[Any]:
    """What waits for the result of an operation, or for its write."""
    told: list[Any] = []
    if type(one) is Strand:
        told += (one.outputs or {}).values()
        if one.result is not None:
            told.append(one.result)
        if one.token is not None:
            told += one.token.waiters
        return told
    waiters = one.last.waiters if type(one) is Source else one.waiters if isinstance(one, Slot) else None
    if isinstance(waiters, list):
        told += waiters
    elif waiters is not None:
        told.append(waiters)
    if isinstance(one, Node) and one.token is not None:
        told += one.token.waiters
    return told
