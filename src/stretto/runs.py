"""Runs: one execution of a flow, as the user holds it.

Apart from `stretto.flows`, so that a program that only declares flows does not wait for asyncio and the
engine to be imported.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import sys
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .configuration import choice, chosen
from .drivers.aio import AsyncioDriver
from .drivers.ambient import CLOCK, SCOPE, Piece
from .drivers.background import background
from .engine.machine import Engine, Outcome
from .engine.nodes import RUNNING
from .engine.places import users
from .errors import Cancelled
from .streams import BEGUN, Begun

if TYPE_CHECKING:
    from .flows import Flow
    from .journal.recording import Recording

__all__ = ["Progress", "Run"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: operations that have ended, that run now, that wait; the most that ran at once."""

    done: int
    running: int
    waiting: int
    most_running: int


def _causal(limit: int | None) -> Engine:
    """The engine of a run that is recorded."""
    from .engine.causes import CausalEngine
    from .journal.events import now

    return CausalEngine(limit=limit, clock=now)


class Run(Generic[R]):
    """A run of a flow.

    Attributes:
        id: the identifier of the run.
        flow: the flow.
    """

    def __init__(
        self, flow: Flow[Any, R], args: Any, kwargs: Mapping[str, Any], *,
        recording: Recording | None = None, id: str | None = None,
    ) -> None:  # fmt: skip
        self.id = id or (uuid.uuid4().hex[:16] if recording is None else recording.lease.run)
        self.flow = flow
        self.recording = recording
        self.engine = Engine(limit=flow.limit) if recording is None else _causal(flow.limit)
        self.engine.begin(flow.form, flow.fn, tuple(args), dict(kwargs), sys.exception())
        if recording is not None:
            self.engine.reader = recording.read
        self.driver: AsyncioDriver | None = None
        self._future: Future[R] = Future()
        self._cancelled: BaseException | None = None
        self._lock = threading.Lock()
        self._trace: TracebackType | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<run {self.id} of {self.flow.name}: {'ended' if self.done() else 'running'}>"

    # -- what users ask -------------------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> R:
        """Wait for the end; the result, or the exception that the flow raised.

        Raises TimeoutError if the run has not ended after `timeout` seconds; the run goes on.
        """
        error = self.error(timeout)
        if error is not None:
            raise error
        return self._future.result()

    def error(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end; the exception that the flow raised, or None. TimeoutError as in `result`."""
        error = self._future.exception(timeout)
        if error is not None:
            error.__traceback__ = self._trace  # raising it again must not make it longer each time
        return error

    def done(self) -> bool:
        """Whether the run has ended."""
        return self._future.done()

    def cancel(self) -> None:
        """End the run: its calls are cancelled. Returns when nothing of it is running any more; `result`
        then raises `Cancelled`. Does nothing to a run that has ended."""
        self._stop(Cancelled(f"the run {self.id} of {self.flow.name} was cancelled"))
        self._wait()

    def interrupt(self) -> None:
        """As `cancel`, but as Ctrl-C does it: `result` then raises `KeyboardInterrupt`, and a run that has a
        journal has not ended there: it can be resumed."""
        self._stop(KeyboardInterrupt())
        self._wait()

    def _wait(self) -> None:
        try:
            self._future.exception()
        except CancelledError:  # the run's; a second Ctrl-C, which is ours, goes on
            pass

    def progress(self) -> Progress:
        """How far the run is."""
        engine = self.engine
        running = engine.running
        return Progress(engine.done_count, running, max(engine.inflight - running, 0), engine.most_running)

    # -- turning it -----------------------------------------------------------------------------------

    def _stop(self, error: BaseException) -> None:
        with self._lock:
            if self._cancelled is not None:
                return
            self._cancelled = error
            driver = self.driver
        if driver is not None:
            driver.loop.call_soon_threadsafe(self._stop_on_loop, driver, error)

    @staticmethod
    def _stop_on_loop(driver: AsyncioDriver, error: BaseException) -> None:
        if not driver.over:
            driver.engine.cancel(error)
            driver.kick()

    def task(self, node: Any, report: Callable[[Any, BaseException | None], None]) -> _Task:
        """A piece of code, to be run in the user's thread."""
        return _Task(node, report, self._scope(node))

    def _scope(self, node: Any) -> Piece:
        """What the calls in a piece of code go through."""
        if self.recording is None:
            return Piece(lambda: node.state == RUNNING)
        return self.recording.scope(node, self._stop)

    def begin(self, driver: AsyncioDriver) -> None:
        """On the driver's loop: set it going."""
        driver.recording = self.recording
        driver.scope = self._scope
        with self._lock:
            self.driver = driver
            stopped = self._cancelled
        if stopped is not None:
            driver.engine.cancel(stopped)
        timeout = self.flow.timeout
        if timeout is not None:
            self._timer = driver.loop.call_later(timeout, self._stop_on_loop, driver, self.flow.overdue())
        driver.kick()

    def settle(self) -> None:
        """Hand the outcome to whoever waits."""
        outcome = self.engine.outcome
        assert outcome is not None
        if self.recording is not None:
            try:
                told = self.flow.told(outcome)
                settled = self.recording.settled(told, self.flow.secret)
                outcome = outcome if settled is told else settled
            except BaseException as error:  # whoever waits must hear of it
                self._future.set_exception(error)
                raise
        if self._timer is not None:
            self._timer.cancel()
        if outcome.error is not None:
            self._trace = outcome.error.__traceback__
            self._future.set_exception(outcome.error)
        else:
            self._future.set_result(outcome.value)

    def drive_here(self) -> None:
        """Run on the background loop; this thread, the user's, runs what has to run in it meanwhile."""
        loop = background().loop
        # Ctrl-C may come between any two steps of this: so a task stays in the list until it is done, and the
        # queue does nothing but wake
        tasks: deque[_Task] = deque()
        news: queue.SimpleQueue[None] = queue.SimpleQueue()
        over = threading.Event()

        def native(node: Any, report: Callable[[Any, BaseException | None], None]) -> None:
            tasks.append(self.task(node, report))
            news.put(None)

        def end() -> None:
            over.set()
            news.put(None)

        context = contextvars.copy_context()
        driver = AsyncioDriver(self.engine, loop, context, native, end)
        loop.call_soon_threadsafe(driver.safely, self.begin, driver)
        interrupted: KeyboardInterrupt | None = None
        begun = Begun()
        token = BEGUN.set(begun)
        while True:
            try:
                while tasks:
                    tasks[0].carry_out()
                    tasks.popleft()
                if over.is_set():
                    break
                news.get()
            except KeyboardInterrupt as error:
                if interrupted is not None:
                    raise
                interrupted = error
                self._stop(error.with_traceback(users(error.__traceback__)))
        BEGUN.reset(token)
        self.close(begun)
        self.settle()

    def close(self, begun: Begun) -> None:
        """Nothing of a run that has ended runs on: not a stream, if it is not what the flow has returned."""
        outcome = self.engine.outcome
        begun.close(None if outcome is None else outcome.value)

    def drive_elsewhere(self) -> None:
        """Run while the caller goes on: a thread of the run's own is the user's thread for it."""
        threading.Thread(target=self.drive_here, name=f"stretto-{self.flow.name}", daemon=True).start()

    async def drive_on_loop(self) -> None:
        """Run on the running loop; unknown code runs in a thread of the run's own."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        helper: _Helper | None = None
        begun = Begun()

        def native(node: Any, report: Callable[[Any, BaseException | None], None]) -> None:
            nonlocal helper
            if helper is None:
                helper = _Helper(contextvars.copy_context(), begun)
            helper.put(self.task(node, report).carry_out)

        def end() -> None:
            if not ended.done():
                ended.set_result(None)

        clock = CLOCK.get()
        if clock is None:
            driver = AsyncioDriver(self.engine, loop, contextvars.copy_context(), native, end)
        else:
            driver = clock.driver(self, end)
        self.begin(driver)
        cancelled = False
        while not ended.done():
            try:
                await asyncio.shield(ended)
            except asyncio.CancelledError:
                cancelled = True
                self._stop_on_loop(driver, asyncio.CancelledError())
        if helper is not None:
            helper.put(lambda: self.close(begun))
            helper.put(None)
            if begun:
                await asyncio.to_thread(helper.thread.join)
        if cancelled:
            if self.recording is not None:
                self.recording.settled(Outcome(None, asyncio.CancelledError()), self.flow.secret)
            self._future.cancel()
            raise asyncio.CancelledError
        self.settle()


async def run_without_blocking(flow: Flow[Any, R], args: Any, kwargs: Mapping[str, Any]) -> Run[R]:
    """A run that has not begun, made on an event loop."""
    if flow.journal == "" or (flow.journal is None and chosen() and choice().url is None):
        return Run(flow, args, kwargs)
    if CLOCK.get() is not None:  # it cannot wait for a thread
        return Run(flow, args, kwargs, recording=recording_of(flow, args, kwargs))
    return Run(flow, args, kwargs, recording=await asyncio.to_thread(recording_of, flow, args, kwargs))


def recording_of(flow: Flow[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Recording | None:
    """The journal's side of a new run of a flow; None where no journal is configured."""
    if flow.journal is None and choice().url is None:
        return None
    from .journal.resuming import journal_of, record  # late: a program without a journal does without it

    journal = journal_of(flow)
    return None if journal is None else record(journal, flow, uuid.uuid4().hex[:16], args, kwargs)


class _Helper:
    """A thread for code that nobody knows, where the user's own thread is busy with the event loop."""

    def __init__(self, context: contextvars.Context, begun: Begun) -> None:
        self.work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        context.run(BEGUN.set, begun)
        self.thread = threading.Thread(
            target=context.run, args=(self._run,), name="stretto-native", daemon=True
        )
        self.thread.start()

    def put(self, task: Callable[[], None] | None) -> None:
        self.work.put(task)

    def _run(self) -> None:
        while (task := self.work.get()) is not None:
            task()


class _Task:
    """A piece of code that nobody knows, and what has become of it.

    It may be interrupted anywhere, also between two steps of ours; `carry_out` is then called again, and sees
    to it that the end is reported. (That it may be reported twice is for the driver to bear.)
    """

    def __init__(self, node: Any, report: Callable[[Any, BaseException | None], None], scope: Piece) -> None:
        self._node = node
        self._report = report
        self._scope = scope
        self._begun = False
        self._done = False

    def carry_out(self) -> None:
        if self._done:
            return
        if self._begun:
            self._report(None, KeyboardInterrupt())
            self._done = True
            return
        self._begun = True
        token = SCOPE.set(self._scope)
        try:
            value = self._node.run()
        except KeyboardInterrupt as error:
            self._report(None, error)
            self._done = True
            raise
        except BaseException as error:
            self._report(None, error)
        else:
            self._report(value, None)
        finally:
            SCOPE.reset(token)
        self._done = True
