"""Kinds of calls and of waits, as whoever draws them or tells of them calls them."""

from __future__ import annotations

from typing import NamedTuple

from ..engine.causes import CERTAIN, CONTROL, DATA, EFFECT, LIMIT, ORDER, ROOM, START

__all__ = ["INSIDE", "KINDS", "WAITING", "WAITS", "Words", "kind_of"]

#: Kinds of calls, from the strictest to the freest, and what is known of none of these.
KINDS = ("plain", "writes", "commutes", "reads", "unordered", "pure", "unknown")

#: How a call waits that is made by code that runs as a whole: for what that code did before it.
INSIDE = "inside"


class Words(NamedTuple):
    """What a way to wait is called.

    Attributes:
        word: in a word.
        what: what is waited for.
        short: the same, behind the name of the call that is waited for.
        several: what several calls wait for, in a word or two.
        letter: in a letter.
    """

    word: str
    what: str
    short: str
    several: str
    letter: str


#: How calls wait.
WAITS = {
    START: Words("start", "nothing: the program came to it when it began", "", "to start", "s"),
    DATA: Words("data", "a result that it needs", "its result", "for results", "d"),
    CONTROL: Words(
        "control", "a result that decides whether it is made", "what its result decides", "for branches", "b"
    ),
    EFFECT: Words("resource", "a write to what it sees or changes", "what it may change", "for writes", "w"),
    ORDER: Words("order", "its turn: all before it had to be done", "its turn", "for their turn", "o"),
    CERTAIN: Words(
        "certainty", "that nothing before it can fail any more", "what may still fail", "to be certain", "c"
    ),
    LIMIT: Words("limit", "a place under the limit of its call", "a free place", "for limits", "l"),
    ROOM: Words("room", "a place under the limit of the flow", "room in the flow", "for room", "r"),
    INSIDE: Words(
        "inside", "what the code that makes it did before", "code run as a whole", "for what was before", "i"
    ),
}

#: What calls wait for that have not started; no record tells of budgets.
WAITING = {kind: words.several for kind, words in WAITS.items()} | {"budget": "for budgets"}


def kind_of(effects: str) -> str:
    """One of `KINDS`, for the effects of a call as they are recorded; of several the strictest."""
    for kind in KINDS:
        if effects.startswith(kind) or f"; {kind} " in effects:
            return kind
    return "unknown"
