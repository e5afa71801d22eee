"""Which tasks a task has made that have not begun: a value, as everything that issue knows.

A region that is left behind takes a copy with it, and what follows gets a slot where the region may change
it; a handler sees it as it was at the failure.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..drivers.tasks import Group, Task
from ..errors import UnsupportedConstruct
from .slots import PENDING, Slot
from .strands import Strand

__all__ = ["NO_TASKS", "Tasks", "check_left", "made_by"]


class Tasks(NamedTuple):
    """The tasks of one task.

    Attributes:
        scope: stands for the task that has made them; its own has none before it makes one.
        made: how many it has made.
        begun: how many of them have begun: always the first ones.
        queue: those from number `base` on, as far as they were known when it was made.
        newer: the others, the newest first: ``(task, (task, None))``.
        cancelled: those that are to be cancelled when they would begin, as far as known with `queue`.
        given_up: the others, the newest first.
        groups: the task groups that it is in the blocks of, the innermost last.
        above: what stands for the tasks that have made this one, directly or not, each with how many of what
            that one has made had begun before this.
        taken: of what is gone over as it is completed, how many have been awaited.
        inside: whether it is a task among others, and not the flow itself.
        late: nothing was known to make tasks here, so what follows knows of none.
        outer: those that the tasks are in the blocks of that have made this one, directly or not.
    """

    scope: Any  # not `object`, which machine code does not find here
    made: int
    begun: int
    queue: tuple[Task, ...]
    base: int
    newer: Any
    cancelled: frozenset[Task]
    given_up: Any
    groups: tuple[Group, ...]
    outer: tuple[Group, ...]
    above: tuple[tuple[Any, int], ...] = ()
    taken: tuple[tuple[tuple[Task, ...], int], ...] = ()
    inside: bool = False
    late: bool = False

    @property
    def waiting(self) -> bool:
        """Whether some have not begun."""
        return self.made > self.begun

    def holds(self, task: Task) -> bool:
        """Whether a task is one of these, and has not begun."""
        return task.scope is self.scope and task.number >= self.begun

    def begun_above(self, task: Task) -> bool:
        """Whether a task may have begun before this place, as far as those tell that have made this one."""
        return all(task.scope is not scope or task.number < begun for scope, begun in self.above)

    def with_made(self, task: Task) -> Tasks:
        return self._replace(scope=task.scope, made=self.made + 1, newer=(task, self.newer))

    def queued(self) -> Tasks:
        """The same, with all that have not begun in the queue, and all that are cancelled in the set."""
        tasks = self
        if tasks.newer is not None:
            tasks = tasks._replace(queue=tuple(tasks.left()), base=tasks.begun, newer=None)
        if tasks.given_up is not None:
            tasks = tasks._replace(cancelled=tasks.cancelled.union(_chained(tasks.given_up)), given_up=None)
        return tasks

    def left(self) -> list[Task]:
        """Those that have not begun, in the order in which they were made."""
        return [*self.queue[self.begun - self.base :], *reversed(_chained(self.newer))]


def _chained(chain: Any) -> list[Task]:
    found: list[Task] = []
    while chain is not None:
        task, chain = chain
        found.append(task)
    return found


#: Those of a task that has made none.
NO_TASKS = Tasks(None, 0, 0, (), 0, None, frozenset(), None, (), ())


def check_left(tasks: Any) -> None:
    """That a region does not leave tasks behind that what follows it cannot know of."""
    if isinstance(tasks, Tasks) and tasks.late and tasks.waiting:
        raise UnsupportedConstruct(
            f"{tasks.left()[0]!r} was made where nothing told that tasks may be made, and has not begun. "
            "Await it in the function that makes it, or import the module that makes it in that of the flow"
        )


def made_by(strand: Strand) -> Any:
    """The tasks that were made here; a slot where this is not known yet."""
    tasks = strand.tasks
    if isinstance(tasks, Slot):
        if tasks.value is PENDING:
            return tasks
        tasks = strand.tasks = tasks.value
    return NO_TASKS if tasks is None else tasks
