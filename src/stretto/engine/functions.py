"""Compiled functions being called, and what they and split-off regions hand back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any, cast

from ..compiler import ir
from ..compiler.functions import Compiled
from ..errors import ReturnTypeError
from .containers import Versioned
from .leaving import let_go_of_names, may_hold
from .made_tasks import check_left
from .nodes import BuildNode
from .operands import Failure, plain, trace_of
from .slots import PENDING, UNBOUND, Output, Slot
from .strands import FUNC, SEQ, Block, Frame, Special, Strand

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["deliver", "finish_strand", "push_function", "return_from"]

#: Deeper than this a flow fails with RecursionError, as any Python program does at some depth.
MAX_DEPTH = 20_000
#: Compiled functions are issued ahead of their turn down to this depth: a recursion whose end hangs on
#: a failure that has not come yet would else be followed for ever.
AHEAD = 1_200


def push_function(
    engine: Engine, strand: Strand, caller: Block | None, form: Compiled, fn: FunctionType,
    args: list[Any], kwargs: dict[str, Any], instr: ir.Apply | None, place: Any, made: Any = None,
) -> None:  # fmt: skip
    """Go on with the steps of a compiled function, which gives `made` if it is there to initialise that."""
    block = enter(engine, strand, caller, form, fn, args, kwargs, instr, place)
    block.item = made
    block.tasks = strand.tasks
    if form.bounds is not None and strand.tokens:
        block.entered = strand.tokens.copy()
    strand.stack.append(block)


def enter(
    engine: Engine, strand: Strand, caller: Block | None, form: Compiled, fn: FunctionType,
    args: list[Any], kwargs: dict[str, Any], instr: ir.Apply | None, place: Any,
) -> Special:  # fmt: skip
    """The block of a compiled function that is called like this."""
    if len(args) == form.simple_arity and not kwargs:
        env = dict(zip(form.params, args, strict=True))
    else:
        try:
            env = form.binder(fn)(*args, **kwargs)
        except TypeError as error:
            raise Failure(error) from None
    depth = 0 if caller is None else caller.frame.depth + 1
    if depth > MAX_DEPTH:
        raise Failure(RecursionError("maximum recursion depth exceeded"))
    trace = None if caller is None or instr is None else trace_of(caller, instr)
    cells: dict[str, CellType] = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
    frame = Frame(form, env, cells, trace, depth, {})
    body = form.body
    for name in form.scope.cells:
        cells[name] = CellType()
    block = Special(FUNC, body, frame, instr, place)
    block.target = instr
    if caller is not None and instr is not None:
        for name in form.packed:
            packed = env[name]
            if any(isinstance(m, (Slot, Versioned)) for m in _members(packed)):
                env[name] = _pack(engine, strand, caller, instr, packed)
        for name in form.params:
            if isinstance(env[name], (Slot, Versioned)) and name not in form.values:
                env[name] = plain(engine, strand, caller, instr, env[name])
    waiting: list[str] = [n for n in form.params if n in form.scope.cells]
    if waiting:
        assigns = tuple(ir.Assign(form.lineno, target=n, source=n) for n in waiting)
        block.code = (*assigns, *body)
    return block


def _members(packed: tuple[Any, ...] | dict[str, Any]) -> list[Any]:
    return list(packed.values() if isinstance(packed, dict) else packed)


def _by_name(names: tuple[str, ...], values: list[Any]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


def _pack(engine: Engine, strand: Strand, caller: Block, instr: ir.Apply, packed: Any) -> Any:
    """``*args`` or ``**kwargs`` with results still to come in it."""
    values = _members(packed)
    build: Callable[[list[Any]], Any] = tuple
    if isinstance(packed, dict):
        build = functools.partial(_by_name, tuple(cast("dict[str, Any]", packed)))
    node = BuildNode(strand, trace_of(caller, instr), caller.place, build, values)
    engine.place(node, strand)
    if node.gather(node.values):
        engine.ready.append(node)
    return node


def return_from(engine: Engine, strand: Strand, block: Block, value: Any) -> Any:
    """A function has been issued to its end."""
    bounds = block.frame.form.bounds
    if bounds is not None:
        # whoever is given what it made looks at that, and knows of no code that may still change it
        unknown = None if strand.tokens is None else strand.tokens.unknown()
        if unknown:
            return unknown
        if bounds.checker is not None and block.item is None:
            if isinstance(value, Slot):
                if value.value is PENDING:
                    return value
                value = value.value
            checked = value.kind() if isinstance(value, Versioned) else value
            if not bounds.checker.ok(checked):
                raise Failure(_wrong(block.frame.form, bounds.checker.text, value))
    if strand.tasks is not None and len(strand.stack) == 1 and strand.result is None:
        wait, value = end_of_flow(engine, strand, block, value)
        if wait is not None:
            return wait
        if len(strand.stack) > 1:
            return None
    strand.exit = None
    strand.stack.pop()
    if block.item is not None:
        value = block.item
    if block.frame.form.holding:
        let_go_of_names(engine, strand, block)
    if strand.stack:
        deliver(engine, strand, block, value)
    elif strand.result is not None:
        finish_strand(engine, strand, value)
    else:
        engine.ended_root(strand, value)
    return None


def end_of_flow(engine: Engine, strand: Strand, block: Block, value: Any) -> tuple[Any, Any]:
    """Before a flow ends, the tasks run that have not begun. What to wait for; and what the flow returns."""
    if block.pending is not None:
        return None, block.pending[0]
    tasks = strand.tasks
    if isinstance(tasks, Slot):
        if tasks.value is PENDING:
            return tasks, value
        tasks = strand.tasks = tasks.value
    if tasks.waiting:
        strand.exit = None
        block.pending = (value,)
        block.pc = len(block.code)
        strand.stack.append(
            Block(SEQ, (ir.EndTasks(block.frame.form.lineno),), block.frame, None, block.place)
        )
    return None, value


def _wrong(form: Compiled, text: str, value: Any) -> ReturnTypeError:
    return ReturnTypeError(
        f"{form.filename}:{form.lineno}: {form.qualname} is said to return {text}, and returned "
        f"{type(value).__name__}: {value!r:.80}. Correct `returns` in [effects], or leave it out"
    )


def deliver(engine: Engine, strand: Strand, block: Block, value: Any) -> None:
    """Give the caller a function's result."""
    caller = strand.stack[-1]
    instr = block.target
    if instr is None:
        return
    frame = caller.frame
    for name in instr.takes:  # the types of others tell what it does, where it has been left behind
        if may_hold(frame.env.get(name)):
            del frame.env[name]
    if instr.target is None:
        return
    if not (instr.keep or instr.target in frame.form.values):
        value = plain(engine, strand, caller, instr, value)
    frame.env[instr.target] = value


