"""Why each operation started when it did: the engine of a run that is recorded.

A cause travels with what it sets going. An operation that ends is the cause of what it lets go on: of the
nodes and strands that waited for its result, for its write, for its turn, for its place under a limit; what
ends inside the engine itself (a fragment, a copy) passes its own cause on. So a call that starts knows what
it waited for last, and in what way, and the results that it could not do without.

Runs without a journal use the plain `Engine`, and pay nothing for this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from . import streams
from .containers import Dict, List
from .machine import Engine
from .nodes import FAILED, NO_KWARGS, QUEUED, RUNNING, CallNode, Node
from .places import path
from .queues import Ready, Runnable, Settled
from .slots import PENDING, Slot, Waiter
from .strands import Strand

__all__ = [
    "CERTAIN",
    "CONTROL",
    "DATA",
    "EFFECT",
    "LIMIT",
    "ORDER",
    "ROOM",
    "SOFT",
    "START",
    "Cause",
    "Source",
]

#: Nothing: the program came to it when it began.
START: Final = "start"
#: The result of another operation.
DATA: Final = "data"
#: The program could not come to it before: a branch, a loop or a handler hung on a result.
CONTROL: Final = "control"
#: A write to something that it reads or is given.
EFFECT: Final = "effect"
#: Being the oldest unfinished operation.
ORDER: Final = "order"
#: That nothing before it can fail or leave any more.
CERTAIN: Final = "certain"
#: A place under the limit of its call.
LIMIT: Final = "limit"
#: A place under the limit of the flow.
ROOM: Final = "room"

#: What other declarations would do away with.
SOFT = frozenset({EFFECT, ORDER, CERTAIN, LIMIT, ROOM})

#: So many results are kept of those that an operation could not do without; the latest.
MOST = 8


class Source:
    """An operation that has ended, as those that waited for it know it.

    Attributes:
        over: the numbers of those that it could not do without itself.
        own: of code that is no call, how long it took, and where it stands.
    """

    __slots__ = ("number", "over", "own", "place", "site", "text")

    def __init__(self, number: int, node: Node | streams.Source, over: tuple[int, ...]) -> None:
        self.number = number
        self.place = node.place
        self.site = node.site
        self.over = over
        self.own: tuple[int, Any] | None = None
        self.text = ""

    def __str__(self) -> str:
        """Its place."""
        if not self.text:
            site = self.site if self.own is None else " ".join(self.site.split())[:40]
            self.text = path(self.place, site)
            self.place = None
        return self.text


Cause = tuple[str, Source | None, tuple[Source, ...], int]
"""How something waited, for what it waited last, the results that it could not do without, the latest
first, and when these were there, if it had to wait for something else afterwards (else 0)."""

_AT_ONCE: Cause = (START, None, (), 0)


def _merged(old: Cause, new: Cause, hard: str) -> Cause:
    """The cause of what waited for two things, of which the new one came last."""
    kind, last, needs, _ = new
    before = old[2]
    if before and before is not needs:
        if needs:
            known = {n for source in needs for n in (source.number, *source.over)}
            before = tuple([source for source in before if source.number not in known])
        needs = (needs + before)[:MOST]
    return (kind if kind in SOFT else hard, last, needs, 0)


def _came(node: Any) -> list[Slot]:
    """The results that have come among the operands of a node, and in containers among them."""
    operands: list[Any] = getattr(node, "values", None) or getattr(node, "args", [])
    kwargs: Any = getattr(node, "kwargs", NO_KWARGS)
    found: list[Slot] = []
    for v in (*operands, *kwargs.values()):
        if isinstance(v, Slot):
            if v.value is not PENDING:
                found.append(v)
            v = v.value
        held: Iterable[Any] = ()
        if isinstance(v, List):
            held = v.root()[v.clean :]
        elif isinstance(v, Dict) and not v.clean:
            held = v.root().values()
        found += [item for item in held if isinstance(item, Slot) and item.value is not PENDING]
    return found


class CausalEngine(Engine):
    """An engine that knows why.

    Args:
        clock: the time, in microseconds. Nothing is decided by it.
    """

    def __init__(self, *, limit: int | None = None, clock: Callable[[], int]) -> None:
        super().__init__(limit=limit)
        self.clock = clock
        #: Why what happens now happens.
        self.cause: Cause = _AT_ONCE
        #: Why the oldest entry is the oldest.
        self.advanced: Cause = _AT_ONCE
        self.numbers = 0
        #: Since when code runs that is no call.
        self.natives: dict[Node, int] = {}
        self.settled = Settled(self)
        self.ready = Ready(self)
        self.runnable = Runnable(self)

    # -- what goes through the queues -----------------------------------------------------------------

    def told(self, waiter: Any, cause: Cause) -> None:
        """Something is about to be told that what it waited for is there."""
        if isinstance(waiter, Node):
            cause = waiter.why = _merged(waiter.why, cause, DATA)
        elif isinstance(waiter, Strand):
            cause = waiter.why = _merged(waiter.why, cause, CONTROL)
        self.cause = cause

    def goes_on(self, node: Node) -> None:
        """A node is about to go on."""
        cause = node.why
        if cause[0] == EFFECT:
            # results that came while it waited for a write: nobody was told
            for slot in _came(node):
                cause = _merged(slot.why, cause, DATA)
            node.why = cause
        self.cause = cause

    def resumed(self, strand: Strand) -> None:
        """A point of issue can go on."""
        old, cause = strand.why, self.cause
        if old[1] is not cause[1] or old[2] is not cause[2] or old[0] != cause[0]:
            strand.why = _merged(old, cause, CONTROL)

    # -- what the engine does -------------------------------------------------------------------------

    def place(self, entry: Any, before: Any) -> None:
        super().place(entry, before)
        entry.why = self.cause

    def resolve(self, slot: Slot, value: Any) -> None:
        slot.why = self.cause
        super().resolve(slot, value)

    def complete(self, node: Node, value: Any) -> None:
        self.cause = self._ended(node)
        super().complete(node, value)

    def fail(self, node: Node, error: BaseException) -> None:
        self.cause = self._ended(node)
        super().fail(node, error)

    def overdue(self, node: Node, error: BaseException) -> None:
        self.cause = self._ended(node)
        super().overdue(node, error)

    def heard(self, source: streams.Source, *, ended: bool = False) -> None:
        self.numbers += 1
        given = Source(self.numbers, source, (source.heard, *[need.number for need in source.why[2]]))
        source.heard = self.numbers
        self.cause = (DATA, given, (given,), 0)

    def _ended(self, node: Node) -> Cause:
        """What is caused by the end of an operation that the driver has run."""
        if node.state != RUNNING:
            return self.cause  # nobody waits for it any more
        self.numbers += 1
        needs = node.why[2]
        source = Source(self.numbers, node, tuple([need.number for need in needs]) if needs else ())
        if type(node) is CallNode:
            return (DATA, source, (source,), 0)
        # code of the flow's own needs what it was given, and has no event of its own
        source.own = self.clock() - self.natives.pop(node), node.trace
        return (DATA, source, needs, 0)

    def failed(self, node: Node, error: BaseException) -> None:
        super().failed(node, error)
        node.why = self.advanced = self.cause

    def released(self, waiters: list[Waiter]) -> None:
        cause = self.cause
        self.cause = (EFFECT, cause[1], (), 0)
        super().released(waiters)
        self.cause = cause

    def remove(self, entry: Any) -> None:
        cause = self.cause
        if entry is self.frontier or entry.preceding is self.end:
            self.advanced = cause
        if self.paused:
            self.cause = (ROOM, cause[1], (), 0)
            super().remove(entry)
            self.cause = cause
        else:
            super().remove(entry)

    def turn(self, head: Any) -> None:
        _, _, needs, since = head.why
        self.cause = head.why = (ORDER, self.advanced[1], needs, since)
        super().turn(head)

    def in_order(self, node: Node) -> None:
        if self.end.following is not node:
            kind, last, needs, _ = node.why
            node.why = (kind, last, needs, self.clock())
        super().in_order(node)

    def start(self, node: Any, *, forced: bool = False) -> None:
        if type(node) is streams.Source:
            node.why = self.cause
            super().start(node, forced=forced)
            return
        queued = node.state == QUEUED
        super().start(node, forced=forced)
        kind, last, needs, since = node.why
        if queued:
            node.why = (LIMIT, self.cause[1], needs, since)
        elif node.state == QUEUED:
            node.why = (kind, last, needs, since or self.clock())
        elif since and kind != ORDER:
            node.why = (CERTAIN, self.advanced[1], needs, since)
        if type(node) is not CallNode:
            self.natives[node] = self.clock()

    def held_up(self, node: CallNode | streams.Source) -> None:
        super().held_up(node)
        kind, last, needs, since = node.why
        node.why = (kind, last, needs, since or self.clock())

    @property
    def ending(self) -> Any:
        return self.cause

    def let_on(self, node: CallNode | streams.Source, by: Cause | None) -> None:
        super().let_on(node, by)
        _, _, needs, since = node.why
        node.why = (LIMIT, by[1] if by else None, needs, since)

    def _advance(self) -> None:
        _, last, _, _ = self.advanced
        head: Any = self.end.following
        failed = isinstance(head, Node) and head.state == FAILED
        self.cause = (ORDER, last, head.why[2] if failed else (), 0)
        super()._advance()
        if not self.commuting:
            self._let_commute()  # what is certain is known all the time: whose end makes more so is a cause
