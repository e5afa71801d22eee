"""What a run is doing, by its journal, which is read on from where it was read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..journal.events import (
    BlobRef,
    CallFinished,
    CallIntended,
    CallSettled,
    CallStarted,
    Recorded,
    RunEnded,
    RunResumed,
    RunStarted,
    StreamReceived,
    Value,
)

__all__ = ["Following", "UnderWay"]

#: How many calls come back in a second is told by those of the last so many microseconds.
_WINDOW = 10_000_000


@dataclass(slots=True)
class UnderWay:
    """A call that has begun and has no end.

    Attributes:
        place: where it stands.
        name: the function's name, as "module:qualname".
        since: when its last attempt began, in microseconds since 1970.
        attempt: which one that is.
    """

    place: str
    name: str
    since: int
    attempt: int


class Following:
    """One run.

    Attributes:
        seq: the number of the last event that was read.
        running: the calls under way, by place: those that take long, and those that change the world.
        failed: how many attempts of calls have raised.
        usd: what the results say that they have cost; None if they say nothing.

    Args:
        cost: what a result has cost, in US dollars, if it tells.
    """

    def __init__(self, cost: Callable[[Value], float | None]) -> None:
        self.seq = 0
        self.running: dict[str, UnderWay] = {}
        self.failed = 0
        self.usd: float | None = None
        self._cost = cost
        self._began = 0
        self._ends: deque[int] = deque()

    def read(self, events: Iterable[Recorded]) -> None:
        """Take note of what has happened since."""
        running = self.running
        for self.seq, event in events:
            if isinstance(event, CallFinished):
                running.pop(event.place, None)
                self._finished(event)
            elif isinstance(event, CallStarted):
                running[event.place] = UnderWay(event.place, event.call, event.started, event.attempt)
            elif isinstance(event, CallIntended):
                running[event.place] = UnderWay(event.place, event.call, event.time, event.attempt)
            elif isinstance(event, StreamReceived):
                if event.place not in running:
                    running[event.place] = UnderWay(event.place, event.call, event.time, event.attempt)
            elif isinstance(event, CallSettled):
                running.pop(event.place, None)
            elif isinstance(event, RunStarted):
                self._began = event.time
            else:
                assert isinstance(event, (RunResumed, RunEnded))
                running.clear()  # what was under way then is lost, or in doubt
                if isinstance(event, RunResumed):
                    self._began = event.time

    def per_second(self, now: int) -> float:
        """How many calls come back in a second, lately."""
        since = now - _WINDOW
        while self._ends and self._ends[0] < since:
            self._ends.popleft()
        return len(self._ends) * 1_000_000 / max(min(_WINDOW, now - self._began), 1_000_000)

    def _finished(self, event: CallFinished) -> None:
        self.failed += event.error is not None
        ends, ended = self._ends, event.ended
        ends.append(ended)
        while ends[0] < ended - _WINDOW:
            ends.popleft()
        result = event.result
        # a name of a field stands in the bytes of a value as it is
        if result is not None and (isinstance(result, BlobRef) or b"cost" in result):
            cost = self._cost(result)
            if cost is not None:
                self.usd = (self.usd or 0.0) + cost
