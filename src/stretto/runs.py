"""Runs: one execution of a flow, as the user holds it.

Apart from `stretto.flows`, so that a program that only declares flows does not wait for asyncio and the
engine to be imported.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import uuid
from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .budgets.budget import ENTERED, clock
from .budgets.of_runs import of_run
from .configuration import choice, chosen, value
from .configuration.unknown import name_misspelt
from .drivers.aio import AsyncioDriver
from .drivers.ambient import CLOCK, Piece
from .drivers.errands import Errands, Looped, Task
from .engine.machine import Engine, Outcome
from .engine.nodes import RUNNING
from .engine.places import emptied
from .errors import Cancelled
from .streams import Begun

if TYPE_CHECKING:
    from .flows import Flow
    from .journal.recording import Recording
    from .observe.events import Event
    from .observe.live import Watch

__all__ = ["Progress", "Run"]

R = TypeVar("R")


#: Who listens to the engines of runs that begin (see `stretto.observe.walls`).
listeners: list[Callable[[Engine], None]] = []

#: Who is told what happens in runs that begin (see `stretto.observe.live`).
handlers: list[Callable[[Event], None]] = []


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: operations that have ended, that run now, that wait; the most that ran at once."""

    done: int
    running: int
    waiting: int
    most_running: int


def _engine(limit: int | None, watch: Watch | None, *, recorded: bool) -> Engine:
    """The engine of a run: one that knows why things happen where somebody may ask."""
    if watch is None and not recorded:
        return Engine(limit=limit)
    from .engine.causes import CausalEngine
    from .engine.observed import ObservedEngine
    from .journal.events import now

    if watch is None:
        return CausalEngine(limit=limit, clock=now)
    return ObservedEngine(limit=limit, clock=now, tell=watch.tell)


