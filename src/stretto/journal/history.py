"""What a run has done already, as its journal tells: it answers the calls of the run when it is resumed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import JournalError
from .codecs import decode
from .contract import Journal
from .events import BlobRef, CallFinished, CallIntended, CallSettled, Decision, RunResumed, RunStarted, Value

if TYPE_CHECKING:
    from ..calls import Call

__all__ = ["ANY_ARGUMENTS", "History", "Past", "PastState", "failed_for_now", "names_of", "value_of"]

#: The digest of what was settled whatever its arguments are.
ANY_ARGUMENTS = b""

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
    """

    __slots__ = ("accepted", "attempt", "call", "digest", "intent", "last", "place")

    def __init__(self, event: CallIntended | CallFinished | CallSettled) -> None:
        self.place = event.place
        self.call = event.call
        self.digest = event.digest
        self.attempt = 0
        self.accepted = False
        self.intent: CallIntended | None = None
        self.last = event
        self.tell(event)

    def tell(self, event: CallIntended | CallFinished | CallSettled) -> None:
        """One more event of this call."""
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
        assert not isinstance(last, CallIntended)
        if isinstance(last, CallSettled):
            found = last.value
        else:
            found = last.result if last.error is None else last.error
        assert found is not None
        return found

    @property
    def events(self) -> list[CallIntended | CallFinished | CallSettled]:
        """What tells all that is known of it."""
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

    Attributes:
        started: how the run began.
        sources: digests of the flow's source, as it was each time that the run was taken up.
        edited: whether the program is known to have changed since it was recorded.
        same_flow: whether the flow's own source is known to be what it always was.
        writes: how many of the calls left change the world, and did or may have.
    """

    def __init__(self, journal: Journal, run: str) -> None:
        self.journal = journal
        self.started: RunStarted | None = None
        self.sources: set[str] = set()
        self.edited = False
        self.same_flow = False
        self._calls: dict[str, Past] = {}
        #: Other calls that stood at the same places: the program changed between two times that it was run.
        self._others: dict[Exactly, Past] = {}
        self._moved: dict[Exactly, list[Past]] | None = None
        for _, event in journal.events(run):
            if isinstance(event, RunStarted):
                self.started = event
                self.sources.add(event.source)
            elif isinstance(event, RunResumed):
                self.sources.add(event.source)
            elif isinstance(event, (CallIntended, CallFinished, CallSettled)):
                self._tell(event)
        self.edited = bool(self._others)
        self.writes = sum(past.intended for past in self._all())

    def compare(self, source: str) -> None:
        """Take note of the digest of the flow's source as it is now."""
        self.same_flow = self.sources == {source}
        self.edited = self.edited or not self.same_flow

    def _tell(self, event: CallIntended | CallFinished | CallSettled) -> None:
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
        yield from self._calls.values()
        yield from self._others.values()

    def recorded(self, place: str) -> Past | None:
        """What stands at a place, whatever it is; it stays there."""
        return self._calls.get(place)

    def find(self, place: str, call: str, digest: bytes) -> Past | None:
        """What is recorded of a call; it stays there."""
        past = self._calls.get(place)
        if past is None and not self.edited:
            return None
        if past is not None and past.matches(call, digest):
            return past
        self.edited = True
        past = self._others.get((place, call, digest))
        if past is not None:
            return past
        if self._moved is None:
            self._moved = {}
            for past in self._all():
                self._moved.setdefault((_base(past.place), past.call, past.digest), []).append(past)
        candidates = self._moved.get((_base(place), call, digest), ())
        return next((past for past in candidates if self._has(past)), None)

    def _has(self, past: Past) -> bool:
        if self._calls.get(past.place) is past:
            return True
        return self._others.get((past.place, past.call, past.digest)) is past

    def take(self, place: str, call: str, digest: bytes) -> Past | None:
        """What is recorded of a call; it is not there a second time."""
        past = self.find(place, call, digest)
        if past is not None:
            if self._calls.get(past.place) is past:
                del self._calls[past.place]
            else:
                del self._others[past.place, past.call, past.digest]
            if past.intended:
                self.writes -= 1
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
            self.writes -= 1

    def named(self, name: str) -> Past:
        """The call at that place, or the only one of a function of that name. Raises `JournalError`."""
        past = self._calls.get(name)
        if past is not None:
            return past
        found = [past for past in self._all() if name in names_of(past.call)]
        if len(found) == 1:
            return found[0]
        run = "" if self.started is None else f"the run {self.started.run}: "
        if found:
            listed = "".join(f"\n    {past.place}" for past in found[:20])
            more = f"\n    and {len(found) - 20} more" if len(found) > 20 else ""
            raise JournalError(f"{run}{len(found)} calls of {name}; name one by its place:{listed}{more}")
        raise JournalError(f"{run}no call is recorded at {name!r}, nor of a function of that name")

    def left(self) -> list[Past]:
        """The calls that were not met again."""
        return list(self._all())

    def value(self, past: Past) -> Any:
        """The result, or the exception, that was recorded."""
        return value_of(self.journal, past.value)


def failed_for_now(journal: Journal, call: Call[..., Any], past: Past) -> bool:
    """Whether a run was stopped between this failure of a call and the next attempt."""
    if past.state is not PastState.RAISED or past.attempt > call.retries:
        return False
    return isinstance(value_of(journal, past.value), call.retry_on)


def names_of(call: str) -> tuple[str, ...]:
    """All names that a recorded function goes by."""
    qualname = call.rpartition(":")[2]
    return call, qualname, qualname.rpartition(".")[2]


def _base(place: str) -> str:
    return _REPETITION.sub("", place)


def value_of(journal: Journal, value: Value) -> Any:
    """A recorded value."""
    data = journal.get_blob(value.digest) if isinstance(value, BlobRef) else value
    return decode(data)
