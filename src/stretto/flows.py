"""``@flow``: entry points, and their ways to run."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import queue
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from .compiler.functions import Compiled, compiled
from .compiler.source import flow_node
from .drivers.aio import AsyncioDriver
from .drivers.ambient import CLOCK, SEQUENTIAL
from .drivers.background import background
from .engine.machine import Engine
from .errors import Cancelled, DeclarationError, FlowArgumentError

__all__ = ["Flow", "Progress", "Run", "flow"]

P = ParamSpec("P")
R = TypeVar("R")

_OPTIONS = {
    "name": "a string: what the flow is named in traces and in the journal",
    "timeout": "seconds after which a run raises TimeoutError, a positive number",
    "limit": "how many operations may be in flight, a positive integer (10,000 if it is not given)",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: operations that have ended, that run now, that wait, and the most that ran at once."""

    done: int
    running: int
    waiting: int
    most_running: int


class Flow(Generic[P, R]):
    """A plain function whose calls overlap.

    Attributes:
        fn: the function as the user wrote it.
        name: how it is named in traces.
        timeout: seconds a run may take, or None.
        limit: how many operations may be in flight, or None for the default.
    """

    def __init__(self, fn: Callable[P, R], options: Mapping[str, Any]) -> None:
        self._node = flow_node(fn)
        functools.update_wrapper(self, fn)
        self.fn = cast("FunctionType", fn)
        self.name: str = options.get("name") or self.fn.__qualname__
        self.timeout: float | None = options.get("timeout")
        self.limit: int | None = options.get("limit")
        self._signature: inspect.Signature | None = None

    def __repr__(self) -> str:
        return f"<flow {self.name}>"

    @property
    def form(self) -> Compiled:
        """The compiled form."""
        form = compiled(self.fn, self._node)
        assert form is not None
        return form

    def check(self, args: Any, kwargs: Mapping[str, Any]) -> None:
        """`FlowArgumentError` if the flow cannot be called like this."""
        signature = self._signature
        if signature is None:
            signature = self._signature = inspect.signature(self.fn)
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            code = self.fn.__code__
            raise FlowArgumentError(
                f"{code.co_filename}:{code.co_firstlineno}: the flow {self.name}{signature} was called with "
                f"arguments that do not fit: {error}"
            ) from None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the flow overlapped, and return its result."""
        self.check(args, kwargs)
        if SEQUENTIAL.get():
            return cast("R", self.fn(*args, **kwargs))
        run: Run[R] = Run(self, args, kwargs)
        clock = CLOCK.get()
        if clock is not None:
            clock.drive(run)
            run.settle()
        else:
            run.drive_here()
        return run.result()

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the flow overlapped on the running event loop."""
        self.check(args, kwargs)
        run: Run[R] = Run(self, args, kwargs)
        await run.drive_on_loop()
        return run.result()

    def sequential(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The reference run: the function as CPython runs it, each call ending before the next begins."""
        self.check(args, kwargs)
        token = SEQUENTIAL.set(True)
        try:
            return cast("R", self.fn(*args, **kwargs))
        finally:
            SEQUENTIAL.reset(token)

    def start(self, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """Start the flow overlapped, and return a handle at once."""
        self.check(args, kwargs)
        run: Run[R] = Run(self, args, kwargs)
        threading.Thread(target=run.drive_here, name=f"stretto-{self.name}", daemon=True).start()
        return run


class Run(Generic[R]):
    """A run of a flow.

    Attributes:
        id: the identifier of the run.
        flow: the flow.
    """

    def __init__(self, flow: Flow[Any, R], args: Any, kwargs: Mapping[str, Any]) -> None:
        self.id = uuid.uuid4().hex[:16]
        self.flow = flow
        self.engine = Engine(limit=flow.limit)
        self.engine.begin(flow.form, flow.fn, tuple(args), dict(kwargs))
        self.driver: AsyncioDriver | None = None
        self._future: Future[R] = Future()
        self._cancelled: BaseException | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<run {self.id} of {self.flow.name}: {'ended' if self.done() else 'running'}>"

    # -- what users ask -------------------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> R:
        """Wait for the end; the result, or the exception that the flow raised.

        Raises TimeoutError if the run has not ended after `timeout` seconds; the run goes on.
        """
        return self._future.result(timeout)

    def done(self) -> bool:
        """Whether the run has ended."""
        return self._future.done()

    def cancel(self) -> None:
        """End the run: its calls are cancelled. Returns when nothing of it is running any more; `result`
        then raises `Cancelled`. Does nothing to a run that has ended."""
        self._stop(Cancelled(f"the run {self.id} of {self.flow.name} was cancelled"))
        try:
            self._future.exception()
        except BaseException:
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

    def _begin(self, driver: AsyncioDriver) -> None:
        """On the driver's loop: set it going."""
        with self._lock:
            self.driver = driver
            stopped = self._cancelled
        if stopped is not None:
            driver.engine.cancel(stopped)
        timeout = self.flow.timeout
        if timeout is not None:
            error = TimeoutError(f"the flow {self.flow.name} took longer than its timeout of {timeout:g} s")
            driver.loop.call_later(timeout, self._stop_on_loop, driver, error)
        driver.kick()

    def settle(self) -> None:
        """Hand the outcome to whoever waits."""
        outcome = self.engine.outcome
        assert outcome is not None
        if outcome.error is not None:
            self._future.set_exception(outcome.error)
        else:
            self._future.set_result(outcome.value)

    def drive_here(self) -> None:
        """Run on the background loop; this thread, the user's, runs what has to run in it meanwhile."""
        loop = background().loop
        work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

        def native(node: Any, report: Callable[[Any, BaseException | None], None]) -> None:
            work.put(functools.partial(_carry_out, node, report))

        context = contextvars.copy_context()
        driver = AsyncioDriver(self.engine, loop, context, native, lambda: work.put(None))
        loop.call_soon_threadsafe(self._begin, driver)
        interrupted: KeyboardInterrupt | None = None
        while True:
            try:
                task = work.get()
                if task is None:
                    break
                task()
            except KeyboardInterrupt as error:
                if interrupted is not None:
                    raise
                interrupted = error
                self._stop(error)
        self.settle()

    async def drive_on_loop(self) -> None:
        """Run on the running loop; unknown code runs in a thread of the run's own."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        helper: _Helper | None = None

        def native(node: Any, report: Callable[[Any, BaseException | None], None]) -> None:
            nonlocal helper
            if helper is None:
                helper = _Helper(contextvars.copy_context())
            helper.put(functools.partial(_carry_out, node, report))

        def end() -> None:
            if not ended.done():
                ended.set_result(None)

        driver = AsyncioDriver(self.engine, loop, contextvars.copy_context(), native, end)
        self._begin(driver)
        cancelled = False
        while not ended.done():
            try:
                await asyncio.shield(ended)
            except asyncio.CancelledError:
                cancelled = True
                self._stop_on_loop(driver, asyncio.CancelledError())
        if helper is not None:
            helper.put(None)
        if cancelled:
            self._future.cancel()
            raise asyncio.CancelledError
        self.settle()


class _Helper:
    """A thread for code that nobody knows, where the user's own thread is busy with the event loop."""

    def __init__(self, context: contextvars.Context) -> None:
        self.work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=context.run, args=(self._run,), name="stretto-native", daemon=True).start()

    def put(self, task: Callable[[], None] | None) -> None:
        self.work.put(task)

    def _run(self) -> None:
        while (task := self.work.get()) is not None:
            task()


