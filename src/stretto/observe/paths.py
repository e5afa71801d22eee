"""The critical path of a run, and the run as it would have been if something else had been declared.

The critical path is found backwards, from the call that ended last to the one whose end it had waited for,
and so on (Kelley and Walker, "Critical-path planning and scheduling", 1959). The lengths of its calls and the
gaps between them add up to the length of the run.

What would have been is computed by letting every call start when what it then still waits for has ended, and
taking what it takes (what-if analysis on a recorded graph, as in Curtsinger and Berger, "Coz: finding code
that counts with causal profiling", 2015). With nothing changed that gives the run as it was, exactly. An
operation in order waits for all that is older; where that stands is told by places.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol, TypeVar

from ..engine.causes import CERTAIN, EFFECT, LIMIT, ORDER, SOFT
from .timeline import Call, Timeline

__all__ = ["Model", "Placed", "Step", "critical_path", "ideal", "path_to", "positions"]

#: What stands in a place for a loop, and for a turn of it.
_LOOP = re.compile(r"(?:for|while)(?:#\d+)?|\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Step:
    """A call on the critical path, and the time before it in which no call of the path was running."""

    call: Call
    gap: int


def critical_path(timeline: Timeline) -> list[Step]:
    """The calls on the critical path, the first one first."""
    return path_to(max(timeline.calls, key=lambda call: call.ended)) if timeline.calls else []


def path_to(last: Call) -> list[Step]:
    """The calls of which each waited for the one before it, down to that one, the first one first."""
    call: Call | None = last
    path: list[Step] = []
    while call is not None:
        before = call.last
        path.append(Step(call, call.started - (0 if before is None else before.ended)))
        call = before
    return path[::-1]


def ideal(timeline: Timeline) -> int:
    """How long the run would take at least, whatever were declared: the longest chain of calls of which each
    needs the one before it."""
    ends: dict[Call, int] = {}
    for call in timeline.calls:
        ends[call] = max((ends[need] for need in call.needs), default=0) + call.took
    return max(ends.values(), default=0)


class Model:
    """A run that can be run again in the head, with some of its waits left out.

    Args:
        until: leave out what started later than this call.
    """

    def __init__(self, timeline: Timeline, until: Call | None = None) -> None:
        calls, by_end = timeline.calls, timeline.by_end
        if until is not None:
            calls = [call for call in calls if call.started <= until.started]
            kept = set(calls)
            by_end = [call for call in by_end if call in kept]
            if until not in kept:  # it is under way
                calls.append(until)
                by_end.append(until)
        self.calls = calls
        self.position = positions(calls)
        #: The calls in the order in which they ended, for what waits until all that is older has.
        self.by_end = by_end
        self.tail = timeline.took - max((call.ended for call in calls), default=0)
        #: When each call could have started as it was; what is left until it did is a gap that stays.
        self.could = self._starts({call: call.ended for call in calls}, _no, _yes)

    def took(self, freed: Callable[[Call], bool], waits: Callable[[Call], bool]) -> int:
        """How long the run would have taken if it had not been for some waits.

        Args:
            freed: whether a call would have been free, so that nothing waits for it that does not need it.
            waits: whether a call would still have had to wait for what it did not need.
        """
        ends: dict[Call, int] = {}
        self._starts(ends, freed, waits)
        return max(ends.values(), default=0) + self.tail

    def started(self, call: Call, freed: Callable[[Call], bool], waits: Callable[[Call], bool]) -> int:
        """When a call would have started then."""
        return self._starts({}, freed, waits)[call] + call.started - self.could[call]

    def _starts(
        self, ends: dict[Call, int], freed: Callable[[Call], bool], waits: Callable[[Call], bool]
    ) -> dict[Call, int]:
        """When each call could start; puts in when it ends, unless that is known."""
        position = self.position
        starts: dict[Call, int] = {}
        running: dict[str, list[int]] = {}  # of each call with a limit, when those that run end
        lifted = {call.name for call in self.calls if call.kind == LIMIT and not waits(call)}
        older, plain = _Maximum(len(self.calls)), _Maximum(len(self.calls))
        by_end, ended = self.by_end, 0
        for call in self.calls:
            while by_end[ended].ended <= call.started and by_end[ended] in starts:
                before = by_end[ended]
                ended += 1
                older.put(position[before], ends[before])
                if before.effects == "plain" and not freed(before):
                    plain.put(position[before], ends[before])
            start = max((ends[need] for need in call.needs), default=0)
            last = call.last
            if last is not None and (call.kind not in SOFT or waits(call)):
                if call.kind == EFFECT and freed(last) and not call.unseen:
                    # what is freed does not hold back what waited for it; others before it may
                    start = max(start, plain.below(position[last]))
                else:
                    start = max(start, ends[last])
                if call.kind in (ORDER, CERTAIN):
                    start = max(start, older.below(position[call]))
            if call.limit and call.name not in lifted:
                ending = running.setdefault(call.name, [])
                if len(ending) >= call.limit:
                    start = max(start, heappop(ending))
            starts[call] = start
            if call not in ends:
                ends[call] = start + call.started - self.could[call] + call.took
            if call.name in running:
                heappush(running[call.name], ends[call])
        return starts


def _yes(call: Call) -> bool:
    return True


def _no(call: Call) -> bool:
    return False


class _Maximum:
    """The greatest of the numbers put in at positions below a given one (Fenwick, "A new data structure for
    cumulative frequency tables", 1994)."""

    def __init__(self, size: int) -> None:
        self.tree = [0] * (size + 1)

    def put(self, position: int, value: int) -> None:
        tree = self.tree
        at = position + 1
        while at < len(tree):
            if tree[at] < value:
                tree[at] = value
            at += at & -at

    def below(self, position: int) -> int:
        tree, found = self.tree, 0
        at = position
        while at:
            if tree[at] > found:
                found = tree[at]
            at -= at & -at
        return found


class Placed(Protocol):
    """What stands somewhere in a program."""

    @property
    def place(self) -> str: ...

    @property
    def line(self) -> tuple[str, int]: ...


_P = TypeVar("_P", bound=Placed)


def positions(calls: Sequence[_P]) -> dict[_P, int]:
    """Where calls stand in program order, as far as places tell: turns of a loop by number; what stands side
    by side by its line where that is known of all of it, and by when it was first come to else."""
    first: dict[str, int] = {}
    lines: dict[str, int] = {}
    for number, call in enumerate(calls):
        place = call.place
        while place not in first:
            first[place] = number
            place = place.rpartition("/")[0]
            if not place:
                break
        line = call.line[1]
        place = call.place
        # a loop stands where the first call in it stands; where a function is called, nobody knows
        while line and lines.get(place, line + 1) > line:
            lines[place] = line
            place = place.rpartition("/")[0]
            if not place or not _LOOP.fullmatch(place, place.rfind("/") + 1):
                break
    unknown = {place.rpartition("/")[0] for place in first if place not in lines}
    keys = {call: tuple(_key(call.place, first, lines, unknown)) for call in calls}
    return {call: at for at, call in enumerate(sorted(calls, key=lambda call: keys[call]))}


def _key(place: str, first: dict[str, int], lines: dict[str, int], unknown: set[str]) -> Iterable[int]:
    above, at = "", 0
    while at >= 0:
        end = place.find("/", at)
        label = place[at:end] if end >= 0 else place[at:]
        if label.isdecimal() and len(label) < 19:
            yield int(label)
        else:
            here = place[:end] if end >= 0 else place
            yield 0 if above in unknown else lines[here]
            yield first[here]
        above, at = (place[:end] if end >= 0 else place), end + 1 if end >= 0 else -1
