"""Issue: walking the blocks of a strand, in program order, without ever waiting.

A step returns None when it is done, or what the strand has to wait for. A strand that has to wait is split if
it can be, so that what does not depend on the value goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from ..compiler import ir
from ..compiler.relaxations import relaxed
from ..compiler.summary import Effect, effect_of
from ..compiler.summary_bounds import call_effect
from ..compiler.summary_objects import told_apart
from . import (
    apply,
    attributes,
    awaits,
    emitting,
    gathering,
    generators,
    loops,
    regions,
    stars,
    steps,
    takes,
    task_groups,
    tasks,
    versions,
)
from .failures import raise_at
from .functions import deliver, finish_strand
from .operands import OLDEST, ROOM, Failure, link, trace_of
from .slots import Output, Slot
from .strands import FINAL, FUNC, GEN, HANDLER, LOOP, PURSE, SEQ, TASK, TRY, TURN, Block, Special, Strand, Try
from .tokens import EVERYTHING, HEAP, RUNS_TASKS

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["issue"]

#: How each kind of step is carried out.
STEPS: dict[type[ir.Instr], Callable[..., Any]] = {
    ir.Apply: apply.step_apply,
    ir.Assign: steps.step_assign,
    ir.Await: awaits.step_await,
    ir.Awaited: awaits.step_awaited,
    ir.Close: generators.step_close,
    ir.Break: steps.step_break,
    ir.CheckGroups: task_groups.step_check_groups,
    ir.Collect: gathering.step_collect,
    ir.Continue: steps.step_continue,
    ir.Delegate: emitting.step_delegate,
    ir.Delete: steps.step_delete,
    ir.Emit: emitting.step_emit,
    ir.EndTasks: tasks.step_end_tasks,
    ir.Finished: tasks.step_finished,
    ir.For: loops.step_for,
    ir.If: regions.step_if,
    ir.Later: steps.step_later,
    ir.LoadAttribute: attributes.step_load,
    ir.LoadSuper: attributes.step_load_super,
    ir.LookUp: attributes.step_look_up,
    ir.Made: awaits.step_made,
    ir.Match: regions.step_match,
    ir.Move: steps.step_move,
    ir.Never: gathering.step_never,
    ir.NewValue: versions.step_new,
    ir.Noted: tasks.step_noted,
    ir.Raise: steps.step_raise,
    ir.RaiseFirst: gathering.step_raise_first,
    ir.Recorded: tasks.step_recorded,
    ir.Reraise: regions.step_reraise,
    ir.Resume: emitting.step_resume,
    ir.Return: steps.step_return,
    ir.Run: steps.step_run,
    ir.RunTasks: tasks.step_run_tasks,
    ir.StarDone: stars.step_star_done,
    ir.StarEnd: stars.step_star_end,
    ir.StarMatch: stars.step_star_match,
    ir.StarNoted: stars.step_star_noted,
    ir.StoreAttribute: attributes.step_store,
    ir.Take: takes.step_take,
    ir.Task: tasks.step_task,
    ir.Throw: generators.step_throw,
    ir.TryExcept: regions.step_try,
    ir.TryFinally: regions.step_try,
    ir.Unraisable: generators.step_unraisable,
    ir.Update: versions.step_update,
    ir.ValueRead: versions.step_look,
    ir.While: loops.step_while,
    ir.Yield: generators.step_yield,
}
#: What happens at the end of each kind of block that is more than steps in a row.
ENDS: dict[int, Callable[..., Any]] = {
    FINAL: regions.end_final,
    FUNC: regions.end_func,
    GEN: generators.end_generator,
    HANDLER: regions.end_handler,
    LOOP: loops.end_loop,
    TASK: tasks.end_task,
    PURSE: regions.end_purse,
    TRY: regions.end_try,
}


def issue(engine: Engine, strand: Strand, budget: int) -> int:
    """Walk a strand until it ends, waits, or the budget is used up. What is left of the budget."""
    stack = strand.stack
    while budget > 0:
        budget -= 1
        block = stack[-1]
        instr: ir.Instr | None = None
        try:
            if strand.exit is not None:
                wait = regions.unwind(engine, strand)
            else:
                pc = block.pc
                code = block.code
                if pc < len(code):
                    instr = code[pc]
                    block.pc = pc + 1
                    wait = STEPS[type(instr)](engine, strand, block, instr)
                    if wait is None:
                        continue
                    block.pc = pc
                elif block.kind <= TURN:
                    stack.pop()
                    wait = None
                else:
                    wait = ENDS[block.kind](engine, strand, block)
        except Failure as failure:
            at = instr if instr is not None else block.region
            if isinstance(at, ir.If) and at.check is not None and not failure.own_line:
                at = at.check  # which may run in a frame of its own
            trace = link(block.frame, 0, ()) if at is None else trace_of(block, at)
            if (failure.around or failure.line) and at is not None:
                within = at.within[:-1] if failure.around else at.within
                trace = link(block.frame, failure.line or at.lineno, within)
            elif failure.again and at is not None:
                trace = link(block.frame, at.lineno, ())
            raise_at(engine, strand, trace, block.place, failure)
            return budget
        if wait is None:
            if not stack:
                if strand.alive:
                    finish_strand(engine, strand)
                return budget
            continue
        if not _leave_behind(engine, strand, block, instr, wait):
            return budget
    engine.resume(strand)
    return 0


def _leave_behind(engine: Engine, strand: Strand, block: Block, instr: ir.Instr | None, wait: Any) -> bool:
    """Make the strand wait; True if it was split, and goes on after the part that waits."""
    if wait is ROOM or (wait is OLDEST and instr is None):
        _wait(engine, strand, wait)
        return False
    if isinstance(instr, ir.Region) and instr.joinable:
        # the step itself is the region that waits
        block.pc += 1
        effect = _with_tasks(
            _effect(engine, strand, instr, block.frame, called=False, begun=False), strand.tasks
        )
        child = strand.split_step(block, instr, effect)
        if effect.changes:
            strand.promise(child, effect.changes, engine.memory)
        engine.place(child, strand)
        _wait(engine, child, wait)
        return True
    stack = strand.stack
    index = len(stack) - 1
    while index > 0 and not (stack[index].region is not None and stack[index].region.joinable):
        index -= 1
    if index == 0:
        _wait(engine, strand, wait)
        return False
    outer = stack[index]
    called = outer.kind == FUNC
    fresh = outer.kind in (SEQ, TURN) or (outer.kind == LOOP and outer.count == 0)
    begun = not (fresh and index == len(stack) - 1 and outer.pc == 0)
    effect = _effect(engine, strand, outer.region, outer.frame, called=called, begun=begun)
    if RUNS_TASKS in effect.paths:
        effect = _with_tasks(effect, *_tasks_seen(strand, stack[index:]))
    child = strand.split(index, effect)
    if effect.changes:
        strand.promise(child, effect.changes, engine.memory)
    engine.place(child, strand)
    base = child.stack[0]
    if called:
        result = child.result = Output("", None if base.item is not None else effect.types.get("return"))
        made = base.item is not None and outer.frame.form.bounds is not None and bool(effect.changes)
        # an object that is made may be known before it is initialised: who looks at it waits for the promise
        deliver(engine, strand, base, base.item if made else result)
    _wait(engine, child, wait)
    return True


def _effect(engine: Engine, strand: Strand, region: Any, frame: Any, *, called: bool, begun: bool) -> Effect:
    """What a part that is being left behind may write."""
    effect = effect_of(region, frame, strand.tokens, called=called, begun=begun)
    if called and frame.form.bounds is not None:
        return _bounded(engine, strand, frame, effect)
    if (EVERYTHING in effect.paths or HEAP in effect.paths) and relaxed("objects"):
        if strand.tokens is None or not strand.tokens.unknown():
            finer = told_apart(region, frame, engine.memory, strand.here, called=called, begun=begun)
            if finer is not None:
                return finer
    return effect


def _with_tasks(effect: Effect, *seen: Any) -> Effect:
    """The same, where the region may run the tasks that were made before it, and these are as `seen`."""
    if RUNS_TASKS not in effect.paths:
        return effect
    if any(isinstance(tasks, Slot) or (tasks is not None and tasks.waiting) for tasks in seen):
        return replace(effect, paths=frozenset({EVERYTHING}), changes=())
    return replace(effect, paths=effect.paths - {RUNS_TASKS})


def _tasks_seen(strand: Strand, inner: list[Block]) -> list[Any]:
    """The tasks that were made before a part that has begun: what it makes itself is counted there."""
    base = inner[0]
    if base.kind == FUNC or base.kind == TRY:
        return [cast("Special", base).tasks]
    found: list[Any] = []
    for block in inner:
        if block.kind == TASK:
            return [*found, block.item]
        if block.kind == TRY:
            found.append(cast("Special", block).tasks)
    return [*found, strand.tasks]


def _bounded(engine: Engine, strand: Strand, frame: Any, effect: Effect) -> Effect:
    """What a function may write that is declared to change little; `effect` knows it by types alone."""
    at = next(b for b in reversed(strand.stack) if b.kind == FUNC and b.frame is frame)
    entered: Any = cast("Special", at).entered
    if not relaxed("objects") or (entered and entered.unknown()):
        return effect
    return call_effect(frame.form, frame.env, engine.memory) or effect


def _wait(engine: Engine, strand: Strand, wait: Any) -> None:
    if isinstance(wait, Slot):
        strand.missing = 1
        wait.wait(strand)
    elif wait is OLDEST or wait is ROOM:
        strand.waiting = wait
        if wait is ROOM:
            engine.paused.append(strand)
        if engine.end.following is strand:
            engine.stirred = True
    elif isinstance(wait, Try):
        strand.missing = 1
        wait.waiting = True
    else:
        strand.missing = len(wait)
        for item in wait:
            if isinstance(item, Slot):
                item.wait(strand)
            else:
                item.waiters.append(strand)
