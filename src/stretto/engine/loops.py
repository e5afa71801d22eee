"""Issuing ``for``: over containers that are values, built-in containers, and anything else in its turn."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import GeneratorType
from typing import TYPE_CHECKING, Any, cast

from ..compiler import ir
from ..compiler.known_objects import SCALARS
from ..drivers.coroutines import following
from ..streams import Stream
from .containers import Versioned
from .generators import Generator, Pairing, go_on
from .leaving import Native, abandon, let_go
from .lending import ordinary
from .nodes import BuildNode
from .operands import ROOM, Failure, operand, trace_of
from .operations import function_node, paths_of
from .pairs import (
    CONTAINERS,
    FIXED,
    MUTABLE,
    Lost,
    Paired,
    elements,
    fits,
    known,
    leaves_of,
    making,
    paired,
)
from .regions import step_try
from .rows import Rows, rows
from .slots import PENDING, Gen, Slot
from .strands import LOOP, SEQ, TURN, Block, Special, Strand
from .streams import END, Taking, Waits, begin, next_item
from .streams import before as before_stream
from .tokens import HEAP
from .wrapped import STOP, Walked, WrapNode, go_along

if TYPE_CHECKING:
    from .machine import Engine
    from .tokens import Token

__all__ = ["end_loop", "step_for", "step_while"]

_STOP: Any = object()


def step_for(engine: Engine, strand: Strand, block: Block, instr: ir.For) -> Any:
    try:
        return _begin(engine, strand, block, instr)
    except Failure as failure:
        failure.around = instr.outermost
        failure.line = instr.source.lineno if isinstance(instr.source, ir.Pairs) else 0
        raise


def _begin(engine: Engine, strand: Strand, block: Block, instr: ir.For) -> Any:
    source = instr.source
    loop = Special(LOOP, (), block.frame, instr, (block.place, instr.label))
    for name in instr.makers:
        maker = block.frame.env.get(name)
        if type(maker) is WrapNode:
            wait = _wrapped(engine, strand, block, instr, loop, maker)
            if wait is not maker:
                return wait
    if isinstance(source, ir.Pairs):
        leaves = leaves_of(block, source)
        missing = [s for s in leaves if isinstance(s, Slot)]
        if missing:
            return missing[0]
        generators = [s for s in leaves if isinstance(s, Gen)]
        if generators and (
            source.exacting or any(not known(s) or (isinstance(s, Gen) and s.closes) for s in leaves)
        ):
            made = _ordinary(engine, strand, block, instr)
            if made:
                return made
            generators, leaves = [], leaves_of(block, source)
        own = [s for s in leaves if _is_own(block, instr, s)]
        streams = [s for s in own if not (s.call.changes or source.exacting)]
        mutable = tuple(s for s in leaves if type(s) in MUTABLE)
        # a generator's frame may be gone on with twice, from the same turn: from a container as it is by then
        again = source.exacting and mutable and block.frame.form.generator
        lost = any(isinstance(s, Lost) for s in leaves)
        if not (again or lost) and fits(source, iter(leaves), streams):
            if mutable:
                loop.item = mutable if all(type(s) in CONTAINERS for s in mutable) else HEAP
                before = _changes(engine, strand, loop.item) if strand.tokens else None
                if before:
                    return before
            if streams:
                before = [t for s in streams for t in before_stream(strand, s, _read_by(s))]
                if before:
                    return before
                part = partial(_part, engine, strand, block, instr)
                loop.iterator = rows(source, part)
            else:
                loop.target = Paired(source, leaves, ir.leaves(source) if generators else ())
                loop.iterator = loop.target.again(0)
        else:
            late = [t for s in leaves if isinstance(s, Versioned) and source.exacting for t in s.pending()]
            if late:
                return late[0]
            loop.iterator = Native(None, make=making(source, leaves), streams=own)
    else:
        v = operand(block.frame, source)
        if isinstance(v, Slot):
            return v
        kind = cast("type[Any]", type(v))
        if isinstance(v, Versioned):
            loop.iterator = v.elements()
            loop.target = v
        elif kind in FIXED:
            loop.iterator = iter(v)
            loop.target = v
        elif kind in MUTABLE:
            loop.item = v if kind in CONTAINERS else HEAP
            before = _changes(engine, strand, loop.item) if strand.tokens else None
            if before:
                return before
            loop.iterator = iter(v)
            loop.target = v
        elif isinstance(v, Gen):
            assert isinstance(source, str)
            if v.closes and not instr.under_closer:
                step_try(engine, strand, block, _closer(instr, source))
                return None
            loop.iterator = v
        elif _is_own(block, instr, v):
            call = v.call
            if call.changes:
                loop.iterator = Native(None, make=[(0, iter, v)], streams=[v])
                _begun(strand, loop)
                return None
            before = before_stream(strand, v, _read_by(v))
            if before:
                return before
            loop.iterator = begin(engine, strand, block, instr, v, _read_by(v))
        else:
            loop.iterator = Native(None, make=[(0, iter, v)], streams=[])
    _begun(strand, loop)
    return None


def _begun(strand: Strand, loop: Special) -> None:
    strand.stack.append(loop)
    if isinstance(loop.iterator, Native):
        for name in loop.region.takes:
            loop.frame.env.pop(name, None)


def _wrapped(
    engine: Engine, strand: Strand, block: Block, instr: ir.For, loop: Special, maker: WrapNode
) -> Any:
    """Begin a loop over a wrapper that nobody else sees with the items of what it wraps. What to wait for, if
    anything; the wrapper itself, if it has to be gone over."""
    source, inner = instr.source, maker.inner
    if isinstance(source, ir.Pairs) and (
        source.kind != "enumerate" or source.start or isinstance(source.parts[0], ir.Pairs)
    ):
        return maker
    if isinstance(inner, Slot):
        if inner.value is PENDING:
            return inner
        inner = inner.value
    form = block.frame.form
    if not known(inner) or isinstance(inner, Gen) or form.generator or form.is_async:
        return maker
    if type(inner) in MUTABLE:
        loop.item = inner if type(inner) in CONTAINERS else HEAP
        before = _changes(engine, strand, loop.item) if strand.tokens else None
        if before:
            return before
    numbered = isinstance(source, ir.Pairs)
    items = elements(inner)
    loop.iterator = Walked(maker, enumerate(items) if numbered else items, numbered)
    _begun(strand, loop)
    return None


def _changes(engine: Engine, strand: Strand, item: Any) -> list[Token] | None:
    """What has to be done before a container, or several, are gone over: their own changes, where it is known
    which they are."""
    tokens = strand.tokens
    assert tokens is not None
    if item is HEAP:
        return tokens.before_read(HEAP)
    unknown = tokens.unknown()
    if unknown:
        return unknown
    found: list[Token] = []
    several: tuple[Any, ...] = cast("tuple[Any, ...]", item) if type(item) is tuple else (item,)
    for one in several:
        change = engine.memory.changing(one, strand.here)
        if change is not None:
            found.append(change)
    return found or None


def _read_by(stream: Stream[Any]) -> list[str]:
    """What the call behind a stream reads."""
    call = stream.call
    reads = paths_of(call, call.effects.reads, list(stream.args), stream.kwargs) if call.effects.reads else []
    given = stream.args[1:] if call.fixed_receiver else stream.args
    if any(type(v) not in SCALARS for v in (*given, *stream.kwargs.values())):
        reads = [*reads, HEAP]  # between two items it may look at what it was given
    return reads


def _part(engine: Engine, strand: Strand, block: Block, instr: ir.For, source: Any) -> Any:
    """One of the things that rows are made of: a stream, or something with an iterator of its own."""
    v: Any = None if isinstance(source, ir.Pairs) else operand(block.frame, source)
    if _is_own(block, instr, v):
        return begin(engine, strand, block, instr, v, _read_by(v))
    return paired(source, iter(leaves_of(block, source)))


def _is_own(block: Block, instr: ir.For, stream: Any) -> bool:
    """Whether only this loop sees a stream: a call right before it has made it, and nothing else uses
    that."""
    if type(stream) is not Stream or stream.where is None:  # pyright: ignore[reportUnknownMemberType]
        return False
    place, label = stream.where
    return place is block.place and any(maker.label == label for maker in instr.makers.values())


def _closer(instr: ir.For, name: str) -> ir.TryFinally:
    """The region around a loop over a generator that has to be closed when the loop is left."""
    region = instr.closer
    if region is None:
        # it is not left behind alone: the closing goes on from the version that it ends with
        loop = replace(instr, under_closer=True, effects={}, joinable=False)
        loop.alone = (loop,)
        close = ir.Close(instr.lineno, name, loud=instr.result is not None, within=instr.within)
        region = instr.closer = ir.TryFinally(
            instr.lineno, within=instr.within, body=(loop,), final=(close,), label=instr.label,
            binds=instr.binds, joinable=instr.joinable, unbinds=instr.binds, reads=instr.reads,
            names=instr.names, advances=instr.advances,
        )  # fmt: skip
        region.alone = (region,)
    return region


def _ordinary(engine: Engine, strand: Strand, block: Block, instr: ir.For) -> list[Slot]:
    """Make the generators among the parts of a loop's source ordinary ones; those to wait for."""
    env = block.frame.env
    made: list[Slot] = []
    for leaf in ir.leaves(instr.source):
        gen = operand(block.frame, leaf)
        if isinstance(gen, Generator) and isinstance(leaf, str):
            env[leaf] = gen = ordinary(engine, strand, block, instr, gen)
            if isinstance(gen, Slot):
                made.append(gen)
    return made


