"""Generators that the engine runs itself.

A suspended generator is the blocks of its function, taken off the strand that ran them. Going on with it
puts them back, on top of what asked for the next value; a ``yield`` takes them off again and hands the value
over. So a loop over a generator is issued like any other: its turns overlap with each other, and with what
the generator does to make the next value.

Like a container that is a value, a generator in a name is a *version*: to go on with it gives the name the
next version. What kept the names as they were (a handler, for the operation that fails) keeps the version of
then.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

from ..compiler import ir
from ..compiler.functions import Compiled
from ..compiler.types_fields import loose
from ..streams import unheard
from .functions import AHEAD, MAX_DEPTH
from .leaving import let_go_of_names, may_hold
from .operands import OLDEST, Failure, bound, operand, plain, trace_of, type_of
from .slots import PENDING, Gen, Slot
from .strands import FINAL, GEN, HANDLER, LOOP, SEQ, TRY, Block, Frame, Special, Strand, Try

if TYPE_CHECKING:
    from .machine import Engine

__all__ = [
    "Generator",
    "Pairing",
    "end_generator",
    "go_on",
    "step_close",
    "step_throw",
    "step_unraisable",
    "step_yield",
]

#: How far a version is.
CREATED, SUSPENDED, OVER = range(3)


class Generator(Gen):
    """One version of a generator.

    Attributes:
        fn, args, kwargs: what makes the same as an ordinary generator, while it has not begun.
        closes: whether code of the user's may run when it is closed.
        state: `CREATED`, `SUSPENDED`, or `OVER` (also while it runs, which nobody can see).
        handling: the handling state where it was left; `outer` is what that of its user was.
        used: a later version has been made of this one.
    """

    __slots__ = ("args", "fn", "handling", "kwargs", "outer", "state", "used")

    def __init__(self, form: Compiled, kinds: tuple[Any, ...], closes: bool) -> None:
        self.form = form
        self.kinds = kinds
        self.closes = closes
        self.fn: FunctionType | None = None
        self.args: list[Any] = []
        self.kwargs: dict[str, Any] = {}
        self.state = OVER
        self.blocks = []
        self.handling: tuple[Any, ...] | None = None
        self.outer: tuple[Any, ...] = ()
        self.used = False

    def __repr__(self) -> str:
        return f"<generator {self.form.name} {('created', 'suspended', 'over')[self.state]}>"


class Pairing:
    """What a loop over ``enumerate`` and ``zip`` of generators goes over: a value of each part is gathered,
    one after the other."""

    __slots__ = ("gathered", "leaves", "source")

    def __init__(self, source: ir.Pairs, leaves: list[Any]) -> None:
        self.source = source
        #: An iterator, or the name of a generator.
        self.leaves = leaves
        self.gathered: list[Any] = []

    def item(self, count: int) -> Any:
        """The gathered values, put together."""
        values = iter(self.gathered)
        self.gathered = []
        return _together(self.source, values, count)


def _together(source: ir.Operand | ir.Pairs, values: Iterator[Any], count: int) -> Any:
    if not isinstance(source, ir.Pairs):
        return next(values)
    if source.kind == "enumerate":
        return (source.start + count, _together(source.parts[0], values, count))
    if source.kind == "zip":
        return tuple([_together(part, values, count) for part in source.parts])
    return next(values)


def created(
    form: Compiled, fn: FunctionType, block: Block, args: list[Any], kwargs: dict[str, Any]
) -> Generator:
    """A generator that has not begun; `block` is its function's, about to be entered."""
    env = block.frame.env
    rebound = form.rebound
    kinds = tuple([None if n in rebound else loose(type_of(env[n])) for n in form.params])
    gen = Generator(form, kinds, form.closing or any(may_hold(env[n]) for n in form.params))
    gen.fn, gen.args, gen.kwargs = fn, args, kwargs
    gen.state = CREATED
    gen.blocks = [block]
    return gen


def go_on(engine: Engine, strand: Strand, block: Block, name: str, region: Any) -> Any:
    """Go on with the generator that a name holds, on top of `block`, which is handed what comes of it.

    Returns what has to be waited for; None where it goes on; the generator itself, if it is over.
    """
    frame = block.frame
    gen = operand(frame, name)
    if isinstance(gen, Slot):
        return gen
    assert isinstance(gen, Generator)
    if gen.state == OVER:
        return gen
    if frame.depth >= AHEAD:
        if engine.end.following is not strand:
            return OLDEST
        if frame.depth >= MAX_DEPTH:
            raise Failure(RecursionError("maximum recursion depth exceeded"))
    frame.env[name] = running = Generator(gen.form, gen.kinds, gen.closes)
    outer = strand.handling
    blocks = _put_back(gen, strand, frame.depth + 1, trace_of(block, region), outer)
    head = blocks[0]
    head.saved = outer
    head.name = name
    head.target = running  # and not the version before, which holds what its names held
    strand.stack += blocks
    return None


def _put_back(gen: Generator, strand: Strand, depth: int, trace: Any, outer: tuple[Any, ...]) -> list[Any]:
    """Copies of a version's blocks, for the strand that goes on with it."""
    old = gen.blocks[0].frame
    same = old.trace is trace and old.depth == depth
    frame = Frame(old.form, old.env.copy(), old.cells, trace, depth, old.traces if same else {})
    tries: dict[int, Try] = {}
    blocks: list[Any] = []
    for block in gen.blocks:
        made: Any = _copied(block, frame, gen.used)
        if made.kind == TRY:
            made.ctx = Try(strand, depth, strand.stay)
            tries[id(block.ctx)] = made.ctx
        blocks.append(made)
    gen.used = True
    if gen.handling is not None:
        for made in blocks[1:]:
            if made.saved is not None:
                made.saved = _seen(made.saved, gen.outer, outer, tries, frame)
        strand.handling = _seen(gen.handling, gen.outer, outer, tries, frame)
    return blocks


