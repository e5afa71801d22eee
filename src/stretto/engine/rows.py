"""``enumerate`` and ``zip`` over streams and other things, in a loop that takes from each as Python would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..compiler import ir
from .operands import Failure
from .strands import Strand
from .streams import END, Several, Taking, Waits, next_item

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["Rows", "rows"]


class Rows(Several):
    """How far a loop is in one of them. What has come of a row is kept while it waits for the rest."""

    __slots__ = ("count", "kind", "parts", "row")

    def __init__(self, kind: str, parts: list[Any], start: int) -> None:
        self.kind = kind
        self.parts = parts
        self.row: list[Any] = []
        self.count = start

    def takings(self) -> Iterator[Taking]:
        """The streams among what it goes over."""
        for part in self.parts:
            if type(part) is Rows:
                yield from part.takings()
            elif type(part) is Taking:
                yield part

    def next(self, engine: Engine, strand: Strand) -> Any:
        """The next row, `END`, or what has to be waited for. Raises `Failure`."""
        row = self.row
        while len(row) < len(self.parts):
            item = _next(engine, strand, self.parts[len(row)])
            if item is END or type(item) is Waits:
                return item
            row.append(item)
        self.row = []
        if self.kind == "zip":
            return tuple(row)
        self.count += 1
        return (self.count - 1, row[0])


def _next(engine: Engine, strand: Strand, part: Any) -> Any:
    if type(part) is Taking:
        return next_item(engine, strand, part)
    if type(part) is Rows:
        return part.next(engine, strand)
    try:
        return next(part, END)
    except Exception as error:
        raise Failure(error) from None


def rows(source: ir.Pairs, part: Callable[[Any], Any]) -> Rows:
    """What a loop goes over; `part` begins with one of the things that it is made of."""
    return Rows(source.kind, [_part(p, part) for p in source.parts], source.start)


def _part(source: Any, part: Callable[[Any], Any]) -> Any:
    if isinstance(source, ir.Pairs) and source.kind in ("zip", "enumerate"):
        return rows(source, part)
    return part(source)
