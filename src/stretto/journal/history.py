"""What a run has done already, as its journal tells: it answers the calls of the run when it is resumed."""

from __future__ import annotations

import gc
import re
import threading
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from itertools import islice
from typing import Any, TypeAlias

from ..errors import JournalError
from .codecs import decode, digest
from .contract import Journal
from .events import (
    BlobRef,
    CallEvent,
    CallFinished,
    CallIntended,
    CallSettled,
    Decision,
    RunResumed,
    RunStarted,
    StreamReceived,
    Value,
)

__all__ = [
    "ANY_ARGUMENTS",
    "NO_ARGUMENTS",
    "READ",
    "TIMEOUT",
    "History",
    "Past",
    "PastState",
    "base_of",
    "names_of",
    "the_only",
    "value_of",
    "without_gc",
]

#: The digest of what was settled whatever its arguments are.
ANY_ARGUMENTS = b""

#: Stands where a call does for the clock of a flow in the flow, which has run out.
TIMEOUT, NO_ARGUMENTS = "timeout", digest((), {}).value

#: How many events are read at a time.
READ = 8192

#: Which of several of the same name a step is; an edit above may change it.
_REPETITION = re.compile(r"#\d+(?=/|$)")


class PastState(Enum):
    """How far a recorded call got."""

    RETURNED = "returned"
    RAISED = "raised"
    INTENDED = "intended"
    """It was about to start, and nothing tells that it ended: in doubt."""
    TO_RETRY = "to retry"
    """It did not happen after all, or may happen again: so the run itself has said, or a person."""
    RECEIVED = "received"
    """A stream that was cut off, and on the first items of which something depends."""


class Past:
    """One recorded call.

    Attributes:
        place: where it stood.
        call: the function's name, as "module:qualname".
        digest: of the arguments.
        attempt: of how many attempts is known.
        intent: what was recorded before its last attempt, if it changes the world.
        last: what is known last of it.
        accepted: the user has said that it need not be met again.
        received: of a stream that was cut off, what tells its items, in order.
    """

    __slots__ = ("accepted", "attempt", "call", "digest", "intent", "last", "place", "received")

    def __init__(self, event: CallEvent) -> None:
        self.place = event.place
        self.call = event.call
        self.digest = event.digest
        self.attempt = 0
        self.accepted = False
        self.intent: CallIntended | None = None
        self.received: tuple[CallFinished | StreamReceived, ...] = ()
        self.last = event
        self.tell(event)

    def tell(self, event: CallEvent) -> None:
        """One more event of this call."""
        if isinstance(event, StreamReceived):
            if isinstance(self.last, CallFinished):  # its loop had left it, and went on later
                self.received = (self.last,)
            self.received = (*self.received, event)
        else:
            self.received = ()
        self.last = event
        if isinstance(event, CallIntended):
            self.intent = event
        if not isinstance(event, CallSettled):
            self.attempt = event.attempt

    def matches(self, call: str, digest: bytes) -> bool:
        return self.call == call and (self.digest == digest or self.digest == ANY_ARGUMENTS)

    @property
    def state(self) -> PastState:
        last = self.last
        if isinstance(last, CallFinished):
            return PastState.RETURNED if last.error is None else PastState.RAISED
        if isinstance(last, CallIntended):
            return PastState.INTENDED
        if isinstance(last, StreamReceived):
            return PastState.RECEIVED
        return PastState.RETURNED if last.decision is Decision.DONE else PastState.TO_RETRY

    @property
    def ended(self) -> bool:
        return self.state in (PastState.RETURNED, PastState.RAISED)

    @property
    def intended(self) -> bool:
        """Whether it has changed the world, or may have, and the program has to account for it."""
        return self.intent is not None and self.state is not PastState.TO_RETRY and not self.accepted

    @property
    def value(self) -> Value:
        """The encoded result or exception of a call that ended."""
        last = self.last
        assert isinstance(last, (CallFinished, CallSettled))
        if isinstance(last, CallSettled):
            found = last.value
        else:
            found = last.result if last.error is None else last.error
        assert found is not None
        return found

    @property
    def gave_items(self) -> bool:
        """Whether what is recorded of it are the items of a stream, or may be."""
        last = self.last
        return not isinstance(last, CallFinished) or last.result is not None

    @property
    def events(self) -> list[CallEvent]:
        """What tells all that is known of it."""
        if self.received:
            return [*self.received]
        if self.intent is None or self.intent is self.last:
            return [self.last]
        return [self.intent, self.last]


