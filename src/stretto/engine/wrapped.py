"""Loops over what only wraps something else, as a progress bar does: ``for x in tqdm(xs)``.

It is declared to give the items of one of its arguments, and to do something of its own beside that. So the
items are taken from the argument, and turns begin at once. The wrapper itself is gone over too, in its turn:
each of its steps is an operation, right before the turn of the loop that it gives the item for. So what it
shows goes along with what has been done.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..compiler.known_objects import SCALARS
from ..compiler.types import T
from ..errors import DeclarationError
from .leaving import Native
from .nodes import FunctionNode
from .operands import trace_of, type_of
from .tokens import Token

if TYPE_CHECKING:
    from .machine import Engine
    from .strands import Block, Strand, Trace

__all__ = ["STOP", "Walked", "WrapNode", "go_along"]

STOP: Any = object()


class WrapNode(FunctionNode):
    """A call of what is declared to give the items of one of its arguments, `inner`."""

    __slots__ = ("inner", "wraps")

    def __init__(
        self, strand: Strand, trace: Trace, place: Any, site: str, call: Any, args: list[Any],
        kwargs: dict[str, Any],
    ) -> None:  # fmt: skip
        super().__init__(strand, trace, place, site, call.run_here, args, kwargs, False, None, None)
        self.wraps = call
        name, at = call.iterates
        self.inner = kwargs.get(name) if at >= len(args) else args[at]
        self.type = T(call.wrapper, (type_of(self.inner),))


class Walked(Native):
    """How far a loop is in a wrapper, and in what that wraps."""

    __slots__ = ("call", "items", "maker", "numbered")

    def __init__(self, maker: WrapNode, items: Iterator[Any], numbered: bool) -> None:
        super().__init__(None, make=[], streams=[])
        self.call: Any = maker.wraps
        self.paths = tuple([r.root for r in self.call.effects.writes])
        #: What makes the wrapper, or has made it.
        self.maker = maker
        #: The items of what it wraps, `numbered` if the loop is over `enumerate` of it.
        self.items = items
        self.numbered = numbered

    def advance(self, wrapper: Any, expected: Any) -> None:
        """The wrapper's own step, in its turn, in the user's own thread."""
        if self.iterator is None:
            self.iterator = iter(wrapper)
        item = next(self.iterator, STOP)
        ends = item is STOP or expected is STOP
        if item is not expected and (ends or (type(item) in SCALARS and item != expected)):
            got, wanted = ("its end" if one is STOP else f"{one!r:.80}" for one in (item, expected))
            raise DeclarationError(
                f"{self.call.entry.where}: it is said to give the items of its argument "
                f"{self.call.iterates[0]!r}, and gave {got} instead of {wanted}. Leave `iterates` out"
            )


def go_along(engine: Engine, strand: Strand, block: Block, walked: Walked, item: Any) -> None:
    """The loop has taken this item, or come to the end: so will the wrapper, in its turn."""
    if walked.numbered and item is not STOP:
        item = item[1]
    node = FunctionNode(
        strand, trace_of(block, block.region), block.place, "next", walked.advance,
        [walked.maker, item], {}, False, None, None,
    )  # fmt: skip
    engine.place(node, strand)
    node.token = Token(1)
    for path in strand.told_apart(walked.paths):
        strand.write(path, node.token, certain=True)
    if node.gather(node.args) and node.missing == 0:
        engine.ready.append(node)
