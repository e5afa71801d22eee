"""Loops over streams: the items of a call, each gone on with as it comes.

The source of a stream stands apart from program order, since the program goes on while it runs. What it has
given is a chain of cells, each a slot of one item with the cell behind it; a loop takes one after the
other, and waits for the next as it would for any slot. The driver asks a source for items as long as that
`wants` more: not ahead of the loop by more than a few.

So much is allowed where nobody can tell when the items were made. A call without effects is one such. One
that reads something is another, as long as the loop itself does not write it; where it may, the next item
is asked for at the turn itself, behind the writes before it. A call that changes the world, and a stream
that others than the loop may see, is asked for each item as the oldest operation, by code that runs as a
whole (see `loops`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..compiler import ir
from ..compiler.known_objects import SCALARS
from ..compiler.summary import effect_of
from ..streams import END, Stage, Stream, ending, opened, through
from .instructions import CLOSE, MORE, NEEDED
from .nodes import DEAD, DONE, QUEUED, RUNNING, CallNode
from .operands import Failure, trace_of
from .slots import PENDING, Slot
from .strands import LOOP, Block, Strand
from .tokens import HEAP, Token, covers

if TYPE_CHECKING:
    from ..calls import Call
    from .machine import Engine

__all__ = [
    "END",
    "Cell",
    "Several",
    "Source",
    "StreamNode",
    "Taking",
    "Waits",
    "before",
    "begin",
    "close",
    "given",
    "hold",
    "next_item",
    "opened_by",
    "over",
    "press",
    "stopped",
]


class Broken:
    """Stands in the last cell of a stream that has failed."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Cell(Slot):
    """One item still to come; then also what comes behind it."""

    __slots__ = ("following",)

    following: Cell


class StreamNode(CallNode):
    """A call of a generator: nothing of it runs before its first item is asked for."""

    __slots__ = ()

    @property
    def steady(self) -> bool:  # type: ignore[override]
        return False

    def go(self, engine: Engine) -> None:
        call, args, kwargs = self.call, tuple(self.args), self.kwargs
        try:
            made = call.fn(*args, **kwargs)
        except BaseException as error:
            if self.reservation is not None:
                self.reservation.ended(engine, None, error)
            engine.failed(self, error)
        else:
            engine.finish(self, Stream(call, args, dict(kwargs), made, (), (self.place, self.site)))


def opened_by(node: CallNode, value: Any) -> Stream[Any]:
    """The stream of what the function of a call has returned. Raises `ReturnTypeError`."""
    source = opened(node.call, value)
    return Stream(node.call, tuple(node.args), dict(node.kwargs), source, (), (node.place, node.site))


class Source:
    """A call under way whose items a loop takes.

    Attributes:
        stream: its stream, which nobody else sees.
        loop: the place of the loop, in whose turns the items are used.
        place, site: where the call stands.
        made: how many items have come.
        allowed: how many may have come by now.
        taken: how many turns of the loop have begun with one.
        ctx, trace: those of the loop.
        held: the driver lets nothing more come until it is told that all else waits for that.
    """

    __slots__ = (
        "allowed", "call", "ctx", "heard", "held", "last", "loop", "made", "place", "site", "stages", "state",
        "stream", "taken", "trace", "why",
    )  # fmt: skip

    why: Any

    def __init__(self, stream: Stream[Any], loop: Any, ctx: Any, trace: Any) -> None:
        assert stream.where is not None
        self.place, self.site = stream.where
        self.call: Call[..., Any] = stream.call
        self.stream = stream
        self.loop = loop
        self.ctx = ctx
        self.trace = trace
        self.held = False
        #: The number of what it has given last, where causes are kept.
        self.heard = 0
        self.stages: list[Stage] = [stage() for stage in stream.stages]
        self.last = Cell()
        self.made = self.taken = self.allowed = 0
        self.state = QUEUED

    @property
    def args(self) -> tuple[Any, ...]:
        return self.stream.args

    @property
    def kwargs(self) -> dict[str, Any]:
        return self.stream.kwargs

    def wants(self) -> bool:
        """Whether the driver is to ask for one more item."""
        return self.made < self.allowed


class Taking:
    """How far a loop is in a stream."""

    __slots__ = ("ahead", "cell", "reads", "source")

    def __init__(self, source: Source, ahead: int, reads: list[str]) -> None:
        self.source = source
        self.cell = source.last
        #: How many items may wait to be taken.
        self.ahead = ahead
        #: What the next item has to see all earlier writes of, where the loop itself may write that.
        self.reads = reads


def before(strand: Strand, stream: Stream[Any], paths: list[str]) -> list[Token]:
    """What has to be waited for before a stream that reads these begins."""
    tokens = strand.tokens
    if not tokens:
        return []
    if not all(type(v) in SCALARS for v in (*stream.args, *stream.kwargs.values())):
        paths = [HEAP, *paths]  # it may look at what it is given
    return [token for path in paths for token in tokens.before_read(path)]


