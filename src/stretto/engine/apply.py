"""Calling things: which kind of operation it is, or whose steps come next."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, cast

from ..calls import BoundCall, Call
from ..compiler import ir
from ..compiler.coroutines import awaited_target
from ..compiler.functions import compiled, helper
from ..compiler.verdicts import function_verdict
from ..compiler.walked import glances
from ..declarations.registry import call_of, receiver
from ..errors import StrettoError
from ..flows import BoundFlow, Flow
from ..generator_flows import GeneratorFlow
from ..streams import Stream
from ..text import Transform
from .arguments import arguments
from .callables import behind
from .containers import Versioned
from .functions import AHEAD, push_function
from .lending import borrowed, make
from .nodes import NO_KWARGS
from .operands import OLDEST, ROOM, Failure, bound, certain, operand, type_of
from .operations import call_node, function_node, here_node, stream_node
from .showing import looked_up, show_node, write_node
from .slots import Output, Slot
from .strands import Block, Frame, Strand
from .task_calls import is_of_tasks, step_of_tasks
from .timers import step_timed
from .tokens import HEAP

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["call_function", "step_apply"]


def step_apply(engine: Engine, strand: Strand, block: Block, instr: ir.Apply) -> Any:
    """Call something."""
    frame = block.frame
    callee = operand(frame, instr.callee)
    if isinstance(callee, Slot):
        return callee
    if type(callee) is BuiltinFunctionType or type(callee) is MethodType:
        callee = looked_up(strand, block, instr, callee)
    args: list[Any] = []
    kwargs: dict[str, Any] = NO_KWARGS
    if instr.simple:
        for _, source in instr.args:
            v = operand(frame, source)
            if type(v) is Output and v.unsure:
                v = bound(engine, strand, block, instr, v)
            args.append(v)
    else:
        wait, args, kwargs = arguments(engine, strand, block, instr, callee)
        if wait is not None:
            return wait
    kind: type[Any] = type(callee)  # pyright: ignore[reportUnknownVariableType]
    if instr.lends:
        for v in args:
            if isinstance(v, Slot) and v.open:
                return v  # whether it is a generator decides who may be given it
    if kind is partial:  # as it calls what it is made of
        args[:0] = callee.args
        kwargs = {**callee.keywords, **kwargs}
        callee = callee.func
        kind = cast("type[Any]", type(callee))
    if kind is BoundCall:
        args.insert(0, callee.instance)
        callee = callee.call
        kind = Call
    call: Any = callee if kind is Call or issubclass(kind, Call) else call_of(callee)
    if instr.lends and (call is not None or kind is Transform):
        borrowed(engine, strand, block, instr, call, args, kwargs)
    if call is not None and call.holds(kwargs):
        if call is not callee:
            args[:0] = receiver(callee)
        issued: Callable[..., Any] = show_node if call.shows else here_node if call.here else call_node
        if call.streams and not call.opens:
            issued = stream_node
        node = issued(engine, strand, block, instr, call, args, kwargs)
    else:
        node = write_node(engine, strand, block, instr, callee, args, kwargs)
    if node is not None:
        if instr.target is not None:
            frame.env[instr.target] = node
        return None
    if instr.transforms and kind is Transform and len(args) == 1 and not kwargs:
        (v,) = args
        if isinstance(v, Slot):
            return v
        if type(v) is Stream and instr.target is not None:
            frame.env[instr.target] = callee(v)  # nothing of it runs yet
            return None
    return call_function(engine, strand, block, instr, callee, args, kwargs)


def call_function(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, callee: Any,
    args: list[Any], kwargs: dict[str, Any], begin: Callable[[], None] | None = None,
) -> Any:  # fmt: skip
    """Call what is no declared call; `begin` is told when a compiled function begins."""
    frame = block.frame
    kind = cast("type[Any]", type(callee))
    if kind is MethodType and type(instr) is ir.Awaited:
        callee = awaited_target(callee)
        kind = cast("type[Any]", type(callee))
        if kind is BoundCall:
            args.insert(0, callee.instance)
            callee = callee.call
            kind = Call
        if issubclass(kind, Call):
            node = call_node(engine, strand, block, instr, callee, args, kwargs)
            if instr.target is not None:
                frame.env[instr.target] = node
            return None
    form = made = lent = None
    if issubclass(kind, BoundFlow):
        args.insert(0, callee.instance)
        callee = callee.flow
        kind = cast("type[Any]", type(callee))
    if kind is GeneratorFlow:  # a generator like any other, in this run
        try:
            callee.check(args, kwargs)
        except StrettoError as error:
            raise Failure(error) from None
        callee = callee.fn
        kind = FunctionType
    elif kind is not FunctionType and not issubclass(kind, Flow):
        if is_of_tasks(callee):
            return step_of_tasks(engine, strand, block, instr, callee, args, kwargs)
        runs = behind(callee, late=_late(strand, kind, args, kwargs))
        if runs is not None:
            first = runs.first
            if runs.makes:
                first = made = _made(first)
            args.insert(0, first)
            callee = runs.fn
            kind = cast("type[Any]", type(callee))
    if instr.lends:
        lent = borrowed(engine, strand, block, instr, callee, args, kwargs)
    fn: Any = callee
    if kind is FunctionType:
        form = lent if lent is not None else helper(callee) if made is None else compiled(callee)
        if form is not None and form.generator:
            if made is not None:
                raise Failure(TypeError("__init__() should return None, not 'generator'"))
            if instr.through is None or lent is not None:
                _take(frame, instr)
                return make(engine, strand, block, instr, form, callee, args, kwargs)
            frame.env[instr.through] = True
            form = form.emits
        elif form is not None and form.is_async and type(instr) is ir.Apply:
            form = None  # it makes a coroutine
        elif form is not None and made is None and not kwargs:
            # What looked as if it might call anything is plain code, now that the types are known.
            if function_verdict(callee, tuple(certain([type_of(v) for v in args], strand.tokens))).pure:
                form = None
        elif form is None and strand.tokens and _looks_at_changes(strand):
            if kwargs or not function_verdict(callee, tuple([type_of(v) for v in args])).pure:
                form = glances(callee)
    elif issubclass(kind, Flow) and not (callee.is_async and type(instr) is ir.Apply):
        fn = callee.fn
        form = compiled(fn)
        try:
            callee.check(args, kwargs)
        except StrettoError as error:
            raise Failure(error) from None
        if callee.timeout is not None and not instr.under_clock:
            step_timed(engine, strand, block, instr, callee)
            return None
    if form is not None:
        if engine.inflight >= engine.limit and engine.end.following is not strand:
            return ROOM
        if frame.depth >= AHEAD and engine.end.following is not strand:
            return OLDEST
        if begin is not None:
            begin()
        push_function(engine, strand, block, form, fn, args, kwargs, instr, (block.place, instr.label), made)
        return None
    if kind is FunctionType and is_of_tasks(callee):
        return step_of_tasks(engine, strand, block, instr, callee, args, kwargs)
    _take(frame, instr)
    result = function_node(engine, strand, block, instr, callee, args, kwargs)
    if instr.target is not None:
        frame.env[instr.target] = result
    return None


def _late(strand: Strand, kind: type[Any], args: list[Any], kwargs: dict[str, Any]) -> bool:
    """Whether a method that only looks at objects would have to wait for changes of others; or the making of
    an object, for those and for what it is given."""
    if kind is MethodType:
        return bool(strand.tokens) and _looks_at_changes(strand)
    if kind is not type:
        return False
    if strand.tokens and strand.tokens.before_read(HEAP):
        return True
    return any(isinstance(v, (Slot, Versioned)) for v in (*args, *kwargs.values()))


def _looks_at_changes(strand: Strand) -> bool:
    """Whether there are changes of objects to come, and all of them are known."""
    tokens = strand.tokens
    return tokens is not None and bool(tokens.before_read(HEAP)) and not tokens.unknown()


def _take(frame: Frame, instr: ir.Apply) -> None:
    """What was made for a call only is not held any more. (Of compiled functions it tells what they do.)"""
    for name in instr.takes:
        frame.env.pop(name, None)


def _made(cls: type[Any]) -> Any:
    """An object before it is initialised."""
    try:
        return object.__new__(cls)
    except TypeError as error:  # of an abstract class
        raise Failure(error) from None
