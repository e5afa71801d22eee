"""What a loop goes over that is made of parts: ``zip``, ``enumerate``, views, ``reversed``, `itertools`.

Where each part is a container that is known, the iterator is made when the loop begins, and its items are at
hand. Else it is made in its turn, as Python makes it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from ..compiler import ir
from ..compiler.passing import MAKERS
from .containers import Dict, Set, Versioned
from .generators import Pairing
from .leaving import Making
from .operands import Failure, operand
from .slots import Gen
from .strands import Block

__all__ = [
    "CONTAINERS",
    "FIXED",
    "MUTABLE",
    "Lost",
    "Paired",
    "again",
    "elements",
    "fits",
    "known",
    "leaves_of",
    "making",
    "paired",
]

#: Iterating these runs no code of anybody's, and they never change.
FIXED = frozenset({range, tuple, str, bytes, frozenset})
#: Iterating these runs no code of anybody's; they may change.
_EMPTY: dict[Any, Any] = {}
CONTAINERS: frozenset[type] = frozenset({list, dict, set, bytearray})
MUTABLE: frozenset[type] = frozenset(
    {list, dict, set, bytearray, type(_EMPTY.items()), type(_EMPTY.keys()), type(_EMPTY.values())}
)
#: Of these there is no iterator from the end.
_UNORDERED: frozenset[type] = frozenset({set, frozenset, Set})


class Lost:
    """In the place of what a loop is to go over: a name that turned out not to be bound."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Paired:
    """What a loop over pairs goes over: enough to begin again, further on."""

    __slots__ = ("leaves", "names", "source")

    def __init__(self, source: ir.Pairs, leaves: list[Any], names: Sequence[ir.Operand]) -> None:
        self.source = source
        self.leaves = leaves
        #: The operands, if there is a generator among them.
        self.names = names

    def again(self, count: int) -> Any:
        if not self.names:
            return _further(paired(self.source, iter(self.leaves)), count)
        parts: list[Any] = []
        for leaf, name in zip(self.leaves, self.names, strict=True):
            parts.append(name if isinstance(leaf, Gen) else _further(elements(leaf), count))
        return Pairing(self.source, parts)


def again(source: Any, count: int) -> Any:
    """The iterator of a loop that has begun `count` turns, once more."""
    return source.again(count) if isinstance(source, Paired) else _further(elements(source), count)


def known(value: Any) -> bool:
    """Whether iterating a value runs no code of anybody's, or is known to the engine."""
    return isinstance(value, (Versioned, Gen)) or type(value) in FIXED or type(value) in MUTABLE


def fits(source: ir.Operand | ir.Pairs, leaves: Iterator[Any], streams: Sequence[Any]) -> bool:
    """Whether to make and to go over what has these leaves runs no code of anybody's, and fails nowhere;
    `streams` are known too."""
    if not isinstance(source, ir.Pairs):
        leaf = next(leaves)
        return known(leaf) or any(leaf is stream for stream in streams)
    kind = source.kind
    if kind == "reversed":
        leaf = next(leaves)
        return known(leaf) and not isinstance(leaf, Gen) and type(leaf) not in _UNORDERED
    parts = [fits(part, leaves, streams) for part in source.parts]
    given = [next(leaves) for _ in source.given]
    if kind == "islice":
        bounds = all(v is None or _number(v, 0) for v in given[:2])
        return all(parts) and bounds and all(v is None or _number(v, 1) for v in given[2:])
    if kind == "batched":
        return all(parts) and _number(given[0], 1)
    if kind == "permutations":
        return all(parts) and all(v is None or _number(v, 0) for v in given)
    if kind.startswith("combinations"):
        return all(parts) and _number(given[0], 0)
    if kind == "repeat":
        return all(_number(v, 0) for v in given[1:]) and not isinstance(given[0], (Versioned, Gen))
    if kind == "count":
        return all(type(v) is int for v in given)
    return all(parts)


def _number(value: Any, least: int) -> bool:
    return type(value) is int and least <= value <= sys.maxsize


