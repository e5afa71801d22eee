"""Issuing ``for``: over containers that are values, built-in containers, and anything else in its turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from ..compiler import ir
from .apply import function_node
from .containers import Dict, Versioned
from .nodes import BuildNode
from .operands import ROOM, Failure, operand, trace_of
from .slots import PENDING, Slot
from .strands import LOOP, SEQ, TURN, Block, Special, Strand
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
        if all(
            isinstance(s, Versioned) or type(s) in _FIXED or type(s) in _MUTABLE
            for s in _leaves(block, source)
        ):
            if any(type(s) in _MUTABLE for s in _leaves(block, source)):
                loop.item = HEAP
                before = _changes(engine, strand, HEAP) if strand.tokens else None
                if before:
                    return before
            loop.iterator = _paired(block, source)
        else:
            loop.iterator = _Native(_rebuilt(block, source), iterate=False)
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
        else:
            loop.iterator = _Native(v, iterate=True)
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


class _Native:
    """An iterator of the user's, advanced in its turn."""

    __slots__ = ("iterate", "iterator", "step")

    def __init__(self, iterator: Any, iterate: bool) -> None:
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