def next_turn(engine: Engine, strand: Strand, block: Special) -> Any:
    """Begin the next turn of a loop, or end it."""
    if engine.inflight >= engine.limit and engine.end.following is not strand:
        return ROOM
    iterator = block.iterator
    if type(iterator) is Native:
        item = _advance(engine, strand, block, iterator)
        if isinstance(item, Slot):
            return item
    elif type(iterator) is Taking:
        item = next_item(engine, strand, iterator)
        if type(item) is Waits:
            return item.what
        if item is END:
            item = _STOP
    elif type(iterator) is Rows:
        before = _changes(engine, strand, block.item) if block.item is not None and strand.tokens else None
        if before:
            return before
        item = iterator.next(engine, strand)
        if type(item) is Waits:
            return item.what
        if item is END:
            abandon(engine, [block])  # ``zip`` leaves the longer ones
            item = _STOP
    elif isinstance(iterator, (Gen, Pairing)):
        return _gather(engine, strand, block, iterator)
    else:
        walked = iterator if type(iterator) is Walked else None
        if block.item is not None and strand.tokens:
            before = _changes(engine, strand, block.item)
            if before:
                return before
        try:
            items: Any = iterator if walked is None else walked.items
            item = next(items, _STOP)
        except Exception as error:
            raise Failure(error) from None
        if walked is not None:
            go_along(engine, strand, block, walked, STOP if item is _STOP else item)
    if item is _STOP:
        if type(iterator) is Native and type(iterator.iterator) is not GeneratorType:
            let_go(engine, strand, block, [iterator])  # ``zip`` leaves the longer ones
        exhausted(strand, block, None)
    else:
        begin_turn(engine, strand, block, item)
    return None