def _watch(run: str, flow: Flow[..., Any]) -> Watch | None:
    """What tells those who listen of a run."""
    if not handlers:
        return None
    from .observe.live import Watch

    return Watch(run, flow, handlers)


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
        name_misspelt()
        limit = flow.limit or value("in_flight")
        self._watch = _watch(self.id, flow)
        self.engine = _engine(limit, self._watch, recorded=recording is not None)
        for listen in listeners:
            listen(self.engine)
        self.engine.purse = (*of_run(), *ENTERED.get()) or None
        self.engine.begin(flow.form, flow.fn, tuple(args), dict(kwargs), sys.exception())
        if recording is not None:
            self.engine.reader = recording.read
        self.driver: AsyncioDriver | None = None
        self._future: Future[R] = Future()
        self._cancelled: BaseException | None = None
        self._lock = threading.Lock()
        self._trace: TracebackType | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._gone_over = False

    def __repr__(self) -> str:
        return f"<run {self.id} of {self.flow.name}: {'ended' if self.done() else 'running'}>"

    def _repr_html_(self) -> str | None:
        """The timeline as it stands, for notebooks; a run without a journal is shown by its repr."""
        if self.recording is None:
            return None
        from .server.file import as_frame

        return as_frame(self.recording.journal, self.id)

    # -- what users ask -------------------------------------------------------------------------------

    def __iter__(self) -> Generator[Any, Any, R]:
        """The values of a flow that yields, from the first one on: of a run that was resumed, or forked.

        The run begins here, and ends with who goes over it, as that of any such flow. Raises TypeError if the
        flow does not yield, or if somebody goes over it already.
        """
        if not self.flow.yields:
            raise TypeError(f"{self!r} cannot be gone over: the flow does not yield. Ask for its result()")
        if not self._go_over():
            raise TypeError(f"{self!r} is gone over already, and can be only once")
        return self._values()

    def _go_over(self) -> bool:
        """Whether nobody else has begun to go over it."""
        with self._lock:
            before, self._gone_over = self._gone_over, True
        return not before

    def _values(self) -> Generator[Any, Any, R]:
        from .items import overlapped  # it imports this

        return overlapped(lambda: self, now=True)

    def result(self, timeout: float | None = None) -> R:
        """Wait for the end; the result, or the exception that the flow raised. If the flow yields, and nobody
        goes over what it does, its values are dropped.

        Raises TimeoutError if the run has not ended after `timeout` seconds; the run goes on.
        """
        error = self.error(timeout)
        if error is None:
            return self._future.result()
        _kept = self.kept()  # by this frame, to which the traceback leads
        try:
            raise error
        finally:
            del error  # and not the other way round

    def error(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end; the exception that the flow raised, or None. All else as in `result`."""
        self._see_to_it()
        error = self._future.exception(timeout)
        if error is not None:
            error.__traceback__ = self._trace  # raising it again must not make it longer each time
            emptied(error)
        return error

    def kept(self) -> list[Any]:
        """What has to last as long as the exception that the run has ended with does."""
        return self.engine.take_kept()

    def done(self) -> bool:
        """Whether the run has ended."""
        return self._future.done()

    def cancel(self) -> None:
        """End the run: its calls are cancelled. Returns when nothing of it is running any more; `result`
        then raises `Cancelled`. Does nothing to a run that has ended."""
        self.stop(Cancelled(f"the run {self.id} of {self.flow.name} was cancelled"))
        self._wait()

    def interrupt(self) -> None:
        """As `cancel`, but as Ctrl-C does it: `result` then raises `KeyboardInterrupt`, and a run that has a
        journal has not ended there: it can be resumed."""
        self.stop(KeyboardInterrupt())
        self._wait()

    def _see_to_it(self) -> None:
        """Somebody waits for the end: a flow that yields does not come to it by itself."""
        if self.flow.yields and not self.done() and self._go_over():
            self.drive_elsewhere()

    def _wait(self) -> None:
        self._see_to_it()
        try:
            self._future.exception()
        except CancelledError:  # the run's; a second Ctrl-C, which is ours, goes on
            pass

    def progress(self) -> Progress:
        """How far the run is."""
        engine = self.engine
        running = engine.running
        return Progress(
            engine.done_count, running, max(engine.inflight - running, 0), max(engine.most_running, running)
        )

    # -- turning it -----------------------------------------------------------------------------------

    def stop(self, error: BaseException) -> None:
        """Have it end with this, soon; does nothing to a run that has been told to before."""
        with self._lock:
            if self._cancelled is not None:
                return
            self._cancelled = error
            driver = self.driver
        if driver is not None:
            driver.loop.call_soon_threadsafe(self.stop_on_loop, driver, error)

    @staticmethod
    def stop_on_loop(driver: AsyncioDriver, error: BaseException) -> None:
        """As `stop`, on the driver's loop."""
        if not driver.over:
            driver.engine.cancel(error)
            driver.kick()

    def task(self, node: Any, report: Callable[[Any, BaseException | None], None]) -> Task:
        """A piece of code, to be run in the user's thread."""
        assert self.driver is not None
        piece = self.driver.pieces[node] = self._scope(node)
        return Task(node, report, piece, self.driver.gate.held)

    def _scope(self, node: Any) -> Piece:
        """What the calls in a piece of code go through."""
        if self._watch is not None:
            return self._watch.listened(node, self.recording, self.stop)
        if self.recording is None:
            return Piece(lambda: node.state == RUNNING)
        return self.recording.scope(node, self.stop)

    def begin(self, driver: AsyncioDriver) -> None:
        """On the driver's loop: set it going."""
        if self._watch is not None:
            driver.watch = self._watch
            self._watch.on_loop(driver.loop)
            driver.context.run(self._watch.began)
        driver.recording = self.recording
        driver.scope = self._scope
        with self._lock:
            self.driver = driver
            stopped = self._cancelled
        if stopped is not None:
            driver.engine.cancel(stopped)
        self._bound_by_budgets(driver)
        timeout = self.flow.timeout
        if timeout is not None:
            overdue = self.flow.overdue()
            self._timers.append(driver.loop.call_later(timeout, self.stop_on_loop, driver, overdue))
        driver.kick()

    def _bound_by_budgets(self, driver: AsyncioDriver) -> None:
        """The seconds of the budgets around the flow end the run."""
        for entered in driver.engine.purse or ():
            if entered.until is not None:
                overdue = entered.budget.overdue()
                left = max(entered.until - clock(), 0)
                self._timers.append(driver.loop.call_later(left, self.stop_on_loop, driver, overdue))

    def settle(self) -> None:
        """Record the outcome, and hand it to whoever waits; in a thread that may wait for the journal."""
        outcome, free = self._recorded()
        try:
            if free is not None:
                free.result()
        finally:
            self._hand_over(outcome)

    async def settle_on_loop(self) -> None:
        """As `settle`, on the running loop."""
        outcome, free = self._recorded()
        try:
            if free is not None:
                await asyncio.shield(asyncio.wrap_future(free))
        finally:
            self._hand_over(outcome)

    def _recorded(self) -> tuple[Outcome, Future[None] | None]:
        """The outcome, recorded; and, where the run can be taken up, what tells that it is free to be."""
        outcome = self.engine.outcome
        assert outcome is not None
        if self.recording is None:
            return outcome, None
        from .journal.ending import settled  # late, as all of the journal

        try:
            told = self.flow.told(outcome)
            recorded = settled(self.recording, told, self.flow.secret)
        except BaseException as error:  # whoever waits must hear of it
            self._future.set_exception(error)
            raise
        outcome = outcome if recorded is told else recorded
        return outcome, None if outcome.error is None else self.recording.releasing

    def _hand_over(self, outcome: Outcome) -> None:
        for timer in self._timers:
            timer.cancel()
        if self._watch is not None:
            self._watch.ended(outcome.error)
        if outcome.error is not None:
            self._trace = outcome.error.__traceback__
            self._future.set_exception(outcome.error)
        else:
            self._future.set_result(outcome.value)
        # an exception is held by whoever catches it, and by nobody else
        self.engine.handed_over()
        if self.driver is not None:
            self.driver.leave()

    def drive_here(self) -> None:
        """Run on the background loop; this thread, the user's, runs what has to run in it meanwhile."""
        if self.flow.yields:
            try:
                deque(self._values(), maxlen=0)
            except BaseException:
                if not self.done():
                    raise
            return
        errands = Errands(self)
        errands.work()
        errands.end()

    def close(self, begun: Begun) -> None:
        """Nothing of a run that has ended runs on: not a stream, if it is not what the flow has returned."""
        outcome = self.engine.outcome
        begun.close(None if outcome is None else outcome.value)

    def drive_elsewhere(self) -> None:
        """Run while the caller goes on: a thread of the run's own is the user's thread for it."""
        threading.Thread(target=self.drive_here, name=f"stretto-{self.flow.name}", daemon=True).start()

    async def drive_on_loop(self) -> None:
        """Run on the running loop; unknown code runs in a thread of the run's own."""
        looped = Looped(self)
        await looped.work()
        await looped.end()

    def settle_cancelled(self) -> Future[None] | None:
        """The task that ran it on its loop was cancelled. Gives what tells that it is free to be taken up,
        unless it is."""
        self._future.cancel()
        if self._watch is not None:
            self._watch.ended(asyncio.CancelledError())
        if self.recording is None:
            return None
        from .journal.ending import settled  # late, as above

        settled(self.recording, Outcome(None, asyncio.CancelledError()), self.flow.secret)
        free = self.recording.releasing
        if free is not None and CLOCK.get() is not None:  # it cannot wait for a thread
            free.result()
            return None
        return free

    @property
    def stopped(self) -> bool:
        """Whether it has been told to end."""
        return self._cancelled is not None


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
