"""A recorded run as its calls in time: what each took, and what it waited for.

Times are microseconds since the run began, without those in which nobody ran it: between a run's being
interrupted and its being taken up again the clock stands still. Events are gone through once, by `rows`,
which has that clock; of each call only what is here is kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ..engine.causes import SOFT, START
from ..journal.events import CallIntended, CallStarted, Event
from ..journal.history import names_of, without_gc
from ..journal.waits import Own, Site, Wait, read_own, read_wait
from .kinds import INSIDE
from .rows import COLUMNS, WAITED, Part, Row, Rows

__all__ = ["Call", "Timeline"]


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
        site: where it stands in the source, and what is declared of it; None where that is not recorded.
        own: what it waited for last, if that was code of the flow's own.
        shared: whether it was taken over from the run that this one was forked from.
        rank: how many calls ended before it.
        gone: whether it was made once more, so that this time does not count.
    """

    place: str
    name: str
    ready: int
    started: int
    ended: int
    attempts: int
    failed: bool
    site: Site | None
    kind: str = INSIDE
    own: Own | None = None
    last: Call | None = None
    unseen: str = ""
    needs: list[Call] = field(default_factory=list["Call"])
    shared: bool = False
    rank: int = 0
    gone: bool = False

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
        return self.site.effects if self.site is not None else ""

    @property
    def limit(self) -> int:
        """How many of its kind may run at once; 0 where any number may."""
        if self.site is None or not self.site.limit:
            return 0
        limit = self.site.limit.removeprefix("limit=").partition(",")[0]
        return int(limit) if limit.isdecimal() else 0

    @property
    def changes(self) -> bool:
        """Whether it is one of those that are made in order."""
        return self.effects.startswith(("plain", "writes", "commutes")) or "; " in self.effects

    @property
    def line(self) -> tuple[str, int]:
        """The file and the line; an empty name where they are not recorded."""
        return (self.site.file, self.site.line) if self.site is not None else ("", 0)

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
        rows = Rows()
        with without_gc():
            part = rows.add(enumerate(events, 1))
            made = _calls(part)
        self.flow, self.state, self.took = rows.flow, rows.state, rows.latest
        self.away: int = part["away"]
        self.resumed: list[int] = [time for time, _ in part["resumed"]]
        self.shared = len(part["shared"])
        known = [call for call in made if not call.gone]
        self.by_end = sorted(known, key=lambda call: call.ended)
        for rank, call in enumerate(self.by_end):
            call.rank = rank
        self.calls = sorted(self.by_end, key=lambda call: call.started)
        self.caused = any(call.site is not None for call in known)
        self._by_place = {call.place: call for call in known}
        self._ends = [call.ended for call in self.by_end]
        columns: dict[str, Any] = part["calls"]
        unseen: dict[int, str] = dict(part["unseen"])
        for number, call in enumerate(made):
            last, needs = columns["last"][number], columns["needs"][number]
            before = made[cast("int", last)] if last >= 0 else None
            if isinstance(needs, int):
                needed = [made[needs - 1]] if needs else []
            else:
                needed = [made[need] for need in cast("list[int]", needs)]
            self._link(call, before, unseen.get(number, ""), needed)
        self._waits: dict[str, Wait | None] = {}
        self._open = {place: self._under_way(event, rows) for place, event in rows.open.items()}
        self.running = sorted(self._open.values(), key=lambda call: call.started)

    def _under_way(self, event: CallStarted | CallIntended, rows: Rows) -> Call:
        if isinstance(event, CallStarted):
            started, ready, wait = (
                rows.time(event.started),
                rows.time(event.ready),
                read_wait(event.waited_for),
            )
        else:
            started = ready = rows.time(event.time)
            wait = None
        self._waits[event.place] = wait
        call = Call(
            event.place, event.call, min(ready, started), started, max(self.took, started), event.attempt,
            False, None, rank=len(self.by_end),
        )  # fmt: skip
        if wait is not None:
            call.kind, call.site, call.own = wait.kind, wait.site, wait.own
        return call

    def link(self, call: Call) -> None:
        """Find what a call that is under way waited for."""
        wait = self._waits[call.place]
        if wait is None:
            self._link(call, None, "", ())
            return
        needs = [need for place in wait.needs if (need := self._by_place.get(place)) is not None]
        self._link(call, self._by_place.get(wait.last), wait.last, needs)

    def _link(self, call: Call, last: Call | None, place: str, needs: Sequence[Call]) -> None:
        """Find what a call waited for, of what is recorded of that. (The page does it for itself: `link` in
        `server/page/model.js`.)

        Args:
            last: what it waited for last, if there is a call there.
            place: the place of that, else.
            needs: the calls there that it could not do without.
        """
        if needs:
            call.needs = [need for need in needs if _before(need, call)]
        if call.kind == START:
            return
        if last is not None and _before(last, call):
            call.last = last
            return
        if call.kind != INSIDE:
            call.unseen = place if last is None else last.place
        # what is made by code that runs as a whole, one after another, came after what had ended
        time = call.started - (call.own.took if call.own else 0)
        index = min(bisect_right(self._ends, time), call.rank) - 1
        call.last = self.by_end[index] if index >= 0 else None

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


def _before(one: Call, other: Call) -> bool:
    """Whether a call can be what another one waited for."""
    return one.ended <= other.started and one.rank < other.rank and not one.gone


def _calls(part: Part) -> list[Call]:
    """The calls that a part tells of, by number."""
    names: list[str] = part["names"]
    sites: list[Site | None] = [Site(file, line, *said) for file, line, _, *said in part["sites"]]
    sites.append(None)  # for those that have the number -1
    rows = cast("Iterable[Row]", zip(*(part["calls"][name] for name in COLUMNS), strict=True))
    made = [
        Call(place, names[name], ready, started, started + took, 1, False, sites[site], WAITED[kind])
        for place, name, _, ready, started, took, kind, _, site, _ in rows
    ]
    for number, attempt in part["attempts"]:
        made[number].attempts = attempt
    for number in part["failed"]:
        made[number].failed = True
    for number in part["shared"]:
        made[number].shared = True
    for number in part["gone"]:
        made[number].gone = True
    for number, *code in part["own"]:
        made[number].own = read_own(" ".join(code))
    for number, ended, attempt, failed, _ in part["again"]:
        again = made[cast("int", number)]
        again.ended, again.attempts, again.failed = ended, attempt, failed
    return made
