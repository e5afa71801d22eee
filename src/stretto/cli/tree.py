"""The calls of a run in program order, made of its events in whatever order they came.

Of each call only the numbers of its events are kept, so that a long run does not have to fit into memory with
all its values; `fetch` reads the few that are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from stretto.journal.events import (
    CallFinished,
    CallIntended,
    CallSettled,
    CallStarted,
    Event,
    Recorded,
    RunEnded,
    RunResumed,
    RunStarted,
    StreamReceived,
)

if TYPE_CHECKING:
    from stretto.journal import Journal

__all__ = [
    "DONE",
    "DOUBT",
    "FAILED",
    "RECEIVED",
    "SETTLED",
    "UNDER_WAY",
    "History",
    "Node",
    "doubts",
    "fetch",
]

DONE, FAILED, DOUBT, SETTLED, RECEIVED = "done", "failed", "in doubt", "settled", "cut off"
#: It had begun, and no end of it is recorded: of a call that changes nothing.
UNDER_WAY = "stopped"

#: A name, and which time it stands there.
_REPEATED = re.compile(r"(.*?)(?:#(\d{1,18}))?", re.ASCII | re.DOTALL)

#: Of a run with more events than this, only the beginning is read where that is enough.
MANY = 50_000
_BEGINNING = 20_000

#: What tells of a call.
_CALLS = {CallFinished, CallIntended, CallSettled, CallStarted, StreamReceived}

#: Events that are read through rather than looked up again: the journal reads that many at a time anyway.
_NEAR = 8192


class Node:
    """A segment of a place: a call, or what calls are in.

    Attributes:
        state: where the call stands; empty for what is no call.
        intended, finished, settled, received, started: the number of its last event of that kind, or 0.
        inside: what is below it, by segment, in the order of first events.
    """

    __slots__ = ("finished", "inside", "intended", "received", "settled", "started", "state")

    def __init__(self) -> None:
        self.state = ""
        self.intended = self.finished = self.settled = self.received = self.started = 0
        self.inside: dict[str, Node] | None = None

    @property
    def events(self) -> tuple[int, int, int, int, int]:
        """The numbers of the call's events: intended, finished, settled, received, started."""
        return self.intended, self.finished, self.settled, self.received, self.started

    @property
    def is_loop(self) -> bool:
        """Whether what is below are the turns of a loop."""
        return self.inside is not None and all(map(_is_turn, self.inside))

    def ordered(self) -> list[tuple[str, Node]]:
        """What is below in program order: turns of a loop and repetitions by number, else by first event."""
        inside = self.inside
        if not inside:
            return []
        if len(inside) == 1:
            return list(inside.items())
        if self.is_loop:
            return sorted(inside.items(), key=lambda turn: int(turn[0]))
        # Where the repetitions of a name stand is told by events; which of them stands where, by number.
        names = {label: _repeated(label) for label in inside}
        repetitions: dict[str, list[tuple[int, str]]] = {}
        for label, (name, repetition) in names.items():
            repetitions.setdefault(name, []).append((repetition, label))
        next_of = {name: iter(sorted(them)) for name, them in repetitions.items()}
        return [(label, inside[label]) for name, _ in names.values() for _, label in [next(next_of[name])]]


def _is_turn(label: str) -> bool:
    """Whether it is the number of a turn: nothing else in a place is a number."""
    return label.isdecimal() and len(label) < 19


def _repeated(label: str) -> tuple[str, int]:
    match = _REPEATED.fullmatch(label)
    assert match is not None
    return match[1], int(match[2] or 1)


