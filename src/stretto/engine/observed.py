"""An engine that tells what happens to its calls, while it happens: that of a run that somebody listens to.

All other runs use the plain engines, and pay nothing for this. What is told is what `stretto.observe.events`
is made of: kinds of news, with the node and a detail.

A call *retires* when it has ended and everything before it in program order has, too. An operation that ends
well leaves the program order at once, so what has ended is kept behind the nearest older operation that is
still there, and moves to the next older one when that leaves. A rope of pairs makes each such move one step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..effects import Kind
from . import streams
from .causes import CERTAIN, DATA, EFFECT, LIMIT, ORDER, CausalEngine
from .nodes import DEAD, DONE, ORDERED, QUEUED, RUNNING, WAITING, CallNode, Node
from .reservations import ReservationNode
from .slots import PENDING, Slot
from .streams import Source, StreamNode

__all__ = [
    "ATTEMPTED",
    "BEGUN",
    "BUDGET",
    "CANCELLED",
    "DISCARDED",
    "ENDED",
    "FIRST",
    "ISSUED",
    "RAISED",
    "RETIRED",
    "WAITS",
    "ObservedEngine",
    "Tell",
]

#: What is told. Behind each, what the detail is, if there is one.
ISSUED: Final = "issued"
WAITS: Final = "waits"  # a pair: how (as in `causes`, or `BUDGET`), and the nodes whose results are missing
BEGUN: Final = "begun"
FIRST: Final = "first"
ATTEMPTED: Final = "attempted"  # the exception of an attempt that is not the last
ENDED: Final = "ended"  # the value
RAISED: Final = "raised"  # the exception
CANCELLED: Final = "cancelled"
DISCARDED: Final = "discarded"
RETIRED: Final = "retired"

#: That it fits in a budget.
BUDGET: Final = "budget"

#: Takes what is told of which node.
Tell = Callable[[str, Any, Any], None]

_GOING_ON, _WELL, _BADLY = range(3)

#: Nothing, a node, or two ropes one behind the other.
Rope = Any


class ObservedEngine(CausalEngine):
    """An engine that is listened to.

    Args:
        tell: is told, in the order in which things happen; it must not raise.
    """

    def __init__(self, *, limit: int | None = None, clock: Callable[[], int], tell: Tell) -> None:
        super().__init__(limit=limit, clock=clock)
        self.observing = True
        self.tell = tell
        #: Calls that were issued in this turn.
        self.fresh: list[Any] = []
        #: How far the calls are that were told of and have not retired.
        self.open: dict[Any, int] = {}
        #: What has ended, behind what it has to wait for.
        self.behind: dict[Any, Rope] = {}
        self.squashes = False

    # -- a call comes --------------------------------------------------------------------------------------

    def place(self, entry: Any, before: Any) -> None:
        super().place(entry, before)
        if isinstance(entry, CallNode):
            self.fresh.append(entry)

    def pump(self, budget: int = 2000) -> bool:
        more = super().pump(budget)
        fresh, self.fresh = self.fresh, []
        for node in fresh:
            if node.state in (WAITING, ORDERED, QUEUED, RUNNING):
                self._issued(node)
                if node.state != RUNNING:
                    self._waits(node)
        return more

    def _issued(self, node: Any) -> None:
        if node not in self.open and node.state != DEAD:
            self.open[node] = _GOING_ON
            self.tell(ISSUED, node, None)

    def _waits(self, node: Any) -> None:
        state = node.state
        if state == QUEUED:
            self.tell(WAITS, node, (LIMIT, ()))
        elif state == ORDERED:
            self.tell(WAITS, node, (CERTAIN if node.call.effects.kind is Kind.COMMUTES else ORDER, ()))
        elif node.reservation is not None and node.reservation.held:
            self.tell(WAITS, node, (BUDGET, ()))
        else:
            given = [*node.args, *node.kwargs.values()]
            missing = [v for v in given if isinstance(v, Slot) and v.value is PENDING]
            self.tell(WAITS, node, (DATA if missing else EFFECT, missing))

    def waits_to_fit(self, reservation: ReservationNode) -> None:
        super().waits_to_fit(reservation)
        if reservation.node in self.open:
            self.tell(WAITS, reservation.node, (BUDGET, ()))

    def in_order(self, node: Node) -> None:
        super().in_order(node)
        if node in self.open and node.state == ORDERED:
            self._waits(node)

    def held_up(self, node: CallNode | Source) -> None:
        super().held_up(node)
        if self._wanted(node):
            self.tell(WAITS, node, (LIMIT, ()))

    def begun(self, node: CallNode | Source) -> None:
        if self._wanted(node):
            self.tell(BEGUN, node, None)

    def _wanted(self, node: Any) -> bool:
        """What goes on in the turn in which it was issued has been issued. One that is started in the turn in
        which it is squashed was told to be cancelled before its driver comes to start it."""
        if not isinstance(node, CallNode):
            return True
        self._issued(node)
        return node in self.open

    def attempted(self, node: CallNode, error: BaseException) -> None:
        if self._wanted(node):
            self.tell(ATTEMPTED, node, error)

    # -- it ends ------------------------------------------------------------------------------------------

    def heard(self, source: Source, *, ended: bool = False) -> None:
        if not ended and source.heard == 0:
            self.tell(FIRST, source, None)
        super().heard(source, ended=ended)

    def finish(self, node: Node, value: Any) -> None:
        if isinstance(node, CallNode):
            self._issued(node)
            self.open[node] = _WELL
            if type(node) is not StreamNode and not node.call.streams:
                self.tell(ENDED, node, value)  # that of a stream is told where its items are taken
        super().finish(node, value)

    def failed(self, node: Node, error: BaseException) -> None:
        if isinstance(node, CallNode):
            self._issued(node)
            self.open[node] = _BADLY
            self.tell(RAISED, node, error)
        super().failed(node, error)

    def stopped(self, node: Any) -> None:
        if type(node) is Source:
            self._source_ended(node)
        super().stopped(node)

    def _source_ended(self, source: Source) -> None:
        last = source.last.value
        if source.state == DONE and isinstance(last, streams.Broken):
            self.tell(RAISED, source, last.error)
        elif self.outcome is not None and source.state == DEAD:
            self.tell(CANCELLED, source, None)
        else:
            self.tell(ENDED, source, None)

    # -- it leaves the program order -------------------------------------------------------------------------

    def squashing(self, entry: Any) -> None:
        self.squashes = True
        if self.open.get(entry) == _GOING_ON:
            self.tell(CANCELLED, entry, None)

    def remove(self, entry: Any) -> None:
        gone, self.squashes = self.squashes, False
        rope = self.behind.pop(entry, None)
        if gone:
            self._discard(rope)
            rope = None
        if entry in self.open:
            # a failure that is handled has become real; all else that is squashed never was
            if not gone or (self.open[entry] == _BADLY and entry.exc is None):
                rope = entry if rope is None else (entry, rope)
            else:
                self._drop(entry)
        older = entry.preceding
        super().remove(entry)
        if rope is None:
            return
        if older is self.end:
            for node in _nodes(rope):
                del self.open[node]
                self.tell(RETIRED, node, None)
        else:
            before = self.behind.get(older)
            self.behind[older] = rope if before is None else (before, rope)

    def _discard(self, rope: Rope) -> None:
        """What has ended, behind something that never was."""
        for node in _nodes(rope):
            self._drop(node)

    def _drop(self, node: Any) -> None:
        if self.open.pop(node) != _GOING_ON:
            self.tell(DISCARDED, node, None)


def _nodes(rope: Rope) -> list[Any]:
    """The nodes of a rope, in order."""
    found: list[Any] = []
    stack = [rope]
    while stack:
        rope = stack.pop()
        if type(rope) is tuple:
            stack.append(rope[1])
            stack.append(rope[0])
        elif rope is not None:
            found.append(rope)
    return found
