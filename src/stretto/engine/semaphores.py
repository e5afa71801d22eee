"""Entering and leaving asyncio's semaphores and locks with ``async with``.

In the reference run a task runs to its end before the next begins. So nobody finds a semaphore taken by a
task that stands beside his own: he enters at once. To enter and to leave is one change of the semaphore each,
made as the oldest operation, like every other change of an object; nothing else waits for it. So what stands
in the blocks overlaps, but for the number of blocks that are under way (see `stays`).

Where it is taken after all when its turn has come (by the task itself, or by somebody outside of the flow),
it is awaited like anything that nobody knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compiler import ir
from ..compiler.semaphores import field_of, is_semaphore, leaves, together, waits
from .history import Change
from .interpreted import at_once, stepped
from .made_tasks import NO_TASKS, Tasks
from .nodes import NO_KWARGS, ORDERED, AwaitNode, natively
from .operands import operand, trace_of
from .slots import Slot
from .stays import Gate
from .strands import Block, Strand
from .tasks import in_vain, why_in_vain
from .tokens import EVERYTHING, Token

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["GateNode", "note_by_hand", "step_pass"]


class GateNode(AwaitNode):
    """The way into a semaphore, or out of one."""

    __slots__ = ("gate", "leaving", "tasks")

    def __init__(
        self, strand: Strand, trace: Any, place: Any, site: str, way: Any, args: list[Any], gate: Gate
    ) -> None:
        super().__init__(strand, trace, place, site, way, args, NO_KWARGS, False, None, None)
        self.gate = gate
        self.leaving = leaves(way)
        #: The tasks that have been made before it, or a slot of these.
        self.tasks: Any = strand.tasks

    def proceed(self, engine: Engine) -> None:
        if self.gather(self.args):
            self.state = ORDERED
            engine.in_order(self)

    def oldest(self, engine: Engine) -> None:
        if waits(self.fn):
            self.on_loop(engine)
            return
        try:
            natively(stepped, [self.fn, *self.args], self.exc_context)
        except BaseException as error:
            engine.failed(self, error)
        else:
            engine.finish(self, None)
        self.gate.passed(self)

    def on_loop(self, engine: Engine) -> None:
        """Somebody has to wait there, or to be told not to any longer: on the loop."""
        tasks: Tasks = (self.tasks.value if isinstance(self.tasks, Slot) else self.tasks) or NO_TASKS
        why = why_in_vain(tasks, self.gate.semaphore)
        own = self.gate.entered > 0 or self.gate.by_hand
        if why is not None and self.trace is not None and (own or tasks.waiting):
            error = in_vain(why, self.trace[0].filename, self.trace[1])
            self.fn, self.args = at_once, [error, self.fn, *self.args]
        self.gate.late = self
        engine.start(self)


def step_pass(engine: Engine, strand: Strand, block: Block, instr: ir.Apply, way: Any) -> Any:
    """``async with`` comes to a semaphore, or leaves it."""
    args: list[Any] = []
    for _, source in instr.args:
        v = operand(block.frame, source)
        if isinstance(v, Slot):
            return v
        args.append(v)
    semaphore = way.__self__
    gate = engine.stays.gate(semaphore)
    node = GateNode(strand, trace_of(block, instr), block.place, instr.label, way, args, gate)
    engine.place(node, strand)
    if together():
        change = node.token = Change(strand.here, field_of(semaphore))
        strand.change(change, vars(semaphore), engine.memory)
    else:
        node.token = Token(1)
        strand.write(EVERYTHING, node.token, certain=True)
    if instr.target is not None:
        block.frame.env[instr.target] = None
    engine.ready.append(node)


def note_by_hand(engine: Engine, fn: Any) -> None:
    """Something is awaited: it may be that a semaphore is taken without ``async with``."""
    held = getattr(fn, "__self__", None)
    if is_semaphore(held):
        engine.stays.gate(held).by_hand = True