def begin(
    engine: Engine, strand: Strand, block: Block, instr: ir.For, stream: Stream[Any], paths: list[str]
) -> Taking:
    """Begin with a stream that only this loop sees; `paths` is what the call reads."""
    ahead = stream.call.buffer
    reads: list[str] = []
    if paths:
        written = effect_of(instr, block.frame, strand.tokens, called=False, begun=False).paths
        if any(covers(w, path) for w in written for path in paths):
            ahead, reads = 0, paths
    source = Source(stream, (block.place, instr.label), strand.ctx, trace_of(block, instr))
    source.allowed = max(ahead, 1)
    engine.sources.add(source)
    engine.start(source)
    return Taking(source, ahead, reads)


def next_item(engine: Engine, strand: Strand, taking: Taking) -> Any:
    """The next item, `END`, or what has to be waited for. Raises `Failure`."""
    cell, source = taking.cell, taking.source
    item = cell.value
    if item is PENDING:
        if source.taken >= source.allowed:
            if taking.reads and strand.tokens:
                before = [token for path in taking.reads for token in strand.tokens.before_read(path)]
                if before:
                    return Waits(before)
            _allow(engine, source, 1)
        if (source.held or source.state == QUEUED) and engine.end.following is strand:
            _press(engine, source)
        return Waits(cell)
    if item is END:
        return END
    if type(item) is Broken:
        raise Failure(item.error)
    taking.cell = cell.following
    source.taken += 1
    _allow(engine, source, taking.ahead)
    return item


class Waits:
    """What a loop has to wait for before its next item."""

    __slots__ = ("what",)

    def __init__(self, what: Any) -> None:
        self.what = what


def press(engine: Engine, strand: Strand) -> None:
    """A strand has become the oldest, and waits: not for a place that others hold who wait for it, nor for
    what is held up until then."""
    block = strand.stack[-1]
    iterator = block.iterator if block.kind == LOOP else None
    if type(iterator) is Taking:
        takings = [iterator]
    else:
        takings = list(iterator.takings()) if isinstance(iterator, Several) else []
    for taking in takings:
        source = taking.source
        if source.state == QUEUED or (source.held and _awaits(strand, source)):
            _press(engine, source)


def _press(engine: Engine, source: Source) -> None:
    if source.state == QUEUED:
        engine.start(source, forced=True)  # whoever holds its place may be waiting for this
    else:
        source.held = False
        engine.out.append((NEEDED, source))


def _awaits(strand: Strand, source: Source) -> bool:
    waiters: Any = source.last.waiters
    return waiters is strand or (isinstance(waiters, list) and strand in waiters)


def _allow(engine: Engine, source: Source, ahead: int) -> None:
    before, allowed = source.allowed, source.taken + ahead
    if allowed > before:
        source.allowed = allowed
        if source.state == RUNNING and before <= source.made < allowed:
            engine.out.append((MORE, source))


# -- what drivers tell ----------------------------------------------------------------------------------


def given(engine: Engine, source: Source, item: Any) -> None:
    """A source has given an item."""
    if source.state != RUNNING:
        return
    engine.heard(source)
    if not source.stages:
        _add(engine, source, item)
        return
    try:
        made = through(source.stages, item)
    except BaseException as error:
        over(engine, source, error)
        _close(engine, source)
        return
    for one in made:
        _add(engine, source, one)


def _add(engine: Engine, source: Source, item: Any) -> None:
    cell = source.last
    source.last = cell.following = Cell()
    source.made += 1
    engine.resolve(cell, item)


def over(engine: Engine, source: Source, error: BaseException | None = None) -> None:
    """A source has no more items, or has failed."""
    if source.state != RUNNING:
        return
    engine.heard(source, ended=True)
    if error is None:
        try:
            for item in ending(source.stages):
                _add(engine, source, item)
        except BaseException as trouble:
            error = trouble
    source.state = DONE
    engine.resolve(source.last, END if error is None else Broken(error))


def hold(engine: Engine, source: Source) -> None:
    """Nothing more comes of a source until the loop waits for it as the oldest operation; `NEEDED` tells."""
    source.held = True
    oldest = engine.end.following
    if isinstance(oldest, Strand) and _awaits(oldest, source):
        _press(engine, source)


def stopped(engine: Engine, source: Source) -> None:
    """Nothing of a source is running any more."""
    engine.sources.discard(source)
    engine.stopped(source)


# -- leaving early --------------------------------------------------------------------------------------


class Several:
    """How far a loop is in several things at once, streams among them."""

    __slots__ = ()

    def takings(self) -> Iterator[Taking]:
        raise NotImplementedError


def close(engine: Engine, source: Source) -> None:
    """Nobody wants any more of a stream."""
    if source.state == RUNNING:
        source.state = DEAD
        _close(engine, source)
    elif source.state == QUEUED:
        source.state = DEAD
        engine.sources.discard(source)


def _close(engine: Engine, source: Source) -> None:
    engine.out.append((CLOSE, source))
