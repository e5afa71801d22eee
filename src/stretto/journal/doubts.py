"""What is said when a run cannot go on by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..calls import Call, where
from ..errors import CorruptValue, InDoubt, JournalCorrupt, JournalError, Orphaned
from .history import Past
from .secrets import masked

__all__ = ["in_doubt", "orphaned", "unreadable"]


def in_doubt(
    run: str, call: Call[..., Any], place: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> InDoubt:
    args, kwargs = masked(call.secret, args, kwargs)
    given = ", ".join([*(repr(a) for a in args), *(f"{k}={v!r}" for k, v in kwargs.items())])
    return InDoubt(
        f"{where(call.fn)}: the run {run} stopped when {call.name}({given:.200}) at {place} was about to "
        "start or running, and nothing tells whether it happened. Find out, and say so:\n"
        f"    stretto settle {run} {place} --done VALUE    it happened, and VALUE (JSON) is its result\n"
        f"    stretto settle {run} {place} --retry         it did not happen, or may happen twice\n"
        "then resume the run. Declare idempotent=True or check= for the call, and this is settled by itself"
    )


def orphaned(run: str, left: list[tuple[str, Past]]) -> Orphaned:
    calls = "\n".join(f"    {place} ({past.call})" for place, past in left[:20])
    return Orphaned(
        f"the program has changed since the run {run} was recorded: these calls changed the world then, and "
        f"it does not make them now, or with other arguments:\n{calls}\n"
        "Put back what makes them, or start a new run"
    )


def unreadable(run: str, call: Call[..., Any], error: Exception) -> JournalError:
    kind = JournalCorrupt if isinstance(error, CorruptValue) else JournalError
    return kind(
        f"{where(call.fn)}: what {call.name} came to is recorded in the run {run}, and cannot be read here. "
        f"So the run does not go on: {error}"
    )