class History:
    """What a run's events tell, gone through once.

    Attributes:
        started: the first event.
        resumed: the last time that the run was taken up again, and `times` how often it was.
        ended: the last time that it stopped by itself.
        doubts: by place, the writes of which it is not known whether they happened.
        calls: how many calls there are.
        read: how many events were gone through before some were left out; 0 if none were.

    Args:
        events: how many events the run has, if of a long one only the beginning and the end are wanted.
    """

    def __init__(self, journal: Journal, run: str, *, events: int | None = None) -> None:
        self.started: RunStarted | None = None
        self.resumed: RunResumed | None = None
        self.times = 0
        self.ended: RunEnded | None = None
        self.doubts: dict[str, CallIntended] = {}
        self.root = Node()
        self.calls = 0
        self.read = _BEGINNING if events is not None and events > MANY else 0
        for seq, event in _some(journal, run, events or 0):
            kind = type(event)
            if kind in _CALLS:
                self._call(seq, event)
            elif isinstance(event, RunStarted):
                self.started = event
            elif isinstance(event, RunResumed):
                self.resumed, self.ended = event, None
                self.times += 1
            elif isinstance(event, RunEnded):
                self.ended = event

    def _call(self, seq: int, event: Event) -> None:
        if isinstance(event, CallFinished):
            node = self._node(event.place)
            node.finished, node.state = seq, DONE if event.error is None else FAILED
            self.doubts.pop(event.place, None)
        elif isinstance(event, CallIntended):
            node = self._node(event.place)
            node.intended, node.state = seq, DOUBT
            self.doubts[event.place] = event
        elif isinstance(event, CallSettled):
            node = self._node(event.place)
            node.settled, node.state = seq, SETTLED
            self.doubts.pop(event.place, None)
        elif isinstance(event, CallStarted):
            node = self._node(event.place)
            node.started = seq
            node.state = node.state if node.state in (DOUBT, RECEIVED) else UNDER_WAY
        elif isinstance(event, StreamReceived):
            node = self._node(event.place)
            node.received, node.state = seq, RECEIVED

    def _node(self, place: str) -> Node:
        node = self.root
        for label in place.split("/"):
            inside = node.inside
            if inside is None:
                inside = node.inside = {}
            found = inside.get(label)
            if found is None:
                found = inside[label] = Node()
            node = found
        if not node.state:
            self.calls += 1
        return node

    def walk(self) -> Iterator[tuple[int, str, str, Node]]:
        """All of the tree: how deep, the label, the place, and the node.

        What holds a single thing shares its line with it, and a loop with each turn: ``for/3/search``.
        """
        stack = [(0, "", iter(self.root.ordered()))]
        while stack:
            depth, above, left = stack[-1]
            label, node = next(left, ("", None))
            if node is None:
                stack.pop()
                continue
            while not node.state and node.inside is not None and len(node.inside) == 1:
                [(below, node)] = node.inside.items()
                label = f"{label}/{below}"
            if not node.state and node.is_loop:
                stack.append((depth, above, _turns(label, node)))
                continue
            yield depth, label, above + label, node
            if node.inside:
                stack.append((depth + 1, f"{above}{label}/", iter(node.ordered())))


def _turns(loop: str, node: Node) -> Iterator[tuple[str, Node]]:
    for turn, each in node.ordered():
        yield f"{loop}/{turn}", each


def _some(journal: Journal, run: str, events: int) -> Iterator[Recorded]:
    """All events, or of that many the beginning and the last."""
    if events <= MANY:
        yield from journal.events(run)
        return
    yield from islice(journal.events(run), _BEGINNING)
    # The last may tell of calls, too, and those before them are not known.
    yield from (each for each in journal.events(run, after=events - 1) if type(each.event) is RunEnded)


def doubts(journal: Journal, run: str) -> tuple[dict[str, CallIntended], dict[str, CallSettled]]:
    """The writes in doubt, and those that were settled since the run was last taken up; by place."""
    found: dict[str, CallIntended] = {}
    settled: dict[str, CallSettled] = {}
    for _, event in journal.events(run):
        if isinstance(event, CallFinished):
            found.pop(event.place, None)
            settled.pop(event.place, None)
        elif isinstance(event, CallIntended):
            found[event.place] = event
            settled.pop(event.place, None)
        elif isinstance(event, CallSettled):
            found.pop(event.place, None)
            settled[event.place] = event
    return found, settled


def fetch(journal: Journal, run: str, numbers: set[int]) -> dict[int, Event]:
    """The events of those numbers."""
    wanted = sorted(numbers)
    found: dict[int, Event] = {}
    at = 0
    while at < len(wanted):
        for seq, event in journal.events(run, after=wanted[at] - 1):
            if seq == wanted[at]:
                found[seq] = event
                at += 1
                if at == len(wanted) or wanted[at] - seq > _NEAR:
                    break
        else:
            break
    return found
