"""What a program does with tasks: making them, asking them, awaiting them; entering and leaving groups."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from types import CoroutineType, FunctionType, GeneratorType, MethodType
from typing import TYPE_CHECKING, Any, Final, cast

from ..compiler import ir
from ..drivers.tasks import Completion, Failed, Group, Record, Task, group_error
from ..errors import UnsupportedConstruct
from .containers import Versioned
from .made_tasks import NO_TASKS, Tasks, made_by
from .nodes import Node
from .operands import OLDEST, Failure, trace_of
from .slots import PENDING, Slot
from .strands import Block, Strand
from .task_groups import check_groups, failure_of
from .tasks import run_tasks

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["await_completion", "await_task", "is_of_tasks", "step_of_tasks", "wait_for_all"]


class FailureNode(Node):
    """Raises the failure of a task that was awaited, if it has one; `asks`: it gives the failure instead."""

    __slots__ = ("asks", "source")

    def __init__(self, strand: Strand, trace: Any, place: Any, source: Slot, asks: str) -> None:
        super().__init__(strand, trace, place, "await")
        self.source = source
        self.asks = asks
        source.wait(self)
        self.missing = 1

    def proceed(self, engine: Engine) -> None:
        failed: Failed | None = self.source.value
        if self.asks == "cancelled":
            engine.finish(self, failed is not None and failed.cancelled)
        elif failed is not None and (failed.cancelled or self.asks != "exception"):
            engine.failed(self, failed.again(self.asks == "kept"))
        else:
            engine.finish(self, None if failed is None else failed.error)


# -- what is called ---------------------------------------------------------------------------------------


def is_of_tasks(callee: Any) -> bool:
    """Whether something that is called makes a task, or is a method of one, or of a group."""
    if type(callee) is MethodType:
        return type(callee.__self__) in (Task, Group)
    return callee is asyncio.TaskGroup or (type(callee) is FunctionType and callee in _MAKERS)


_MAKERS: Final = (asyncio.create_task, asyncio.ensure_future, asyncio.as_completed)


def step_of_tasks(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply,
    callee: Any, args: list[Any], kwargs: dict[str, Any],
) -> Any:  # fmt: skip
    """Call what `is_of_tasks`."""
    if callee is asyncio.TaskGroup:
        if args or kwargs:
            raise Failure(TypeError("TaskGroup() takes no arguments"))
        return give(block, instr, Group())
    held = callee.__self__ if type(callee) is MethodType else None
    name: str = callee.__name__
    if type(held) is Task and name in ("get_name", "get_coro"):
        return give(block, instr, callee())
    for v in (*args, *kwargs.values()):
        if isinstance(v, Slot) and v.coroutine is None:
            return v
    if strand.tasks is None:  # nothing was known to make some
        if engine.end.following is not strand:
            return OLDEST
        strand.tasks = NO_TASKS._replace(late=True)
    tasks = made_by(strand)
    if isinstance(tasks, Slot):
        return tasks
    if type(held) is Task:
        method = _METHODS.get(name)
        if method is None:
            raise unsupported(
                block, instr, f"{name}() of a task", "Await the task, and do there what is needed"
            )
        found = ended(engine, strand, held, tasks)
        return OLDEST if found is OLDEST else method(engine, strand, block, instr, held, found)
    if type(held) is Group:
        if name == "__aenter__":
            if held in tasks.groups:
                raise Failure(RuntimeError(f"TaskGroup {held!r} has already been entered"))
            held.entered = True
            strand.tasks = tasks._replace(groups=(*tasks.groups, held))
            return give(block, instr, held)
        if name == "__aexit__":
            return leave_group(engine, strand, block, instr, held, args[1])
    if callee is asyncio.as_completed:
        return as_completed(engine, strand, block, instr, tasks, args, kwargs)
    if name == "ensure_future" and args and type(args[0]) is Task:
        return give(block, instr, args[0])
    try:
        coro, given, context = _asked(*args, **kwargs)
    except TypeError as error:
        raise Failure(TypeError(str(error).replace("_asked", name))) from None
    if context is not None:
        raise unsupported(block, instr, "context= of a task", "Leave it out")
    if isinstance(held, Group):
        check_group(block, instr, held, tasks)
    if not isinstance(coro, Slot) and type(coro) is not CoroutineType:
        raise Failure(TypeError(f"a coroutine was expected, got {coro!r}"))
    group = held if isinstance(held, Group) else None
    return give(block, instr, make(engine, strand, (block.place, instr.label), coro, group, given))


def make(engine: Engine, strand: Strand, place: Any, coro: Any, group: Group | None, name: Any) -> Task:
    """Make a task."""
    tasks: Tasks = made_by(strand)
    task = Task(coro, tasks.scope or object(), tasks.made, group, name, place)
    engine.tasks.add(task)
    strand.tasks = tasks.with_made(task)
    return task


def _asked(coro: Any, *, name: Any = None, context: Any = None) -> tuple[Any, Any, Any]:
    return coro, name, context


def unsupported(block: Block, instr: ir.Instr, construct: str, advice: str) -> Failure:
    error = UnsupportedConstruct(
        f"a flow cannot have this {construct}: {advice}",
        filename=block.frame.form.filename, lineno=instr.lineno, construct=construct,
    )  # fmt: skip
    return Failure(error)


def check_group(block: Block, instr: ir.Instr, group: Group, tasks: Tasks) -> None:
    """That a task may be made in a group, here."""
    if not group.entered:
        raise Failure(RuntimeError(f"TaskGroup {group!r} has not been entered"))
    if group.aborting:
        raise Failure(RuntimeError(f"TaskGroup {group!r} is shutting down"))
    if group not in tasks.groups and group not in tasks.outer:
        raise Failure(RuntimeError(f"TaskGroup {group!r} is finished"))


def give(block: Block, instr: ir.Apply, value: Any) -> None:
    if instr.target is not None:
        block.frame.env[instr.target] = value


# -- several tasks ---------------------------------------------------------------------------------------


_EMPTY: dict[Any, Any] = {}
_CONTAINERS: Final = (list, tuple, set, frozenset, dict, type(_EMPTY.keys()), type(_EMPTY.values()))


def several(given: Any) -> Any:
    """What is in a container, once each; or what to wait for."""
    if isinstance(given, Versioned):
        waits = [slot for slot in given.pending() if slot.coroutine is None]
        if waits:
            return waits
        given = list(given.elements())
    if not isinstance(given, _CONTAINERS):
        return None
    return list(dict.fromkeys(cast("Iterable[Any]", given)))


def as_completed(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply,
    tasks: Tasks, args: list[Any], kwargs: dict[str, Any],
) -> Any:  # fmt: skip
    """``asyncio.as_completed(...)``, in a loop over it: so many things to be awaited."""
    if len(args) != 1 or kwargs:
        raise unsupported(block, instr, "asyncio.as_completed", "Give it what to await, and no timeout")
    given = several(args[0])
    if sys.version_info < (3, 12) and type(args[0]) is GeneratorType:
        raise Failure(TypeError("expect an iterable of futures, not generator"))
    if given is None:
        raise unsupported(block, instr, "asyncio.as_completed", "Give it a list of calls or tasks")
    if given and all(isinstance(v, Slot) and v.coroutine is None for v in given):
        return given
    found: list[Task] = []
    for number, v in enumerate(given):
        if isinstance(v, Slot) and v.value is not PENDING:
            v = v.value
        if isinstance(v, Slot) or type(v) is CoroutineType:
            place = ((block.place, instr.label), number)
            found.append(make(engine, strand, place, v, None, None))
        elif type(v) is Task and v.scope is made_by(strand).scope:
            found.append(v)
        else:
            raise unsupported(
                block,
                instr,
                "asyncio.as_completed",
                "Give it calls, or tasks of the same task",
            )
    ended = [task for task in found if not tasks.holds(task) and task.number < tasks.made]
    if ended and len(ended) < len(found):
        raise unsupported(block, instr, "asyncio.as_completed", "Some of the tasks have ended, and some not")
    order = tuple(sorted(found, key=lambda task: task.number))
    return give(block, instr, tuple(Completion(order, number) for number in range(len(order))))


def await_completion(
    engine: Engine, strand: Strand, block: Block, instr: ir.Await, completion: Completion
) -> Any:
    """Await the next that is completed."""
    tasks = made_by(strand)
    if isinstance(tasks, Slot):
        return tasks
    order = completion.tasks
    if tasks.holds(order[-1]):  # the one that was made last begins last
        return run_tasks(engine, strand, block, instr, check=True)
    others = tuple(pair for pair in tasks.taken if pair[0] is not order)
    count = next((count for given, count in tasks.taken if given is order), 0)
    if completion.number != count:
        raise unsupported(
            block, instr, "await of what asyncio.as_completed gives",
            "Await each of them once, in the loop over it",
        )  # fmt: skip
    found = ended(engine, strand, order[count], tasks)
    if found is OLDEST:
        return OLDEST
    assert found is not None
    strand.tasks = tasks._replace(taken=(*others, (order, count + 1)))
    come(engine, strand, block, instr, found)


def wait_for_all(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, args: list[Any], kwargs: dict[str, Any]
) -> Any:
    """``await asyncio.wait(tasks)``: all have ended by then, whichever it is to wait for."""
    tasks = made_by(strand)
    if isinstance(tasks, Slot):
        return tasks
    given = None if len(args) != 1 or isinstance(args[0], Slot) else several(args[0])
    if len(args) == 1 and isinstance(args[0], Slot):
        return args[0]
    if given is None or kwargs.get("timeout") is not None or not set(kwargs) <= {"timeout", "return_when"}:
        raise unsupported(block, instr, "asyncio.wait", "Give it a list of tasks, and no timeout")
    if any(type(v) is CoroutineType for v in given):
        raise Failure(TypeError("Passing coroutines is forbidden, use tasks explicitly."))
    if not given:
        raise Failure(ValueError("Set of Tasks/Futures is empty."))
    if any(type(v) is not Task for v in given):
        waits = [v for v in given if isinstance(v, Slot)]
        if waits:
            return waits
        raise unsupported(block, instr, "asyncio.wait", "Give it tasks that the flow has made")
    if tasks.waiting:
        return run_tasks(engine, strand, block, instr, check=True)
    for task in given:
        found = ended(engine, strand, task, tasks)
        if found is OLDEST:
            return OLDEST
        if found is None:
            raise unsupported(block, instr, "asyncio.wait", "A task that another one has made has not begun")
    give(block, instr, (set(given), set[Any]()))


# -- methods of a task --------------------------------------------------------------------------------------


def ended(engine: Engine, strand: Strand, task: Task, tasks: Tasks) -> Any:
    """How a task ends that has begun before this place; None of one that has not, or what to wait for."""
    found = task.settled
    if found is None and not tasks.holds(task) and tasks.begun_above(task):
        found = task.record
        if found is None and engine.end.following is not strand:
            return OLDEST  # who has made it may be about to run it
    return found


def give_result(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, task: Task, found: Record | None
) -> None:
    if found is None:
        raise Failure(asyncio.InvalidStateError("Result is not set."))
    come(engine, strand, block, instr, found)


def give_exception(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, task: Task, found: Record | None
) -> None:
    if found is None:
        raise Failure(asyncio.InvalidStateError("Exception is not set."))
    ask(engine, strand, block, instr, found, "exception")


def give_cancelled(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, task: Task, found: Record | None
) -> None:
    if found is None:
        give(block, instr, False)
    else:
        ask(engine, strand, block, instr, found, "cancelled")


def give_done(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, task: Task, found: Record | None
) -> None:
    give(block, instr, found is not None)


def cancel(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, task: Task, found: Record | None
) -> None:
    if found is None:
        tasks: Tasks = made_by(strand)
        if not tasks.holds(task):
            raise unsupported(
                block, instr, "cancelling of a task", "only the task that has made it can cancel it"
            )
        strand.tasks = tasks._replace(given_up=(task, tasks.given_up))
    give(block, instr, found is None)


#: The methods of a task; each is given how it ends, None if it has not begun.
_METHODS: Final = {
    "result": give_result,
    "exception": give_exception,
    "cancelled": give_cancelled,
    "done": give_done,
    "cancel": cancel,
}


def come(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, record: Record, kept: bool = False
) -> None:
    """Give the result of a task, and raise its failure; `kept`: as it is, for another to raise it."""
    failure = record.failure
    if isinstance(failure, Slot):
        if failure.value is PENDING:
            node = FailureNode(strand, trace_of(block, instr), block.place, failure, "kept" if kept else "")
            engine.place(node, strand)
            give(block, instr, record.result)
            return
        failure = failure.value
    if failure is not None:
        raise Failure(failure.again(kept))
    give(block, instr, record.result)


def ask(engine: Engine, strand: Strand, block: Block, instr: ir.Apply, record: Record, what: str) -> None:
    """Give the failure of a task, or whether it was cancelled."""
    failure = record.failure
    if isinstance(failure, Slot) and failure.value is PENDING:
        node = FailureNode(strand, trace_of(block, instr), block.place, failure, what)
        engine.place(node, strand)
        give(block, instr, node)
        return
    failed: Failed | None = failure.value if isinstance(failure, Slot) else failure
    if what == "cancelled":
        give(block, instr, failed is not None and failed.cancelled)
    elif failed is not None and failed.cancelled:
        raise Failure(failed.again())
    else:
        give(block, instr, None if failed is None else failed.error)


def await_task(engine: Engine, strand: Strand, block: Block, instr: ir.Await, task: Task) -> Any:
    """``await task``"""
    tasks = made_by(strand)
    if isinstance(tasks, Slot):
        return tasks
    if tasks.holds(task):
        return run_tasks(engine, strand, block, instr, check=True)
    found = ended(engine, strand, task, tasks)
    if found is OLDEST:
        return OLDEST
    if found is None:
        raise unsupported(
            block, instr, "await of a task",
            "it has not begun, and another task has made it. Make it before the task that awaits it",
        )  # fmt: skip
    come(engine, strand, block, instr, found, kept=instr.kept)


# -- task groups --------------------------------------------------------------------------------------------


def leave_group(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, group: Group, error: BaseException | None
) -> Any:
    """The end of the block of a task group."""
    tasks: Tasks = made_by(strand)
    early = error is not None or group.aborting
    if early:
        if engine.end.following is not strand:
            return OLDEST
        group.aborting = True
        theirs = [task for task in tasks.left() if task.group is group]
        tasks = strand.tasks = tasks._replace(cancelled=tasks.cancelled.union(theirs))
    if any(task.group is group for task in tasks.left()):
        run_tasks(engine, strand, block, instr)
        return None
    if not early:
        check_groups(engine, strand, block, instr, left=group)
    tasks = strand.tasks = tasks._replace(groups=tuple(g for g in tasks.groups if g is not group))
    give(block, instr, None)
    if not early or isinstance(error, (SystemExit, KeyboardInterrupt)):
        return None
    errors = list(group.errors)
    if error is not None and type(error) is not asyncio.CancelledError:
        errors.append(error)
    if errors:
        raise Failure(group_error(errors))
    other = failure_of(tasks.groups, None)
    if other is not None:
        raise Failure(other)
    return None
