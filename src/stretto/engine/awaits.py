"""Issuing ``await``: of calls and compiled functions it is the call; anything else is awaited in its turn.

A coroutine that is made and not awaited at once is a real one, of `stretto.drivers.coroutines`: what it would
call can be read from it, so that awaiting it in a flow is that call; and code that nobody knows can await it
as well.
"""

from __future__ import annotations

import asyncio
import builtins
from collections import deque
from collections.abc import Callable
from functools import partial
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any, cast

from ..calls import BoundCall, Call
from ..compiler import ir
from ..compiler.coroutines import awaited_target, gives_coroutine, needs_loop
from ..compiler.functions import compiled, helper, users_own
from ..compiler.semaphores import passes
from ..drivers.coroutines import begun, contents, coroutine_of
from ..drivers.tasks import Completion, Task
from ..flows import BoundFlow, Flow
from ..streams import END, Stream
from .apply import call_function, step_apply
from .arguments import arguments
from .callables import Behind, behind
from .containers import Versioned
from .interpreted import at_once
from .nodes import NO_KWARGS, AwaitNode, BuildNode
from .operands import Failure, bound, operand, trace_of
from .operations import call_node, function_node
from .semaphores import note_by_hand, step_pass
from .slots import Output, Slot
from .strands import SEQ, Block, Strand
from .task_calls import await_completion, await_task, is_of_tasks, step_of_tasks, wait_for_all
from .tasks import RAN, before_await, in_vain, itself
from .tokens import EVERYTHING, Token

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["step_await", "step_awaited", "step_made"]


class MadeNode(BuildNode):
    """Makes a coroutine once its arguments are there; they may not fit."""

    __slots__ = ("coroutine",)

    def proceed(self, engine: Engine) -> None:
        try:
            super().proceed(engine)
        except Exception as error:
            engine.failed(self, error)


def _is_steps(callee: Any) -> bool:
    """Whether calling it is a declared call, or runs a compiled function."""
    while type(callee) is partial:
        callee = callee.func
    if isinstance(callee, (Call, BoundCall, Flow, BoundFlow)):
        return True
    return (helper(callee) if type(callee) is FunctionType else behind(callee)) is not None


def _is_apart(callee: Any) -> bool:
    """Whether what gives something to be awaited is called first: a function that needs the running loop is
    not, it runs there."""
    if type(callee) is BuiltinFunctionType:  # what gives what it has been given before
        return callee.__self__ is builtins or type(callee.__self__) in _CONTAINERS
    if not _is_steps(callee) and not (type(callee) is FunctionType and users_own(callee)):
        return False
    runs = callee if type(callee) is FunctionType else behind(callee)
    if runs is None:
        return True
    fn = runs.fn if isinstance(runs, Behind) else runs
    form = compiled(fn) if type(fn) is FunctionType else None
    return form is None or not needs_loop(form)


_CONTAINERS = frozenset({list, dict, set, deque})


_ANEXT: Any = vars(Stream)["__anext__"]


def _next_item(stream: Stream[Any]) -> Any:
    item = next(stream, END)
    if item is END:
        raise StopAsyncIteration
    return item


def step_awaited(engine: Engine, strand: Strand, block: Block, instr: ir.Awaited) -> Any:
    """``await f(...)``"""
    callee = operand(block.frame, instr.callee)
    if isinstance(callee, Slot):
        return callee
    if callee is _ANEXT:  # of one that is asked for its items one by one, like any iterator
        (_, stream), *_ = instr.args
        given = operand(block.frame, stream)
        if isinstance(given, Slot):
            return given
        found = function_node(engine, strand, block, instr, _next_item, [given], NO_KWARGS)
        if instr.target is not None:
            block.frame.env[instr.target] = found
        return None
    called = awaited_target(callee)
    if is_of_tasks(called):
        if getattr(called, "__name__", "") not in ("__aenter__", "__aexit__"):
            strand.stack.append(Block(SEQ, instr.apart, block.frame, instr, block.place))
            return None
        wait, args, kwargs = arguments(engine, strand, block, instr, callee)
        if wait is not None:
            return wait
        return step_of_tasks(engine, strand, block, instr, called, args, kwargs)
    if passes(called):
        return step_pass(engine, strand, block, instr, called)
    if called is asyncio.wait:
        wait, args, kwargs = arguments(engine, strand, block, instr, callee)
        return wait if wait is not None else wait_for_all(engine, strand, block, instr, args, kwargs)
    if gives_coroutine(called):
        if _is_steps(called):
            return step_apply(engine, strand, block, instr)
    elif _is_apart(called):
        strand.stack.append(Block(SEQ, instr.apart, block.frame, instr, block.place))
        return None
    wait, args, kwargs = arguments(engine, strand, block, instr, callee)
    if wait is not None:
        return wait
    return _await(engine, strand, block, instr, callee, args, kwargs)


