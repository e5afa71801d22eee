"""Strands: points of issue, each with the frames of the functions it is in.

A strand walks blocks of steps. Where it needs a value that has not come it is *split*: the innermost region
that can only end normally goes on as a strand of its own, and the strand itself goes on after that region,
with fresh slots for whatever the region may bind (lazy task creation: Mohr, Kranz and Halstead, 1991).
"""

from __future__ import annotations

from collections.abc import Iterable
from types import CellType
from typing import TYPE_CHECKING, Any, cast

from ..compiler import ir
from .history import LAST, Change
from .order import Entry
from .printed import STDERR, STDOUT, shown_at
from .slots import UNBOUND, Advanced, Gen, Output
from .tokens import EVERYTHING, MAKES_TASKS, Token, Tokens

if TYPE_CHECKING:
    from ..compiler.functions import Compiled
    from ..compiler.summary import Effect
    from .memory import Memory

__all__ = [
    "FINAL",
    "FUNC",
    "GEN",
    "HANDLER",
    "LOOP",
    "PURSE",
    "SEQ",
    "TASK",
    "TASKS",
    "TRY",
    "TURN",
    "Block",
    "Frame",
    "Special",
    "Strand",
    "Trace",
    "Try",
]

#: The kinds of blocks; the first two are steps in a row, with nothing to do at their end.
SEQ, TURN, FUNC, LOOP, TRY, HANDLER, FINAL, GEN, TASK, PURSE = range(10)
#: The name under which a handler finds the tasks that were made before a failure.
TASKS = "\0tasks"

#: Where in the program something is: the function, the line, the same of its caller, the name of the frame,
#: and the depth of the function.
Trace = tuple["Compiled", int, Any, str, int]


class Frame:
    """One running of a function, as one strand sees it."""

    __slots__ = ("cells", "depth", "env", "form", "trace", "traces")

    def __init__(
        self, form: Compiled, env: dict[str, Any], cells: dict[str, CellType], trace: Any, depth: int,
        traces: dict[ir.Instr, Trace],
    ) -> None:  # fmt: skip
        self.form = form
        self.env = env
        self.cells = cells
        #: Where the function was called.
        self.trace = trace
        self.depth = depth
        #: Where its steps are (see `operands.trace_of`).
        self.traces = traces

    def fork(self) -> Frame:
        return Frame(self.form, self.env.copy(), self.cells, self.trace, self.depth, self.traces)


class Block:
    """Steps being walked, and what to do at their end.

    `saved` is what the strand's handling state was before a TRY, HANDLER, FINAL, GEN or PURSE block; `place`
    is the part of the program-order identity that is common to what is issued in the block.
    """

    __slots__ = ("code", "frame", "kind", "pc", "place", "region")

    # What most blocks have not; `Special` has room for it.
    iterator: Any = None
    item: Any = None
    count: int = 0
    ctx: Try | None = None
    saved: Any = None
    pending: Any = None
    name: str | None = None
    target: Any = None

    def __init__(self, kind: int, code: ir.Block, frame: Frame, region: Any, place: Any) -> None:
        self.kind = kind
        self.code = code
        self.pc = 0
        self.frame = frame
        self.region: Any = region
        self.place = place


class Special(Block):
    """A block of a loop, a function, a ``try`` or a handler."""

    __slots__ = ("count", "ctx", "entered", "item", "iterator", "name", "pending", "saved", "target", "tasks")

    def __init__(self, kind: int, code: ir.Block, frame: Frame, region: Any, place: Any) -> None:
        super().__init__(kind, code, frame, region, place)
        self.iterator = self.item = self.ctx = self.saved = self.pending = self.name = self.target = None
        #: Of a function that is declared to change little: the writes to come before it, where there are any.
        self.entered: Tokens | None = None
        #: Of a function or a ``try``: the tasks that there were where it began.
        self.tasks: Any = None
        self.count = 0


class Try:
    """A ``try`` that is being run: the failures under it end at it.

    Attributes:
        strand: the strand that runs its handler.
        pending: how many operations and strands under it have not ended well yet.
        depth: of the function it is in, for tracebacks.
        timer: the clock of the flow that is called in it, if it is there for that (see `timers`).
        stay: the block of a semaphore that it is, or is in, if any (see `stays`).
    """

    __slots__ = ("depth", "pending", "stay", "strand", "timer", "waiting")

    def __init__(self, strand: Strand, depth: int, stay: Any = None) -> None:
        self.timer: Any = None
        self.stay = stay
        self.strand = strand
        self.depth = depth
        self.pending = 0
        self.waiting = False

    def leave(self, engine: Any) -> None:
        """Something under it has ended well, or has been forgotten."""
        self.pending -= 1
        if self.pending == 0 and self.waiting:
            self.waiting = False
            self.strand.wake(engine)


