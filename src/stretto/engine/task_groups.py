"""What task groups raise: when their tasks have run, and where the task goes on that is in their blocks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..compiler import ir
from ..drivers.tasks import Group, group_error
from .made_tasks import made_by
from .nodes import ORDERED, Node
from .operands import trace_of
from .slots import Slot
from .strands import Block, Strand

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["check_groups", "failure_of", "step_check_groups"]


class GroupNode(Node):
    """Raises what task groups raise for tasks that have failed, where the task that is in their blocks goes
    on: the error of the group that is `left` there, or that the task is cancelled."""

    __slots__ = ("groups", "left")

    def __init__(
        self, strand: Strand, trace: Any, place: Any, groups: tuple[Group, ...], left: Group | None
    ) -> None:
        super().__init__(strand, trace, place, "group")
        self.groups = groups
        self.left = left

    def proceed(self, engine: Engine) -> None:
        self.state = ORDERED
        engine.in_order(self)

    def oldest(self, engine: Engine) -> None:
        error = failure_of(self.groups, self.left)
        if error is None:
            engine.finish(self, None)
        else:
            engine.failed(self, error)


def failure_of(groups: tuple[Group, ...], left: Group | None) -> BaseException | None:
    """What task groups raise; they do so once."""
    found = [group for group in groups if group.errors and not group.aborting]
    for group in found:
        group.aborting = True
    if left is not None and left.errors:
        return group_error(left.errors)
    return asyncio.CancelledError() if found else None


def step_check_groups(engine: Engine, strand: Strand, block: Block, instr: ir.Instr) -> Any:
    tasks = made_by(strand)
    if isinstance(tasks, Slot):
        return tasks
    check_groups(engine, strand, block, instr)


def check_groups(
    engine: Engine, strand: Strand, block: Block, instr: ir.Instr, left: Group | None = None
) -> None:
    """Tasks have run: raise what their groups raise for that."""
    groups: tuple[Group, ...] = made_by(strand).groups
    if groups:
        node = GroupNode(strand, trace_of(block, instr), block.place, groups, left)
        engine.place(node, strand)
        engine.ready.append(node)
