"""Issuing calls: declared ones, compiled functions, and code that nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from ..calls import BoundCall, Call
from ..compiler import ir, known
from ..compiler.coroutines import awaited_target
from ..compiler.functions import compiled, helper
from ..compiler.guard import NeedsOrder, call_guarded
from ..compiler.relaxations import relaxed
from ..compiler.types import Verdict
from ..compiler.verdicts import function_verdict
from ..declarations.registry import call_of, receiver
from ..effects import Kind
from ..errors import StrettoError
from ..flows import BoundFlow, Flow
from ..streams import Stream
from ..text import Transform
from .callables import behind
from .containers import Versioned
from .functions import AHEAD, push_function
from .lending import borrowed, make
from .nodes import NO_KWARGS, CallNode, FunctionNode, Look, natively
from .operands import OLDEST, ROOM, Failure, bound, operand, trace_of, type_of
from .slots import Output, Slot
from .strands import Block, Frame, Strand
from .streams import StreamNode
from .timers import step_timed
from .tokens import EVERYTHING, HEAP, Token

if TYPE_CHECKING:
    from .machine import Engine

__all__ = [
    "AHEAD", "call_function", "call_node", "function_node", "here_node", "paths_of", "spread", "step_apply",
    "unspread",
]  # fmt: skip

_ITERABLES = (list, tuple, dict, set, frozenset, str, bytes, range)


def step_apply(engine: Engine, strand: Strand, block: Block, instr: ir.Apply) -> Any:
    """Call something."""
    frame = block.frame
    callee = operand(frame, instr.callee)
    if isinstance(callee, Slot):
        return callee
    args: list[Any] = []
    kwargs: dict[str, Any] = NO_KWARGS
    if instr.simple:
        for _, source in instr.args:
            v = operand(frame, source)
            if type(v) is Output and v.unsure:
                v = bound(engine, strand, block, instr, v)
            args.append(v)
    else:
        wait = unspread(engine, strand, block, instr)
        if wait is not None:
            return wait
        kwargs = {}
        spread(engine, strand, block, instr, callee, args, kwargs)
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
    call: Any = callee if kind is Call else call_of(callee)
    if instr.lends and (call is not None or kind is Transform):
        borrowed(engine, strand, block, instr, call, args, kwargs)
    if call is not None and call.holds(kwargs):
        if call is not callee:
            args[:0] = receiver(callee)
        issued = here_node if call.here else call_node
        if call.streams and not call.opens:
            issued = stream_node
        node = issued(engine, strand, block, instr, call, args, kwargs)
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
        if kind is Call:
            node = call_node(engine, strand, block, instr, callee, args, kwargs)
            if instr.target is not None:
                frame.env[instr.target] = node
            return None
    form = made = lent = None
    if issubclass(kind, BoundFlow):
        args.insert(0, callee.instance)
        callee = callee.flow
        kind = cast("type[Any]", type(callee))
    elif kind is not FunctionType and not issubclass(kind, Flow):
        runs = behind(callee)
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
        form = helper(callee) if lent is None else lent
        if form is not None and form.generator:
            if made is not None:
                raise Failure(TypeError("__init__() should return None, not 'generator'"))
            _take(frame, instr)
            return make(engine, strand, block, instr, form, callee, args, kwargs)
        if form is not None and form.is_async and type(instr) is ir.Apply:
            form = None  # it makes a coroutine
        if form is not None and made is None and not kwargs:
            # What looked as if it might call anything is plain code, now that the types are known.
            if function_verdict(callee, tuple([type_of(v) for v in args])).pure:
                form = None
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
    _take(frame, instr)
    result = function_node(engine, strand, block, instr, callee, args, kwargs)
    if instr.target is not None:
        frame.env[instr.target] = result
    return None


def _take(frame: Frame, instr: ir.Apply) -> None:
    """What was made for a call only is not held any more. (Of compiled functions it tells what they do.)"""
    for name in instr.takes:
        frame.env.pop(name, None)


def spread(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, callee: Any,
    args: list[Any], kwargs: dict[str, Any],
) -> None:  # fmt: skip
    """Work out arguments with names or stars among them; all can be taken apart by now (`unspread`)."""
    frame = block.frame
    lone = len(instr.args) == 1 and instr.args[0][0]
    for star, source in () if lone else instr.args:
        v = operand(frame, source)
        if star:
            args.extend(_members(v, None))
        else:
            args.append(bound(engine, strand, block, instr, v))
    for name, source in instr.kwargs:
        v = operand(frame, source)
        if name is None:
            _merge(kwargs, v, callee)
        elif name in kwargs:  # of a mapping before it
            found = f"{_text(callee)} got multiple values for keyword argument '{name}'"
            raise Failure(TypeError(found))
        else:
            kwargs[name] = bound(engine, strand, block, instr, v)
    if lone:  # as CPython does it, after the keywords
        args.extend(_members(operand(frame, instr.args[0][1]), callee))


def unspread(engine: Engine, strand: Strand, block: Block, instr: ir.Apply) -> Any:
    """What has to come before all of ``*values`` and ``**values`` can be taken apart, which happens once."""
    frame = block.frame
    plain = True
    for name, source in instr.kwargs:
        if name is None:
            v = operand(frame, source)
            if (wait := _spread(engine, strand, v)) is not None:
                return wait
            plain = plain and (type(v) is dict or isinstance(v, Versioned))
    for star, source in instr.args:
        if not star:
            continue
        v = operand(frame, source)
        if plain and made_up(source) and _unknown(v):
            # going through it is a step of its own, in its turn
            v = frame.env[source] = function_node(engine, strand, block, instr, list, [v], {})
        if (wait := _spread(engine, strand, v)) is not None:
            return wait
    return None


def _made(cls: type[Any]) -> Any:
    """An object before it is initialised."""
    try:
        return object.__new__(cls)
    except TypeError as error:  # of an abstract class
        raise Failure(error) from None


def _unknown(value: Any) -> bool:
    """Whether going over a value may run code of the user's."""
    return not isinstance(value, (Slot, Versioned)) and type(value) not in _ITERABLES and _goes_over(value)


