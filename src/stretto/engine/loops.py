"""Issuing ``for``: over containers that are values, built-in containers, and anything else in its turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ..compiler import ir
from ..streams import Stream
from .apply import function_node, paths_of
from .containers import Dict, Versioned
from .nodes import BuildNode
from .operands import ROOM, Failure, operand, trace_of
from .rows import Rows, rows
from .slots import PENDING, Slot
from .strands import LOOP, SEQ, TURN, Block, Special, Strand
from .streams import END, Native, Taking, Waits, abandon, begin, close_in_turn, next_item
from .streams import before as before_stream
from .tokens import HEAP

if TYPE_CHECKING:
    from .machine import Engine
    from .tokens import Token

__all__ = ["end_loop", "step_for", "step_while"]

_STOP: Any = object()
#: Iterating these runs no code of anybody's, and they never change.
_FIXED = frozenset({range, tuple, str, bytes, frozenset})
#: Iterating these runs no code of anybody's; they may change.
_EMPTY: dict[Any, Any] = {}
_CONTAINERS: frozenset[type] = frozenset({list, dict, set, bytearray})
_MUTABLE: frozenset[type] = frozenset(
    {list, dict, set, bytearray, type(_EMPTY.items()), type(_EMPTY.keys()), type(_EMPTY.values())}
)


def step_for(engine: Engine, strand: Strand, block: Block, instr: ir.For) -> Any:
    try:
        return _begin(engine, strand, block, instr)
    except Failure as failure:
        failure.around = instr.outermost
        raise


def _begin(engine: Engine, strand: Strand, block: Block, instr: ir.For) -> Any:
    source = instr.source
    loop = Special(LOOP, (), block.frame, instr, (block.place, instr.label))
    if isinstance(source, ir.Pairs):
        missing = [s for s in _leaves(block, source) if isinstance(s, Slot)]
        if missing:
            return missing[0]
        leaves = _leaves(block, source)
        own = [s for s in leaves if _is_own(block, instr, s)]
        streams = [s for s in own if not s.call.changes]
        others = [s for s in leaves if s not in streams]
        if all(isinstance(s, Versioned) or type(s) in _FIXED or type(s) in _MUTABLE for s in others):
            if any(type(s) in _MUTABLE for s in others):
                loop.item = HEAP
                before = _changes(engine, strand, HEAP) if strand.tokens else None
                if before:
                    return before
            if streams:
                before = [t for s in streams for t in before_stream(strand, _read_by(s))]
                if before:
                    return before
                part = partial(_part, engine, strand, block, instr)
                loop.iterator = rows(source, part)
            else:
                loop.iterator = _paired(block, source)
        else:
            loop.iterator = _Native(_rebuilt(block, source), iterate=False, streams=own)
    else:
        v = operand(block.frame, source)
        if isinstance(v, Slot):
            return v
        kind = cast("type[Any]", type(v))
        if isinstance(v, Versioned):
            loop.iterator = v.elements()
        elif kind in _FIXED:
            loop.iterator = iter(v)
        elif kind in _MUTABLE:
            loop.item = v if kind in _CONTAINERS else HEAP
            before = _changes(engine, strand, loop.item) if strand.tokens else None
            if before:
                return before
            loop.iterator = iter(v)
        elif _is_own(block, instr, v):
            call = v.call
            if call.changes:
                loop.iterator = _Native(v, iterate=True, streams=[v])
                strand.stack.append(loop)
                return None
            before = before_stream(strand, _read_by(v))
            if before:
                return before
            loop.iterator = begin(engine, strand, block, instr, v, _read_by(v))
        else:
            loop.iterator = _Native(v, iterate=True, streams=[])
    strand.stack.append(loop)
    return None


def _changes(engine: Engine, strand: Strand, item: Any) -> list[Token] | None:
    """What has to be done before a container is gone over: its own changes, where it is known which it is."""
    tokens = strand.tokens
    assert tokens is not None
    if item is HEAP:
        return tokens.before_read(HEAP)
    unknown = tokens.unknown()
    if unknown:
        return unknown
    change = engine.memory.changing(item, strand.here)
    return None if change is None else [change]


def _read_by(stream: Stream[Any]) -> list[str]:
    """What the call behind a stream reads."""
    call = stream.call
    return paths_of(call, call.effects.reads, list(stream.args), stream.kwargs) if call.effects.reads else []


def _part(engine: Engine, strand: Strand, block: Block, instr: ir.For, source: Any) -> Any:
    """One of the things that rows are made of: a stream, or something with an iterator of its own."""
    v: Any = None if isinstance(source, ir.Pairs) else operand(block.frame, source)
    if _is_own(block, instr, v):
        return begin(engine, strand, block, instr, v, _read_by(v))
    return _paired(block, source)


def _is_own(block: Block, instr: ir.For, stream: Any) -> bool:
    """Whether only this loop sees a stream: a call right before it has made it, and nothing else uses
    that."""
    if type(stream) is not Stream or stream.where is None:  # pyright: ignore[reportUnknownMemberType]
        return False
    place, label = stream.where
    return place is block.place and any(maker.label == label for maker in instr.makers.values())


class _Native(Native):
    """An iterator of the user's, advanced in its turn."""

    __slots__ = ("iterate", "iterator", "step")

    def __init__(self, iterator: Any, iterate: bool, streams: list[Stream[Any]]) -> None:
        super().__init__(streams)
        self.iterator = iterator
        #: Whether ``iter()`` has to be called first.
        self.iterate = iterate
        self.step: Any = None


