"""What a run needs of the thread that asks for its result: it turns the run, carries out the code that has to
run in the user's own thread, and hands over what leaves the flow."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..budgets.budget import ENTERED
from ..engine.emitting import EmitNode
from ..engine.places import users
from ..errors import DeclarationError
from ..streams import BEGUN, Begun
from .aio import AsyncioDriver
from .ambient import CLOCK, SCOPE, Piece
from .background import background
from .gate import HELD

if TYPE_CHECKING:
    from ..limits.buckets import Bucket
    from ..runs import Run

__all__ = ["Errands", "Looped", "Task"]


class Errands:
    """What has to run in the user's own thread, of a run that is on the background loop."""

    def __init__(self, run: Run[Any]) -> None:
        self.run = run
        # Ctrl-C may come between any two steps of this: so a task stays in the list until it is done, and the
        # queue does nothing but wake
        self.tasks: deque[Task] = deque()
        self.news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.over = threading.Event()
        self.begun = Begun()
        self.interrupted = False
        self.home = home = background()
        driver = AsyncioDriver(run.engine, home.loop, contextvars.copy_context(), self._native, self._ended)
        driver.beside = home.users
        home.users.add(self)
        home.loop.call_soon_threadsafe(driver.safely, run.begin, driver)

    def _native(self, node: Any, report: Callable[[Any, BaseException | None], None]) -> None:
        self.tasks.append(self.run.task(node, report))
        self.news.put(None)

    def _ended(self) -> None:
        self.home.users.discard(self)
        self.over.set()
        self.news.put(None)

    def work(self) -> Task | None:
        """Do what comes, until a value leaves the flow, or None when the run is over."""
        tasks = self.tasks
        token = BEGUN.set(self.begun)
        try:
            while True:
                try:
                    while tasks:
                        if tasks[0].leaves and not self.run.stopped:
                            return tasks.popleft()
                        tasks[0].carry_out()
                        tasks.popleft()
                    if self.over.is_set():
                        return None
                    self.news.get()
                except KeyboardInterrupt as error:
                    if self.interrupted:
                        raise
                    self.interrupted = True
                    self.run.stop(error.with_traceback(users(error.__traceback__)))
        finally:
            BEGUN.reset(token)

    def end(self) -> None:
        """The run is over."""
        self.run.close(self.begun)
        self.run.settle()


class Looped:
    """A run on the running event loop; unknown code runs in a thread of the run's own."""

    def __init__(self, run: Run[Any]) -> None:
        self.run = run
        self.news = asyncio.Event()
        self.over = self.cancelled = False
        self.begun = Begun()
        #: The value that is leaving the flow.
        self.leaving: Task | None = None
        self.helper: _Helper | None = None
        self.clock = clock = CLOCK.get()
        if clock is None:
            loop, context = asyncio.get_running_loop(), contextvars.copy_context()
            self.driver = AsyncioDriver(run.engine, loop, context, self._native, self._ended)
        else:
            self.driver = clock.driver(run, self._native, self._ended)
        run.begin(self.driver)

    def _native(self, node: Any, report: Callable[[Any, BaseException | None], None]) -> None:
        task = self.run.task(node, report)
        if task.leaves:
            self.leaving = task
            self.news.set()
            return
        if self.clock is not None:
            self.clock.outside(task.carry_out)
            return
        if self.helper is None:
            self.helper = _Helper(contextvars.copy_context(), self.begun)
        self.helper.put(task.carry_out)

    def _ended(self) -> None:
        self.over = True
        self.news.set()

    async def work(self) -> Task | None:
        """Wait until a value leaves the flow, or None when the run is over."""
        while not self.over:
            task, self.leaving = self.leaving, None
            if task is not None and not self.cancelled:
                return task
            if task is not None:
                task.carry_out()
            self.news.clear()
            try:
                await self.news.wait()
            except asyncio.CancelledError:
                self.cancelled = True
                self.run.stop_on_loop(self.driver, asyncio.CancelledError())
        return None

    async def end(self) -> None:
        """The run is over."""
        if self.helper is not None:
            self.helper.put(lambda: self.run.close(self.begun))
            self.helper.put(None)
            if self.begun:
                await asyncio.to_thread(self.helper.thread.join)
        if self.cancelled:
            free = self.run.settle_cancelled()
            if free is not None:
                await asyncio.shield(asyncio.wrap_future(free))
            raise asyncio.CancelledError
        if self.clock is None:
            await self.run.settle_on_loop()
        else:
            self.run.settle()


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


#: What is wrong with a budget whose block nobody knows the end of.
_BY_HAND = (
    "in a flow, the block of a budget is a `with` statement: `with budget(usd=0.50):`. Here it was entered "
    "in another way (through an ExitStack, a helper that enters it, or __enter__), and what follows would "
    "not be counted"
)


class Task:
    """A piece of code that nobody knows, and what has become of it.

    It may be interrupted anywhere, also between two steps of ours; `carry_out` is then called again, and sees
    to it that the end is reported. (That it may be reported twice is for the driver to bear.)
    """

    def __init__(
        self, node: Any, report: Callable[[Any, BaseException | None], None], scope: Piece,
        held: Callable[[], frozenset[Bucket]],
    ) -> None:  # fmt: skip
        self._node = node
        self._report = report
        self._scope = scope
        self._held = held
        self._begun = False
        self._done = False
        #: Whether it is a value that leaves the flow, which is not carried out but handed over.
        self.leaves = type(node) is EmitNode

    @property
    def item(self) -> Any:
        """The value that leaves."""
        return self._node.item

    def answer(self, sent: Any, error: BaseException | None) -> None:
        """Whoever was handed the value has sent this, or thrown it in."""
        self._report(*self._node.answered(sent, error))

    def carry_out(self) -> None:
        if self._done:
            return
        if self._begun or self.leaves:
            self._report(None, KeyboardInterrupt())
            self._done = True
            return
        self._begun = True
        token = SCOPE.set(self._scope)
        held = HELD.set(self._held)
        entered = ENTERED.set(self._node.purse or ())
        try:
            value = self._node.run()
            if len(ENTERED.get()) != len(self._node.purse or ()):
                raise DeclarationError(_BY_HAND)
        except KeyboardInterrupt as error:
            self._report(None, error)
            self._done = True
            raise
        except BaseException as error:
            self._report(None, error)
        else:
            self._report(value, None)
        finally:
            ENTERED.reset(entered)
            HELD.reset(held)
            SCOPE.reset(token)
        self._done = True