def _spread(engine: Engine, strand: Strand, value: Any) -> Any:
    """What has to come before ``*value`` can be taken apart."""
    if isinstance(value, Slot):
        return value
    if isinstance(value, Versioned):
        return None
    if strand.tokens:
        before = strand.tokens.before_read(HEAP)
        if before:
            return before
    if type(value) not in _ITERABLES and engine.end.following is not strand:
        return OLDEST
    return None


def made_up(source: ir.Operand) -> TypeGuard[str]:
    """Whether an operand is a temporary of the compiler's."""
    return isinstance(source, str) and source.startswith("__t")


def _goes_over(value: Any) -> bool:
    cls = cast("type[Any]", type(value))
    return not isinstance(value, Versioned) and (hasattr(cls, "__iter__") or hasattr(cls, "__getitem__"))


def _members(value: Any, callee: Any) -> list[Any]:
    """What ``*value`` gives; `callee` where that is all that is given by position (CPython then names it)."""
    if isinstance(value, Versioned):
        return list(value.elements())
    try:
        return list(value)
    except TypeError as error:
        if _goes_over(value):
            raise Failure(error) from None  # its own
        whose = "Value" if callee is None else f"{_text(callee)} argument"
        found = f"{whose} after * must be an iterable, not {type(value).__name__}"
        raise Failure(TypeError(found)) from None
    except BaseException as error:
        raise Failure(error) from None


