"""A recorded run as its calls in time: what each took, and what it waited for.

Times are microseconds since the run began, without those in which nobody ran it: between a run's being
interrupted and its being taken up again the clock stands still. Events are gone through once, and of each
call only what is here is kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..engine.causes import SOFT, START
from ..journal.events import (
    CallFinished,
    CallIntended,
    CallSettled,
    CallStarted,
    Event,
    RunEnded,
    RunResumed,
    RunStarted,
    RunState,
)
from ..journal.history import TIMEOUT, names_of
from ..journal.waits import Wait, read_wait

__all__ = ["INSIDE", "Call", "Timeline"]

#: How a call waits that is made by code that runs as a whole: for what that code did before it.
INSIDE = "inside"


@dataclass(slots=True, eq=False)
class Call:
    """A call that was made, with all of its attempts.

    Attributes:
        place: where it stands in the program.
        name: the function's name, as "module:qualname".
        ready: when nothing that it needs was missing any more, and it had only to wait for its turn.
        started, ended: when it did.
        attempts: how often it was made.
        failed: whether it raised.
        kind: how it waited last (see `stretto.engine.causes`); `INSIDE` where that is not recorded.
        last: what it waited for last, if that is a call that is recorded.
        unseen: what it waited for last, if that is none.
        needs: the calls that it could not do without.
        wait: what is recorded of all that.
        shared: whether it was taken over from the run that this one was forked from.
    """

    place: str
    name: str
    ready: int
    started: int
    ended: int
    attempts: int
    failed: bool
    wait: Wait | None
    kind: str = INSIDE
    last: Call | None = None
    unseen: str = ""
    needs: list[Call] = field(default_factory=list["Call"])
    shared: bool = False

    @property
    def seconds(self) -> float:
        return self.took / 1_000_000

    @property
    def took(self) -> int:
        return self.ended - self.started

    @property
    def short(self) -> str:
        """The name of the function alone."""
        return self.name.rpartition(":")[2].rpartition(".")[2]

    @property
    def effects(self) -> str:
        return self.wait.effects if self.wait is not None else ""

    @property
    def limit(self) -> int:
        """How many of its kind may run at once; 0 where any number may."""
        limit = self.wait.limit.removeprefix("limit=").partition(",")[0] if self.wait is not None else ""
        return int(limit) if limit.isdecimal() else 0

    @property
    def changes(self) -> bool:
        """Whether it is one of those that are made in order."""
        return self.effects.startswith(("plain", "writes", "commutes")) or "; " in self.effects

    @property
    def line(self) -> tuple[str, int]:
        """The file and the line; an empty name where they are not recorded."""
        return (self.wait.file, self.wait.line) if self.wait is not None else ("", 0)

    @property
    def inputs_came(self) -> int:
        """When the last result came that it could not do without."""
        return max((need.ended for need in self.needs), default=0)


class Timeline:
    """What a run's events tell of its time.

    Attributes:
        flow: what ran, as "module:qualname".
        state: how it stands.
        calls: those that ended, by when they started.
        by_end: the same, by when they ended.
        running: those that are under way, by when they started, as far as that is recorded: those that take
            long, and those that change the world. Of a run that has ended, or that nobody runs any more,
            those that were under way then. What they wait for is not linked, unless by `link`; they "end"
            when the last thing happened that is recorded.
        took: how long the run took.
        resumed: when it was taken up again.
        away: how long nobody ran it.
        shared: how many calls were taken over from the run that it was forked from.
        caused: whether it is recorded what calls waited for.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        self.flow = ""
        self.state = RunState.RUNNING
        self.resumed: list[int] = []
        self.away = 0
        self.shared = 0
        self._forked = False
        self._zero = self._latest = 0
        self._by_place: dict[str, Call] = {}
        self._times: list[int] = []
        self._open: dict[str, Call] = {}
        for event in events:
            if isinstance(event, CallFinished):
                self._finished(event)
            elif isinstance(event, (CallStarted, CallIntended)):
                self._began(event)
            elif isinstance(event, CallSettled):
                self._open.pop(event.place, None)
            elif isinstance(event, RunStarted):
                self.flow, self._zero, self._forked = event.flow, event.time, event.forked_from is not None
            elif isinstance(event, RunResumed):
                self._resumed(event)
            elif isinstance(event, RunEnded):
                self.state = event.state
                self._time(event.time)
        self.took = self._latest
        self.by_end = sorted(self._by_place.values(), key=lambda call: call.ended)
        self._rank = {call: rank for rank, call in enumerate(self.by_end)}
        self.calls = sorted(self.by_end, key=lambda call: call.started)
        self.running = sorted(self._open.values(), key=lambda call: call.started)
        for call in self.running:
            call.ended = max(self._latest, call.started)
        self.caused = any(call.wait is not None for call in self.calls)
        self._link()

    def _time(self, time: int) -> int:
        """A time of the journal's on the run's own clock; a wall clock may step, and goes on here."""
        time = max(0, time - self._zero - self.away)
        self._latest = max(self._latest, time)
        return time

    def _resumed(self, event: RunResumed) -> None:
        self.state = RunState.RUNNING
        self._open.clear()  # what was under way is lost, or in doubt
        self.away += max(0, event.time - self._zero - self.away - self._latest)
        self.resumed.append(self._latest)

    def _began(self, event: CallStarted | CallIntended) -> None:
        if isinstance(event, CallStarted):
            started, ready, wait = event.started, event.ready, _wait(event.waited_for)
        else:
            started, ready, wait = event.time, event.time, None
        time = self._time(started)
        call = Call(
            event.place, event.call, min(self._time(ready), time), time, time, event.attempt, False, wait
        )
        if wait is not None:
            call.kind = wait.kind
        self._open[event.place] = call

    def _finished(self, event: CallFinished) -> None:
        if event.call == TIMEOUT:
            return
        self._open.pop(event.place, None)
        shared = self._forked and event.ended < self._zero
        self.shared += shared
        wait = _wait(event.waited_for)
        started, ended = self._time(event.started), self._time(event.ended)
        before = self._by_place.get(event.place)
        if before is not None and event.attempt > 1 and before.ended <= started:
            before.ended, before.attempts, before.failed = ended, event.attempt, event.error is not None
            return
        self._by_place[event.place] = Call(
            event.place, event.call, min(self._time(event.ready), started), started, max(ended, started),
            event.attempt, event.error is not None, wait, shared=shared,
        )  # fmt: skip

    def _link(self) -> None:
        """Find what calls waited for."""
        self._times = [call.ended for call in self.by_end]
        for call in self.calls:
            self.link(call)

    def link(self, call: Call) -> None:
        """Find what a call waited for."""
        wait = call.wait
        if wait is None:
            # made by code that runs as a whole, one after another: it came after what had ended
            call.last = self._ended_by(call.started, call)
            return
        call.kind = wait.kind
        call.needs = [need for place in wait.needs if (need := self._before(place, call)) is not None]
        if wait.kind == START:
            return
        call.last = self._before(wait.last, call)
        if call.last is None:
            call.unseen = wait.last
            call.last = self._ended_by(call.started - (wait.own.took if wait.own else 0), call)

    def _ended_by(self, time: int, call: Call) -> Call | None:
        """What had ended last by that time, before a call."""
        index = min(bisect_right(self._times, time), self._rank.get(call, len(self.by_end))) - 1
        return self.by_end[index] if index >= 0 else None

    def _before(self, place: str, call: Call) -> Call | None:
        """The call at a place, if it can be what another one waited for."""
        found = self._by_place.get(place)
        if found is None or found.ended > call.started:
            return None
        return found if self._rank[found] < self._rank.get(call, len(self.by_end)) else None

    def named(self, name: str) -> list[Call]:
        """The call at a place, or else those of a function of that name, those under way last."""
        at_place = self._by_place.get(name) or self._open.get(name)
        if at_place is not None:
            return [at_place]
        known = [*self.calls, *self.running]
        functions = {call.name for call in known}
        wanted = {function for function in functions if name in names_of(function)}
        return [call for call in known if call.name in wanted] if wanted else []

    @property
    def waits(self) -> Iterable[Call]:
        """The calls that could have started earlier."""
        return (call for call in self.calls if call.kind in SOFT)


def _wait(text: str) -> Wait | None:
    return read_wait(text) if text else None