Exactly: TypeAlias = "tuple[str, str, bytes]"


class History:
    """The recorded calls of a run that have not been met again yet.

    A call is met again where it has the same place and the same arguments. The place says which of several
    of the same name it is, so a line that is added above may move it; once it is known that the program
    has changed, a call with the same arguments is therefore looked for at its neighbours' places too. In a
    program that is as it was that must not be done: there a call whose own place tells nothing has not
    been made.

    The events are read as they are needed. A run comes to its calls in about the order in which they were
    recorded, so that even of a very long one only a little has to be held in memory at a time.

    Attributes:
        started: how the run began.
        sources: digests of the flow's source, as it was each time that the run was taken up.
        timeouts: where flows in the flow have run out of time.
        whole: whether all events have been read.
    """

    def __init__(self, journal: Journal, run: str, *, whole: bool = True) -> None:
        self.journal = journal
        self.sources: set[str] = set()
        self._writes: int | None = None
        self.whole = False
        self.timeouts: set[str] = set()
        self._source = ""
        self._mismatch = False
        self._calls: dict[str, Past] = {}
        #: Other calls that stood at the same places: the program changed between two times that it was run.
        self._others: dict[Exactly, Past] = {}
        self._moved: dict[Exactly, list[Past]] | None = None
        # what is appended from now on is not history
        self._left = journal.run(run).events
        self._events = journal.events(run)
        self._lock = threading.Lock()
        _, started = next(self._events)
        assert isinstance(started, RunStarted)
        self.started = started
        self._left -= 1
        self.sources.add(started.source)
        if whole:
            self.read()
        else:
            self.read(READ)

    def read(self, count: int | None = None) -> None:
        """Read on: so many events, or all."""
        with self._lock, without_gc():
            if self.whole:
                return
            wanted = self._left if count is None else min(count, self._left)
            for _, event in islice(self._events, wanted):
                if isinstance(event, (CallFinished, CallIntended, StreamReceived, CallSettled)):
                    self._tell(event)
                elif isinstance(event, RunResumed):
                    self.sources.add(event.source)
            self._left -= wanted
            self.whole = not self._left

    def compare(self, source: str) -> None:
        """Take note of the digest of the flow's source as it is now."""
        self._source = source

    @property
    def edited(self) -> bool:
        """Whether the program is known to have changed since it was recorded."""
        return self._mismatch or bool(self._others) or not self.same_flow

    @property
    def same_flow(self) -> bool:
        """Whether the flow's own source is what it always was."""
        return self.sources == {self._source}

    @property
    def writes(self) -> int:
        """How many of the calls left change the world, and did or may have."""
        self.read()
        if self._writes is None:
            self._writes = sum(past.intended for past in self._all())
        return self._writes

    def _tell(self, event: CallEvent) -> None:
        if event.call == TIMEOUT:
            self.timeouts.add(event.place)
        past = self._calls.get(event.place)
        if past is not None and past.matches(event.call, event.digest):
            past.tell(event)
            return
        if past is not None:
            self._others[past.place, past.call, past.digest] = past
        past = self._others.pop((event.place, event.call, event.digest), None)
        if past is None:
            past = Past(event)
        else:
            past.tell(event)
        self._calls[event.place] = past

    def _all(self) -> Iterator[Past]:
        yield from list(self._calls.values())
        yield from list(self._others.values())

    def recorded(self, place: str) -> Past | None:
        """What stands at a place, whatever it is; it stays there."""
        return self._calls.get(place)

    def stands(self, place: str) -> Past | None:
        """As `recorded`; reads on until something stands there, or all is read."""
        while place not in self._calls and not self.whole:
            self.read(READ)
        return self._calls.get(place)

    def find(self, place: str, call: str, digest: bytes) -> Past | None:
        """What is recorded of a call; it stays there."""
        past = self._calls.get(place)
        matches = past is not None and past.matches(call, digest)
        if not self.edited and (matches or past is None):
            return past
        if past is not None and matches and past.digest == ANY_ARGUMENTS:
            return past
        self._mismatch = True
        if self._moved is None:
            # of twins, the one that came first is the one that is come to first
            self._moved = {}
            for past in sorted(self._all(), key=_repetitions):
                self._moved.setdefault((base_of(past.place), past.call, past.digest), []).append(past)
        candidates = self._moved.get((base_of(place), call, digest), ())
        return next((past for past in candidates if self._has(past)), None)

    def _has(self, past: Past) -> bool:
        if self._calls.get(past.place) is past:
            return True
        return self._others.get((past.place, past.call, past.digest)) is past

    def certain(self, place: str, call: str, digest: bytes) -> bool:
        """Whether what has been read tells all that is recorded of a call."""
        if self.whole:
            return True
        if self.edited:
            return False
        past = self._calls.get(place)
        return past is not None and past.matches(call, digest) and past.state is PastState.RETURNED

    def take(self, place: str, call: str, digest: bytes) -> Past | None:
        """What is recorded of a call; it is not there a second time. Reads on until that is known."""
        while not self.certain(place, call, digest):
            self.read(READ)
        past = self.find(place, call, digest)
        if past is not None:
            if self._calls.get(past.place) is past:
                del self._calls[past.place]
            else:
                del self._others[past.place, past.call, past.digest]
            if self._writes is not None and past.intended:
                self._writes -= 1
        return past

    def accept(self, places: Collection[str] | None = None) -> None:
        """Have the run go on without meeting these writes again; without any of them, if none is named.

        Raises `JournalError` where no write is recorded."""
        writes = {past.place: past for past in self._all() if past.intended}
        for place in writes if places is None else places:
            if place not in writes:
                listed = "".join(f"\n    {known}" for known in list(writes)[:20]) or " none"
                raise JournalError(f"no write is recorded at {place!r}. Recorded writes:{listed}")
            writes[place].accepted = True
        self._writes = None

    def named(self, name: str) -> Past:
        """The call at that place, or the only one of a function of that name. Raises `JournalError`."""
        past = self._calls.get(name)
        if past is not None:
            return past
        found = [past for past in self._all() if name in names_of(past.call)]
        return found[the_only([past.place for past in found], name, self.started.run)]

    def ran_out(self, place: str) -> bool:
        """Whether a flow had run out of time there; it is not there a second time."""
        return self.take(place, TIMEOUT, NO_ARGUMENTS) is not None

    def left(self) -> list[Past]:
        """The calls that were not met again."""
        return list(self._all())