def _gather(engine: Engine, strand: Strand, block: Special, iterator: Any) -> Any:
    """Go on with the generator that a loop goes over, or with the next of the parts of what it goes over."""
    region = block.region
    if not isinstance(iterator, Pairing):
        wait = go_on(engine, strand, block, region.source, region)
        if isinstance(wait, Gen):
            exhausted(strand, block, None)
            return None
        return wait
    while len(iterator.gathered) < len(iterator.leaves):
        part = iterator.leaves[len(iterator.gathered)]
        if isinstance(part, str):
            wait = go_on(engine, strand, block, part, region)
            if isinstance(wait, Gen):
                exhausted(strand, block, None)
                return None
            return wait
        if block.item is not None and strand.tokens:
            before = _changes(engine, strand, block.item)
            if before:
                return before
        try:
            item = next(part, _STOP)
        except Exception as error:
            raise Failure(error) from None
        if item is _STOP:
            exhausted(strand, block, None)
            return None
        iterator.gathered.append(item)
    begin_turn(engine, strand, block, iterator.item(block.count))
    return None


def exhausted(strand: Strand, block: Block, value: Any) -> None:
    """What a loop goes over has come to its end, with this value."""
    strand.stack.pop()
    region = block.region
    if region.result is not None:
        block.frame.env[region.result] = value
    if region.orelse:
        strand.stack.append(Block(SEQ, region.orelse, block.frame, region, block.place))


