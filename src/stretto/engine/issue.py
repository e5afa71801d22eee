"""Issue: walking the blocks of a strand, in program order, without ever waiting.

A step returns None when it is done, or what the strand has to wait for. A strand that has to wait is split if
it can be, so that what does not depend on the value goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compiler import ir
from ..compiler.relaxations import relaxed
from ..compiler.summary import Effect, effect_of
from ..compiler.summary_objects import told_apart
from . import apply, attributes, awaits, emitting, gathering, generators, loops, regions, steps, versions
from .failures import raise_at
from .functions import deliver, finish_strand
from .operands import OLDEST, ROOM, Failure, link, trace_of
from .slots import Output, Slot
from .strands import FINAL, FUNC, GEN, HANDLER, LOOP, SEQ, TRY, TURN, Block, Strand, Try
from .tokens import EVERYTHING, HEAP

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
    ir.Collect: gathering.step_collect,
    ir.Continue: steps.step_continue,
    ir.Delegate: emitting.step_delegate,
    ir.Delete: steps.step_delete,
    ir.Emit: emitting.step_emit,
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
    ir.Raise: steps.step_raise,
    ir.RaiseFirst: gathering.step_raise_first,
    ir.Reraise: regions.step_reraise,
    ir.Resume: emitting.step_resume,
    ir.Return: steps.step_return,
    ir.Run: steps.step_run,
    ir.StoreAttribute: attributes.step_store,
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
            trace = link(block.frame, 0, ()) if at is None else trace_of(block, at)
            if failure.around and at is not None:
                trace = link(block.frame, at.lineno, at.within[:-1])
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
        effect = _effect(engine, strand, instr, block.frame, called=False, begun=False)
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
    child = strand.split(index, effect)
    if effect.changes:
        strand.promise(child, effect.changes, engine.memory)
    engine.place(child, strand)
    base = child.stack[0]
    if called:
        result = child.result = Output("", None if base.item is not None else effect.types.get("return"))
        deliver(engine, strand, base, result)
    _wait(engine, child, wait)
    return True


def _effect(engine: Engine, strand: Strand, region: Any, frame: Any, *, called: bool, begun: bool) -> Effect:
    """What a part that is being left behind may write."""
    effect = effect_of(region, frame, called=called, begun=begun)
    if (EVERYTHING in effect.paths or HEAP in effect.paths) and relaxed("objects"):
        if strand.tokens is None or not strand.tokens.unknown():
            finer = told_apart(region, frame, engine.memory, strand.here, called=called, begun=begun)
            if finer is not None:
                return finer
    return effect


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
