"""A clock that goes as fast as the program: for tests, simulation and planning."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import random
import selectors
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from ..engine.failures import forget
from ..engine.nodes import RUNNING, natively
from ..limits.limiter import Limiter
from ..streams import BEGUN, Begun
from .aio import AsyncioDriver
from .ambient import CLOCK, settle

if TYPE_CHECKING:
    from types import TracebackType

    from ..engine.nodes import CallNode
    from ..runs import Run
    from .errands import Task

__all__ = ["VirtualClock"]

#: How far the seed moves the end of a call, in virtual seconds: enough to change the order of calls that
#: would end at the same time, and nothing else.
_JITTER = 1e-6


class _Selector(selectors.BaseSelector):
    """Instead of waiting, moves the clock to the next timer."""

    def __init__(self) -> None:
        self.real = selectors.DefaultSelector()
        self.now = 0.0
        #: How many things happen outside that the clock waits for: a journal that writes.
        self.outside = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        events = self.real.select(None if self.outside and timeout != 0 else 0)
        if not events and timeout is None:
            raise RuntimeError(
                "under the virtual clock nothing is left to wait for, and the flow has not ended: a call "
                "waits for something outside (a thread, a socket), which the virtual clock cannot wait for"
            )
        if not events and timeout is not None and timeout > 0:
            self.now += timeout
        return events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self.real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.real.modify(fileobj, events, data)

    def get_map(self) -> Any:
        return self.real.get_map()

    def close(self) -> None:
        self.real.close()


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.virtual = _Selector()
        super().__init__(self.virtual)

    def time(self) -> float:
        return self.virtual.now


class VirtualClock:
    """A virtual clock: inside its ``with``, sleeping takes no time, and every run is reproducible.

    Flows called in the ``with`` run on it, in this thread; so do calls outside of flows. Sync calls run one
    at a time. Args: seed: an integer that changes the order in which calls end that would end together; the
    same seed gives the same schedule. validate: check the invariants of the engine after each of its turns
    (after some of them where very many operations are in flight); slow, for tests of Stretto itself.
    """

    def __init__(self, seed: int | None = None, *, validate: bool = False) -> None:
        self.seed = seed
        self.validate = validate
        self._random = None if seed is None else random.Random(seed)
        self._loop: _Loop | None = None
        self._limiter: Limiter | None = None
        self._entered = 0
        #: What has to run outside of the loop: sync calls, and code that nobody knows.
        self._work: deque[Callable[[], None]] = deque()
        self._token: contextvars.Token[Any] | None = None
        #: What is being handled where the program waits for one call, while others go on as well.
        self.handled: BaseException | None = None

    @property
    def limiter(self) -> Limiter:
        """What the runs on this clock share."""
        if self._limiter is None:
            self._limiter = Limiter(functools.partial(_seconds, self.loop), self.loop.call_later)
        return self._limiter

    @property
    def now(self) -> float:
        """Virtual seconds since the clock was entered."""
        return self.loop.time()

    @property
    def micros(self) -> int:
        """Virtual microseconds since 1970, where the clock was entered at the time that it really was."""
        return self._entered + round(self.now * 1_000_000)

    @property
    def loop(self) -> _Loop:
        if self._loop is None:
            raise RuntimeError("the virtual clock is not running: use it as `with VirtualClock() as clock:`")
        return self._loop

    def __enter__(self) -> VirtualClock:
        self._loop = _Loop()
        self._entered = time.time_ns() // 1000
        self._token = CLOCK.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None and self._loop is not None
        CLOCK.reset(self._token)
        self._loop.close()
        self._loop = self._limiter = None

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end on this clock."""
        loop = self.loop
        if loop.is_running():
            return self._run_inside(work)
        around = asyncio._get_running_loop()
        asyncio._set_running_loop(None)  # a call of the reference run, which has a loop of its own
        handled, self.handled = self.handled, sys.exception()
        task = loop.create_task(work)
        task.add_done_callback(lambda _: loop.stop())
        try:
            while not task.done():
                # a run that goes on meanwhile stops the loop, for what it does outside
                next(_apart(loop.run_forever))
                self.work_off()
        finally:
            self.handled = handled
            asyncio._set_running_loop(around)
        try:
            return task.result()
        finally:
            del task  # what it raises holds this frame, and must not be held by it

    @property
    def inside(self) -> bool:
        """Whether its loop is running, so that who asks is code on it."""
        return self.loop.is_running()

    def _run_inside(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The same for code that blocks the loop: the loop's other work comes after it."""
        inner = _Loop()
        inner.virtual.now = self.now
        asyncio._set_running_loop(None)
        try:
            return inner.run_until_complete(work)
        finally:
            self.loop.virtual.now = inner.virtual.now
            inner.close()
            asyncio._set_running_loop(self.loop)

    def work_off(self) -> None:
        """What is to run outside of the loop."""
        work = self._work
        while work:
            if self._random is not None and len(work) > 1:
                work.rotate(self._random.randrange(len(work)))
            work.popleft()()

    def drive(self, run: Run[Any]) -> None:
        """Turn a run's engine to its end."""
        errands = self.errands(run)
        try:
            errands.work()
        finally:
            run.close(errands.begun)

    def errands(self, run: Run[Any]) -> VirtualErrands:
        """Begin to turn a run's engine."""
        return VirtualErrands(self, run)

    def outside(self, work: Callable[[], None]) -> None:
        """Have a piece of code run outside of the loop, soon."""
        self._work.append(work)
        self.loop.stop()

    def driver(self, run: Run[Any], native: Callable[..., None], ended: Callable[[], None]) -> AsyncioDriver:
        """A driver of a run's engine on this clock; `ended` is called once, on the loop, at the run's end."""
        driver = _Driver(run.engine, self.loop, contextvars.copy_context(), native, ended)
        driver.clock = self
        return driver

    async def jitter(self) -> None:
        if self._random is not None:
            await asyncio.sleep(self._random.random() * _JITTER)


class VirtualErrands:
    """What has to run in the user's own thread, of a run on a virtual clock: all of it."""

    def __init__(self, clock: VirtualClock, run: Run[Any]) -> None:
        self.clock = clock
        self.run = run
        #: The value that is leaving the flow.
        self.leaving: Task | None = None
        self.over = False
        self.begun = Begun()
        run.begin(clock.driver(run, self._native, self._ended))

    def _native(self, node: Any, report: Callable[[Any, BaseException | None], None]) -> None:
        task = self.run.task(node, report)
        if task.leaves:
            self.leaving = task
            self.clock.loop.stop()
        else:
            self.clock.outside(functools.partial(self._carry_out, task))

    def _carry_out(self, task: Task) -> None:
        """Its turn may come while somebody waits for another run on this clock."""
        token = BEGUN.set(self.begun)
        try:
            task.carry_out()
        finally:
            BEGUN.reset(token)

    def _ended(self) -> None:
        self.over = True
        self.clock.loop.stop()

    def work(self) -> Task | None:
        """Do what comes, until a value leaves the flow, or None when the run is over."""
        clock = self.clock
        token = BEGUN.set(self.begun)
        try:
            while True:
                clock.work_off()
                task, self.leaving = self.leaving, None
                if task is not None and not self.run.stopped:
                    return task
                if task is not None:
                    task.carry_out()
                if self.over:
                    return None
                next(_apart(clock.loop.run_forever))
        finally:
            BEGUN.reset(token)

    def end(self) -> None:
        """The run is over."""
        self.run.close(self.begun)
        self.run.settle()


#: A check looks at every operation in flight. With more than so many not each turn has one: what the checks
#: of a run cost would grow with the square of their number.
_CHECKED = 64


class _Driver(AsyncioDriver):
    clock: VirtualClock
    #: Turns since the engine was last checked.
    unchecked = 0

    def turn(self) -> None:
        super().turn()
        if self.clock.validate and not self.over:
            self.unchecked += 1
            if self.unchecked * _CHECKED >= self.engine.inflight:
                self.unchecked = 0
                self.engine.validate()

    def from_outside(self, work: Callable[..., None]) -> Callable[..., None]:
        selector = self.clock.loop.virtual
        selector.outside += 1

        def arrived(*args: Any) -> None:
            selector.outside -= 1
            work(*args)

        return super().from_outside(arrived)

    def failed(self, node: CallNode, error: BaseException) -> None:
        handled = self.clock.handled
        if handled is not None and handled is not node.exc_context:
            forget(error, handled, node.exc_context)  # that was somebody else's
        super().failed(node, error)

    async def run(self, node: CallNode) -> None:
        if self.clock.seed is not None:
            try:
                await self.clock.jitter()
            except asyncio.CancelledError as error:
                self.engine.fail(node, error)
                self.tasks.pop(node, None)
                self.kick()
                return
        await super().run(node)

    def begin_sync(self, node: CallNode) -> None:
        report = self._reporter(node)

        def work() -> None:
            if node.state != RUNNING:  # squashed before its turn came
                report(None, asyncio.CancelledError())
                return
            if node.call.gated:
                self.gate.begins(node)
            try:
                value = natively(lambda: node.call.fn(*node.args, **node.kwargs), [], node.exc_context)
            except BaseException as error:
                report(None, error)
            else:
                report(value, None)

        self.clock.outside(work)

    def elsewhere(self, context: contextvars.Context, work: Callable[[], Any]) -> Awaitable[Any]:
        done: asyncio.Future[Any] = self.loop.create_future()

        def carry_out() -> None:
            settle(done, lambda: context.run(work))

        self.clock.outside(carry_out)
        return done


def _seconds(loop: _Loop) -> float:
    """The time of a clock's loop, or of the one that runs inside it."""
    running = asyncio._get_running_loop()
    return (running if isinstance(running, _Loop) else loop).time()


def _apart(work: Callable[[], Any]) -> Iterator[Any]:
    """Do it with a handling state of its own: machine code that is called by a generator, while who goes over
    that handles an exception, leaves that exception behind as the generator's own."""
    yield work()