def _carry_out(node: Any, report: Callable[[Any, BaseException | None], None]) -> None:
    try:
        value = node.run()
    except KeyboardInterrupt as error:
        report(None, error)
        raise
    except BaseException as error:
        report(None, error)
    else:
        report(value, None)


@overload
def flow(fn: Callable[P, R], /) -> Flow[P, R]: ...
@overload
def flow(
    *, name: str = ..., timeout: float | None = ..., limit: int | None = ...
) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
def flow(fn: Any = None, /, **options: Any) -> Any:
    """Make a plain function a flow.

    Options: `name`; `timeout`, seconds a run may take before it raises TimeoutError; `limit`, how many
    operations may be in flight.

    Raises `UnsupportedConstruct` or `SourceNotFound`, with file and line, where the function cannot be
    compiled, and `DeclarationError` for a wrong option.
    """
    for option, value in options.items():
        if option not in _OPTIONS:
            known = "; ".join(f"{n}= ({text})" for n, text in _OPTIONS.items())
            raise DeclarationError(f"there is no option {option!r} for a flow. There are: {known}")
        if not _option_ok(option, value):
            raise DeclarationError(f"the option {option}= is {_OPTIONS[option]}; found {value!r}")
    if fn is None:
        return lambda function: Flow(function, options)
    if isinstance(fn, Flow):
        raise DeclarationError(f"{cast('Flow[Any, Any]', fn).name} is a flow already")
    return Flow(fn, options)


def _option_ok(option: str, value: object) -> bool:
    if option == "name":
        return isinstance(value, str) and bool(value)
    if value is None:
        return True
    if isinstance(value, bool):
        return False
    if option == "limit":
        return isinstance(value, int) and value > 0
    return isinstance(value, (int, float)) and value > 0
