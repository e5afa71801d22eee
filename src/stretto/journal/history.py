"""What a run has done already, as its journal tells: it answers the calls of the run when it is resumed."""

from __future__ import annotations

from enum import Enum
from typing import Any

from .codecs import decode
from .contract import Journal
from .events import BlobRef, CallFinished, CallIntended, CallSettled, Decision, RunStarted, Value

__all__ = ["History", "Past", "PastState", "value_of"]


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
        call: the function's name, as "module:qualname".
        digest: of the arguments.
        value: the encoded result or exception.
        intended: it has changed the world, or may have.
    """

    __slots__ = ("attempt", "call", "digest", "intended", "state", "value")

    def __init__(self, call: str, digest: bytes) -> None:
        self.call = call
        self.digest = digest
        self.state = PastState.INTENDED
        self.value: Value | None = None
        self.intended = False
        self.attempt = 0

    @property
    def ended(self) -> bool:
        return self.state in (PastState.RETURNED, PastState.RAISED)


class History:
    """The recorded calls of a run that have not been met again yet.

    Attributes:
        started: how the run began.
        writes: how many of the calls left change the world, and did or may have.
    """

    def __init__(self, journal: Journal, run: str) -> None:
        self.journal = journal
        self.started: RunStarted | None = None
        self.writes = 0
        self._calls: dict[str, Past] = {}
        for _, event in journal.events(run):
            if isinstance(event, RunStarted):
                self.started = event
            elif isinstance(event, CallIntended):
                past = self._of(event.place, event.call, event.digest)
                past.state, past.intended = PastState.INTENDED, True
                past.attempt = event.attempt
            elif isinstance(event, CallFinished):
                past = self._of(event.place, event.call, event.digest)
                past.attempt = event.attempt
                past.state = PastState.RETURNED if event.error is None else PastState.RAISED
                past.value = event.result if event.error is None else event.error
            elif isinstance(event, CallSettled):
                past = self._of(event.place, event.call, event.digest)
                done = event.decision is Decision.DONE
                past.state = PastState.RETURNED if done else PastState.TO_RETRY
                past.value, past.intended = event.value, done
        self.writes = sum(past.intended for past in self._calls.values())

    def _of(self, place: str, call: str, digest: bytes) -> Past:
        past = self._calls.get(place)
        if past is None or past.digest != digest or past.call != call:
            past = self._calls[place] = Past(call, digest)
        return past

    def take(self, place: str) -> Past | None:
        """What was recorded at a place; it is not there a second time."""
        past = self._calls.pop(place, None)
        if past is not None and past.intended:
            self.writes -= 1
        return past

    def left(self) -> list[tuple[str, Past]]:
        """The calls that change the world and that were not met again."""
        return [(place, past) for place, past in self._calls.items() if past.intended]

    def value(self, past: Past, *, pickle: bool = False) -> Any:
        """The result, or the exception, that was recorded; `pickle` is for results of calls that say so."""
        assert past.value is not None
        return value_of(self.journal, past.value, pickle=pickle)

    def digests(self) -> list[bytes]:
        """The digests of all calls that are left."""
        return [past.digest for past in self._calls.values()]


def value_of(journal: Journal, value: Value, *, pickle: bool = False) -> Any:
    """A recorded value. `pickle`: whether it may be a pickled one, which runs code that the bytes choose."""
    data = journal.get_blob(value.digest) if isinstance(value, BlobRef) else value
    return decode(data, pickle=pickle)
