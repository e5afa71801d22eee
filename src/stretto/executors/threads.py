"""Async calls on a loop of their own, in a thread (``on="thread"``): for code that would block the loop of
the run now and then."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..drivers.ambient import CLOCK

if TYPE_CHECKING:
    from ..calls import Call

__all__ = ["run"]


async def run(call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    if CLOCK.get() is not None:
        return await call.fn(*args, **kwargs)
    from ..drivers.aio import apart

    there = _There()
    context = contextvars.copy_context()
    work = asyncio.get_running_loop().run_in_executor(
        apart(), lambda: context.run(there.run, call.fn(*args, **kwargs))
    )
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        there.cancel()
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError:
                there.cancel()
        if not work.cancelled():
            work.exception()  # it has been looked at
        raise


class _There:
    """A loop in another thread, which can be told to stop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False

    def run(self, work: Any) -> Any:
        with asyncio.Runner() as runner:
            return runner.run(self._watched(work))

    async def _watched(self, work: Any) -> Any:
        with self._lock:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            if self._cancelled:
                work.close()
                raise asyncio.CancelledError
        try:
            return await work
        finally:
            with self._lock:
                self._loop = self._task = None

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if self._loop is not None and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