def _leaves(block: Block, source: Any) -> list[Any]:
    if isinstance(source, ir.Pairs):
        return [leaf for part in source.parts for leaf in _leaves(block, part)]
    return [operand(block.frame, source)]


def _paired(block: Block, source: Any) -> Iterator[Any]:
    if not isinstance(source, ir.Pairs):
        v = operand(block.frame, source)
        return v.elements() if isinstance(v, Versioned) else iter(v)
    if source.kind == "enumerate":
        return enumerate(_paired(block, source.parts[0]))
    if source.kind == "zip":
        return zip(*(_paired(block, p) for p in source.parts), strict=False)
    (of,) = source.parts
    assert not isinstance(of, ir.Pairs)
    held = operand(block.frame, of)
    if isinstance(held, Versioned) and not isinstance(held, Dict):
        raise Failure(AttributeError(f"'{held.kind.__name__}' object has no attribute '{source.kind}'"))
    data = held.root() if isinstance(held, Versioned) else held
    items = list(getattr(data, source.kind)())
    return iter(items)


def _rebuilt(block: Block, source: Any) -> Any:
    """The iterator as Python would make it."""
    if not isinstance(source, ir.Pairs):
        v = operand(block.frame, source)
        if isinstance(v, Versioned):
            return list(v.elements())
        return v
    parts = [_rebuilt(block, p) for p in source.parts]
    try:
        if source.kind == "enumerate":
            return enumerate(*parts)
        if source.kind == "zip":
            return zip(*parts, strict=False)
        return iter(getattr(parts[0], source.kind)())
    except Exception as error:
        raise Failure(error) from None


def next_turn(engine: Engine, strand: Strand, block: Special) -> Any:
    """Begin the next turn of a loop, or end it."""
    if engine.inflight >= engine.limit and engine.end.following is not strand:
        return ROOM
    iterator = block.iterator
    region = block.region
    if type(iterator) is _Native:
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
    else:
        if block.item is not None and strand.tokens:
            before = _changes(engine, strand, block.item)
            if before:
                return before
        try:
            item = next(iterator, _STOP)
        except Exception as error:
            raise Failure(error) from None
    stack = strand.stack
    if item is _STOP:
        if type(iterator) is _Native and iterator.streams:
            close_in_turn(engine, strand, block, [iterator])  # ``zip`` leaves the longer ones
        stack.pop()
        if region.orelse:
            stack.append(Block(SEQ, region.orelse, block.frame, region, block.place))
        return None
    frame = block.frame
    turn = region.body
    count = block.count
    block.count = count + 1
    body = Block(TURN, turn.body, frame, turn, (block.place, count))
    stack.append(body)
    parts: Any = item
    if type(item) is tuple:
        unpack = region.unpack
        if unpack is not None and len(parts) == len(unpack):
            for name, part in zip(unpack, parts, strict=True):
                frame.env[name] = part
            body.pc = 1  # the step that would have unpacked it
            return None
        if isinstance(region.source, ir.Pairs) and any(isinstance(p, Slot) for p in parts):
            node = BuildNode(strand, trace_of(block, region), block.place, tuple, list(parts))
            engine.place(node, strand)
            if node.gather(node.values):
                engine.ready.append(node)
            item = node
    frame.env[region.item] = item
    return None


def _advance(engine: Engine, strand: Strand, block: Special, native: _Native) -> Any:
    """The next item of an unknown iterator: a slot until it has been asked for in its turn."""
    if native.step is None:
        if native.iterate:
            region = block.region
            if region.outermost:
                if region.outside is None:
                    region.outside = replace(region, within=region.within[:-1])
                region = region.outside
            try:
                native.step = function_node(engine, strand, block, region, iter, [native.iterator], {})
            except Failure as failure:
                failure.around = region is not block.region
                raise
        else:
            native.step = function_node(engine, strand, block, block.region, _next, [native.iterator], {})
    step = native.step
    if isinstance(step, Slot):
        if step.value is PENDING:
            return step
        step = step.value
    native.step = None
    if native.iterate:
        native.iterate = False
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
