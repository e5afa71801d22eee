"""Issuing operations: declared calls, streams, and functions that are neither declared nor compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from ..calls import Call
from ..compiler import ir, known
from ..compiler.guard import NeedsOrder, call_guarded
from ..compiler.managers import manages_quietly
from ..compiler.methods import method_verdict
from ..compiler.relaxations import relaxed
from ..compiler.summary_bounds import storages_of
from ..compiler.types import Verdict
from ..compiler.types_fields import loose
from ..compiler.verdicts import function_verdict
from ..declarations.bounds import Bounds
from ..declarations.registry import bounds_of, receiver
from ..effects import Kind
from .containers import Versioned
from .history import ALL, MISSING, Change
from .nodes import CallNode, FunctionNode, Look, natively
from .operands import Failure, argument_type, certain, trace_of
from .reservations import is_way, reserve
from .slots import Slot
from .strands import Block, Strand
from .streams import StreamNode
from .tokens import EVERYTHING, HEAP, Token, Tokens
from .wrapped import WrapNode

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["call_node", "function_node", "here_node", "paths_of", "settled", "stream_node"]


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
    read = paths_of(call, effects.reads, args, kwargs, tokens) if effects.reads and tokens else ()
    written: Sequence[str] = ()
    if effects.writes or effects.commutes:
        written = paths_of(call, (*effects.writes, *effects.commutes), args, kwargs, tokens)
    node = CallNode(strand, trace_of(block, instr), block.place, instr.label)
    node.call, node.args, node.kwargs = call, args, kwargs
    engine.place(node, strand)
    node.type = call.checker.type
    if call.told is not None:
        node.type = call.told({name: Any if isinstance(v, Slot) else v for name, v in kwargs.items()}).type
    node.look = node.reservation = None
    if strand.purse is not None:
        reserve(engine, strand, node)
    sent = args[1:] if call.fixed_receiver else args
    settled = call.settled
    if tokens and not all(_scalar(v) for v in (*sent, *(v for k, v in kwargs.items() if k not in settled))):
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
        if node.reservation is not None:
            engine.ready.append(node)  # it may not fit, and fails then: not while it is being issued
            return node
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
    node.call, node.args, node.kwargs, node.look, node.reservation = call, args, kwargs, None, None
    engine.place(node, strand)
    if strand.purse is None:
        node.proceed(engine)
    else:
        reserve(engine, strand, node)
        engine.ready.append(node)
    return node


_SCALARS = frozenset({str, int, float, bool, bytes, complex, type(None)})


def _scalar(value: Any) -> bool:
    if isinstance(value, Slot):
        return value.type is not None and value.type.cls in _SCALARS
    return type(value) in _SCALARS


def paths_of(
    call: Call[..., Any], resources: Any, args: list[Any], kwargs: dict[str, Any],
    tokens: Tokens | None = None,
) -> list[str]:  # fmt: skip
    """The resources by name; what is known of the name where an argument has not come, or where what it is
    named after may change before the call is made."""
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
        elif arguments is None or (
            call.named_after is not None and tokens is not None and tokens.may_change_all(resource.root)
        ):
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
    trace = trace_of(block, instr)
    node: FunctionNode
    if call.iterates is not None:
        node = WrapNode(strand, trace, block.place, instr.label, call, args, kwargs)
    else:
        node = FunctionNode(
            strand, trace, block.place, instr.label, call.run_here, args, kwargs, False, None, None
        )
        node.type = loose(call.checker.type)
    engine.place(node, strand)
    tokens = strand.tokens
    if tokens:
        node.await_tokens(tokens.before_read(HEAP))
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


def _write_within(
    engine: Engine, strand: Strand, token: Token, bounds: Bounds, given: list[Any], certain: bool
) -> None:
    """Note what is to be written by a function of which it is declared what it changes at most."""
    known_yet = not (strand.tokens and strand.tokens.unknown())
    for path in strand.told_apart(bounds.paths):
        strand.write(path, token, certain=certain)
    if not (bounds.own or bounds.held):
        return
    held = given[0] if given else None
    storages = None
    if known_yet and not isinstance(held, (Slot, Versioned)):
        storages = storages_of(bounds, held, engine.memory)
    if storages is None:
        strand.write(HEAP, token, certain=certain)
        return
    for storage in storages:
        change = Change(strand.here, ALL)
        change.missing = 0
        change.after(token)
        strand.change(change, storage, engine.memory)


def settled(engine: Engine, strand: Strand) -> Callable[[Any, str], bool]:
    """Whether to look at an attribute runs no code, and nothing is to come of it."""
    tokens, here = strand.tokens, strand.here
    known = not tokens or not tokens.unknown()
    return lambda held, name: known and engine.memory.attribute(held, name, here) is MISSING


def function_node(
    engine: Engine, strand: Strand, block: Block, instr: Any, fn: Any, args: list[Any], kwargs: dict[str, Any]
) -> Any:
    """Call a function that is neither declared nor compiled: now, if it is known or turns out to need no
    order; else in its turn."""
    if is_way(fn):
        return fn.__self__ if fn.__name__ == "__enter__" else None
    site = getattr(instr, "label", "")
    ready = not any(isinstance(v, (Slot, Versioned)) for v in (*args, *kwargs.values()))
    tokens = strand.tokens
    resource = known.recorded_resource(fn)
    guard = resource != "random" and relaxed("purity")
    verdict = Verdict(False, True, None)
    if not kwargs and resource is None:
        if type(fn) is FunctionType:
            verdict = function_verdict(fn, tuple(certain([argument_type(v) for v in args], tokens)))
        elif ready and manages_quietly(fn):
            verdict = Verdict(True, False, None)
        elif type(fn) is MethodType and type(fn.__func__) is FunctionType:
            given = tuple(certain([argument_type(v) for v in args], tokens))
            verdict = method_verdict(fn.__func__, fn.__self__, given, settled(engine, strand))
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
        except NeedsOrder as needed:
            guard = False
            if engine.needed_order is not None:
                engine.needed_order((trace_of(block, instr), site, fn), needed)
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
        bounds = bounds_of(fn)
        if bounds is None:
            strand.write(EVERYTHING, node.token, certain=ready and not guard)
        else:
            _write_within(engine, strand, node.token, bounds, [*receiver(fn), *args], ready and not guard)
    complete = node.gather(args)
    if kwargs:
        complete = node.gather(list(kwargs.values())) and complete
    if complete and node.missing == 0:
        engine.ready.append(node)
    return node
