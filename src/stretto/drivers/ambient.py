"""Where calls run that are not part of a flow, and which clock is in force."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..budgets.budget import ENTERED, Entered
from ..budgets.of_runs import of_run, within
from ..limits.rules import is_limited
from ..streams import Stream, opened

if TYPE_CHECKING:
    import asyncio

    from ..calls import Call
    from ..limits.limiter import Limiter
    from ..observe.inside import Inside

__all__ = [
    "CLOCK",
    "CURRENT",
    "SCOPE",
    "SEQUENTIAL",
    "WAY",
    "Clock",
    "Current",
    "arrived",
    "current",
    "invoke_now",
    "invoke_on_loop",
    "needs_place",
    "reference_run",
    "settle",
    "streamed",
    "timed_out",
    "under",
]


class Clock(Protocol):
    """A clock that stands in for the real one."""

    @property
    def micros(self) -> int: ...

    @property
    def limiter(self) -> Limiter: ...

    def run(self, work: Coroutine[Any, Any, Any]) -> Any: ...

    def drive(self, run: Any) -> None: ...

    @property
    def inside(self) -> bool: ...

    def errands(self, run: Any) -> Any: ...

    def driver(self, run: Any, native: Callable[..., None], ended: Callable[[], None]) -> Any: ...

    def outside(self, work: Callable[[], None]) -> None: ...


#: The virtual clock in force, if any.
CLOCK: ContextVar[Clock | None] = ContextVar("stretto_clock", default=None)
#: Whether flows called here are to run as their reference run does.
SEQUENTIAL: ContextVar[bool] = ContextVar("stretto_sequential", default=False)


@contextlib.contextmanager
def reference_run(budget: tuple[Entered, ...] | None = None) -> Generator[None]:
    """Inside the ``with``, plain code is a reference run; `budget` is its own, if it has one already."""
    if budget is None:
        budget = () if SEQUENTIAL.get() else of_run()
    token = SEQUENTIAL.set(True)
    try:
        with within(budget):
            yield
    finally:
        SEQUENTIAL.reset(token)


#: In a call of a route that is recorded: what is told the name of the way that gave its result.
WAY: ContextVar[Callable[[str], None] | None] = ContextVar("stretto_way", default=None)


@dataclass(frozen=True, slots=True)
class Current:
    """What a call that is running may know of itself.

    Attributes:
        run: the identifier of its run; empty outside of a run with a journal.
        place: where in program order it stands.
        key: the same for every attempt of this call, also after a crash, and for no other: what a receiver
            tells repetitions by. Outside of a run with a journal, where nothing is repeated, a new one.
        attempt: counts from 1.
    """

    run: str
    place: str
    key: str
    attempt: int


#: The call that is running, or what tells it.
CURRENT: ContextVar[Current | Callable[[], Current] | None] = ContextVar("stretto_call", default=None)


class Stopped(BaseException):
    """The run has no use any more for a piece of the user's code, which is in the midst of its work, and is
    not asked whether it minds."""


class Piece:
    """A piece of code that runs as a whole, as long as the run wants it: what the calls in it go through.

    Attributes:
        records: whether they are recorded.
        stopped: whether nobody wants it any more.
        telling: what tells of them, if somebody listens.

    Args:
        place: where it stands; a call in it is known by that and by the how-manieth it is in there.
    """

    records = False

    def __init__(self, wanted: Callable[[], bool], place: str = "") -> None:
        self._wanted = wanted
        self._place = place
        self._count = 0
        self.telling: Inside | None = None
        self._turn: Any = None
        self.stopped = False
        self._cancel: Callable[[], None] | None = None

    def stop(self) -> None:
        """Nobody wants it any more: what it waits for on an event loop is cancelled. From any thread."""
        self.stopped = True
        cancel = self._cancel
        if cancel is not None:
            cancel()

    def waits_for(self, cancel: Callable[[], None] | None) -> None:
        """The code waits for something on an event loop, and how that is cancelled; None when it has it."""
        self._cancel = cancel
        if cancel is not None and self.stopped:
            cancel()

    def check(self) -> None:
        """`Stopped` if nobody wants what the code does next."""
        if not self._wanted():
            raise Stopped("the run has ended this piece of code")

    def invoke(
        self, call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], run: Callable[[], Any]
    ) -> Any:
        """Make a call."""
        self.check()
        if self.telling is None:
            return run()
        made = self.telling.issued(call, self.next_place(call))
        made.begins()
        try:
            value = run()
        except BaseException as error:
            made.failed(error)
            raise
        made.ended(value)
        return value

    def next_place(self, call: Call[..., Any]) -> str:
        """Where the next call stands."""
        self._count += 1
        return f"{self._place}/{call.name}:{self._count}"

    async def invoke_on_loop(
        self, call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Make a call from async code: those that touch something one at a time."""
        self.check()
        if call.effects.free:
            return await self._told(call, args, kwargs)
        async with self.turn():
            self.check()
            return await self._told(call, args, kwargs)

    async def _told(self, call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if self.telling is None:
            return await alone(call, args, kwargs)
        made = self.telling.issued(call, self.next_place(call))
        made.begins()
        try:
            value = await alone(call, args, kwargs)
        except BaseException as error:
            made.failed(error)
            raise
        made.ended(value)
        return value

    def turn(self) -> Any:
        """A lock, for the calls of async code that touch something."""
        if self._turn is None:
            import asyncio

            self._turn = asyncio.Lock()
        return self._turn


#: The piece of code that runs here, if one does.
SCOPE: ContextVar[Piece | None] = ContextVar("stretto_scope", default=None)


def current() -> Current:
    """The call that is running here."""
    import uuid  # late, as it takes a while to import

    found = CURRENT.get()
    if found is None:
        return Current("", "", uuid.uuid4().hex, 1)
    return found if isinstance(found, Current) else found()


def invoke_now(call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Run a call to its end, in this thread's time. A stream is given before its first item."""
    if ENTERED.get():
        from .paying import paid

        return paid(call, args, kwargs, lambda call: invoke_now(call, args, kwargs))
    if call.streams and not call.opens:
        return streamed(call, args, kwargs, call.fn(*args, **kwargs))
    scope = SCOPE.get()
    if scope is not None:
        # what the call's own code calls is its own affair
        alone = contextvars.copy_context()
        alone.run(SCOPE.set, None)
        return scope.invoke(call, args, kwargs, lambda: alone.run(_invoke_now, call, args, kwargs, scope))
    return _invoke_now(call, args, kwargs)


def _invoke_now(
    call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], piece: Piece | None = None
) -> Any:
    if not call.is_async and call.timeout is None and not call.retries and not needs_place(call):
        return arrived(call, call.fn(*args, **kwargs))
    work = invoke_on_loop(call, args, kwargs)
    clock = CLOCK.get()
    if clock is not None:
        return _as_from_here(clock.run, work)
    from .background import background

    loop, waits = background(), piece if call.is_async else None  # a thread cannot be cancelled
    return _as_from_here(lambda work: loop.run(work, waits), work)


def _as_from_here(run: Callable[[Coroutine[Any, Any, Any]], Any], work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine elsewhere; what it raises has the context that it would have if it had run here."""
    current = sys.exception()
    if current is None:
        return run(work)
    raised: list[tuple[BaseException, BaseException | None]] = []

    async def there() -> Any:
        try:
            return await under(current, work)
        except BaseException as error:
            raised.append((error, error.__context__))
            raise

    try:
        return run(there())
    except BaseException as error:
        if raised and raised[0][0] is error:
            error.__context__ = raised[0][1]
        raise
    finally:
        raised.clear()  # what it raises holds this frame, and must not be held by it


async def under(current: BaseException, work: Awaitable[Any]) -> Any:
    """Await something as if from inside the handler of an exception."""
    trace, outer = current.__traceback__, current.__context__
    try:
        raise current
    except BaseException:
        current.__traceback__, current.__context__ = trace, outer
        return await work


async def invoke_on_loop(
    call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], waits: bool = True
) -> Any:
    """Run a call to its end, on the running loop, with the attempts that it is allowed. A stream is given
    before its first item. `waits` says whether it is made again where its server asks to be left alone first.
    """
    if ENTERED.get():
        from .paying import paid_on_loop

        return await paid_on_loop(call, args, kwargs, lambda call: invoke_on_loop(call, args, kwargs, waits))
    if call.streams and not call.opens:
        return streamed(call, args, kwargs, call.fn(*args, **kwargs))
    for attempt in range(1, call.retries + 1):
        try:
            return await _attempt(call, args, kwargs)
        except call.retry_on as error:
            failure = error
            from .retries import asked_for, wait_and_ask

            if not waits and asked_for(error):
                raise
        answer = await wait_and_ask(call, args, kwargs, attempt, failure)
        del failure
        if answer is not False:
            return answer.result
    return await _attempt(call, args, kwargs)


async def alone(call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """As `invoke_on_loop`; what the call's own code calls is its own affair."""
    import asyncio

    context = contextvars.copy_context()
    context.run(SCOPE.set, None)
    return await asyncio.create_task(invoke_on_loop(call, args, kwargs), context=context)


async def _attempt(call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    if not needs_place(call):
        return await _made(call, args, kwargs)
    from .outside import in_its_place

    return await in_its_place(call, args, kwargs, functools.partial(_made, call, args, kwargs))


def needs_place(call: Call[..., Any]) -> bool:
    """Whether a call has to wait for its place among others."""
    if call.gated is None:
        call.gated = is_limited(call)
    return call.gated


async def _made(
    call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any],
    begins: Callable[[], None] = lambda: None,
) -> Any:  # fmt: skip
    """Make one attempt; `begins` is called when it does, from any thread."""
    import asyncio  # late: programs that only declare calls need not wait for it

    def there() -> Any:
        begins()
        return call.make(*args, **kwargs)

    if call.is_async or CLOCK.get() is not None:
        work = there()
        if not call.is_async:
            return arrived(call, work)
    else:
        from .aio import apart

        work = asyncio.get_running_loop().run_in_executor(apart(), contextvars.copy_context().run, there)
    if call.patience is None:
        return arrived(call, await work)
    limit = asyncio.timeout(call.patience)
    try:
        async with limit:
            value = await work
    except TimeoutError:
        if limit.expired():
            raise timed_out(call) from None
        raise
    return arrived(call, value)


def settle(done: asyncio.Future[Any], work: Callable[[], Any]) -> None:
    """Have a future end as this work does."""
    try:
        value = work()
    except StopIteration as error:  # which no future takes
        done.set_exception(RuntimeError(f"{error!r}"))
    except BaseException as error:
        done.set_exception(error)
    else:
        done.set_result(value)


def timed_out(call: Call[..., Any]) -> TimeoutError:
    return TimeoutError(f"{call.name} took longer than its timeout of {call.timeout:g} s")


def arrived(call: Call[..., Any], value: Any) -> Any:
    """The value of a call, checked against its declaration."""
    if call.streams:
        return streamed(call, (), {}, opened(call, value))
    checker = call.checker
    if inspect.iscoroutine(value) or not (checker.always or checker.ok(value)):
        from ..engine.machine import wrong_type

        raise wrong_type(call, value)
    return value


def streamed(call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], source: Any) -> Any:
    """The stream of what a call gives."""
    made: Stream[Any] = Stream(call, args, dict(kwargs), source)
    return made
