"""Taking the items of a stream one after the other: what the reference run does, and code that runs as a
whole."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from ..calls import Call
from ..streams import END, Stream, Taker, arrived_item
from .ambient import CLOCK, SCOPE, SEQUENTIAL, Clock, needs_place
from .outside import StreamPlaces
from .pumps import Pump
from .sources import not_recorded

__all__ = ["awaited", "taker_of"]


def taker_of(stream: Stream[Any]) -> Taker:
    """Begins the call behind a stream when the first item is asked for."""
    call = stream.call
    scope = SCOPE.get()
    if scope is not None and scope.records:
        raise not_recorded(call)
    clock = CLOCK.get()
    source = stream.opened
    plain = call.timeout is None and not call.retries and not needs_place(call)
    if source is not None and not hasattr(source, "__anext__") and (plain or clock is not None):
        return _Direct(call, source)
    if clock is not None and clock.inside and plain:
        return _Inside(call, call.fn(*stream.args, **stream.kwargs) if source is None else source, clock)
    if clock is not None:
        return _OnLoop(stream, clock.run, True)
    from .background import background

    return _OnLoop(stream, background().run, False)


async def awaited(stream: Stream[Any]) -> Any:
    """The next item, asked for by code that is async itself; `END` if there is none."""
    if SEQUENTIAL.get():
        return next(stream, END)  # nothing else goes on meanwhile
    if CLOCK.get() is not None:
        return next(stream, END)  # as any code that blocks the clock's loop
    return await asyncio.to_thread(next, stream, END)


class _Direct:
    """A sync iterator, asked right here."""

    def __init__(self, call: Call[..., Any], source: Any) -> None:
        self.call = call
        self.source = source
        # what the call's own code calls is its own affair
        self.context = contextvars.copy_context()
        self.context.run(SCOPE.set, None)

    def take(self) -> Any:
        return arrived_item(self.call, self.context.run(next, self.source))

    def close(self) -> None:
        close = getattr(self.source, "close", None)
        if close is not None:
            self.context.run(close)


class _Inside:
    """An async iterator, asked by code on the loop of a virtual clock, which stands still meanwhile."""

    def __init__(self, call: Call[..., Any], source: Any, clock: Clock) -> None:
        self.call = call
        self.source = source
        self.clock = clock
        self.context = contextvars.copy_context()
        self.context.run(SCOPE.set, None)

    def take(self) -> Any:
        try:
            item = self.context.run(self.clock.run, _next_of(self.source))
        except StopAsyncIteration:
            raise StopIteration from None
        return arrived_item(self.call, item)

    def close(self) -> None:
        if hasattr(self.source, "aclose"):
            self.context.run(self.clock.run, self.source.aclose())


async def _next_of(source: Any) -> Any:
    return await source.__anext__()


class _OnLoop:
    """A call that runs on a loop, one item further each time."""

    def __init__(self, stream: Stream[Any], run: Callable[..., Any], clock: bool) -> None:
        self.run = run
        #: Whether the loop runs in this very thread, and only while it is waited for.
        self.clock = clock
        self.pump = Pump(stream, self, self._elsewhere, StreamPlaces(stream.call, stream.args, stream.kwargs))
        self.context = contextvars.copy_context()
        self.context.run(SCOPE.set, None)
        self.wanted = False
        self.begun = False
        self.got: asyncio.Future[Any] | None = None
        self.done: asyncio.Event | None = None

    loop: asyncio.AbstractEventLoop

    def take(self) -> Any:
        item = self.run(self._take()) if self.clock else self.run(self._take(), SCOPE.get())
        if item is END:
            raise StopIteration
        return item

    def close(self) -> None:
        if not self.begun or self.loop.is_closed():
            return
        if self.loop.is_running() and (self.clock or asyncio._get_running_loop() is self.loop):
            self.loop.call_soon_threadsafe(
                self.pump.close
            )  # collected on the loop, which cannot wait for itself
        else:
            self.run(self._close())

    async def _take(self) -> Any:
        loop = self.loop = asyncio.get_running_loop()
        self.got = loop.create_future()
        self.wanted = True
        if not self.begun:
            self.begun = True
            self.done = asyncio.Event()
            self.pump.start(loop, self.context)
        else:
            self.pump.go_on()
        try:
            return await self.got
        except asyncio.CancelledError:  # nobody asks any more
            await self._close()
            raise

    async def _close(self) -> None:
        assert self.done is not None
        self.pump.close()
        await self.done.wait()

    async def _elsewhere(self, work: Callable[[], Any]) -> Any:
        if CLOCK.get() is not None:
            return work()
        return await asyncio.to_thread(work)

    # -- what the pump tells ----------------------------------------------------------------------------

    def wants(self) -> bool:
        return self.wanted

    def item(self, item: Any) -> None:
        self.wanted = False
        self._tell(item, None)

    def failed(self, error: BaseException) -> None:
        self._tell(None, error)

    def ended(self) -> None:
        self._tell(END, None)

    def over(self) -> None:
        assert self.done is not None
        self.done.set()

    def _tell(self, item: Any, error: BaseException | None) -> None:
        if self.got is None or self.got.done():
            return
        if error is None:
            self.got.set_result(item)
        elif isinstance(error, StopIteration):
            self.got.set_exception(RuntimeError("a stream raised StopIteration"))
        else:
            self.got.set_exception(error)
