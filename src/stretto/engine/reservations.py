"""Calls in blocks of budgets (``with budget(usd=0.50):``): each has to fit in when it is its turn.

Right before such a call stands a reservation. When that is the oldest operation, everything that the program
run line by line would have called before has ended, and what it has used is known: so now it is decided
whether the call fits, and if it does not, the reservation fails in its place. Until then a call is started
ahead if it fits even where all that is under way uses what it has asked for; else it waits for the decision.
What is younger than a call that does not fit is squashed like anything behind a failure.

What a call asks for, and what it has used, is known to the budgets alone (`stretto.budgets`).
"""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any

from ..compiler.relaxations import relaxed
from ..marks import PURSES
from .nodes import DEAD, DONE, FAILED, ORDERED, RUNNING, Node
from .operands import operand
from .slots import PENDING, Slot

if TYPE_CHECKING:
    from .machine import Engine
    from .strands import Frame, Strand

__all__ = ["Entered", "ReservationNode", "forget_claim", "is_way", "purse_in", "reserve"]


class Entered:
    """A budget whose block the program is in.

    Attributes:
        over: its seconds are (see `timers`).
    """

    __slots__ = ("budget", "over", "until")

    def __init__(self, budget: Any) -> None:
        self.budget = budget
        self.over = False
        self.until: float | None = None


class ReservationNode(Node):
    """Holds the place of a call until it is decided that it fits.

    Attributes:
        node: the call.
        claim: what it asks for, once its arguments are there.
        turn: it is the oldest operation, and waits for the call's arguments.
        held: the call waits for the decision.
    """

    __slots__ = ("claim", "held", "node", "turn")

    def __init__(self, strand: Strand, node: Any) -> None:
        super().__init__(strand, node.trace, node.place, node.site)
        self.node = node
        self.claim: Any = None
        self.turn = self.held = False
        self.state = ORDERED

    def oldest(self, engine: Engine) -> None:
        if self.claim is not None:
            self._decide(engine)
        elif self.node.state in (DONE, FAILED, DEAD):
            engine.finish(self, None)  # it has failed by itself, before anybody could ask
        else:
            self.turn = True

    def lets(self, engine: Engine) -> bool:
        """The call is ready: whether it may go on now."""
        if self.state == DONE:
            return True
        node, purse = self.node, self.purse
        assert purse is not None
        try:
            self.claim = purse[0].budget.claim(purse, node.call, node.args, node.kwargs)
        except Exception as error:
            self._fails(engine, error)
            return False
        if self.turn:
            return self._decided(engine)
        self.held = True
        if relaxed("budgets"):
            if self._overdue() is None and self.claim.ahead():
                self.held = False
                return True
            engine.waits_to_fit(self)
        return False

    def tried(self, engine: Engine) -> bool:
        """Something has been settled: whether the call can go on now."""
        if not self.held or self.state != ORDERED:
            return True
        if self._overdue() is not None or not self.claim.ahead():
            return False
        self._let(engine)
        return True

    def passed_by(self, engine: Engine) -> None:
        """The call has failed before it was ready."""
        if self.turn and self.state == ORDERED:
            engine.finish(self, None)

    def ended(self, engine: Engine, value: Any, error: BaseException | None) -> None:
        """The call has returned or raised."""
        self.claim.ended(value, error)
        waiting = engine.waiting
        while waiting and waiting[0].tried(engine):
            waiting.popleft()

    def _decide(self, engine: Engine) -> None:
        if self._decided(engine):
            self._let(engine)

    def _let(self, engine: Engine) -> None:
        if self.held:
            self.held = False
            self.node.go(engine)

    def _decided(self, engine: Engine) -> bool:
        error = self._overdue() or self.claim.decided()
        if error is None:
            self.node.call = self.claim.call
            engine.finish(self, None)
            return True
        self._fails(engine, error)
        return False

    def _overdue(self) -> BaseException | None:
        """What it fails with if the seconds of a block that it is in are over."""
        for entered in self.purse or ():
            if entered.over:
                error: BaseException = entered.budget.overdue()
                return error
        return None

    def _fails(self, engine: Engine, error: BaseException) -> None:
        if self.node.state == DONE:
            self.claim.forgotten(sent=True)
        engine.failed(self, error)


def reserve(engine: Engine, strand: Strand, node: Any) -> None:
    """A call that stands in the block of a budget is issued."""
    node.reservation = made = ReservationNode(strand, node)
    engine.place(made, node)
    engine.in_order(made)


def forget_claim(entry: Any) -> None:
    """A call, or a reservation, is about to be squashed."""
    if type(entry) is not ReservationNode:
        if entry.reservation is not None and entry.reservation.claim is not None:
            entry.reservation.claim.forgotten(sent=entry.state in (RUNNING, FAILED))
    elif entry.claim is not None and entry.state == ORDERED and entry.node.state == DONE:
        entry.claim.forgotten(sent=True)


def purse_in(frame: Frame, region: Any) -> Any:
    """The budget whose block a ``with`` is that begins, None if it is none, or what to wait for."""
    name: str | None = getattr(region, "manager", None)
    if name is None:
        return None
    manager: Any = operand(frame, name)
    if isinstance(manager, Slot):
        if manager.value is PENDING:
            kind = None if manager.type is None else manager.type.cls
            return None if kind is not None and kind not in PURSES else manager
        manager = manager.value
    return manager if type(manager) in PURSES else None


def is_way(fn: Any) -> bool:
    """Whether it is how the block of a budget is entered, or left."""
    return type(fn) is MethodType and type(fn.__self__) in PURSES and fn.__name__ in ("__enter__", "__exit__")