def elements(value: Any) -> Iterator[Any]:
    return value.elements() if isinstance(value, Versioned) else iter(value)


def _further(iterator: Iterator[Any], count: int) -> Iterator[Any]:
    next(islice(iterator, count, count), None)
    return iterator


def leaves_of(block: Block, source: ir.Pairs) -> list[Any]:
    """What it is made of, in the order of the source."""
    return [_leaf(block, leaf) for leaf in ir.leaves(source)]


def _leaf(block: Block, source: ir.Operand) -> Any:
    try:
        return operand(block.frame, source)
    except Failure as failure:
        return Lost(failure.error)  # when it comes to that: what stands before it is made first


def paired(source: ir.Operand | ir.Pairs, leaves: Iterator[Any]) -> Iterator[Any]:
    """The iterator, made of leaves that are known."""
    if not isinstance(source, ir.Pairs):
        return elements(next(leaves))
    if source.passes:
        parts = [_part(part, leaves) for part in source.parts]
        given = [next(leaves) for _ in source.given]
        made: Iterator[Any] = MAKERS[source.kind](*parts, *given)
        return made
    if source.kind == "enumerate":
        return enumerate(paired(source.parts[0], leaves), source.start)
    if source.kind == "zip":
        return zip(*[paired(p, leaves) for p in source.parts], strict=source.strict)
    held = next(leaves)
    if isinstance(held, Versioned) and not isinstance(held, Dict):
        raise Failure(AttributeError(f"'{held.kind.__name__}' object has no attribute '{source.kind}'"))
    data = held.root() if isinstance(held, Versioned) else held
    items = list(getattr(data, source.kind)())
    return iter(items)


def _part(source: ir.Operand | ir.Pairs, leaves: Iterator[Any]) -> Any:
    """What ``chain`` and the like are given: a container as it is, since some begin with it late."""
    if isinstance(source, ir.Pairs):
        return paired(source, leaves)
    return _plain(next(leaves))


def making(source: ir.Pairs, leaves: list[Any]) -> list[Making]:
    """What makes the iterator as Python would, part by part, each to be called in its turn."""
    made: dict[ir.Pairs, Any] = {}
    steps: list[Making] = []
    if not _steps(source, iter(leaves), made, steps):
        return steps
    steps[-1] = (source.lineno, _call, partial(_make_and_begin, source, *steps[-1][2].args[1:]))
    return steps


def _steps(source: ir.Pairs, leaves: Iterator[Any], made: dict[ir.Pairs, Any], steps: list[Making]) -> bool:
    """Whether there is all that it is made of; else the last step fails."""
    given: list[Any] = []
    for part, line in zip((*source.parts, *source.given), source.lines, strict=True):
        if isinstance(part, ir.Pairs):
            if not _steps(part, leaves, made, steps):
                return False
            given.append(part)
            continue
        leaf = next(leaves)
        if isinstance(leaf, Lost):
            steps.append((line, _fail, leaf.error))
            return False
        given.append(_plain(leaf))
    steps.append((source.lineno, _call, partial(_make, source, given, made)))
    return True


def _fail(error: BaseException) -> Any:
    raise error


def _plain(value: Any) -> Any:
    return list(value.elements()) if isinstance(value, Versioned) else value


def _call(made: Callable[[], Any]) -> Any:
    return made()


def _make(source: ir.Pairs, given: list[Any], made: dict[ir.Pairs, Any]) -> None:
    parts = [made.pop(part) if isinstance(part, ir.Pairs) else part for part in given]
    if source.passes:
        made[source] = MAKERS[source.kind](*parts)
    elif source.kind == "enumerate":
        made[source] = enumerate(parts[0], source.start)
    elif source.kind == "zip":
        made[source] = zip(*parts, strict=source.strict)
    else:
        made[source] = iter(getattr(parts[0], source.kind)())


def _make_and_begin(source: ir.Pairs, given: list[Any], made: dict[ir.Pairs, Any]) -> Any:
    _make(source, given, made)
    return iter(made.pop(source))