def _merge(kwargs: dict[str, Any], value: Any, callee: Any) -> None:
    if isinstance(value, Versioned):
        value = value.root()
    if type(value) is not dict:
        _merge_any(kwargs, value, callee)
        return
    given = cast("dict[Any, Any]", value)
    for key in given:
        if key in kwargs:
            raise Failure(TypeError(f"{_text(callee)} got multiple values for keyword argument '{key}'"))
        if not isinstance(key, str):
            raise Failure(TypeError("keywords must be strings"))
        kwargs[key] = given[key]


def _merge_any(kwargs: dict[str, Any], value: Any, callee: Any) -> None:
    """Let CPython take the mapping apart: how it asks for keys and values can be seen, and what it says when
    there are none names the function that is called."""

    def merged(**named: Any) -> dict[str, Any]:
        return named

    merged.__qualname__ = _STAND_IN
    merged.__module__ = "builtins"
    try:
        found = merged(**kwargs, **value)
    except BaseException as error:
        if error.args and type(error.args[0]) is str:
            error.args = (error.args[0].replace(f"{_STAND_IN}()", _text(callee)), *error.args[1:])
        raise Failure(error) from None
    kwargs.update(found)


_STAND_IN = "\0"


def _text(callee: Any) -> str:
    """What CPython calls a function in the messages about its arguments."""
    if isinstance(callee, BoundCall):
        callee = callee.call
    if isinstance(callee, (Call, Flow)):
        callee = callee.fn
    name = getattr(callee, "__qualname__", None)
    if name is None:
        return str(callee)
    module = getattr(callee, "__module__", None)
    return f"{name}()" if module in (None, "builtins") else f"{module}.{name}()"


def call_node(
    engine: Engine,
    strand: Strand,
    block: Block,
    instr: ir.Apply,
    call: Call[..., Any],
    args: list[Any],
    kwargs: Any,
) -> CallNode:
    """Issue a declared call."""
    effects = call.effects
    tokens = strand.tokens
    # what is not a name for a resource fails before there is an operation
    read = paths_of(call, effects.reads, args, kwargs) if effects.reads and tokens else ()
    written: Sequence[str] = ()
    if effects.writes or effects.commutes:
        written = paths_of(call, (*effects.writes, *effects.commutes), args, kwargs)
    node = CallNode(strand, trace_of(block, instr), block.place, instr.label)
    node.call, node.args, node.kwargs = call, args, kwargs
    engine.place(node, strand)
    node.type = call.checker.type
    node.look = None
    if tokens and not all(_scalar(v) for v in (*args, *kwargs.values())):
        # what is sent is what the changes before it have made of it
        if effects.kind not in (Kind.PLAIN, Kind.WRITES):  # those are the oldest when they are given them
            node.await_tokens(tokens.unknown())
            node.look = Look(strand.here, tokens.before_read(HEAP))
    if tokens:
        for path in read:
            node.await_tokens(tokens.before_read(path))
    if call.changes:
        kind = effects.kind
        if kind is Kind.PLAIN:
            node.token = Token(1)
            strand.write(EVERYTHING, node.token, certain=True)
        elif written:
            node.token = Token(1)
            for path in written:
                strand.write(path, node.token, certain=kind is Kind.WRITES)
    if not node.missing:
        for v in args:
            if isinstance(v, (Slot, Versioned)):
                break
        else:
            if not kwargs and node.look is None:
                node.ready(engine)
                return node
        node.proceed(engine)  # or it waits for its operands from now on
    return node


def stream_node(
    engine: Engine,
    strand: Strand,
    block: Block,
    instr: ir.Apply,
    call: Call[..., Any],
    args: list[Any],
    kwargs: Any,
) -> Any:
    """Issue a call of a generator, of which nothing runs yet."""
    node = StreamNode(strand, trace_of(block, instr), block.place, instr.label)
    node.call, node.args, node.kwargs, node.look = call, args, kwargs, None
    engine.place(node, strand)
    node.proceed(engine)
    return node


_SCALARS = frozenset({str, int, float, bool, bytes, complex, type(None)})


