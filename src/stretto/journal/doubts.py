"""What is said when a run cannot go on by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..calls import Call, where
from ..errors import (
    CorruptValue,
    InDoubt,
    JournalCorrupt,
    JournalError,
    Orphaned,
    OutcomeUnknown,
    RunEndedAlready,
)
from .history import History, Past
from .secrets import masked

if TYPE_CHECKING:
    from .begun import Begun
    from .contract import RunRecord

__all__ = ["ended", "in_doubt", "is_open", "no_items", "no_stream", "orphaned", "other_items", "unreadable"]


def ended(about: RunRecord) -> RunEndedAlready:
    return RunEndedAlready(
        f"the run {about.id} of {about.flow} has ended ({about.state}): it cannot be taken up. Start "
        f"another, or fork it before one of its calls: stretto fork {about.id} --before CALL"
    )


def is_open(call: Call[..., Any], error: BaseException) -> bool:
    """Whether a call that has raised this may have changed the world, and may not be made again."""
    return isinstance(error, OutcomeUnknown) and call.changes and not call.idempotent


def in_doubt(
    run: str,
    call: Call[..., Any],
    place: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    why: str = "",
) -> InDoubt:
    """`why`: what was lost while the call was running; else it was the process."""
    args, kwargs = masked(call.secret, args, kwargs)
    given = ", ".join([*(repr(a) for a in args), *(f"{k}={v!r}" for k, v in kwargs.items())])
    state = "was running" if why else "was about to start or running"
    cause = f" ({why})" if why else ""
    return InDoubt(
        f"{where(call.fn)}: the run {run} stopped when {call.name}({given:.200}) at {place} {state}, and "
        f"nothing tells whether it happened{cause}. Find out, and say so:\n"
        f"    stretto settle {run} {place} --done VALUE    it happened, and VALUE (JSON) is its result\n"
        f"    stretto settle {run} {place} --retry         it did not happen, or may happen twice\n"
        "then resume the run. Declare idempotent=True or check= for the call, and this is settled by itself"
    )


def orphaned(run: str, history: History, new: Begun | None = None) -> Orphaned:
    """The run has ended, or is about to make a new write, and has not made these again."""
    left = [past for past in history.left() if past.intended]
    calls = "\n".join(f"    {past.place} ({past.call})" for past in left[:20])
    if len(left) > 20:
        calls += f"\n    and {len(left) - 20} more"
    unseen = ""
    if history.same_flow:
        unseen = (
            "The flow's own lines are what they were. If nothing that it uses was edited, then it hangs on "
            "something that is not recorded: the order of a set of texts, which each process has its own of, "
            "a clock, a random number or a UUID that a library reads by itself, or a file that is read "
            "outside of a call.\n"
        )
    now = "has ended" if new is None else f"comes to a new write, {new.place} ({new.call}),"
    return Orphaned(
        f"the program has changed since the run {run} was recorded: it {now} without having made these "
        f"recorded writes again, or it makes them with other arguments:\n{calls}\n{unseen}"
        "Put back what makes them; or, if it is right that they were made and are not now, accept that, this "
        "time:\n"
        f"    stretto resume {run} --accept-orphans\n"
        f"(`stretto resume {run} --dry-run` shows all that is reused, and all that is not.)"
    )


def other_items(
    run: str, call: Call[..., Any], place: str, number: int, recorded: int, expected: str, found: str
) -> Orphaned:
    """A stream that was cut off and is made again has not given what the program had been given of it."""
    return Orphaned(
        f"{where(call.fn)}: the run {run} was interrupted when the stream {call.name} at {place} had given "
        f"{recorded} {'item' if recorded == 1 else 'items'}, and what the program has done since depends on "
        f"them. Made again, it gives something else: item {number + 1} was {expected}, and now {found}.\n"
        f"If it may give the same another time, take the run up again:\n    stretto resume {run}\n"
        f"Else start over from before the stream, with what was done until then:\n"
        f"    stretto fork {run} --before {place}\n"
        "(A call that returns a list is recorded before anything is done with it.)"
    )


def no_items(run: str, past: Past) -> JournalError:
    return JournalError(
        f"the run {run} has recorded what {past.call} at {past.place} returned, and now that is a stream. "
        f"Put back what it was, or run it again from there: stretto fork {run} --before {past.place}"
    )


def no_stream(run: str, past: Past) -> JournalError:
    return JournalError(
        f"the run {run} has recorded the items of the stream {past.call} at {past.place}, and now that is no "
        f"stream. Put back what it was, or run it again from there: stretto fork {run} --before {past.place}"
    )


def unreadable(run: str, call: Call[..., Any], error: Exception) -> JournalError:
    kind = JournalCorrupt if isinstance(error, CorruptValue) else JournalError
    return kind(
        f"{where(call.fn)}: what {call.name} came to is recorded in the run {run}, and cannot be read here. "
        f"So the run does not go on: {error}"
    )
