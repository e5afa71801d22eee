"""What is said when a run cannot go on by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..calls import Call, where
from ..errors import InDoubt, Orphaned
from .history import Past

__all__ = ["in_doubt", "orphaned"]


def in_doubt(
    run: str, call: Call[..., Any], place: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> InDoubt:
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
