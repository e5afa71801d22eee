"""The engine: events in, instructions out.

It has no I/O, no clock and no thread. A driver calls `pump`, carries out the instructions that `take`
gives (start a call, run a piece of the user's code, cancel a call), and reports with `complete` and `fail`.
The same events in the same order give the same instructions.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ..calls import where
from ..compiler.fragments import MISSING
from ..compiler.task_words import may_make_tasks
from ..effects import Kind
from ..errors import Cancelled, DeclarationError, InternalError, ReturnTypeError
from . import failures
from .containers import Versioned
from .functions import push_function
from .instructions import AWAIT, CANCEL, NATIVE, OPEN, START, Instruction
from .issue import issue
from .leaving import Native
from .made_tasks import NO_TASKS
from .memory import Memory
from .nodes import (
    DEAD,
    DONE,
    FAILED,
    NO_KWARGS,
    ORDERED,
    RUNNING,
    WAITING,
    BuildNode,
    CallNode,
    FragmentNode,
    FunctionNode,
    Node,
)
from .order import Entry
from .reservations import ReservationNode
from .slots import UNBOUND, Slot, Waiter
from .stays import Stays
from .strands import Frame, Strand
from .streams import Source, close, opened_by, press

if TYPE_CHECKING:
    from ..calls import Call
    from ..compiler.functions import Compiled
    from ..compiler.guard import NeedsOrder
    from ..drivers.tasks import Task

__all__ = ["Engine", "Outcome"]

#: Takes a place, a site, a function, its arguments by position and by name; gives the function's value.
Reader = Callable[[Any, str, Any, Any, Any], Any]

_NO_ARGS: list[Any] = []

#: How many operations may be in flight where the user does not say.
DEFAULT_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    value: Any = None
    error: BaseException | None = None


class Engine:
    """One run of a flow."""

    def __init__(self, *, limit: int | None = None) -> None:
        #: Closes the program order: behind it comes the oldest entry, before it stands the youngest.
        self.end: Any = Entry()
        self.end.following = self.end.preceding = self.end
        self.limit = limit or DEFAULT_LIMIT
        self.inflight = 0
        #: Instructions for the driver.
        self.out: list[Instruction] = []
        #: Changes of the user's objects that have not been made.
        self.memory = Memory()
        self.ready: deque[Node] = deque()
        self.settled: deque[Any] = deque()
        self.runnable: deque[Strand] = deque()
        self.paused: deque[Strand] = deque()
        self.frontier: Any = self.end
        self.commuting = 0
        self.stirred = False
        #: Calls that the driver is running, finished ones that were cancelled included.
        self.running = 0
        #: Those of them that have to wait for their place among others do not count as running.
        self.outside = 0
        self.most_running = 0
        self.done_count = 0
        #: Sources of streams that run, or wait to run.
        self.sources: set[Source] = set()
        #: Loops that a failure has ended, whose streams are to be closed before it is handled.
        self.left: list[Native] = []
        #: What the names of functions held that an exception has ended: it is held as long as that, which
        #: its traceback would see to. By the identity of the exception.
        self.kept: dict[int, tuple[BaseException, list[Any]]] = {}
        #: The same, of a failure that is about to be handled.
        self.held: list[Any] = []
        #: Tasks that have not ended.
        self.tasks: set[Task] = set()
        #: What runs in blocks of semaphores, and waits to.
        self.stays = Stays()
        #: The budgets whose blocks the flow was called in; None for none.
        self.purse: tuple[Any, ...] | None = None
        #: Those that wait to fit in a budget (see `reservations`), the first to ask first.
        self.waiting: deque[ReservationNode] = deque()
        self.result: Any = None
        self.outcome: Outcome | None = None
        #: What was being handled where the flow was called.
        self.handled: BaseException | None = None
        #: What the flow's names hold lasts until the run has ended, though all may be issued long before.
        self.names: Frame | None = None
        #: What the run has failed with, while it only lets go of things any more.
        self.failure: BaseException | None = None
        #: Whether somebody listens (see `observed`).
        self.observing = False
        #: Who is told that a piece of code starts, in its turn, and that it has ended.
        self.started: Callable[[Node], None] | None = None
        self.piece_ended: Callable[[Node], None] | None = None
        #: Who is told why code has to run as a whole, in its turn.
        self.needed_order: Callable[[Any, NeedsOrder], None] | None = None
        #: Who is told that a call has ended of which not any number may run (see `stretto.limits`).
        self.freed: Callable[[Any], None] | None = None
        #: How a clock, a random number or the environment is read; a journal puts itself here.
        self.reader: Reader | None = None

    # -- from outside ---------------------------------------------------------------------------------

    def begin(
        self, form: Compiled, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any],
        handled: BaseException | None = None,
    ) -> None:  # fmt: skip
        """Issue a flow, called while an exception was `handled`. TypeError if the arguments do not fit its
        signature."""
        root = Strand([])
        root.exc = self.handled = handled
        root.purse = self.purse
        if form.is_async and may_make_tasks(form):
            root.tasks = NO_TASKS
        self.place(root, self.end)
        push_function(self, root, None, form, fn, list(args), kwargs, None, None)
        self.names = root.stack[0].frame
        self.resume(root)

    def pump(self, budget: int = 2000) -> bool:
        """Work until nothing can go on, or the budget of steps is used up (True: there is more to do)."""
        ready, settled, runnable = self.ready, self.settled, self.runnable
        while True:
            if settled:
                settled.popleft().wake(self)
            elif ready:
                node = ready.popleft()
                if node.state == WAITING and node.missing == 0:
                    node.proceed(self)
            elif self.stirred:
                self.stirred = False
                self._advance()
            elif runnable:
                if budget <= 0:
                    return True
                strand = runnable.popleft()
                strand.queued = False
                if strand.alive and not strand.stopped:
                    budget = issue(self, strand, budget)
            else:
                if self.stays.crowded:
                    self.stays.admit(self)
                if self.running + self.outside == 0 and self.outcome is None and not self.out:
                    raise InternalError(f"nothing can go on, and the run has not ended: {self.describe()}")
                return False

    def take(self) -> list[Instruction]:
        """The instructions since the last time."""
        out, self.out = self.out, []
        return out

    def complete(self, node: Node, value: Any) -> None:
        """A call or a piece of code has returned."""
        self.stopped(node)
        if node.state != RUNNING:
            return  # squashed or overdue meanwhile
        if type(node) is CallNode:
            if node.reservation is not None:
                node.reservation.ended(self, value, None)
            checker = node.call.checker
            if node.call.told is not None:
                checker = node.call.told(node.kwargs)
            if type(value) is not checker.exact and (
                not (checker.always or checker.ok(value)) or type(value) is CoroutineType
            ):
                self.failed(node, wrong_type(node.call, value))
                return
            broken = checker.broken(value) if checker.type is not None and not checker.type.firm else ""
            if broken:
                self.failed(node, wrong_field(node.call, broken))
                return
            if node.call.streams:
                try:
                    value = opened_by(node, value)
                except ReturnTypeError as error:
                    self.failed(node, error)
                    return
        self.finish(node, value)

    def fail(self, node: Node, error: BaseException) -> None:
        """A call or a piece of code has raised, or its cancellation has ended."""
        self.stopped(node)
        self._raised(node, error)

    def heard(self, source: Source, *, ended: bool = False) -> None:
        """The source of a stream has given something, or has come to its end."""

    def overdue(self, node: Node, error: BaseException) -> None:
        """A call has run past its timeout; it has failed, and is still running."""
        self._raised(node, error)

    def _raised(self, node: Node, error: BaseException) -> None:
        if node.state == RUNNING:
            if type(node) is CallNode and node.reservation is not None:
                node.reservation.ended(self, None, error)
            self.failed(node, error)

    def cancel(self, error: BaseException | None = None) -> None:
        """End the run: everything is squashed; the outcome is there once all that runs has ended."""
        if self.outcome is None:
            failures.squash(self, self.end.following, self.end)
            self.conclude(error=error or Cancelled("the run was cancelled"))

    def broken(self, error: BaseException) -> None:
        """A fault of the machine itself: the run ends with it."""
        started = [node for kind, node in self.out if kind in (START, NATIVE, AWAIT)]
        self.out = []
        self.running -= len(started)
        self.ready.clear()
        self.settled.clear()
        self.runnable.clear()
        self.stirred = False
        if self.outcome is None:
            self.conclude(error=error)
        entry: Any = self.end.following
        while entry is not self.end:
            if isinstance(entry, Node) and entry.state == RUNNING and entry not in started:
                self.out.append((CANCEL, entry))
            entry = entry.following

    @property
    def ended(self) -> bool:
        """Whether there is an outcome and nothing is running any more."""
        return self.outcome is not None and self.running == 0

    def conclude(self, value: Any = None, error: BaseException | None = None) -> None:
        """The run has an outcome; what is still running of it is awaited."""
        self.outcome = Outcome(value, error)
        self.names = None
        for source in list(self.sources):
            close(self, source)
        for task in self.tasks:
            task.close()
        self.tasks.clear()

    def handed_over(self) -> None:
        """Whoever waits for the outcome has it: it is not held here any longer than there."""
        self.outcome = Outcome()
        self.result = self.failure = None

    def take_kept(self) -> list[Any]:
        """What the exception that has ended the run has to hold, the last to go first."""
        kept, self.kept = self.kept, {}
        found: list[Any] = []
        for _, held in kept.values():
            found += held[::-1]
        return found

    # -- what nodes and strands use ----------------------------------------------------------------------

    def resume(self, strand: Strand) -> None:
        if strand.alive and not strand.queued and not strand.stopped and strand.missing == 0:
            strand.queued = True
            self.runnable.append(strand)

    def place(self, entry: Any, before: Any) -> None:
        """Put something into program order: what is issued goes in right before its point of issue."""
        older = before.preceding
        entry.preceding = older
        entry.following = before
        older.following = before.preceding = entry
        if self.frontier is before:
            self.frontier = entry
        self.inflight += 1

    def resolve(self, slot: Slot, value: Any) -> None:
        slot.value = value
        waiters = slot.waiters
        if waiters is not None:
            slot.waiters = None
            if isinstance(waiters, list):
                self.settled.extend(waiters)
            else:
                self.settled.append(waiters)

    def released(self, waiters: list[Waiter]) -> None:
        """The writes that these waited for have been made."""
        self.settled.extend(waiters)

    def turn(self, head: Any) -> None:
        """An operation that waited for its turn is the oldest."""
        head.oldest(self)

    def remove(self, entry: Any) -> None:
        """Take something out of program order."""
        older, younger = entry.preceding, entry.following
        older.following = younger
        younger.preceding = older
        entry.preceding = entry.following = None
        self.inflight -= 1
        if self.frontier is entry:
            self.frontier = younger
            self.stirred = True
        elif older is self.end:
            self.stirred = True
        # resume well below the limit, so that a strand does not pause again after each step
        if self.paused and self.inflight <= self.limit - (self.limit >> 3):
            strand = self.paused.popleft()
            strand.waiting = ""
            self.resume(strand)

    def start(self, node: Any, *, forced: bool = False) -> None:
        """Have the driver run a node, or the source of a stream. In the block of a semaphore it waits for a
        place, if it is not `forced`."""
        kind = type(node)  # pyright: ignore[reportUnknownVariableType]
        if kind is CallNode or kind is Source:
            if not self._may_stay(node, forced=forced):
                return
            self.out.append((START if kind is CallNode else OPEN, node))
        else:
            if node.how is AWAIT and not self._may_stay(node):
                return
            self.memory.forget_classes()
            self.out.append((node.how, node))
            if self.started is not None:
                self.started(node)
        node.state = RUNNING
        self.running += 1

    def set_aside(self, node: CallNode | Source) -> None:
        """A call that was started is held up outside until it is the oldest: others may have its place."""
        self.stays.leave(node)

    def take_back(self, node: CallNode | Source) -> None:
        """It goes on, or is given up: it has its place again."""
        self._may_stay(node, forced=True)

    def start_again(self, node: CallNode | Source) -> None:
        """A call that was held up outside is started as if it had not been."""
        self.running -= 1
        self.start(node)

    def held_up(self, node: CallNode | Source) -> None:
        """A call that was started has to wait for its place among others."""
        self.running -= 1
        self.outside += 1

    def begun(self, node: CallNode | Source) -> None:
        """A call has its place, and is made now; told where somebody listens."""

    def attempted(self, node: CallNode, error: BaseException) -> None:
        """A call has failed, and is going to be made again; told where somebody listens."""

    @property
    def ending(self) -> Any:
        """What is to be known of the operation that is ending now."""
        return ()

    def let_on(self, node: CallNode | Source, by: Any) -> None:
        """It has its place, or is given up; `by` is what is known of the call of this run that left it."""
        self.running += 1
        self.outside -= 1

    def waits_to_fit(self, reservation: ReservationNode) -> None:
        """A call waits until it fits in a budget."""
        self.waiting.append(reservation)

    def squashing(self, entry: Any) -> None:
        """Something is about to be taken out of program order since it will never have been."""

    def in_order(self, node: Node) -> None:
        """A node is ready and waits for its turn."""
        if self.end.following is node:
            node.oldest(self)
        elif type(node) is CallNode and node.call.effects.kind is Kind.COMMUTES:
            self.commuting += 1
            self.stirred = True

    def finish(self, node: Node, value: Any) -> None:
        """A node has ended well."""
        node.state = DONE
        self.done_count += 1
        self.remove(node)
        if type(node) is FragmentNode and node.outputs:
            results = node.fragment.results(value)
            for name, slot in node.outputs:
                found = results[name]
                self.resolve(slot, UNBOUND if found is MISSING else found)
            node.values = []
        else:
            self.resolve(node, value)
            if type(node) is CallNode or type(node) is FunctionNode:
                node.args, node.kwargs = _NO_ARGS, NO_KWARGS
        token = node.token
        if token is not None:
            node.token = None
            token.wake(self)
        ctx = node.ctx
        if ctx is not None:
            node.ctx = node.snap = None
            ctx.leave(self)
        node.trace = node.exc_context = node.place = None

    def failed(self, node: Node, error: BaseException) -> None:
        """A node has failed; the failure becomes real once everything older has ended."""
        node.state = FAILED
        if type(node) is FragmentNode:
            node.keep_bound(error)
        under = None if node.native and node.lost is None else node.exc_context
        node.exc = failures.in_context(error, under)
        failures.squash_younger(self, node)
        self.stirred = True

    def ended_root(self, strand: Strand, value: Any) -> None:
        """The flow has been issued to its end."""
        if isinstance(value, Slot) or not _plain(value):
            node = BuildNode(strand, None, None, lambda v: v[0], [value])
            self.place(node, strand)
            self.ready.append(node)
            value = node
        self.result = value
        strand.alive = False
        self.remove(strand)
        self.stirred = True

    # -- inside ---------------------------------------------------------------------------------------

    def stopped(self, node: Any) -> None:
        """What the driver ran is not running any more."""
        if self.running > self.most_running:
            self.most_running = self.running
        self.running -= 1
        if self.piece_ended is not None:
            self.piece_ended(node)
        if self.stays.running:
            self.stays.leave(node)
        if self.freed is not None and (type(node) is CallNode or type(node) is Source) and node.call.gated:
            self.freed(node)

    def _may_stay(self, node: Any, *, forced: bool = False) -> bool:
        """Whether something may start in the block of a semaphore that it is in, if it is in one; if not, it
        waits for a place."""
        ctx = node.ctx
        if ctx is None or ctx.stay is None:
            return True
        oldest = self.end.following is node
        stream = type(node) is Source
        return self.stays.enter(node, ctx.stay, stream=stream, oldest=oldest, forced=forced)

    def _advance(self) -> None:
        """Look at the oldest entry: what it may have been waiting for is there."""
        end = self.end
        while self.outcome is None:
            head: Any = end.following
            if head is end:
                value = self.result
                self.conclude(value.value if isinstance(value, Slot) else value, self.failure)
                return
            if isinstance(head, Strand):
                if head.waiting:
                    head.waiting = ""
                    self.resume(head)
                elif self.sources:
                    press(self, head)
                break
            if head.state == FAILED:
                failures.handle(self, head)
            elif head.state == ORDERED:
                if type(head) is CallNode and head.call.effects.kind is Kind.COMMUTES:
                    self.commuting -= 1
                self.turn(head)
                if end.following is head:
                    break
            else:
                break
        if self.commuting:
            self._let_commute()

    def _let_commute(self) -> None:
        entry: Any = self.frontier
        while entry is not self.end and not isinstance(entry, Strand):
            if (
                entry.state == ORDERED
                and type(entry) is CallNode
                and entry.call.effects.kind is Kind.COMMUTES
            ):
                self.commuting -= 1
                self.start(entry)
            if not (entry.steady and entry.state == RUNNING):
                break
            entry = entry.following
        self.frontier = entry

    # -- for tests and messages -------------------------------------------------------------------------

    def describe(self) -> str:
        entries: list[str] = []
        entry: Any = self.end.following
        while entry is not self.end and len(entries) < 20:
            if isinstance(entry, Strand):
                entries.append(
                    f"strand(missing={entry.missing}, waiting={entry.waiting!r}, stopped={entry.stopped})"
                )
            else:
                entries.append(f"{entry!r}(missing={entry.missing})")
            entry = entry.following
        return "; ".join(entries) or "nothing in order"

    def validate(self) -> None:
        """Check the invariants that hold between steps; `InternalError` names the one that does not."""
        count = 0
        under: dict[Any, int] = {}
        entry: Any = self.end.following
        previous: Any = self.end
        while entry is not self.end:
            count += 1
            if entry.preceding is not previous:
                raise InternalError("program order is not doubly linked")
            ctx = entry.boundary if isinstance(entry, Strand) else entry.ctx
            if ctx is not None:
                under[ctx] = under.get(ctx, 0) + 1
            if isinstance(entry, Strand):
                if not entry.alive:
                    raise InternalError("a strand that has ended is in program order")
            elif entry.state in (DONE, DEAD):
                raise InternalError(f"{entry!r} is in program order")
            previous, entry = entry, entry.following
        if count != self.inflight:
            raise InternalError(f"{count} entries in program order, {self.inflight} counted")
        for ctx, number in under.items():
            if ctx.pending != number:
                raise InternalError(f"a try counts {ctx.pending} operations, and has {number}")


def _plain(value: Any) -> bool:

    return not isinstance(value, Versioned)


def wrong_field(call: Call[..., Any], broken: str) -> BaseException:
    """The exception for a value with a field that breaks its annotation, where that was made use of."""
    if call.secret is not None and call.secret.result:
        broken = broken.partition(":")[0]
    return ReturnTypeError(
        f"{where(call.fn)}: {call.name} is declared to return {call.checker.text}, and in what it returned "
        f"{broken}. Correct the annotation of the field, or leave it out"
    )


def wrong_type(call: Call[..., Any], value: Any) -> BaseException:
    """The exception for a value that breaks the declared return type."""
    if inspect.iscoroutine(value):
        value.close()
        return DeclarationError(
            f"{where(call.fn)}: {call.name} is a sync function, and returned a coroutine. "
            "Declare it as async def, or wrap it in one that awaits it"
        )
    secret = call.secret is not None and call.secret.result
    shown = "<secret>" if secret else f"{value!r:.80}"
    return ReturnTypeError(
        f"{where(call.fn)}: {call.name} is declared to return {call.checker.text}, and returned "
        f"{type(value).__name__}: {shown}. Correct the annotation or the value"
    )