def given(engine: Engine, strand: Strand, block: Special, item: Any) -> None:
    """A loop is given what its generator has yielded."""
    if isinstance(block.iterator, Pairing):
        block.iterator.gathered.append(item)
    else:
        begin_turn(engine, strand, block, item)


def begin_turn(engine: Engine, strand: Strand, block: Special, item: Any) -> None:
    """Begin a turn of a loop with this item."""
    region = block.region
    frame = block.frame
    turn = region.body
    count = block.count
    block.count = count + 1
    body = Block(TURN, turn.body, frame, turn, (block.place, count))
    strand.stack.append(body)
    parts: Any = item
    if type(item) is tuple:
        unpack = region.unpack
        source = region.source
        if isinstance(source, ir.Pairs) and source.nested:
            parts = [_whole(engine, strand, block, p) for p in parts]
        if unpack is not None and len(parts) == len(unpack):
            for name, part in zip(unpack, parts, strict=True):
                frame.env[name] = part
            body.pc = 1  # the step that would have unpacked it
            return
        if isinstance(source, ir.Pairs) and any(isinstance(p, Slot) for p in parts):
            item = _built(engine, strand, block, parts)
    frame.env[region.item] = item


def _whole(engine: Engine, strand: Strand, block: Special, item: Any) -> Any:
    """A part of what a turn is given: a row of several, if it is one and holds slots, is still to come."""
    row: Any = item
    if type(item) is not tuple:
        return row
    parts = [_whole(engine, strand, block, p) for p in row]
    return _built(engine, strand, block, parts) if any(isinstance(p, Slot) for p in parts) else row


def _built(engine: Engine, strand: Strand, block: Special, parts: Any) -> BuildNode:
    node = BuildNode(strand, trace_of(block, block.region), block.place, tuple, list(parts))
    engine.place(node, strand)
    if node.gather(node.values):
        engine.ready.append(node)
    return node


def _advance(engine: Engine, strand: Strand, block: Special, native: Native) -> Any:
    """The next item of an unknown iterator: a slot until it has been asked for in its turn."""
    if native.step is None:
        if native.make:
            line, maker, of = native.make[0]
            region = block.region
            if region.outermost:
                if region.outside is None:
                    region.outside = replace(region, within=region.within[:-1])
                region = region.outside
            if line and line != region.lineno:
                region = replace(region, lineno=line)
            try:
                native.step = function_node(engine, strand, block, region, maker, [of], {})
            except Failure as failure:
                failure.around = block.region.outermost
                failure.line = line
                raise
        else:
            asks: Any = _next
            given: list[Any] = [native.iterator]
            if block.frame.form.is_async:
                asks, given = following, [native.iterator, _STOP]
            native.step = function_node(engine, strand, block, block.region, asks, given, {})
    step = native.step
    if isinstance(step, Slot):
        if step.value is PENDING:
            return step
        step = step.value
    native.step = None
    if native.make:
        del native.make[0]
        native.iterator = step
        return _advance(engine, strand, block, native)
    return step


def _next(iterator: Any) -> Any:
    return next(iterator, _STOP)


def step_while(engine: Engine, strand: Strand, block: Block, instr: ir.While) -> Any:
    loop = Special(LOOP, (), block.frame, instr, (block.place, instr.label))
    strand.stack.append(loop)


def end_loop(engine: Engine, strand: Strand, block: Special) -> Any:
    if block.iterator is not None:
        return next_turn(engine, strand, block)
    if engine.inflight >= engine.limit and engine.end.following is not strand:
        return ROOM
    turn = block.region.body
    count = block.count
    block.count = count + 1
    strand.stack.append(Block(TURN, turn.body, block.frame, turn, (block.place, count)))
    return None
