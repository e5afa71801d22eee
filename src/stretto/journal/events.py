"""What can happen to a run, as nouns.

A run is the list of its events, in the order in which they were appended; nothing in it is ever changed.
Times are wall-clock microseconds since 1970 (UTC), for people to read: no decision rests on them, since a
wall clock may step. Values come encoded, as bytes that the journal does not look into.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias, cast

from ..drivers.ambient import CLOCK

__all__ = [
    "BlobRef",
    "CallEvent",
    "CallFinished",
    "CallIntended",
    "CallSettled",
    "CallStarted",
    "Decision",
    "Event",
    "Recorded",
    "RunEnded",
    "RunResumed",
    "RunStarted",
    "RunState",
    "StreamReceived",
    "Value",
    "changed",
    "fields_of",
    "now",
]


def now() -> int:
    """The time of an event that happens now: microseconds since 1970."""
    clock = CLOCK.get()
    return time.time_ns() // 1000 if clock is None else clock.micros


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Stands in an event for a value that is stored apart, by its content.

    Attributes:
        digest: SHA-256 of the value, 32 bytes.
        size: the value's length in bytes.
    """

    digest: bytes
    size: int


Value: TypeAlias = bytes | BlobRef
"""An encoded value. Large ones are given as bytes too and come back as a `BlobRef`."""


class RunState(StrEnum):
    """Where a run stands, as far as its events tell. A run whose owner died is still RUNNING."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    IN_DOUBT = "in doubt"
    """Stopped, since nobody knows whether a write happened: a person settles that, and resumes."""

    @property
    def ended(self) -> bool:
        """Whether the run has its outcome: nothing is left to resume."""
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


class Decision(StrEnum):
    """What a person says of a write that is in doubt."""

    DONE = "done"
    """It happened; its result is the value given."""
    RETRY = "retry"
    """It did not happen, or may happen again: run it."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The first event of every run.

    Attributes:
        run: the run's identifier, unique in its journal.
        flow: what runs, as "module:qualname".
        source: digest of the flow's source, as the compiler makes it.
        arguments: the flow's arguments, encoded.
        owner: the process that runs it.
        forked_from: the run that the first events of this one come from, if any.
        forked_before: the place in that run before which the two part.
    """

    run: str
    flow: str
    source: str
    arguments: Value
    owner: str
    time: int
    forked_from: str | None = None
    forked_before: str | None = None


@dataclass(frozen=True, slots=True)
class RunResumed:
    """A process took the run up again; `source` is the digest of the flow's source as it is now."""

    owner: str
    source: str
    time: int


@dataclass(frozen=True, slots=True)
class CallIntended:
    """A call that changes the world is about to start; from here until it is finished, it is in doubt.

    Attributes:
        place: where in program order the call stands, such as "digest/for/3/search": its identity.
        call: the function's name, as "module:qualname".
        digest: digest of the arguments.
        arguments: the arguments, encoded.
        key: the same for every attempt of this call, for receivers that tell repetitions by it.
        attempt: counts from 1.
    """

    place: str
    call: str
    digest: bytes
    arguments: Value
    key: str
    attempt: int
    time: int


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call is under way, and has been for a while: told only so that others can see what is going on.

    Nothing rests on it: a call that comes back soon has none, nor has one that other code makes.

    Attributes:
        ready, started, waited_for: as of `CallFinished`.
    """

    place: str
    call: str
    attempt: int
    ready: int
    started: int
    waited_for: str


class CallFinished(NamedTuple):
    """A call came back: one of `result` and `error` is given.

    A run has as many of these as of all others together, or more; made as a tuple, one takes a tenth of the
    time.

    Of a stream this is written when it has ended, or when its loop has left it: `result` is an encoded
    `stretto.journal.items.Items`, and `error` stands beside it where the stream has failed after them.

    Attributes:
        ready: when its operands were there and it could have started.
        started: when it did.
        ended: when it came back.
        waited_for: what it waited for, as `stretto.journal.waits` has it.
        arguments: the arguments, encoded, of a call that changes nothing: those of others have been intended.
            None where they are large, and where an older Stretto has written this.
    """

    place: str
    call: str
    digest: bytes
    attempt: int
    result: Value | None
    error: Value | None
    ready: int
    started: int
    ended: int
    waited_for: str = ""
    arguments: Value | None = None


@dataclass(frozen=True, slots=True)
class StreamReceived:
    """A stream that goes on has given these items, and what is written next may depend on them.

    Attributes:
        items: a list of them, encoded.
        first: how many came before these, and are recorded already.
        count: how many these are.
    """

    place: str
    call: str
    digest: bytes
    attempt: int
    items: Value
    first: int
    count: int
    time: int


@dataclass(frozen=True, slots=True)
class CallSettled:
    """A person decided a doubt; `value` is the encoded result where the decision is DONE."""

    place: str
    call: str
    digest: bytes
    decision: Decision
    value: Value | None
    by: str
    time: int


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run stopped by itself, as `state` says; `result` or `error` is its outcome, if it has one."""

    state: RunState
    result: Value | None
    error: Value | None
    time: int


CallEvent: TypeAlias = CallIntended | CallFinished | StreamReceived | CallSettled
"""What tells of one call, and is what a run that is taken up goes by."""

Event: TypeAlias = RunStarted | RunResumed | CallEvent | CallStarted | RunEnded


class Recorded(NamedTuple):
    """An event with its number in its run: 1, 2, 3 ... without gaps."""

    seq: int
    event: Event


def fields_of(kind: type[Any]) -> tuple[str, ...]:
    """The names of what a kind of event tells."""
    return kind._fields if kind is CallFinished else tuple([field.name for field in fields(kind)])


def changed(event: Event, **told: Any) -> Event:
    """The event, telling something else."""
    if isinstance(event, CallFinished):
        return event._replace(**told)
    return cast("Event", replace(cast("Any", event), **told))