def finish_strand(engine: Engine, strand: Strand, value: Any = None) -> None:
    """A region that was left behind has been issued to its end: hand over what it bound."""
    if strand.tasks is not None and strand.owed_tasks is None:
        check_left(strand.tasks)
    strand.alive = False
    engine.remove(strand)
    if strand.result is not None:
        _hand_over(engine, strand.result, value)
    if strand.outputs:
        assert strand.base is not None
        env = strand.base.env
        for name, output in strand.outputs.items():
            _hand_over(engine, output, env.get(name, UNBOUND))
    if strand.owed_tasks is not None:
        _hand_over(engine, strand.owed_tasks, strand.tasks)
    strand.base = strand.ctx_frame = None  # others may hold the strand for longer than its names should last
    token = strand.token
    if token is not None:
        if strand.tokens is not None:
            for path in strand.paths:
                for other in strand.tokens.before_read(path):
                    token.after(other)
        token.wake(engine)
    if strand.mays is not None:
        unknown = [] if strand.tokens is None else strand.tokens.unknown()
        for may in strand.mays:
            for other in unknown:
                may.after(other)
            may.wake(engine)
    if strand.boundary is not None:
        strand.boundary.leave(engine)


def _hand_over(engine: Engine, output: Output, value: Any) -> None:
    if isinstance(value, Slot):
        if value.value is PENDING:
            output.source = value
            output.type = value.type
            value.wait(output)
            return
        value = value.value
    engine.resolve(output, value)
