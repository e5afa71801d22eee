"""How many blocks of a semaphore are under way: places for what runs in them.

Calls in blocks of one semaphore (``async with semaphore:``) are issued as if nobody had to wait for it, which
in the reference run nobody has (see `semaphores`). That no more blocks are under way than it lets in is seen
to here: a call starts if something runs in its block already, or if one more block may have something.

A place is held only while something of the block runs. Calls end by themselves, so whoever waits for a place
gets one. Places are given when all that can go on has gone on, and first to blocks that have begun; so a
block keeps its place from one call to the next where it can. A stream may have to wait for its loop, and this
for its turn: so what is the oldest does not wait for places that only streams hold.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from ..compiler.semaphores import passes, room_in
from .nodes import DEAD, DONE, FAILED, QUEUED
from .operands import operand
from .slots import Slot
from .strands import TASK, Frame, Strand

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["Gate", "Stay", "Stays", "stay_in"]


class Gate:
    """A semaphore, or a lock, in one run.

    Attributes:
        entered: how many blocks the run is in, as far as everything before has been done.
        active, calling: how many blocks have something running; how many have calls, which end by themselves.
        by_hand: the run may have taken it without a block.
        late: what waits for others than this run, at the way in or out.
        begun, others: who waits for a place: blocks that have had one, and those that have not.
    """

    __slots__ = ("active", "begun", "by_hand", "calling", "entered", "late", "others", "semaphore")

    def __init__(self, semaphore: Any) -> None:
        self.semaphore = semaphore
        self.entered = self.active = self.calling = 0
        self.by_hand = False
        self.late: Any = None
        self.begun: deque[Stay] = deque()
        self.others: deque[Stay] = deque()

    def room(self, *, oldest: bool = False) -> int:
        """How many more blocks may have something running."""
        if self.late is not None and self.late.state in (DONE, FAILED, DEAD):
            self.passed(self.late)
            self.late = None
        return room_in(self.semaphore) + self.entered - (self.calling if oldest else self.active)

    def passed(self, node: Any) -> None:
        """The run has come to the end of the way in, or out."""
        if node.leaving:
            self.entered -= 1
        elif node.state == DONE:
            self.entered += 1


class Stay:
    """One block of a semaphore, from where it is entered to where it is left; and the one that it is in."""

    __slots__ = ("begun", "calls", "gate", "outer", "streams", "waiting")

    def __init__(self, gate: Gate, outer: Stay | None) -> None:
        self.gate = gate
        self.outer = outer
        self.begun = False
        #: How much runs in it.
        self.calls = self.streams = 0
        #: What waits for its place.
        self.waiting: list[Any] = []


class Stays:
    """The places in all semaphores of a run."""

    __slots__ = ("crowded", "gates", "queued", "running")

    def __init__(self) -> None:
        self.gates: dict[int, Gate] = {}
        #: What runs in a block, and whether it is a stream.
        self.running: dict[Any, tuple[Stay, bool]] = {}
        #: What waits for a place, and where somebody does.
        self.queued: set[Any] = set()
        self.crowded: dict[Gate, None] = {}

    def gate(self, semaphore: Any) -> Gate:
        found = self.gates.get(id(semaphore))
        if found is None:
            found = self.gates[id(semaphore)] = Gate(semaphore)
        return found

    def enter(
        self, node: Any, stay: Stay, *, stream: bool, oldest: bool = False, forced: bool = False
    ) -> bool:
        """Whether something may start in a block: then it has a place, else it waits for one."""
        full = None if forced else _full(stay, oldest)
        if full is not None:
            node.state = QUEUED
            self.queued.add(node)
            stay.waiting.append(node)
            if len(stay.waiting) == 1:
                (full.begun if stay.begun else full.others).append(stay)
                self.crowded[full] = None
            return False
        self.running[node] = stay, stream
        at: Stay | None = stay
        while at is not None:
            gate, at.begun = at.gate, True
            if not (at.calls or at.streams):
                gate.active += 1
            if stream:
                at.streams += 1
            else:
                if not at.calls:
                    gate.calling += 1
                at.calls += 1
            at = at.outer
        return True

    def leave(self, node: Any) -> None:
        """Something has ended."""
        found = self.running.pop(node, None)
        at: Stay | None = None if found is None else found[0]
        while at is not None and found is not None:
            gate = at.gate
            if found[1]:
                at.streams -= 1
            else:
                at.calls -= 1
                if not at.calls:
                    gate.calling -= 1
            if not (at.calls or at.streams):
                gate.active -= 1
            at = at.outer

    def admit(self, engine: Engine) -> None:
        """Start what waits for a place, as far as there are some."""
        head = engine.end.following
        if head in self.queued:
            self._start(engine, [head])
        for gate in list(self.crowded):
            for queue in (gate.begun, gate.others):
                for _ in range(len(queue)):
                    if gate.room() <= 0:
                        break
                    stay = queue.popleft()
                    nodes, stay.waiting = stay.waiting, []
                    self._start(engine, nodes)
            if not gate.begun and not gate.others:
                self.crowded.pop(gate, None)

    def _start(self, engine: Engine, nodes: list[Any]) -> None:
        for node in nodes:
            if node in self.queued:
                self.queued.discard(node)
                if node.state == QUEUED:
                    engine.start(node)


def _full(stay: Stay, oldest: bool) -> Gate | None:
    """The gate that has no room for something in a block, if one has not."""
    wanted: dict[Gate, int] = {}
    at: Stay | None = stay
    while at is not None:
        if not (at.calls or at.streams):
            gate = at.gate
            wanted[gate] = wanted.get(gate, 0) + 1
            if gate.room(oldest=oldest) < wanted[gate]:
                return gate
        at = at.outer
    return None


def stay_in(engine: Engine, strand: Strand, frame: Frame, region: Any) -> Any:
    """The block of a semaphore that a ``try`` is that begins, or is in; or what to wait for."""
    ctx, last = strand.ctx, strand.stack[-1]
    if ctx is None and last.kind == TASK:
        ctx = last.saved[0]  # which handles nothing of a task
    outer = None if ctx is None else ctx.stay
    name: str | None = getattr(region, "way_out", None)
    if name is None:
        return outer
    way_out = operand(frame, name)
    if isinstance(way_out, Slot):
        return way_out
    return Stay(engine.stays.gate(way_out.__self__), outer) if passes(way_out) else outer
