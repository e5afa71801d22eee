"""Flows with a timeout that are called in a flow: they are a part of the run, and so is their clock.

The call is issued inside a ``try`` of its own, which hands every failure on. The seconds count from when
everything older has ended, which is when the reference run would come to the call; work that was done earlier
is won. When they have passed, the failure goes in before the oldest unfinished operation. That one belongs to
the flow, so all that is left of the flow is younger, and is squashed.

Blocks of budgets with seconds have such a clock, too. There the call fails that is running then, if it is the
oldest operation, and every other one in the block whose turn comes later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..compiler import ir
from .instructions import AWAIT, CANCEL, TIMER, UNTIMED
from .nodes import DONE, ORDERED, RUNNING, CallNode, FailedNode, Node
from .operands import trace_of
from .regions import step_try

if TYPE_CHECKING:
    from ..flows import Flow
    from .machine import Engine
    from .reservations import Entered
    from .strands import Block, Strand, Try
    from .streams import Source

__all__ = ["BudgetTimer", "TimerNode", "clocks", "step_timed"]


class TimerNode(Node):
    """Holds the place where what has a timeout begins; starts its clock when everything older has ended.

    Attributes:
        seconds: until the failure.
        failure: the failure, not in program order yet.
        ended: the flow has ended, one way or another.
        where: the place of what is in the flow.
    """

    __slots__ = ("ended", "error", "failure", "inner", "seconds", "where")

    def __init__(
        self, strand: Strand, trace: Any, place: Any, label: str, name: str, seconds: float,
        error: BaseException,
    ) -> None:  # fmt: skip
        super().__init__(strand, trace, place, name)
        self.where = (place, label)
        self.seconds = seconds
        self.error = error
        self.ended = False
        self.inner: Try | None = None
        self.failure: FailedNode | None = None

    def oldest(self, engine: Engine) -> None:
        engine.finish(self, None)
        if not self.ended:
            self.state = RUNNING
            engine.out.append((TIMER, self))

    def stop(self, engine: Engine) -> None:
        """The flow has ended."""
        self.ended = True
        if self.state == RUNNING:
            self.state = DONE
            engine.out.append((UNTIMED, self))

    def fire(self, engine: Engine) -> bool:
        """The seconds have passed; whether that came in time to end the flow."""
        inner: Any = self.inner
        failure: Any = self.failure
        assert inner is not None and failure is not None
        strand = inner.strand
        if self.ended or not strand.alive or not any(block.ctx is inner for block in strand.stack):
            return False
        self.state = DONE
        inner.pending += 1
        engine.place(failure, engine.end.following)
        engine.frontier = failure
        engine.failed(failure, self.error)
        return True


class BudgetTimer(TimerNode):
    """Holds the place where the block of a budget begins that has seconds."""

    __slots__ = ("entered",)

    def __init__(self, strand: Strand, trace: Any, place: Any, label: str, entered: Entered) -> None:
        budget = entered.budget
        super().__init__(strand, trace, place, label, "budget", budget.seconds, budget.overdue())
        self.entered = entered

    def fire(self, engine: Engine) -> bool:
        if self.ended:
            return False
        self.state = DONE
        self.entered.over = True
        head: Any = engine.end.following
        if isinstance(head, Node) and head.purse is not None and self.entered in head.purse:
            if head.state == ORDERED:
                head.oldest(engine)  # if it waits for its arguments, it fails when these are there
            elif head.state == RUNNING and (type(head) is CallNode or head.how is AWAIT):
                engine.out.append((CANCEL, head))
                engine.overdue(head, self.error)
        return True


def clocks(node: Node | Source) -> Iterator[TimerNode]:
    """The clocks that an operation is under, the innermost first."""
    ctx = node.ctx
    while ctx is not None:
        if ctx.timer is not None:
            yield ctx.timer
        around = ctx.strand.boundary
        for block in ctx.strand.stack:
            if block.ctx is ctx:
                break
            if block.ctx is not None:
                around = block.ctx
        ctx = around


def step_timed(engine: Engine, strand: Strand, block: Block, instr: ir.Apply, flow: Flow[..., Any]) -> None:
    """Issue a call of a flow that has a timeout."""
    region = instr.timed
    if region is None:
        plain = replace(instr, under_clock=True, effects={})
        plain.alone = (plain,)
        region = instr.timed = ir.TryExcept(
            instr.lineno, within=instr.within, body=(plain,), handlers=(ir.Reraise(instr.lineno),),
            label=instr.label, binds=instr.binds, joinable=True, unbinds=instr.binds, reads=instr.reads,
            names=instr.names,
        )  # fmt: skip
        region.alone = (region,)
    trace = trace_of(block, instr)
    assert flow.timeout is not None
    timer = TimerNode(strand, trace, block.place, instr.label, flow.name, flow.timeout, flow.overdue())
    engine.place(timer, strand)
    step_try(engine, strand, block, region)
    assert strand.ctx is not None
    inner = timer.inner = strand.ctx
    inner.timer = timer
    timer.failure = FailedNode(strand, trace, block.place, flow.name, True)
    inner.pending -= 1  # it is not under way yet
    timer.state = ORDERED
    engine.in_order(timer)