def names_of(call: str) -> tuple[str, ...]:
    """All names that a recorded function goes by."""
    qualname = call.rpartition(":")[2]
    return call, qualname, qualname.rpartition(".")[2]


def the_only(places: Sequence[str], name: str, run: str) -> int:
    """The first of these places, where calls of a function of that name stand, if it is the only one.

    Raises `JournalError`."""
    if len(places) == 1:
        return 0
    if places:
        listed = "".join(f"\n    {place}" for place in places[:20])
        more = f"\n    and {len(places) - 20} more" if len(places) > 20 else ""
        raise JournalError(
            f"the run {run}: {len(places)} calls of {name}; name one by its place:{listed}{more}"
        )
    raise JournalError(f"the run {run}: no call is recorded at {name!r}, nor of a function of that name")


@contextmanager
def without_gc() -> Generator[None, None, None]:
    """Many events hold no garbage, and to look through them for some takes long."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _repetitions(past: Past) -> list[int]:
    """Which of several of the same name the steps of a place are."""
    counts = (label.rpartition("#") for label in past.place.split("/"))
    return [int(count) if name and count.isdecimal() else 1 for name, _, count in counts]


def base_of(place: str) -> str:
    """A place without what an edit may change of it: it is told from all others but its neighbours."""
    return _REPETITION.sub("", place)


def value_of(journal: Journal, value: Value, *, pickle: bool = False) -> Any:
    """A recorded value. `pickle`: whether it may be a pickled one, which runs code that the bytes choose."""
    data = journal.get_blob(value.digest) if isinstance(value, BlobRef) else value
    return decode(data, pickle=pickle)
