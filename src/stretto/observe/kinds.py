"""Kinds of calls and of waits, as whoever draws them tells them apart."""

from __future__ import annotations

from ..engine.causes import CERTAIN, CONTROL, DATA, EFFECT, LIMIT, ORDER, ROOM, START
from .timeline import INSIDE

__all__ = ["KINDS", "WAITS", "kind_of"]

#: Kinds of calls, from the strictest to the freest, and what is known of none of these.
KINDS = ("plain", "writes", "commutes", "reads", "unordered", "pure", "unknown")

#: How calls wait: in a word, and what for.
WAITS = {
    START: ("start", "nothing: the program came to it when it began"),
    DATA: ("data", "a result that it needs"),
    CONTROL: ("control", "a result that decides whether it is made"),
    EFFECT: ("resource", "a write to what it sees or changes"),
    ORDER: ("order", "its turn: all before it had to be done"),
    CERTAIN: ("certainty", "that nothing before it can fail any more"),
    LIMIT: ("limit", "a place under the limit of its call"),
    ROOM: ("room", "a place under the limit of the flow"),
    INSIDE: ("inside", "what the code that makes it did before"),
}


def kind_of(effects: str) -> str:
    """One of `KINDS`, for the effects of a call as they are recorded; of several the strictest."""
    for kind in KINDS:
        if effects.startswith(kind) or f"; {kind} " in effects:
            return kind
    return "unknown"
