"""What happens in a run, as those hear it who listen: one event after another, in the order in which it
happens (docs/events.md).

The schema has a version. In a version, kinds of events and fields may be added, and nothing else changes: who
reads events passes over what it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias, cast

__all__ = [
    "SCHEMA",
    "Attempted",
    "Cancelled",
    "Discarded",
    "Event",
    "Failed",
    "Finished",
    "FirstItem",
    "Issued",
    "Retired",
    "RunBegan",
    "RunEnded",
    "Started",
    "Waiting",
    "as_json",
    "from_json",
]

#: The version of the schema.
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class RunBegan:
    """A run has begun, or goes on in this process after it was interrupted.

    Attributes:
        run: the run's identifier; the same in all that follows.
        time: microseconds since 1970, by the wall clock of the machine; the same in all that follows.
        flow: what runs, as "module:qualname".
    """

    kind: ClassVar = "run_began"
    run: str
    time: int
    flow: str


@dataclass(frozen=True, slots=True)
class Issued:
    """The program has come to a call: it stands in program order now.

    Attributes:
        place: where it stands, such as "for/3/search": its identity in the run; the same in all that follows.
        call: the function's name, as "module:qualname".
        file, line: where it is called.
        effects: what is declared of it, such as "reads web".
        stream: whether it gives items. Then it retires once it is open, and what is told of its start, its
            first item and its end is told for the loop that takes them, if there is one.
    """

    kind: ClassVar = "issued"
    run: str
    time: int
    place: str
    call: str
    file: str
    line: int
    effects: str
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call cannot start yet. It is told again where it waits for something else than before.

    Attributes:
        way: how: for "data" (results), "effect" (an earlier write of what it reads or is given), "order" (its
            turn), "certain" (that nothing before it can fail any more), "limit" (a place under a limit),
            "budget" (room in a budget).
        on: the places of the operations whose results it waits for: calls, and code of the flow's own.
    """

    kind: ClassVar = "waiting"
    run: str
    time: int
    place: str
    way: str
    on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Started:
    """A call is made.

    Attributes:
        attempt: counts from 1.
        waited: how it waited last, as in `Waiting`; "start" if it did not, "control" for what decided that
            it is made at all, "room" for room in the flow, "inside" if it is made by code that runs as a
            whole.
        last: the place of the operation whose end let it go on; empty if it waited for none.
        needs: the places of results that it could not do without, the latest first.
    """

    kind: ClassVar = "started"
    run: str
    time: int
    place: str
    attempt: int
    waited: str
    last: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FirstItem:
    """A stream has given its first item."""

    kind: ClassVar = "first_item"
    run: str
    time: int
    place: str


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt of a call has failed, and it is going to be made again.

    Attributes:
        attempt: which one, from 1.
        error: the exception's class. What it says may be a secret, and is not told.
    """

    kind: ClassVar = "attempted"
    run: str
    time: int
    place: str
    attempt: int
    error: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A call has come back; a stream, when it has ended or its loop has left it.

    Attributes:
        recorded: it was not made: its result was recorded before.
        model, input_tokens, output_tokens, usd: what its result says of the language model that it comes
            from, and of what it has used and cost in US dollars; None where it says nothing.
    """

    kind: ClassVar = "finished"
    run: str
    time: int
    place: str
    recorded: bool = False
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A call has raised. That becomes real once everything before it has retired.

    Attributes:
        error: the exception's class. What it says may be a secret, and is not told.
        recorded: it was not made: that it raised was recorded before.
    """

    kind: ClassVar = "failed"
    run: str
    time: int
    place: str
    error: str
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A call is not wanted any more: something before it has failed or left. If it was under way, its end is
    awaited."""

    kind: ClassVar = "cancelled"
    run: str
    time: int
    place: str


@dataclass(frozen=True, slots=True)
class Discarded:
    """A call had come back, and something before it has failed: nobody sees what it gave."""

    kind: ClassVar = "discarded"
    run: str
    time: int
    place: str


@dataclass(frozen=True, slots=True)
class Retired:
    """A call has come back, and so has everything before it: it is what the line-by-line run has, too. These
    come in program order."""

    kind: ClassVar = "retired"
    run: str
    time: int
    place: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run has ended, or was interrupted.

    Attributes:
        state: "succeeded", "failed", "cancelled", "in doubt", or "interrupted".
        error: the class of what it has failed with; empty if it has not.
    """

    kind: ClassVar = "run_ended"
    run: str
    time: int
    state: str
    error: str = ""


Event: TypeAlias = (
    RunBegan
    | Issued
    | Waiting
    | Started
    | FirstItem
    | Attempted
    | Finished
    | Failed
    | Cancelled
    | Discarded
    | Retired
    | RunEnded
)

_CLASSES: dict[str, type[Any]] = {
    cls.kind: cls
    for cls in (
        RunBegan, Issued, Waiting, Started, FirstItem, Attempted, Finished, Failed, Cancelled, Discarded,
        Retired, RunEnded,
    )
}  # fmt: skip


def as_json(event: Event) -> dict[str, Any]:
    """An event as data that JSON can hold: its fields, with ``event`` for its kind and the ``schema``."""
    found: dict[str, Any] = {"schema": SCHEMA, "event": event.kind}
    for field in fields(event):
        value: Any = getattr(event, field.name)
        found[field.name] = [*value] if isinstance(value, tuple) else value
    return found


def from_json(found: dict[str, Any]) -> Event | None:
    """The event of what `as_json` gave; None for a kind that is not known here. Fields that are not known are
    passed over.

    Raises ValueError for what is no event, or one of a later schema.
    """
    if found.get("schema") != SCHEMA:
        raise ValueError(f"expected an event of schema {SCHEMA}, and found schema {found.get('schema')!r}")
    cls = _CLASSES.get(found.get("event", ""))
    if cls is None:
        return None
    known = {field.name for field in fields(cls)}
    given: dict[str, Any] = {name: _listed(value) for name, value in found.items() if name in known}
    try:
        made: Event = cls(**given)
    except TypeError as error:
        raise ValueError(f"an event {cls.kind!r} that lacks something: {error}") from None
    return made


def _listed(value: Any) -> Any:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value
