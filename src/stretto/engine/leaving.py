"""Leaving loops and functions early: what they went over is let go of in its turn.

CPython closes a generator, and runs its ``finally``, when the last reference to it goes: at the ``break``,
or at the end of the function whose name held it. The engine would hold it for longer, so there it takes the
place of the reference that goes: an operation in program order gives it up, in the user's own thread.
Whether that closes anything is left to CPython, which knows who else holds it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from ..streams import Stream, quietly
from .nodes import FunctionNode
from .operands import link
from .slots import PENDING, Gen, Slot
from .strands import LOOP, Block, Strand
from .streams import Several, Taking, close
from .tokens import EVERYTHING, Token

if TYPE_CHECKING:
    from .machine import Engine

__all__ = [
    "Kept",
    "Making",
    "Native",
    "abandon",
    "held_by",
    "keep",
    "let_go",
    "let_go_after",
    "let_go_of_failure",
    "let_go_of_names",
    "may_hold",
    "names_of",
]

#: Generators, and what goes over others.
_ITERATORS = frozenset(
    {GeneratorType, enumerate, zip, map, filter}
    | {cls for cls in vars(itertools).values() if isinstance(cls, type)}
)

#: Where something is made that a loop goes over (0: where the loop stands), what makes it, and of what.
Making = tuple[int, Callable[[Any], Any], Any]


class Native:
    """How far a loop is in an iterator of the user's, which is asked for each item in its turn.

    Attributes:
        iterator: what it goes over. Where no name holds it, the loop alone does.
        make: what has to be called first, each in its turn: the last gives the iterator.
        streams: what it goes over, as far as that is streams that nobody else sees.
        paths: what letting go of it may write.
        step: what gives the iterator or its next item, once that has been asked for.
    """

    __slots__ = ("iterator", "make", "paths", "step", "streams")

    def __init__(self, iterator: Any, make: list[Making], streams: list[Stream[Any]]) -> None:
        self.iterator = iterator
        self.make = make
        self.streams = streams
        self.step: Any = None
        self.paths: tuple[str, ...] = (EVERYTHING,)

    def wake(self, engine: Engine) -> None:
        """The failure that has ended the loop has become real."""
        engine.left.append(self)

    def drop(self) -> None:
        """Run in its turn, in the user's own thread."""
        for stream in self.streams:
            quietly(stream)
        self.iterator = self.step = None
        self.make = []


class Held(Native):
    """What a name held, which may be a generator."""

    __slots__ = ()

    def __init__(self, value: Any) -> None:
        super().__init__(value, make=[], streams=[])


class Kept:
    """What the names of a function held that a failure has ended, until that is handled."""

    __slots__ = ("held",)

    def __init__(self, held: list[Any]) -> None:
        self.held = held

    def wake(self, engine: Engine) -> None:
        engine.held += self.held


class LeavingNode(FunctionNode):
    """Lets go of something, in its turn."""

    __slots__ = ("left",)

    def __init__(self, strand: Strand, trace: Any, place: Any, native: Native) -> None:
        super().__init__(strand, trace, place, "close", native.drop, [], {}, False, None, None)
        self.left = native

    def proceed(self, engine: Engine) -> None:
        held = self.left.iterator
        if type(self.left) is Held:
            if isinstance(held, Slot):
                if held.value is PENDING:
                    held.wait(self)
                    self.missing += 1
                    return
                held = self.left.iterator = held.value
            if type(held) not in _ITERATORS:
                engine.finish(self, None)  # nobody can tell
                return
        del held
        super().proceed(engine)


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
    held = names_of(block)
    if held:
        let_go(engine, strand, block, held)


def names_of(block: Block) -> list[Native]:
    """What the names of a function hold that may be a generator; they hold it no more."""
    env = block.frame.env
    return [Held(env.pop(name)) for name in block.frame.form.holding if may_hold(env.get(name))]


def held_by(stack: list[Block], depth: int) -> list[Any]:
    """What the names of functions deeper than `depth` hold, the innermost first."""
    found: list[Any] = []
    frames = {id(block.frame): block.frame for block in reversed(stack) if block.frame.depth > depth}
    for frame in frames.values():
        for name in frame.form.holding:
            value: Any = frame.env.get(name)
            if isinstance(value, Slot):
                value = value.value
            if type(value) in _ITERATORS:
                found.append(value)
    return found


def keep(engine: Engine, error: BaseException, held: list[Any]) -> None:
    """Hold what the functions that an exception has ended held, as CPython's traceback does."""
    held, engine.held = engine.held + held, []
    if held or _leads_to_some(error):
        known = engine.kept.setdefault(id(error), (error, []))[1]
        known += [v for v in {id(v): v for v in held}.values() if not any(v is other for other in known)]


def _leads_to_some(error: BaseException) -> bool:
    """Whether frames of code that was not compiled, in the traceback of an exception, hold a generator."""
    trace = error.__traceback__
    while trace is not None:
        if any(type(value) in _ITERATORS for value in trace.tb_frame.f_locals.values()):
            return True
        trace = trace.tb_next
    return False


def let_go_of_failure(engine: Engine, strand: Strand, block: Block) -> None:
    """A handler is left, and with it goes its exception."""
    seen: set[int] = set()
    error: BaseException | None = block.item
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        known = engine.kept.pop(id(error), None)
        if known is not None:
            let_go(engine, strand, block, [*map(Held, known[1]), Native(error, make=[], streams=[])])
        error = error.__context__


def may_hold(value: Any) -> bool:
    """Whether a value, there or still to come, may be a generator, or something that goes over one."""
    if isinstance(value, Slot):
        if value.value is PENDING:
            of: Any = value.type
            return type(value) is FunctionNode and (of is None or of.cls in _ITERATORS)
        value = value.value
    return type(value) in _ITERATORS


def _place(engine: Engine, strand: Strand, at: Any, trace: Any, place: Any, natives: list[Native]) -> None:
    for native in natives:
        node = LeavingNode(strand, trace, place, native)
        engine.place(node, at)
        node.token = Token(1)
        # what may turn out to be no generator does not wait for its turn, and so for nothing before it
        for path in strand.told_apart(native.paths):
            strand.write(path, node.token, certain=type(native) is not Held)
        engine.ready.append(node)
