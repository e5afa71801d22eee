"""Running tasks: what ``asyncio.create_task`` and task groups have made.

A task that is made does not begin. Where the task that has made it has to wait (for it, for another, or at
the end of a group), all that it has made and that have not begun run, whole, one after the other, in the
order in which they were made (see `docs/asyncio.md`). Each is issued as a region of its own under a handler
of its own, which notes its failure. So they overlap, and the writes of each come in their place. Awaiting one
gives the slot of its result, and a step that raises its failure, if it has one: that may merely fail, so what
follows is issued.

All of them run, also where one fails. What a group raises for that, it raises when they have: a step that
looks, once everything before it has been done, and may merely fail as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from ..compiler import ir
from ..drivers.tasks import Failed, Record, Task
from ..errors import UnsupportedConstruct
from .containers import Versioned
from .made_tasks import NO_TASKS, Tasks, made_by
from .nodes import ORDERED, Node
from .operands import operand
from .slots import PENDING, Slot
from .strands import SEQ, TASK, Block, Frame, Special, Strand
from .task_groups import check_groups

if TYPE_CHECKING:
    from .machine import Engine

__all__ = [
    "RAN",
    "before_await",
    "end_task",
    "in_vain",
    "itself",
    "run_tasks",
    "step_end_tasks",
    "step_finished",
    "step_noted",
    "step_recorded",
    "step_run_tasks",
    "step_task",
    "why_in_vain",
]

#: The names of what a task runs, how it ends, and what it is, in a frame that only its handler sees.
_CORO, _RESULT, _FAILURE, _ERROR, _TASK = "__t_coro", "__t_result", "__t_failure", "__t_error", "__t_task"


class EndNode(Node):
    """The end of a task: when everything up to it has been done, how it has ended is definite."""

    __slots__ = ("record", "task")

    def __init__(self, strand: Strand, task: Task, record: Record) -> None:
        super().__init__(strand, None, task.place, "task")
        if self.ctx is not None:  # no handler waits for it: it does not fail
            self.ctx.pending -= 1
            self.ctx = None
        self.task = task
        self.record = record

    def proceed(self, engine: Engine) -> None:
        record = self.record
        record.failure = self._come(record.failure)
        if record.failure is None:
            record.result = self._come(record.result)
        if self.missing == 0:
            self.state = ORDERED
            engine.in_order(self)

    def _come(self, value: Any) -> Any:
        if isinstance(value, Slot):
            if value.value is PENDING:
                value.wait(self)
                self.missing += 1
                return value
            return value.value
        return value

    def oldest(self, engine: Engine) -> None:
        task = self.task
        failed: Failed | None = self.record.failure
        task.settled = self.record
        task.close()
        engine.tasks.discard(task)
        if task.group is not None and failed is not None and not failed.cancelled:
            task.group.errors.append(failed.error.with_traceback(failed.trace))
        engine.finish(self, None)


_CANCELLED = Failed(asyncio.CancelledError(), None)


# -- tasks run ----------------------------------------------------------------------------------------------


def run_tasks(engine: Engine, strand: Strand, block: Block, instr: ir.Instr, *, check: bool = False) -> None:
    """Run the tasks that have not begun; then the step again. `check`: with what their groups raise."""
    strand.tasks = made_by(strand).queued()
    running = Special(SEQ, (_RUN,), block.frame, None, block.place)
    running.count = instr.lineno
    if check:
        running.target = instr
    block.pc -= 1
    strand.stack.append(running)


_RUN = ir.RunTasks(0)


def step_run_tasks(engine: Engine, strand: Strand, block: Block, instr: ir.RunTasks) -> Any:
    if instr is not _RUN:
        return _run_before(engine, strand, block, instr)
    tasks: Tasks = made_by(strand)
    if not tasks.waiting:
        if block.target is not None:
            check_groups(engine, strand, block, block.target)
        return None
    task = tasks.queue[tasks.begun - tasks.base]
    strand.tasks = tasks._replace(begun=tasks.begun + 1)
    block.pc -= 1
    if task in tasks.cancelled:
        task.record = Record(None, _CANCELLED)
        _ends(engine, strand, task, task.record)
        return None
    frame = block.frame
    env = {_CORO: task.coro, _TASK: task, _RESULT: None, _FAILURE: None}
    own = Frame(frame.form, env, {}, frame.trace, frame.depth, {})
    strand.stack.append(Block(SEQ, _steps(block.count), own, None, task.place))
    return None


def _run_before(engine: Engine, strand: Strand, block: Block, instr: ir.RunTasks) -> Any:
    """Before what is gathered, if that is anything, the tasks run that were made."""
    tasks = made_by(strand)
    if isinstance(tasks, Slot):
        return tasks
    if not tasks.waiting:
        return None
    some = not instr.sources
    for source in instr.sources:
        v = operand(block.frame, source)
        if isinstance(v, Slot):
            return v
        some = some or bool(len(v) if isinstance(v, Versioned) else v)
    if some:
        run_tasks(engine, strand, block, instr)
    return None


def before_await(
    engine: Engine, strand: Strand, block: Block, instr: ir.Instr, fn: Callable[..., Any], args: list[Any]
) -> Any:
    """What to do before something is awaited that nobody knows: what to wait for, `RAN` where tasks run now,
    why it must not wait (a text), or None."""
    tasks = made_by(strand)
    if isinstance(tasks, Slot):
        return tasks
    if tasks.waiting and fn in _WAITS:
        run_tasks(engine, strand, block, instr, check=True)
        return RAN
    return why_in_vain(tasks, args[0] if fn is itself else getattr(fn, "__self__", None))


def why_in_vain(tasks: Tasks, held: Any) -> str | None:
    """Why something must not wait, where these tasks have been made; None if it may."""
    if tasks.waiting:
        return (
            "it waits while tasks have not begun that were made before. Await these tasks before it, "
            "for example with `await asyncio.gather(*tasks)`"
        )
    kind = cast("type[Any]", type(held))
    if tasks.inside and issubclass(kind, _SHARED):
        return (
            f"it waits for what another task does with this {kind.__name__}, and in a flow each task "
            "runs to its end before the next begins"
        )
    return None


def in_vain(why: str, filename: str, lineno: int) -> UnsupportedConstruct:
    """What is raised where something waits that must not."""
    return UnsupportedConstruct(
        f"a flow cannot have this await: {why}", filename=filename, lineno=lineno, construct="await"
    )


#: Tasks have been started before an ``await``.
RAN: Final[Any] = object()
#: Functions of asyncio that wait, whatever they are given.
_WAITS: Final[tuple[Any, ...]] = (asyncio.sleep, asyncio.wait_for)
#: What one task waits for until another one does something.
_SHARED: Final = (
    asyncio.Queue, asyncio.Event, asyncio.Condition, asyncio.Barrier, asyncio.Semaphore, asyncio.Lock,
    asyncio.Future,
)  # fmt: skip


def itself(value: Any) -> Any:
    return value


@lru_cache(maxsize=4096)
def _steps(lineno: int) -> ir.Block:
    """The steps that run a task."""
    awaited = ir.Await(
        lineno, target=_RESULT, callee=_CORO, text="await", label="await", again=True,
        binds=frozenset({_RESULT}), reads=frozenset({_CORO}), names=(_CORO, _RESULT),
    )  # fmt: skip
    ends = (ir.Finished(lineno), ir.EndTasks(lineno))
    noted = (ir.Noted(lineno, _FAILURE), *ends, ir.Never(lineno, _RESULT))
    kinds = ir.Const((Exception, asyncio.CancelledError))
    handlers = (ir.Match(lineno, type=kinds, name=_ERROR, body=noted), ir.Reraise(lineno))
    binds = frozenset({_RESULT, _FAILURE})
    names = (_CORO, _FAILURE, _RESULT)
    guarded = ir.TryExcept(
        lineno, body=(awaited, *ends), handlers=handlers,
        binds=binds, reads=frozenset({_CORO}), names=names,
    )  # fmt: skip
    whole = ir.Task(
        lineno, body=(guarded,), binds=binds, reads=frozenset({_CORO}), names=names, joinable=True
    )
    for region in (awaited, guarded, whole):
        region.alone = (region,)
    return (whole, ir.Recorded(lineno))


def step_task(engine: Engine, strand: Strand, block: Block, instr: ir.Task) -> Any:
    """What runs as a task of its own begins."""
    part = Special(TASK, instr.body, block.frame, instr, block.place)
    part.saved = strand.handling
    strand.handling = (None, None, (), None, strand.purse)
    if strand.tasks is not None:
        tasks = part.item = made_by(strand)
        task: Task | None = block.frame.env.get(_TASK)
        begun = tasks.begun if task is None else task.number
        strand.tasks = NO_TASKS._replace(
            outer=(*tasks.groups, *tasks.outer), above=(*tasks.above, (tasks.scope, begun)), inside=True
        )
    strand.stack.append(part)


def end_task(engine: Engine, strand: Strand, block: Special) -> Any:
    strand.stack.pop()
    strand.handling = block.saved
    if strand.tasks is not None:
        strand.tasks = block.item


def step_end_tasks(engine: Engine, strand: Strand, block: Block, instr: ir.EndTasks) -> Any:
    tasks = made_by(strand)
    if isinstance(tasks, Slot):
        return tasks
    if tasks.waiting:
        run_tasks(engine, strand, block, instr)
    return None


def step_noted(engine: Engine, strand: Strand, block: Block, instr: ir.Noted) -> Any:
    error = cast("BaseException", strand.exc)
    trace = error.__traceback__
    own = block.frame.form
    if trace is not None and trace.tb_frame.f_code.co_filename == own.filename:
        trace = trace.tb_next  # the line that was waiting: who awaits it has another
    error.__traceback__ = trace
    env = block.frame.env
    env[instr.target] = Failed(error, trace)


def step_finished(engine: Engine, strand: Strand, block: Block, instr: ir.Finished) -> Any:
    env = block.frame.env
    _ends(engine, strand, env[_TASK], Record(env[_RESULT], env[_FAILURE]))


def step_recorded(engine: Engine, strand: Strand, block: Block, instr: ir.Recorded) -> Any:
    env = block.frame.env
    env[_TASK].record = Record(env[_RESULT], env[_FAILURE])


def _ends(engine: Engine, strand: Strand, task: Task, record: Record) -> None:
    node = EndNode(strand, task, record)
    engine.place(node, strand)
    engine.ready.append(node)
