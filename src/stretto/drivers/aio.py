"""The asyncio driver: carries out the engine's instructions on an event loop.

Calls declared with ``async def`` are tasks; sync ones run in threads. Code that nobody knows runs in the
user's own thread, one piece at a time (see `Run` in `stretto.runs`).
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ..budgets.budget import ENTERED
from ..engine.emitting import EmitNode
from ..engine.instructions import AWAIT, CANCEL, CLOSE, NATIVE, NEEDED, START, TIMER, UNTIMED
from ..engine.machine import Engine
from ..engine.nodes import RUNNING, CallNode, natively
from .ambient import CURRENT, SCOPE, WAY, Piece, timed_out, under
from .gate import HELD, Gate
from .retries import Retries
from .sources import Sources

if TYPE_CHECKING:
    from ..engine.nodes import AwaitNode, Node
    from ..engine.timers import TimerNode
    from ..journal.recording import Recording
    from ..observe.live import Watch

__all__ = ["AsyncioDriver", "apart", "threads"]

#: Threads for sync calls, over all runs of the process.
_MOST_THREADS = 256
_MOST_APART = 10_000
#: Seconds until it is looked again whether all that is recorded has been answered.
_LOOK_AGAIN = 0.005
_EAGER = sys.version_info >= (3, 12)

_lock = threading.Lock()
_threads: ThreadPoolExecutor | None = None
_apart: ThreadPoolExecutor | None = None


def _forked() -> None:
    global _lock, _threads, _apart
    _lock, _threads, _apart = threading.Lock(), None, None  # a child has none of its parent's threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def threads() -> ThreadPoolExecutor:
    global _threads
    with _lock:
        if _threads is None:
            _threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="stretto-call")
        return _threads


def apart() -> ThreadPoolExecutor:
    """Threads for sync calls outside of flows: as many as there are callers, since each may make another such
    call, and wait for it."""
    global _apart
    with _lock:
        if _apart is None:
            _apart = ThreadPoolExecutor(_MOST_APART, thread_name_prefix="stretto-apart")
        return _apart


class AsyncioDriver:
    """Turns one engine on the running loop.

    `native` is given a node and a function to report its end with, from any thread; `ended` is called once,
    on the loop, when the run has an outcome and nothing of it is running.
    """

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        native: Callable[[Node, Callable[[Any, BaseException | None], None]], None],
        ended: Callable[[], None],
    ) -> None:
        self.engine = engine
        self.loop = loop
        self.context = context
        context.run(ENTERED.set, ())  # the engine sees to budgets
        self.native = native
        self.ended = ended
        self.tasks: dict[Any, asyncio.Task[Any]] = {}
        self.timers: dict[Any, asyncio.TimerHandle] = {}
        self.natives: set[Any] = set()
        #: Those of them that make calls.
        self.pieces: dict[Node, Piece] = {}
        self.scheduled = False
        self.over = False
        self.gate = Gate(self)
        self.retries = Retries(self)
        self.sources = Sources(self)
        #: What the calls in a piece of code that runs as a whole go through.
        self.scope: Callable[[Node], Piece] = lambda node: Piece(lambda: node.state == RUNNING)
        #: The journal's side of the run, if it has one.
        self.recording: Recording | None = None
        #: What tells of the run, if somebody listens.
        self.watch: Watch | None = None
        #: All that runs on the loop, this run included, if that is known.
        self.beside: Collection[object] = ()

    def kick(self) -> None:
        """Have the engine go on, soon."""
        if not self.scheduled and not self.over:
            self.scheduled = True
            self.loop.call_soon(self.turn)

    def turn(self) -> None:
        self.scheduled = False
        if self.over:
            return
        engine = self.engine
        try:
            more = engine.pump()
            todo, done = engine.take(), 0
            try:
                for kind, node in todo:
                    self._carry_out(kind, node)
                    done += 1
            finally:
                for kind, node in todo[done:]:  # a fault: what was not started will not be
                    if kind is START or kind is NATIVE or kind is AWAIT:
                        engine.fail(node, asyncio.CancelledError())
            if self.gate.goes_on():
                more = True
            if self.recording is not None and self.recording.share(self):
                more = True
        except BaseException as error:
            # a fault of the machine must end the run, never hang it
            engine.broken(error)
            more = True
            if not isinstance(error, Exception):
                self.kick()
                raise
        if engine.ended and not engine.out:
            self.over = True
            if self.recording is not None:
                self._told_all(self.recording)
            for timer in self.timers.values():
                timer.cancel()
            self.gate.close()
            self.ended()
        elif more or engine.out or engine.ready or engine.settled or engine.stirred:
            self.kick()

    @property
    def waits_for_one(self) -> bool:
        """Whether nothing goes on, on this loop, but the call that is about to start: it may hold the loop up
        for a moment."""
        return len(self.beside) == 1 and self.engine.running == 1 and not self.tasks

    def leave(self) -> None:
        """The run is over, and nothing here leads to it any more."""
        del self.native, self.ended, self.scope

    def _carry_out(self, kind: str, node: Any) -> None:
        if kind is START:
            if self.recording is not None:
                self.recording.begin(self, node)
            elif node.call.gated is False:
                self.begin(node)
            else:
                self.gate.admit(node, AsyncioDriver.begin)
        elif kind is NATIVE:
            self.natives.add(node)
            begin = functools.partial(self.native, node, self._reporter(node))
            if self.recording is None or type(node) is not EmitNode:
                begin()
            else:
                self.recording.hand_over(self, node, begin)
        elif kind is AWAIT:
            self.tasks[node] = self.loop.create_task(self.wait(node), context=self._scoped(node))
        elif kind is TIMER:
            again = self.recording is not None and self.recording.ran_out(node)
            seconds, fire = (_LOOK_AGAIN, self._fire_again) if again else (node.seconds, self._fire)
            self.timers[node] = self.loop.call_later(seconds, self.safely, fire, node)
        elif kind is UNTIMED:
            self.timers.pop(node).cancel()
        elif kind is not CANCEL:
            if kind is CLOSE:
                self.gate.forgets(node)
            if kind is not NEEDED or not self.gate.needs(node):
                self.sources.carry_out(kind, node)
        elif self.gate.forgets(node):
            self.retries.forget(node)
            self.failed(node, asyncio.CancelledError())
        elif self.recording is not None and self.recording.forgets(self, node):
            self.engine.fail(node, asyncio.CancelledError())
        elif not self.retries.stop(node):
            piece = self.pieces.get(node)
            if piece is not None:
                piece.stop()
            task = self.tasks.get(node)
            if task is not None:
                task.add_done_callback(functools.partial(self._never_began, node))
                task.cancel()

    def begin(self, node: CallNode) -> None:
        call = node.call
        if self.gate.guarded and (shut := self.gate.turned_away(node)) is not None:
            self.failed(node, shut)
            return
        if self.engine.observing:
            self.engine.begun(node)
        if call.is_async:
            work = self.run(node) if call.patience is None else self.run_timed(node)
            context = self._context(node)
            if _EAGER:
                task = asyncio.Task(work, loop=self.loop, context=context, eager_start=True)  # type: ignore[call-arg]
                if not task.done():
                    self.tasks[node] = task
            else:
                self.tasks[node] = self.loop.create_task(work, context=context)
        else:
            self.begin_sync(node)

    async def run(self, node: CallNode) -> None:
        """The task of an async call."""
        try:
            if self.gate.timed:
                self.gate.begins(node)
            work = node.call.make(*node.args, **node.kwargs)
            value = await (work if node.exc_context is None else under(node.exc_context, work))
        except BaseException as error:
            self.failed(node, error)
        else:
            if self.recording is not None:
                self.returned(node, value)
            else:
                if node.call.gated:
                    self.gate.returned(node, value)
                self.engine.complete(node, value)
        self.tasks.pop(node, None)
        if not self.scheduled and not self.over:
            self.scheduled = True
            self.loop.call_soon(self.turn)

    async def wait(self, node: AwaitNode) -> None:
        """The task of something that is no call, and is awaited."""
        try:
            work = node.outcome()
            value = await (work if node.exc_context is None else under(node.exc_context, work))
        except BaseException as error:
            self.failed(node, error)
        else:
            self.engine.complete(node, value)
        self.tasks.pop(node, None)
        self.kick()

    def _scoped(self, node: AwaitNode) -> contextvars.Context:
        """The context of a piece of code that runs as a whole, on the loop."""
        context = self.context.copy()
        context.run(SCOPE.set, self.scope(node))
        context.run(HELD.set, self.gate.held)
        context.run(ENTERED.set, node.purse or ())
        return context

    async def run_timed(self, node: CallNode) -> None:
        try:
            if self.gate.timed:
                self.gate.begins(node)
            limit = asyncio.timeout(node.call.patience)
            try:
                async with limit:
                    work = node.call.make(*node.args, **node.kwargs)
                    value = await (work if node.exc_context is None else under(node.exc_context, work))
            except TimeoutError:
                if limit.expired():
                    raise timed_out(node.call) from None
                raise
        except BaseException as error:
            self.failed(node, error)
        else:
            self.returned(node, value)
        self.tasks.pop(node, None)
        self.kick()

    def returned(self, node: CallNode, value: Any) -> None:
        """A call or a piece of code has returned; the journal hears of it first."""
        if type(node) is CallNode and node.call.gated:
            self.gate.returned(node, value)
        if self.recording is None or type(node) is not CallNode:
            pass
        elif node.state != RUNNING or type(value) is CoroutineType:
            self.recording.gone(node)
        else:
            try:
                if self.recording.returned(self, node, value):
                    return
            except BaseException as error:  # the journal is full, locked or gone: that ends the run
                self._abort(node, error)
                return
        self.engine.complete(node, value)

    def failed(self, node: Any, error: BaseException) -> None:
        """A call or a piece of code has raised, or was cancelled."""
        if type(node) is CallNode and node.state == RUNNING:
            self.gate.raised(node, error)
            try:
                if node.call.retries and self.retries.again(node, error):
                    return
                if self.recording is not None:
                    if self.recording.leaves_open(self, node, error):
                        return
                    self.recording.raised(node, error)
            except BaseException as trouble:
                self._abort(node, trouble)
                return
        elif self.recording is not None:
            self.recording.gone(node)
        self.engine.fail(node, error)

    def _abort(self, node: Node, error: BaseException) -> None:
        """End the run at a call whose end cannot be told to the journal."""
        self.engine.fail(node, asyncio.CancelledError())
        self.engine.cancel(error)

    def _told_all(self, recording: Recording) -> None:
        try:
            recording.catch_up()
        except BaseException as error:
            self.engine.conclude(error=error)

    def safely(self, work: Callable[..., None], *args: Any) -> None:
        """What the loop calls by itself: a fault in it ends the run. The loop would only log it, and the run
        would wait for ever."""
        try:
            work(*args)
        except BaseException as error:
            self.engine.broken(error)
            self.kick()
            if not isinstance(error, Exception):
                raise

    def begin_unless_dead(self, node: CallNode) -> None:
        """Start a call that had to wait for the disk, if it is still wanted."""
        if node.state == RUNNING:
            self.begin(node)
        else:
            assert self.recording is not None
            self.recording.unwanted(node)
            self.engine.fail(node, asyncio.CancelledError())
            self.kick()

    def _context(self, node: CallNode) -> contextvars.Context:
        """The context of a call: a copy of the run's, in which it is the current one."""
        gated = node.call.gated
        context = self.gate.context_of(node) if gated else self.context.copy()
        if self.recording is not None:
            context.run(CURRENT.set, self.recording.current(node))
        if not gated and node.call.passes_on:
            context.run(HELD.set, self.gate.held)
            if self.recording is not None:
                context.run(WAY.set, functools.partial(self.recording.went_by, node))
        if self.watch is not None:
            context.run(self.watch.inside, node)
        return context

    def ask(self, node: CallNode, check: Any, told: Callable[[Any, BaseException | None], None]) -> None:
        """Run the ``check=`` of a call with the call's own arguments, and report what it says."""

        async def work() -> None:
            try:
                answer = check(*node.args, **node.kwargs)
                if inspect.isawaitable(answer):
                    answer = await answer
            except BaseException as error:
                self.tasks.pop(node, None)
                self.safely(told, None, error)
            else:
                self.tasks.pop(node, None)
                self.safely(told, answer, None)

        self.tasks[node] = self.loop.create_task(work(), context=self._context(node))

    def _never_began(self, node: CallNode, task: asyncio.Task[Any]) -> None:
        """A task that is cancelled before its first step runs none of its code, its own report included."""
        if self.tasks.pop(node, None) is not None:
            self.failed(node, asyncio.CancelledError())
            self.kick()

    def begin_sync(self, node: CallNode) -> None:
        """A sync call, in a thread. A thread cannot be stopped: past its timeout the call has failed, and the
        run still waits for the thread before it ends."""
        report = self._reporter(node)
        call, args, kwargs, current = node.call, node.args, node.kwargs, node.exc_context

        def work() -> None:
            try:
                if self.gate.timed:
                    self.gate.begins(node)
                value = natively(lambda: call.fn(*args, **kwargs), [], current)
            except BaseException as error:
                report(None, error)
            else:
                report(value, None)

        context = self._context(node)
        threads().submit(context.run, work)
        if call.timeout is not None:
            self.timers[node] = self.loop.call_later(call.timeout, self.safely, self._too_late, node)

    def elsewhere(self, context: contextvars.Context, work: Callable[[], Any]) -> Awaitable[Any]:
        """Run sync code in a thread: something to await."""
        return self.loop.run_in_executor(threads(), context.run, work)

    def _too_late(self, node: CallNode) -> None:
        del self.timers[node]
        if node.state == RUNNING:
            error = timed_out(node.call)
            self.gate.raised(node, error)
            if self.recording is not None:
                self.recording.raised(node, error)
            self.engine.overdue(node, error)
            self.kick()

    def _fire(self, node: TimerNode) -> None:
        del self.timers[node]
        if node.fire(self.engine) and self.recording is not None:
            self.recording.has_run_out(node)
        self.kick()

    def _fire_again(self, node: TimerNode) -> None:
        """A flow had run out of time before the run was taken up. It does so again, once all that it had done
        by then has been answered."""
        recording = self.recording
        assert recording is not None
        if self.scheduled or not recording.has_answered(self.engine.running):
            self.timers[node] = self.loop.call_later(_LOOK_AGAIN, self.safely, self._fire_again, node)
            return
        del self.timers[node]
        node.fire(self.engine)
        self.kick()

    def from_outside(self, work: Callable[..., None]) -> Callable[..., None]:
        """What another thread calls, once, to have work done on the loop."""

        def report(*args: Any) -> None:
            self.loop.call_soon_threadsafe(self.safely, work, *args)

        return report

    def _reporter(self, node: Any) -> Callable[[Any, BaseException | None], None]:
        def report(value: Any, error: BaseException | None) -> None:
            self.loop.call_soon_threadsafe(self.safely, self._ended, node, value, error)

        return report

    def _ended(self, node: Any, value: Any, error: BaseException | None) -> None:
        if type(node) is not CallNode:
            if node not in self.natives:
                return  # told twice, when Ctrl-C came at a bad moment
            self.natives.remove(node)
            self.pieces.pop(node, None)
        timer = self.timers.pop(node, None)
        if timer is not None:
            timer.cancel()
        if error is not None:
            self.failed(node, error)
        else:
            self.returned(node, value)
        self.kick()
