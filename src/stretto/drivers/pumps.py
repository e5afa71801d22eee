"""Getting items out of the call behind a stream: on an event loop, as many as are wanted, and no more.

One task does it from the first item to the last, so that an async generator runs in one task and one
context, as it would in an ``async for``. A sync iterator is asked in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ..calls import Call
from ..streams import Stream, arrived_item, opened, unheard
from .ambient import timed_out
from .retries import asked_for, rest

__all__ = ["Places", "Pump", "Receiver"]

#: Runs a function where sync code may run: gives something to await.
Elsewhere = Callable[[Callable[[], Any]], Awaitable[Any]]

_ENDED: Any = object()


class Receiver(Protocol):
    """Who the items are for."""

    def wants(self) -> bool:
        """Whether one more is wanted."""
        ...

    def item(self, item: Any) -> None: ...

    def failed(self, error: BaseException) -> None:
        """The call has failed: no items come after this."""
        ...

    def ended(self) -> None:
        """There are no more items."""
        ...

    def over(self) -> None:
        """Nothing of the call is running any more."""
        ...


class Places(Protocol):
    """Where the call gets its place among others."""

    async def enter(self) -> None:
        """Wait for the place of an attempt."""
        ...

    def leave(self, error: BaseException | None) -> None:
        """The attempt is over; what it failed with."""
        ...


class Pump:
    """Runs the call behind one stream."""

    def __init__(self, stream: Stream[Any], receiver: Receiver, elsewhere: Elsewhere, places: Places) -> None:
        self.places = places
        # not the stream itself: when nobody holds that any more, it is closed
        self.call: Call[..., Any] = stream.call
        self.args, self.kwargs = stream.args, stream.kwargs
        self.source = stream.opened
        self.receiver = receiver
        self.elsewhere = elsewhere
        #: Seconds that the call may still take; time in which nothing is asked of it does not count.
        self.left = self.call.timeout
        self.began = False
        self.closing = False
        #: It waits until more is wanted.
        self._room: asyncio.Future[None] | None = None
        #: It waits for something that can be cancelled.
        self._stoppable = False
        self._task: asyncio.Task[None] | None = None

    def start(self, loop: asyncio.AbstractEventLoop, context: Any) -> None:
        self._task = loop.create_task(self._run(), context=context)

    def go_on(self) -> None:
        """One more item is wanted, or nothing is any more."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def close(self) -> None:
        """End the call; the receiver is told when it has ended."""
        if self.closing or self._task is None:
            return
        self.closing = True
        if self._room is not None:
            self.go_on()
        elif self._stoppable:
            self._task.cancel()

    # -- inside ---------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            if not self.closing:
                await self._attempts()
        except BaseException as error:
            if not self.closing:
                self.receiver.failed(error)
        else:
            if not self.closing:
                self.receiver.ended()
        finally:
            self.receiver.over()

    async def _attempts(self) -> None:
        """A call that fails before its first item is made again as often as it may be."""
        call = self.call
        for attempt in range(1, call.retries + 1):
            try:
                await self._attempt()
                return
            except call.retry_on as error:
                if self.began or self.closing:
                    raise
                least = asked_for(error)
            self._stoppable = True
            await rest(attempt, least)
            self._stoppable = False
        await self._attempt()

    async def _attempt(self) -> None:
        self._stoppable = True
        await self.places.enter()
        self._stoppable = False
        try:
            await self._items(await self._made())
        except BaseException as error:
            self.places.leave(error)
            raise
        self.places.leave(None)

    async def _made(self) -> Any:
        """The iterator of this attempt."""
        call = self.call
        source, self.source = self.source, None
        if source is not None:
            return source

        def work() -> Any:
            return call.fn(*self.args, **self.kwargs)

        if not call.opens:
            return work()
        return opened(call, await (self._stopped(work()) if call.is_async else self._threaded(work)))

    async def _items(self, source: Any) -> None:
        receiver, call = self.receiver, self.call
        is_async = hasattr(source, "__anext__")
        try:
            while True:
                while not (receiver.wants() or self.closing):
                    self._room = asyncio.get_running_loop().create_future()
                    await self._room
                    self._room = None
                if self.closing:
                    return
                try:
                    if is_async:
                        item = await self._stopped(source.__anext__())
                    else:
                        item = await self._threaded(lambda: next(source, _ENDED))
                except StopAsyncIteration:
                    return
                if item is _ENDED or self.closing:
                    return
                self.began = True
                receiver.item(arrived_item(call, item))
        finally:
            await self._end(source)

    async def _end(self, source: Any) -> None:
        """Have the source run its ``finally`` blocks, if it has any left."""
        try:
            if hasattr(source, "aclose"):
                await source.aclose()
            elif hasattr(source, "close"):
                await self.elsewhere(source.close)
        except Exception as error:
            unheard(error, self.call)

    async def _threaded(self, work: Callable[[], Any]) -> Any:
        """Run sync code; it cannot be stopped, so whoever closes the stream waits for it."""
        return await self._timed(self.elsewhere(work))

    async def _stopped(self, work: Any) -> Any:
        """As ``await``; it is cancelled where the stream is closed."""
        self._stoppable = True
        try:
            return await self._timed(work)
        finally:
            self._stoppable = False

    async def _timed(self, work: Any) -> Any:
        """As ``await``, within the time that is left."""
        if self.left is None:
            return await work
        loop = asyncio.get_running_loop()
        began = loop.time()
        limit = asyncio.timeout(max(self.left, 0))
        try:
            async with limit:
                return await work
        except TimeoutError:
            if limit.expired():
                raise timed_out(self.call) from None
            raise
        finally:
            self.left -= loop.time() - began
