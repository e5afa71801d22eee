"""A run's events as columns, part by part: what a page is sent, once at first and then while the run goes on.

Each part tells only what is new, so whoever has all parts has all calls. A part is data that JSON can hold; a
call is known by its number, which counts from 0 in the order in which calls ended. Times are as those of
`stretto.observe.timeline`: microseconds since the run began, without those in which nobody ran it.

What the columns of a part hold::

    place, name, seq        where it stands; number of its function; number of its last event
    ready, started, took    times
    kind, last              how it waited (an index of `WAITED`), and for the end of which call
    site                    number of where it stands and what is declared of it; -1 if that is not known
    needs                   what it could not do without: 0 for nothing, N + 1 for call N alone, else a list
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from ..journal.events import (
    BlobRef,
    CallFinished,
    CallIntended,
    CallSettled,
    CallStarted,
    Event,
    RunEnded,
    RunResumed,
    RunStarted,
    RunState,
    StreamReceived,
    Value,
)
from ..journal.history import TIMEOUT
from ..journal.waits import read_wait
from .kinds import INSIDE, KINDS, WAITS, kind_of

__all__ = ["COLUMNS", "WAITED", "Part", "Row", "Rows"]

#: How calls wait, by the number that stands for it in a part.
WAITED = tuple(WAITS)

_NUMBER = {kind: number for number, kind in enumerate(WAITED)}
_INSIDE = _NUMBER[INSIDE]

#: The columns of a part's calls.
COLUMNS = ("place", "name", "seq", "ready", "started", "took", "kind", "last", "site", "needs")

Part: TypeAlias = "dict[str, Any]"
Row: TypeAlias = "tuple[str, int, int, int, int, int, int, int, int, int | list[int]]"


class Rows:
    """The events of a run, as they come.

    Attributes:
        seq: the number of the last one.
        flow: what runs, as "module:qualname".
        state: how it stands.
        open: what is known last of calls that are under way, by place; of a run that nobody runs any more, of
            those that were so then.

    Args:
        cost: what a result has cost, in dollars, if it tells; None if nobody wants to know.
    """

    def __init__(self, cost: Callable[[Value], float | None] | None = None) -> None:
        self.seq = 0
        self.flow = ""
        self.state = RunState.RUNNING
        self.open: dict[str, CallIntended | CallStarted] = {}
        self._cost = cost
        self._zero = self._away = self._latest = 0
        self._forked = False
        self._names: dict[str, int] = {}
        self._sites: dict[tuple[str, str], int] = {}
        self._numbers: dict[str, int] = {}
        self._ended: list[int] = []
        self._part: Part = {}
        self._rows: list[Row] = []

    @property
    def zero(self) -> int:
        """When the run began, by the wall clock, were it never interrupted."""
        return self._zero + self._away

    @property
    def latest(self) -> int:
        """The latest time of an event."""
        return self._latest

    def add(self, events: Iterable[tuple[int, Event]]) -> Part:
        """What these events tell, which come after those of before, each with its number."""
        part = self._part = _empty(len(self._ended))
        rows = self._rows
        for self.seq, event in events:
            if isinstance(event, CallFinished):
                self._finished(event)
            elif isinstance(event, CallIntended):
                self._began(event, event.time, event.attempt, "write")
            elif isinstance(event, CallStarted):
                self._began(event, event.started, event.attempt, "call")
            elif isinstance(event, StreamReceived):
                self._began(event, event.time, event.first + event.count, "stream")
            elif isinstance(event, CallSettled):
                self.open.pop(event.place, None)
                part["settled"].append([event.place, event.decision.value, event.by, self.seq])
            elif isinstance(event, RunStarted):
                self.flow, self._zero, self._forked = event.flow, event.time, event.forked_from is not None
            elif isinstance(event, RunResumed):
                self.state = RunState.RUNNING
                self.open.clear()  # what was under way is lost, or in doubt
                self._away += max(0, event.time - self._zero - self._away - self._latest)
                part["resumed"].append([self._latest, self.seq])
            else:
                assert isinstance(event, RunEnded)
                self.state = event.state
                self.time(event.time)
        part["calls"] = dict(
            zip(COLUMNS, zip(*rows, strict=True) if rows else ([] for _ in COLUMNS), strict=True)
        )
        rows.clear()
        part["seq"], part["state"], part["latest"] = self.seq, self.state.value, self._latest
        part["away"] = self._away
        return part

    def time(self, time: int) -> int:
        """A time of the journal's on the run's own clock; a wall clock may step, and goes on here."""
        time = max(0, time - self._zero - self._away)
        self._latest = max(self._latest, time)
        return time

    def _name(self, name: str) -> int:
        number = self._names.get(name)
        if number is None:
            number = self._names[name] = len(self._names)
            self._part["names"].append(name)
        return number

    def _began(
        self, event: CallIntended | CallStarted | StreamReceived, time: int, count: int, how: str
    ) -> None:
        """A call is under way, as far as is recorded; `count`: the attempt, or of a stream, the items."""
        site = -1
        if not isinstance(event, StreamReceived):
            self.open[event.place] = event
            if isinstance(event, CallStarted):
                site = self._waited(-1, event.waited_for)[2]
        name = self._name(event.call)
        self._part["begun"].append([event.place, name, self.time(time), self.seq, count, how, site])

    def _finished(self, event: CallFinished) -> None:
        # of 100,000 calls each microsecond here is a tenth of a second until they are seen
        place, call, _, attempt, result, error, ready, started, ended, waited_for, _ = event
        if call == TIMEOUT:
            return
        if self.open:
            self.open.pop(place, None)
        part, numbers, all_ended = self._part, self._numbers, self._ended
        offset = self._zero + self._away
        started -= offset
        ended -= offset
        shared = False
        if started < 0 or ended < started:
            shared = self._forked and event.ended < self._zero
            started = max(started, 0)
            ended = max(ended, started)
        if ended > self._latest:
            self._latest = ended
        before = numbers.get(place)
        if before is not None:
            if attempt > 1 and all_ended[before] <= started:
                all_ended[before] = ended
                part["again"].append([before, ended, attempt, error is not None, self.seq])
                self._costs(before, result)
                return
            part["gone"].append(before)  # made once more, as by a person's decision: the last time counts
        number = numbers[place] = len(all_ended)
        all_ended.append(ended)
        name = self._names.get(call)
        if name is None:
            name = self._name(call)
        waited, last, site, needs = self._waited(number, waited_for)
        ready -= offset
        if ready > started:
            ready = started
        if ready < 0:
            ready = 0
        self._rows.append((place, name, self.seq, ready, started, ended - started, waited, last, site, needs))
        if shared:
            part["shared"].append(number)
        if attempt > 1:
            part["attempts"].append([number, attempt])
        if error is not None:
            part["failed"].append(number)
        # a name of a field stands in the bytes of a value as it is
        if (
            self._cost is not None
            and result is not None
            and (isinstance(result, BlobRef) or b"cost" in result)
        ):
            self._costs(number, result)

    def _costs(self, number: int, result: Value | None) -> None:
        cost = None if result is None or self._cost is None else self._cost(result)
        if cost is not None:
            self._part["usd"].append([number, cost])

    def _waited(self, number: int, text: str) -> tuple[int, int, int, int | list[int]]:
        """How a call waited, for which, where it stands, and what it needs."""
        lines = text.split("\n")
        count = len(lines)
        if count < 3:
            return _INSIDE, -1, -1, 0
        kind, _, last = lines[0].partition(" ")
        waited = _NUMBER.get(kind)
        key = lines[1], lines[2]
        site = self._sites.get(key)
        if site is None:
            wait = read_wait(text)
            if wait is None:
                return _INSIDE, -1, -1, 0
            site = self._sites[key] = len(self._sites)
            at = wait.site
            declared = KINDS.index(kind_of(at.effects))
            self._part["sites"].append([at.file, at.line, declared, at.effects, at.limit, at.way])
        if waited is None:
            return _INSIDE, -1, -1, 0
        numbers = self._numbers
        needs: int | list[int] = 0
        if count == 4:
            needs = numbers.get(lines[3], -1) + 1
        elif count > 4:
            needs = [found for place in lines[3:] if (found := numbers.get(place)) is not None]
        if not last:
            if count == 3:
                return waited, -1, site, needs
            last = lines[3]
        elif "\t" in last:
            last, _, own = last.partition("\t")
            if number >= 0:
                self._part["own"].append([number, *own.split(" ", 1)])
        before = numbers.get(last, -1)
        if before < 0 <= number:
            self._part["unseen"].append([number, last])
        return waited, before, site, needs


def _empty(first: int) -> Part:
    lists = (
        "names", "sites", "begun", "settled", "resumed", "again", "attempts", "failed", "gone",
        "own", "unseen", "usd", "shared",
    )  # fmt: skip
    return {"first": first, **{name: list[Any]() for name in lists}}
