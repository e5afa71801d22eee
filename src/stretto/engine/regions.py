"""Regions: ``if``, ``try``, handlers, and leaving what is being left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compiler import ir
from .functions import return_from
from .generators import end_generator
from .interpreted import caught_by
from .leaving import abandon, let_go, let_go_of_failure
from .nodes import ORDERED
from .operands import Failure, operand, trace_of
from .reservations import Entered, purse_in
from .slots import PENDING, Slot
from .stays import stay_in
from .steps import run_fragment
from .strands import FINAL, FUNC, GEN, HANDLER, LOOP, PURSE, SEQ, TRY, TURN, Block, Special, Strand, Try

if TYPE_CHECKING:
    from .machine import Engine

__all__ = [
    "end_final",
    "end_func",
    "end_handler",
    "end_purse",
    "end_try",
    "step_if",
    "step_match",
    "step_reraise",
    "step_try",
    "unwind",
]


def step_if(engine: Engine, strand: Strand, block: Block, instr: ir.If) -> Any:
    check = instr.check
    if check is not None:
        env = block.frame.env
        waits: list[Slot] | None = None
        for name in check.fragment.reads:
            v = env.get(name)
            if isinstance(v, Slot) and v.value is PENDING:
                waits = [v] if waits is None else [*waits, v]
        if waits is not None:
            return waits if len(waits) > 1 else waits[0]
        run_fragment(engine, strand, block, check.fragment, check.within)
        assert isinstance(instr.test, str)
        test = env[instr.test]
        if isinstance(test, Slot):
            # it has to wait for its turn: the same without it
            assert instr.decided is not None
            strand.stack.append(Block(SEQ, (instr.decided,), block.frame, instr, block.place))
            return None
    else:
        test = operand(block.frame, instr.test)
        if isinstance(test, Slot):
            return test
    arm = instr.then if test else instr.orelse
    if arm:
        strand.stack.append(Block(SEQ, arm, block.frame, instr, block.place))
    return None


def step_try(engine: Engine, strand: Strand, block: Block, instr: Any) -> Any:
    frame = block.frame
    purse = purse_in(frame, instr)
    if isinstance(purse, Slot):
        return purse
    entered = timer = None
    if purse is not None:
        entered = Entered(purse)
        if purse.seconds is None:
            # to leave it does nothing, whatever has failed in it: so nothing waits for its end
            bounded = Special(PURSE, instr.body, frame, instr, block.place)
            bounded.saved = strand.handling
            strand.purse = (*(strand.purse or ()), entered)
            strand.stack.append(bounded)
            return None
        from .timers import BudgetTimer  # late: that is made of what is here

        timer = BudgetTimer(strand, trace_of(block, instr), block.place, instr.label, entered)
        engine.place(timer, strand)
    stay = stay_in(engine, strand, frame, instr)
    if isinstance(stay, Slot):
        return stay
    guarded = Special(TRY, instr.body, frame, instr, block.place)
    guarded.saved = strand.handling
    guarded.tasks = strand.tasks
    ctx = guarded.ctx = Try(strand, frame.depth, stay)
    strand.ctx, strand.ctx_frame, strand.names = ctx, frame, ()
    strand.stack.append(guarded)
    if timer is not None:
        ctx.timer = timer
        timer.state = ORDERED
        engine.in_order(timer)
        strand.purse = (*(strand.purse or ()), entered)


def end_purse(engine: Engine, strand: Strand, block: Special) -> Any:
    strand.stack.pop()
    strand.handling = block.saved
    return None


def end_try(engine: Engine, strand: Strand, block: Special) -> Any:
    ctx = block.ctx
    assert ctx is not None
    if ctx.pending:
        return ctx
    strand.stack.pop()
    strand.handling = block.saved
    if ctx.timer is not None:
        ctx.timer.stop(engine)
    region = block.region
    if isinstance(region, ir.TryExcept):
        if region.orelse:
            strand.stack.append(Block(SEQ, region.orelse, block.frame, region, block.place))
    else:
        strand.stack.append(final_block(strand, block, None))
    return None


def final_block(strand: Strand, block: Special, pending: Any) -> Block:
    final = Special(FINAL, block.region.final, block.frame, block.region, block.place)
    final.saved = strand.handling
    final.pending = pending
    return final


def end_final(engine: Engine, strand: Strand, block: Special) -> Any:
    strand.stack.pop()
    strand.handling = block.saved
    if block.pending is None:
        return None
    kind, value = block.pending
    if kind != "raise":
        strand.exit = block.pending
        return None
    if block.region.leave is not None:
        block.frame.env.pop(ir.FAILURE, None)
        return None  # the context manager has swallowed it
    raise Failure(value, own_line=False, again=True)


def step_match(engine: Engine, strand: Strand, block: Special, instr: ir.Match) -> Any:
    error = block.item
    frame = block.frame
    if instr.type is not None:
        kind = operand(frame, instr.type)
        if isinstance(kind, Slot):
            return kind
        found = caught_by(error, kind)
        if found is None:
            return None
        if found is not error:
            raise Failure(found)
    block.pc = len(block.code)
    if instr.name is not None:
        frame.env[instr.name] = error
        block.name = instr.name
        if strand.ctx_frame is frame:
            strand.names = (*strand.names, instr.name)
    strand.stack.append(Block(SEQ, instr.body, frame, block.region, block.place))
    return None


def step_reraise(engine: Engine, strand: Strand, block: Block, instr: ir.Reraise) -> Any:
    index = len(strand.stack) - 1
    while strand.stack[index].kind not in (HANDLER, FINAL):
        index -= 1
    handler = strand.stack[index]
    del strand.stack[index:]
    strand.handling = handler.saved
    raise Failure(handler.item, own_line=False, again=True)


def end_handler(engine: Engine, strand: Strand, block: Special) -> Any:
    leave_handler(engine, strand, block)
    return None


def leave_handler(engine: Engine, strand: Strand, block: Special) -> None:
    strand.stack.pop()
    if block.name is not None:
        block.frame.env.pop(block.name, None)
    strand.handling = block.saved
    if engine.kept:
        let_go_of_failure(engine, strand, block)


def end_func(engine: Engine, strand: Strand, block: Block) -> Any:
    return return_from(engine, strand, block, None)


def unwind(engine: Engine, strand: Strand) -> Any:
    """Carry out a break, continue or return, through everything on its way."""
    stack = strand.stack
    assert strand.exit is not None
    kind, value = strand.exit
    while True:
        block: Any = stack[-1]
        what = block.kind
        if what == TRY:
            assert block.ctx is not None
            if block.ctx.pending:
                return block.ctx
            stack.pop()
            strand.handling = block.saved
            if block.ctx.timer is not None:
                block.ctx.timer.stop(engine)
            if isinstance(block.region, ir.TryFinally):
                stack.append(final_block(strand, block, (kind, value)))
                strand.exit = None
                return None
        elif what == HANDLER:
            leave_handler(engine, strand, block)
        elif what == FINAL:
            stack.pop()
            strand.handling = block.saved
        elif what == FUNC:
            return return_from(engine, strand, block, value)
        elif what == GEN:
            strand.exit = None
            return end_generator(engine, strand, block, value)
        else:
            if what == LOOP and block.iterator is not None:
                left = abandon(engine, [block])
                if left:
                    let_go(engine, strand, block, left)
            stack.pop()
            if what == PURSE:
                strand.handling = block.saved
            if (what == TURN and kind == "continue") or (what == LOOP and kind == "break"):
                strand.exit = None
                if value and block.region.orelse:
                    stack.append(Block(SEQ, block.region.orelse, block.frame, block.region, block.place))
                return None
