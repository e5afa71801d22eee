"""Failures: the first in program order is the failure, and it becomes real when it is the oldest.

When something fails, everything younger up to the handler that it would reach is pointless and is squashed at
once. The handler itself is issued when the failure has become the oldest entry, with the names of its
function as they were when the failing operation was issued (precise interrupts: Smith and Pleszkun, 1985).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..compiler import ir
from .instructions import CANCEL
from .leaving import Kept, Native, abandon, held_by, keep, let_go, let_go_after, names_of
from .nodes import DEAD, FAILED, RUNNING, CallNode, FailedNode, FragmentNode, FunctionNode, Node, unbound
from .places import rooted, users
from .reservations import ReservationNode, forget_claim
from .slots import Gen
from .strands import FINAL, GEN, HANDLER, LOOP, TASK, TASKS, TRY, Block, Special, Strand
from .tokens import Token

if TYPE_CHECKING:
    from .machine import Engine
    from .operands import Failure

__all__ = ["chain", "forget", "handle", "in_context", "raise_at", "squash", "squash_younger"]


def in_context(error: BaseException, current: BaseException | None) -> BaseException:
    """The error as it is when raised while `current` is being handled, if nobody has raised it so."""
    if current is None or error is current or _reaches(error, current):
        return error
    chain(error, current)
    return error


def chain(error: BaseException, current: BaseException) -> None:
    """Set the context of an error, as the interpreter does when it is raised while `current` is handled."""
    if error is current:
        return
    link: BaseException | None = current
    while link is not None:
        if link.__context__ is error:
            link.__context__ = None  # no cycles
            break
        link = link.__context__
    error.__context__ = current


def _reaches(error: BaseException, current: BaseException) -> bool:
    """Whether `current` is in the context of `error` already."""
    seen: set[int] = set()
    context = error.__context__
    while context is not None and id(context) not in seen:
        if context is current:
            return True
        seen.add(id(context))
        context = context.__context__
    return False


def forget(error: BaseException, handled: BaseException, own: BaseException | None) -> None:
    """Take an exception that was handled around it all out of the context of an error."""
    seen: set[int] = set()
    link = error
    while (context := link.__context__) is not None and context is not own and id(link) not in seen:
        if context is handled:
            link.__context__ = None
            return
        seen.add(id(link))
        link = context


def as_named(error: BaseException, node: Node) -> BaseException:
    """An unbound name, as the frame that it was read in would call it: fragments have other frames."""
    if type(error) not in (NameError, UnboundLocalError) or node.trace is None:
        return error
    trace = users(error.__traceback__)
    own = isinstance(node, FragmentNode) or (isinstance(node, FailedNode) and not node.own_line)
    if trace is not None and (not own or trace.tb_next is not None):
        return error  # it happened further in
    found = _UNBOUND.match(str(error))
    if found is None:
        return error
    name, (form, _, _, frame, _) = found[1], node.trace
    made: BaseException
    if variable := _VARIABLE.match(name):
        made = type(error)(str(error).replace(name, variable[1]))  # of a comprehension
    elif form.at_top:
        made = NameError(f"name '{name}' is not defined", name=name)
    elif frame == form.name:
        if name not in form.scope.locals or type(error) is UnboundLocalError:
            return error
        made = unbound(name)
    else:
        if name.startswith("__") or type(error) is NameError:
            return error
        made = NameError(
            f"cannot access free variable '{name}' where it is not associated with a value in enclosing scope"
        )
    made.__context__ = error.__context__
    return made.with_traceback(error.__traceback__)


_UNBOUND = re.compile(
    r"cannot access (?:local|free) variable '(\w+)' where it is not associated with a value"
)
#: What `Comprehensions.variables` has made of a name.
_VARIABLE = re.compile(r"__c\d+_(\w+)")


def squash_younger(engine: Engine, node: Node) -> None:
    """Forget everything younger than a failure, up to the strand that will handle it."""
    ctx = node.ctx
    keeper: Any = engine.end if ctx is None else ctx.strand
    node.squashed = squash(engine, node.following, keeper, -1 if ctx is None else ctx.depth)
    if ctx is not None:
        ctx.strand.stopped = True


def squash(engine: Engine, first: Any, end: Any, depth: int = -1) -> list[Any]:
    """Forget every entry from `first` to before `end`. What comes back is to be woken once the failure is
    handled, in the function at `depth`: the tokens of the writes that will not be made, the loops that have
    been left, and what names held, in the order in which they are."""
    tokens: list[Token | Native | Kept] = []
    entry = first
    while entry is not end:
        following = entry.following
        if isinstance(entry, Strand):
            entry.alive = False
            entry.exc = None
            tokens += abandon(engine, entry.stack, suspended=True)
            if held := held_by(entry.stack, depth):
                tokens.append(Kept(held))
            entry.stack = []
            entry.base = entry.ctx_frame = None
            ctx = entry.boundary
            if entry.mays is not None:
                tokens += entry.mays
        else:
            if entry.purse is not None and isinstance(entry, (CallNode, ReservationNode)):
                forget_claim(entry)
            if entry.state == RUNNING:
                engine.out.append((CANCEL, entry))
            elif type(entry) is FunctionNode:
                entry.args = []  # what waits for a token may be held for long, and a generator with it
            elif type(entry) is FragmentNode:
                entry.values = []
            ctx = entry.ctx
            if ctx is not None:
                entry.snap = None
            if entry.state == FAILED:
                tokens += entry.squashed
                entry.squashed = []
            entry.state = DEAD
        if entry.token is not None:
            tokens.append(entry.token)
        engine.squashing(entry)
        engine.remove(entry)
        if ctx is not None:
            ctx.pending -= 1
        entry = following
    return tokens


def handle(engine: Engine, node: Node) -> None:
    """The oldest entry has failed: give the failure to its handler, or end the run with it."""
    error = node.exc
    assert error is not None
    error = as_named(error, node)
    ctx = node.ctx
    depth = -1 if ctx is None else ctx.depth
    error = rooted(error, node, depth)
    node.exc = None  # names may hold the node for longer than anybody holds the error
    if ctx is None:
        trace, place = node.trace, node.place
        for t in squash(engine, engine.end.following, engine.end):
            if not isinstance(t, Token):
                t.wake(engine)
        left, engine.left = engine.left, []
        keep(engine, error, [])
        engine.failure = error
        let_go_after(engine, trace, place, left)
        return
    strand, names = ctx.strand, node.snap
    assert names is not None
    # everything older has ended, so nobody who waited for these can come too early
    for token in squash(engine, node, strand, depth):
        token.wake(engine)
    strand.stopped = False
    strand.exit = None
    strand.missing = 0
    strand.waiting = ""
    index = next(i for i, block in enumerate(strand.stack) if block.ctx is ctx and block.kind == TRY)
    block = strand.stack[index]
    stack = strand.stack[index:]
    if strand.tasks is not None:
        inner = next((b for b in stack if b.kind == TASK), None)
        tasks = names.pop(TASKS)
        strand.tasks = tasks if inner is None else inner.item
    engine.left += abandon(engine, _within(stack, names), suspended=True)
    left, engine.left = engine.left + abandon(engine, _left(stack, names)), []
    for inner in reversed(stack):
        if inner.kind == GEN and inner.pending == "close":  # nothing holds its names as a traceback would
            left += names_of(inner)
    keep(engine, error, held_by(stack, depth))
    del strand.stack[index:]
    strand.handling = block.saved
    if ctx.timer is not None:
        ctx.timer.stop(engine)
    strand.tokens = None
    frame = block.frame
    frame.env = names
    region = block.region
    if hasattr(region, "handlers"):
        after = Special(HANDLER, region.handlers, frame, region, block.place)
    else:
        code = region.final if region.leave is None else region.leave
        after = Special(FINAL, code, frame, region, block.place)
        after.pending = ("raise", error)
        if region.leave is not None:
            frame.env[ir.FAILURE] = error
    if left:
        let_go(engine, strand, after, left)
    after.saved = strand.handling
    after.item = error
    strand.exc = error
    strand.stack.append(after)
    engine.resume(strand)


def _left(stack: list[Block], names: dict[str, Any]) -> list[Block]:
    """The blocks that a failure leaves, without those of a generator that has gone on since the operation
    that failed: it is closed as it was then."""
    for index, block in enumerate(stack):
        if block.kind == GEN and stack[index - 1].frame is stack[0].frame:
            held = names.get(block.name or "")
            if isinstance(held, Gen) and held.blocks:
                return stack[:index]
    return stack


def _within(stack: list[Block], names: dict[str, Any]) -> list[Block]:
    """The blocks of a generator that ran the operation that failed, and has yielded since."""
    for block in stack:
        if block.kind == LOOP and isinstance(block.iterator, Gen) and block.frame is stack[0].frame:
            held, then = block.frame.env.get(block.region.source), names.get(block.region.source)
            if isinstance(held, Gen) and isinstance(then, Gen) and not then.blocks:
                return held.blocks
    return []


def raise_at(engine: Engine, strand: Strand, trace: Any, place: Any, failure: Failure) -> None:
    """A failure while issuing: it takes its place in program order, and the strand stops."""
    node = FailedNode(strand, trace, place, "raise", failure.own_line)
    if failure.raised:
        node.exc_context = None  # it has the one that it has to have
    engine.place(node, strand)
    if strand.ctx is None or strand.ctx.strand is not strand:
        strand.stopped = True
    engine.failed(node, failure.error)