def _seen(
    state: tuple[Any, ...],
    before: tuple[Any, ...],
    outer: tuple[Any, ...],
    tries: dict[int, Try],
    frame: Frame,
) -> tuple[Any, ...]:
    """A handling state of a generator, for who goes on with it now: `outer` takes the place of `before`."""
    ctx, ctx_frame, names, exc, purse = state
    if ctx is before[0]:
        ctx, ctx_frame, names = outer[:3]
    else:
        ctx, ctx_frame = tries[id(ctx)], frame
    purse = outer[4] if purse is before[4] else purse
    return (ctx, ctx_frame, names, outer[3] if exc is before[3] else exc, purse)


def _copied(block: Block, frame: Frame, used: bool) -> Block:
    if not isinstance(block, Special):
        made = Block(block.kind, block.code, frame, block.region, block.place)
        made.pc = block.pc
        return made
    special = Special(block.kind, block.code, frame, block.region, block.place)
    special.pc = block.pc
    special.iterator, special.item, special.count = block.iterator, block.item, block.count
    special.saved, special.pending, special.name = block.saved, block.pending, block.name
    special.target = block.target
    if used and block.kind == LOOP and block.target is not None:
        from .pairs import again  # late: loops go on with generators

        # a later version has taken the other iterator along
        special.iterator = again(block.target, block.count)
    return special


def step_yield(engine: Engine, strand: Strand, block: Block, instr: ir.Yield) -> Any:
    stack = strand.stack
    frame = block.frame
    value = bound(engine, strand, block, instr, operand(frame, instr.source))
    value = plain(engine, strand, block, instr, value)
    index = len(stack) - 1
    guarded = False
    while stack[index].kind != GEN:
        at = stack[index]
        if at.saved is not None:
            guarded = True
            if at.kind == TRY:
                assert at.ctx is not None
                if at.ctx.pending:
                    return (
                        at.ctx
                    )  # it is left for a while, so what follows is certain only when all in it has ended
        index -= 1
    head = stack[index]
    user = stack[index - 1]
    blocks = stack[index:]
    del stack[index:]
    before: Generator = head.target
    assert head.name is not None
    if instr.target is not None:
        frame.env[instr.target] = None
    handling, strand.handling = strand.handling, head.saved
    if head.pending == "close":
        raise Failure(RuntimeError("generator ignored GeneratorExit"))
    gen = Generator(before.form, before.kinds, before.closes)
    gen.state = SUSPENDED
    gen.blocks = blocks
    if guarded:
        gen.handling, gen.outer = handling, head.saved
    user.frame.env[head.name] = gen
    _hand_over(engine, strand, user, value)
    return None


def _hand_over(engine: Engine, strand: Strand, user: Any, value: Any) -> None:
    from .loops import given  # late: loops go on with generators

    given(engine, strand, user, value)


def end_generator(engine: Engine, strand: Strand, block: Block, value: Any = None) -> Any:
    """A generator has been issued to its end, with this value."""
    from .loops import exhausted

    strand.stack.pop()
    strand.handling = block.saved
    if block.frame.form.holding:
        let_go_of_names(engine, strand, block)
    if block.pending != "close":
        exhausted(strand, strand.stack[-1], plain(engine, strand, block, block.region or _END, value))
    return None


_END = ir.Instr(0)


def step_close(engine: Engine, strand: Strand, block: Block, instr: ir.Close) -> Any:
    env = block.frame.env
    gen = env.get(instr.name)
    if isinstance(gen, Slot) and gen.value is PENDING:
        return gen
    if isinstance(gen, Slot):
        gen = gen.value
    if not isinstance(gen, Generator):
        return None
    env[instr.name] = running = Generator(gen.form, gen.kinds, gen.closes)
    if gen.state != SUSPENDED:
        return None
    outer = strand.handling
    if block.kind == FINAL and block.pending is not None and block.pending[0] == "raise":
        # it is not handled here: that is only on its way out
        strand.exc = block.saved[3]
    stack = strand.stack
    if not instr.loud:
        region = instr.region
        if region is None:
            region = instr.region = ir.TryExcept(
                instr.lineno, within=instr.within, handlers=(ir.Unraisable(instr.lineno),), label="close"
            )
        guard = Special(TRY, (), block.frame, region, block.place)
        guard.saved = outer
        guard.ctx = Try(strand, block.frame.depth, strand.stay)
        stack.append(guard)
        strand.ctx, strand.ctx_frame, strand.names = guard.ctx, block.frame, ()
    now = strand.handling
    blocks = _put_back(gen, strand, block.frame.depth + 1, trace_of(block, instr), now)
    head = blocks[0]
    head.saved = now if not instr.loud else outer
    head.name = instr.name
    head.target = running
    head.pending = "close"
    stack += blocks
    last = blocks[-1]
    at = last.code[last.pc - 1]
    throw = ir.Throw(at.lineno, GeneratorExit(), within=at.within)
    stack.append(Block(SEQ, (throw,), last.frame, None, last.place))
    return None


def step_throw(engine: Engine, strand: Strand, block: Block, instr: ir.Throw) -> Any:
    raise Failure(instr.error)


def step_unraisable(engine: Engine, strand: Strand, block: Block, instr: ir.Unraisable) -> Any:
    """What a generator that died has raised."""
    handler = next(b for b in reversed(strand.stack) if b.kind == HANDLER)
    error = cast("BaseException", handler.item)
    if not isinstance(error, (GeneratorExit, StopIteration)):
        unheard(error)
    return None