class Strand(Entry):
    """A point of issue; its entry in program order is where the next operation goes in."""

    __slots__ = (
        "alive", "base", "boundary", "ctx", "ctx_frame", "exc", "exit", "mays", "missing", "names", "order",
        "outputs", "owed_tasks", "paths", "purse", "queued", "result", "stack", "stopped", "tasks", "token",
        "tokens", "turn", "waiting", "why",
    )  # fmt: skip

    def __init__(self, stack: list[Block]) -> None:
        # made for every region that is left behind: what is always set right after is not set here
        self.stack = stack
        #: The writes to come that what is issued here must respect; None while there are none.
        self.tokens: Tokens | None = None
        #: Its place among strands, and how many changes it has issued and parts it has left behind: together
        #: the place of a change in program order (see `memory`).
        self.order: tuple[int, ...] = ()
        self.turn = 0
        self.alive = True
        #: A failure under its own handler has stopped it; the handler will start it again.
        self.stopped = False
        self.queued = False
        self.missing = 0
        #: What else it waits for: to be the oldest, or for room.
        self.waiting = ""
        self.exit: tuple[str, Any] | None = None
        # the handler in force, the frame whose names it would see, names bound by ``except ... as``
        self.ctx: Try | None = None
        self.ctx_frame: Frame | None = None
        self.names: tuple[str, ...] = ()
        self.exc: BaseException | None = None
        #: The budgets whose blocks it is in (see `reservations`); None for none.
        self.purse: tuple[Any, ...] | None = None
        # what a strand that was split off owes to the one it was split from
        self.boundary: Try | None = None
        self.outputs: dict[str, Output] | None = None
        self.result: Output | None = None
        self.token: Token | None = None
        #: The tasks that were made here (see `tasks`), or a slot of that; None where there can be none. And
        #: what a strand that was split off owes of it.
        self.tasks: Any = None
        self.owed_tasks: Output | None = None
        #: The changes that it may issue, of objects that are known.
        self.mays: list[Change] | None = None

    #: The frame whose names the outputs are, where it was split off.
    base: Frame | None
    #: The paths that the token stands for.
    paths: frozenset[str]
    #: What let it go on, where that is recorded (see `stretto.engine.causes`).
    why: Any

    @property
    def handling(self) -> tuple[Any, ...]:
        return (self.ctx, self.ctx_frame, self.names, self.exc, self.purse)

    @handling.setter
    def handling(self, state: tuple[Any, ...]) -> None:
        self.ctx, self.ctx_frame, self.names, self.exc, self.purse = state

    @property
    def stay(self) -> Any:
        """The block of a semaphore that it is in, if any (see `stays`)."""
        return None if self.ctx is None else self.ctx.stay

    def write(self, path: str, token: Token, *, certain: bool) -> None:
        """Note a write to come (see `Tokens.write`)."""
        tokens = self.tokens
        if tokens is None:
            tokens = self.tokens = Tokens()
        tokens.write(path, token, certain=certain)

    def change(self, change: Change, thing: Any, memory: Memory) -> None:
        """Note a change to come of an object."""
        self.turn += 1
        memory.history(thing).add(change)
        tokens = self.tokens
        if tokens is None:
            tokens = self.tokens = Tokens()
        tokens.change(change)

    def promise(self, child: Strand, fields: tuple[tuple[Any, Any, Any], ...], memory: Memory) -> None:
        """Look-ups of these fields wait until a part that was left behind has issued its changes."""
        child.mays = []
        for thing, field, kind in fields:
            may = Change((*child.order, LAST), field, value=kind)
            memory.history(thing).add(may)
            child.mays.append(may)

    @property
    def here(self) -> tuple[int, ...]:
        """The place in program order of what is issued next."""
        return (*self.order, self.turn)

    def snapshot(self) -> dict[str, Any] | None:
        """The names that the handler in force would see if the operation issued now failed."""
        if self.ctx_frame is None:
            return None
        env = dict(self.ctx_frame.env)
        for name in self.names:
            env.pop(name, None)
        if self.tasks is not None:
            env[TASKS] = self.tasks
        return env

    def wake(self, engine: Any) -> None:
        """One of the values that it waits for has come."""
        self.missing -= 1
        if self.missing <= 0:
            self.missing = 0
            engine.resume(self)

    def split_step(self, block: Block, region: ir.Region, effect: Effect) -> Strand:
        """As `split`, of one step of a block that has not begun: the commonest case, made short."""
        frame = block.frame
        clone = frame.fork()
        child = Strand([Block(SEQ, region.alone, clone, region, block.place)])
        child.order = (*self.order, self.turn)
        self.turn += 1
        ctx = child.boundary = child.ctx = self.ctx
        if ctx is not None:
            ctx.pending += 1
        child.names, child.exc, child.purse = self.names, self.exc, self.purse
        child.base = clone
        for name in region.takes:
            frame.env.pop(name, None)
        child.outputs = self._owed(region, frame.env, effect)
        if self.ctx_frame is not None:
            child.ctx_frame = clone if self.ctx_frame is frame else self.ctx_frame.fork()
        if self.tokens is not None:
            child.tokens = self.tokens.copy()
        if self.tasks is not None:
            child.tasks = self.tasks
            if type(region) is not ir.Task:
                self._owe_tasks(child, effect)
        if effect.paths:
            self._promise(child, effect.paths)
        return child

    def split(self, index: int, effect: Effect) -> Strand:
        """Leave the blocks from `index` on behind, as a strand of their own; the caller puts it in order.

        `effect` is what may still be written in there, and the types of what it binds.
        """
        stack = self.stack
        inner = stack[index:]
        base = inner[0]
        del stack[index:]
        child = Strand(inner)
        child.order = (*self.order, self.turn)
        self.turn += 1
        child.handling = self.handling
        child.exit, self.exit = self.exit, None
        for block in inner:
            if block.saved is not None:
                self.handling = block.saved
                break
        if base.kind != TASK:  # which fails for nobody but whoever awaits it
            child.boundary = self.ctx
            if self.ctx is not None:
                self.ctx.pending += 1
        frame = base.frame
        called = base.kind == FUNC
        clone = child.base = frame
        if not called:
            clone = child.base = frame.fork()
            for block in inner:
                if block.frame is frame:
                    block.frame = clone
            child.outputs = self._owed(base.region, frame.env, effect)
        if child.ctx_frame is not None or self.ctx_frame is not None:
            self._detach(child, inner, frame, None if called else clone)
        if self.tokens is not None:
            child.tokens = self.tokens.copy()
        if called and frame.form.bounds is not None:
            self.tokens = cast("Special", base).entered  # all else that it may change is what is promised
        if self.tasks is not None:
            child.tasks = self.tasks
            within = next((block for block in inner if block.kind == TASK), None)
            if within is not None:
                self.tasks = within.item
            if within is not base:
                self._owe_tasks(child, effect)
        if effect.paths:
            self._promise(child, effect.paths)
        return child

    def _owe_tasks(self, child: Strand, effect: Effect) -> None:
        """Which tasks there are behind a part that was left behind is known when it has ended, if it may make
        or run some."""
        if EVERYTHING in effect.paths or MAKES_TASKS in effect.paths:
            self.tasks = child.owed_tasks = Output(TASKS, open=False)

    def _promise(self, child: Strand, paths: frozenset[str]) -> None:
        """What follows waits for what a part that was left behind may write."""
        if MAKES_TASKS in paths:
            paths -= {MAKES_TASKS}
            if not paths:
                return
        token = child.token = Token(1)
        child.paths = paths = frozenset(self.told_apart(paths))
        for path in paths:
            self.write(path, token, certain=False)

    def told_apart(self, paths: Iterable[str]) -> Iterable[str]:
        """The same paths; but what is printed may change more where that is redirected, or may be by then."""
        for path in (STDOUT, STDERR):
            if path in paths:
                more = (EVERYTHING,) if self.tokens and self.tokens.all_may_change() else shown_at(path)
                paths = (EVERYTHING,) if EVERYTHING in more else {*paths, *more}
        return paths

    def _owed(self, region: ir.Region, env: dict[str, Any], effect: Effect) -> dict[str, Output] | None:
        """Bind what a region may bind to slots, which it fills when it has ended."""
        if not region.binds and not region.advances:
            return None
        outputs: dict[str, Output] = {}
        types = effect.types
        unbinds = region.unbinds
        for name in region.binds:
            old = env.get(name, UNBOUND)
            unsure = old is UNBOUND or name in unbinds or (type(old) is Output and old.unsure)
            output = outputs[name] = Output(name, types.get(name), unsure)
            env[name] = output
        for name in region.advances:
            bound = outputs.get(name)
            if bound is not None or isinstance(env.get(name), (Gen, Advanced)):
                outputs[name] = env[name] = Advanced(name, None, bound is not None and bound.unsure)
        return outputs

    def _detach(self, child: Strand, inner: list[Block], frame: Frame, clone: Frame | None) -> None:
        """Handlers in the part that is left behind see the names of its own copy of the frame; a handler
        outside, whose frame this strand keeps, sees them as they are now."""
        outer = self.ctx_frame
        frozen = outer.fork() if outer is not None and (clone is None or outer is not frame) else None
        child.ctx_frame = _seen(child.ctx_frame, frame, clone, outer, frozen)
        for block in inner:
            if block.saved is not None:
                ctx, ctx_frame, *others = block.saved
                block.saved = (ctx, _seen(ctx_frame, frame, clone, outer, frozen), *others)
            if block.kind == TRY:
                assert block.ctx is not None
                block.ctx.strand = child


def _seen(
    ctx_frame: Frame | None, frame: Frame, clone: Frame | None, outer: Frame | None, frozen: Frame | None
) -> Frame | None:
    if ctx_frame is frame and clone is not None:
        return clone
    return frozen if ctx_frame is outer else ctx_frame
