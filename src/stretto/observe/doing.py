"""What a run is doing, kept up to date by its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .events import (
    Attempted,
    Cancelled,
    Event,
    Failed,
    Finished,
    FirstItem,
    Issued,
    RunBegan,
    RunEnded,
    Started,
    Waiting,
)

__all__ = ["Doing", "Running"]


@dataclass(slots=True)
class Running:
    """A call that is under way.

    Attributes:
        since: when its last attempt began, in microseconds since 1970.
        attempt: which one that is.
        streams: whether it has given its first item.
        failed: how its last attempt has ended, while it waits for the next.
    """

    place: str
    name: str
    since: int
    attempt: int = 1
    streams: bool = False
    failed: str = ""


@dataclass(slots=True)
class Doing:
    """The state of one run, the last that has begun; a handler for `stretto.observe.listening`.

    Attributes:
        flow: what runs, as "module:qualname"; empty before it has begun.
        began: when.
        done, failed: how many calls have come back; how many of these have raised.
        running: those under way, by place, the first that began first.
        waiting: how those wait that have been issued and have not started, by place (see `Waiting.way`).
        usd, tokens: what the results say that they have cost and used.
        state: how it has ended; empty while it goes on.
    """

    flow: str = ""
    began: int = 0
    done: int = 0
    failed: int = 0
    running: dict[str, Running] = field(default_factory=dict[str, Running])
    waiting: dict[str, str] = field(default_factory=dict[str, str])
    usd: float = 0.0
    tokens: int = 0
    state: str = ""
    _names: dict[str, str] = field(default_factory=dict[str, str])

    def __call__(self, event: Event) -> None:
        """Take note of what has happened."""
        handle = _HANDLERS.get(type(event))
        if handle is not None:
            handle(self, event)

    def ways(self) -> dict[str, int]:
        """How many calls wait, by how, the most first."""
        counts: dict[str, int] = {}
        for way in list(self.waiting.values()):  # it changes in another thread
            counts[way] = counts.get(way, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    def _began(self, event: RunBegan) -> None:
        for place in list(self._names):
            self._gone(place)
        self.flow, self.began, self.state = event.flow, event.time, ""
        self.done = self.failed = self.tokens = 0
        self.usd = 0.0

    def _issued(self, event: Issued) -> None:
        self._names[event.place] = event.call.rpartition(":")[2].rpartition(".")[2]

    def _waits(self, event: Waiting) -> None:
        self.running.pop(event.place, None)  # it waits for its next attempt
        self.waiting[event.place] = event.way

    def _started(self, event: Started) -> None:
        self.waiting.pop(event.place, None)
        name = self._names.get(event.place, "")
        self.running[event.place] = Running(event.place, name, event.time, event.attempt)

    def _first(self, event: FirstItem) -> None:
        running = self.running.get(event.place)
        if running is not None:
            running.streams = True

    def _attempted(self, event: Attempted) -> None:
        running = self.running.get(event.place)
        if running is not None:
            running.failed = event.error

    def _ended(self, event: Finished | Failed) -> None:
        self._gone(event.place)
        self.done += 1
        if isinstance(event, Failed):
            self.failed += 1
        else:
            self.usd += event.usd or 0.0
            self.tokens += (event.input_tokens or 0) + (event.output_tokens or 0)

    def _cancelled(self, event: Cancelled) -> None:
        self._gone(event.place)

    def _gone(self, place: str) -> None:
        self.waiting.pop(place, None)
        self.running.pop(place, None)
        self._names.pop(place, None)

    def _over(self, event: RunEnded) -> None:
        self.state = event.state


_HANDLERS: dict[type[Any], Any] = {
    RunBegan: Doing._began,
    Issued: Doing._issued,
    Waiting: Doing._waits,
    Started: Doing._started,
    FirstItem: Doing._first,
    Attempted: Doing._attempted,
    Finished: Doing._ended,
    Failed: Doing._ended,
    Cancelled: Doing._cancelled,
    RunEnded: Doing._over,
}