def _scalar(value: Any) -> bool:
    if isinstance(value, Slot):
        return value.type is not None and value.type.cls in _SCALARS
    return type(value) in _SCALARS


def paths_of(call: Call[..., Any], resources: Any, args: list[Any], kwargs: dict[str, Any]) -> list[str]:
    """The resources by name; what is known of the name where an argument has not come."""
    fields = call.effects.fields
    if not fields:
        return [r.template for r in resources]
    arguments: Any = None
    if not any(isinstance(v, (Slot, Versioned)) for v in (*args, *kwargs.values())):
        try:
            arguments = call.resources(tuple(args), kwargs)
        except TypeError:
            arguments = None  # the call itself will say so, in its turn
    found: list[str] = []
    for resource in resources:
        if not resource.fields:
            found.append(resource.template)
        elif arguments is None:
            found.append(resource.root)
        else:
            try:
                found.append(resource.fill(arguments))
            except Exception as error:
                raise Failure(error) from None
    return found


def here_node(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, call: Any, args: list[Any],
    kwargs: Any,
) -> FunctionNode:  # fmt: skip
    """Call a declared function in its turn, in the program's own thread, on the very objects it is given."""
    node = FunctionNode(
        strand,
        trace_of(block, instr),
        block.place,
        instr.label,
        call.run_here,
        args,
        kwargs,
        False,
        None,
        None,
    )
    engine.place(node, strand)
    tokens = strand.tokens
    if tokens:
        node.await_tokens(tokens.before_read(HEAP))
    node.type = call.checker.type
    node.token = Token(1)
    paths = paths_of(call, call.effects.writes, args, kwargs)
    if call.changes_receiver:
        paths.append(HEAP)
    for path in strand.told_apart(paths):
        strand.write(path, node.token, certain=True)
    complete = node.gather(args)
    if kwargs:
        complete = node.gather(list(kwargs.values())) and complete
    if complete and node.missing == 0:
        engine.ready.append(node)
    return node


def function_node(
    engine: Engine, strand: Strand, block: Block, instr: Any, fn: Any, args: list[Any], kwargs: dict[str, Any]
) -> Any:
    """Call a function that is neither declared nor compiled: now, if it is known or turns out to need no
    order; else in its turn."""
    site = getattr(instr, "label", "")
    ready = not any(isinstance(v, (Slot, Versioned)) for v in (*args, *kwargs.values()))
    tokens = strand.tokens
    resource = known.recorded_resource(fn)
    guard = resource != "random" and relaxed("purity")
    verdict = Verdict(False, True, None)
    if type(fn) is FunctionType and not kwargs and resource is None:
        verdict = function_verdict(fn, tuple([type_of(v) for v in args]))
    if verdict.pure and not verdict.heap:
        before = []
    else:
        before = tokens.before_read(HEAP if resource is None else resource) if tokens else []
    if ready and not before and guard:
        try:
            if resource is not None:
                read = engine.reader
                return fn(*args, **kwargs) if read is None else read(block.place, site, fn, args, kwargs)
            if verdict.pure:
                return natively(fn, args, strand.exc)
            return natively(lambda: call_guarded(fn, args, kwargs), [], strand.exc)
        except NeedsOrder:
            guard = False
        except BaseException as error:
            raise Failure(error, raised=resource is None) from None
    node = FunctionNode(
        strand, trace_of(block, instr), block.place, site, fn, args, kwargs, guard,
        resource, engine.reader,
    )  # fmt: skip
    engine.place(node, strand)
    if before:
        node.await_tokens(before)
    node.type = verdict.type
    if not verdict.pure and (resource is None or resource == "random"):
        node.token = Token(1)
        strand.write(EVERYTHING, node.token, certain=ready and not guard)
    complete = node.gather(args)
    if kwargs:
        complete = node.gather(list(kwargs.values())) and complete
    if complete and node.missing == 0:
        engine.ready.append(node)
    return node
