"""Leaving loops and functions early: what they went over is let go of in its turn.

CPython closes a generator, and runs its ``finally``, when the last reference to it goes: at the ``break``,
or at the end of the function whose name held it. The engine would hold it for longer, so there it takes the
place of the reference that goes: an operation in program order gives it up, in the user's own thread.
Whether that closes anything is left to CPython, which knows who else holds it.
"""

from __future__ import annotations

from types import GeneratorType
from typing import TYPE_CHECKING, Any, cast

from ..streams import Stream, quietly
from .nodes import FunctionNode
from .operands import link
from .slots import PENDING, Gen
from .strands import LOOP, Block, Strand
from .streams import Several, Taking, close
from .tokens import EVERYTHING, Token

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["Native", "abandon", "let_go", "let_go_after", "let_go_of_names"]


class Native:
    """How far a loop is in an iterator of the user's, which is asked for each item in its turn.

    Attributes:
        iterator: what it goes over. Where no name holds it, the loop alone does.
        iterate: whether ``iter()`` has to be called first.
        streams: what it goes over, as far as that is streams that nobody else sees.
        step: what gives the iterator or its next item, once that has been asked for.
    """

    __slots__ = ("iterate", "iterator", "step", "streams")

    def __init__(self, iterator: Any, iterate: bool, streams: list[Stream[Any]]) -> None:
        self.iterator = iterator
        self.iterate = iterate
        self.streams = streams
        self.step: Any = None

    def wake(self, engine: Engine) -> None:
        """The failure that has ended the loop has become real."""
        engine.left.append(self)

    def drop(self) -> None:
        """Run in its turn, in the user's own thread."""
        for stream in self.streams:
            quietly(stream)
        self.iterator = self.step = None


def abandon(engine: Engine, stack: list[Block], suspended: bool = False) -> list[Native]:
    """Blocks of a strand are left: so are the loops among them, and what they take from. What has to be
    let go of in its turn comes back. `suspended`: so are generators that loops among them go over; else those
    are left by being closed."""
    found: list[Native] = []
    for block in reversed(stack):
        if block.kind == LOOP:
            iterator = block.iterator
            if suspended and isinstance(iterator, Gen):
                held = block.frame.env.get(block.region.source)
                if isinstance(held, Gen):
                    found += abandon(engine, held.blocks, suspended)
            if type(iterator) is Taking:
                close(engine, iterator.source)
            elif isinstance(iterator, Several):
                for taking in iterator.takings():
                    close(engine, taking.source)
            elif isinstance(iterator, Native):
                found.append(iterator)
    return found


def let_go(engine: Engine, strand: Strand, block: Block, natives: list[Native]) -> None:
    """Let go of what loops that are left here go over, as operations in their turn."""
    at = block.region
    trace = link(block.frame, 0 if at is None else at.lineno, ())
    _place(engine, strand, strand, trace, block.place, natives)


def let_go_after(engine: Engine, trace: Any, place: Any, natives: list[Native]) -> None:
    """As `let_go`, of what a run that has failed was going over: last of all that it does."""
    _place(engine, Strand([]), engine.end, trace, place, natives)


def let_go_of_names(engine: Engine, strand: Strand, block: Block) -> None:
    """A function has come to its end, and with it its names."""
    env = block.frame.env
    for name in block.frame.form.iterated:
        value: Any = env.get(name)
        kind = cast("type[Any]", type(value))
        if kind is FunctionNode and value.value is not PENDING:
            kind = cast("type[Any]", type(value.value))
        if kind is GeneratorType or kind is FunctionNode:
            del env[name]
            native = Native(value, iterate=False, streams=[])
            del value
            let_go(engine, strand, block, [native])


def _place(engine: Engine, strand: Strand, at: Any, trace: Any, place: Any, natives: list[Native]) -> None:
    for native in natives:
        node = FunctionNode(strand, trace, place, "close", native.drop, [], {}, False, None, None)
        engine.place(node, at)
        node.token = Token(1)
        strand.write(EVERYTHING, node.token, certain=True)
        engine.ready.append(node)