def _made(called: Any, count: int, names: tuple[str, ...], values: list[Any]) -> Any:
    return coroutine_of(called, tuple(values[:count]), dict(zip(names, values[count:], strict=True)))


def step_made(engine: Engine, strand: Strand, block: Block, instr: ir.Made) -> Any:
    """A call in an ``async def`` that is not awaited where it stands."""
    callee = operand(block.frame, instr.callee)
    if isinstance(callee, Slot):
        return callee
    called = awaited_target(callee)
    if not gives_coroutine(called):
        return step_apply(engine, strand, block, instr)
    wait, args, kwargs = arguments(engine, strand, block, instr, callee)
    if wait is not None:
        return wait
    while type(called) is partial:
        made = cast("partial[Any]", called)
        args[:0] = made.args
        kwargs = {**made.keywords, **kwargs}
        called = made.func
    if not any(isinstance(v, (Slot, Versioned)) for v in (*args, *kwargs.values())):
        try:
            made = coroutine_of(called, tuple(args), kwargs)
        except Exception as error:
            raise Failure(error) from None
        if instr.target is not None:
            block.frame.env[instr.target] = made
        return None
    build = partial(_made, called, len(args), tuple(kwargs))
    node = MadeNode(strand, trace_of(block, instr), block.place, build, [*args, *kwargs.values()])
    node.coroutine = (called, args, kwargs)
    engine.place(node, strand)
    if node.gather(node.values):
        engine.ready.append(node)
    if instr.target is not None:
        block.frame.env[instr.target] = node
    return None


def step_await(engine: Engine, strand: Strand, block: Block, instr: ir.Await) -> Any:
    """``await`` of a value."""
    value = operand(block.frame, instr.callee)
    if type(value) is Output and value.unsure:
        value = bound(engine, strand, block, instr, value)
    if isinstance(value, Slot):
        return value
    if type(value) is Task:
        return await_task(engine, strand, block, instr, value)
    if type(value) is Completion:
        return await_completion(engine, strand, block, instr, value)
    found = contents(value)
    if found is None:
        return _await(engine, strand, block, instr, itself, [value], {})
    callee: Any
    callee, given, kwargs = found
    args: list[Any] = list(given)
    if isinstance(callee, BoundCall):
        args.insert(0, callee.instance)
        callee = callee.call
    if isinstance(callee, Call):
        if not instr.again:
            begun(value)
        call = cast("Call[..., Any]", callee)
        node = call_node(engine, strand, block, instr, call, args, kwargs or NO_KWARGS)
        if instr.target is not None:
            block.frame.env[instr.target] = node
        return None
    if not _is_steps(callee):
        return _await(engine, strand, block, instr, itself, [value], {})
    begin = None if instr.again else partial(begun, value)
    return call_function(engine, strand, block, instr, callee, args, kwargs, begin)


def _await(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply,
    fn: Callable[..., Any], args: list[Any], kwargs: dict[str, Any],
) -> Any:  # fmt: skip
    """Await what a function returns, as the oldest operation."""
    trace = trace_of(block, instr)
    note_by_hand(engine, fn)
    if strand.tasks is not None:
        found = before_await(engine, strand, block, instr, fn, args)
        if found is RAN:
            return None
        if isinstance(found, str):
            fn, args = at_once, [in_vain(found, block.frame.form.filename, instr.lineno), fn, *args]
        elif found is not None:
            return found
    node = AwaitNode(strand, trace, block.place, instr.label, fn, args, kwargs, False, None, None)
    engine.place(node, strand)
    node.token = Token(1)
    strand.write(EVERYTHING, node.token, certain=True)
    if instr.target is not None:
        block.frame.env[instr.target] = node
    complete = node.gather(args)
    if kwargs:
        complete = node.gather(list(kwargs.values())) and complete
    if complete and node.missing == 0:
        engine.ready.append(node)
