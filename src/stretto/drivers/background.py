"""The process's own event loop, on a thread of its own.

Flows called from plain code run here, whatever loop may be running in the caller's thread; async clients
that belong to a loop can so be shared by every run.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import select
import selectors
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, cast

from .ambient import Piece, Stopped

__all__ = ["Background", "Punctual", "background", "new_loop"]


#: Seconds; a longer wait may well end a millisecond late. And what `select` takes of file descriptors.
_SHORT, _FD_SETSIZE = 1.0, 1024

if sys.platform == "linux":

    class Punctual(selectors.EpollSelector):
        """Waits for microseconds. `epoll_wait` takes whole milliseconds, so each timer of a loop would come
        up to one late; but what it waits with is a file, and `select` can wait for that."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is not None and 0 < timeout < _SHORT and (waits := self.fileno()) < _FD_SETSIZE:
                select.select((waits,), (), (), timeout)
                timeout = 0
            return super().select(timeout)


def new_loop() -> asyncio.AbstractEventLoop:
    """A new event loop: uvloop's, where it is installed."""
    try:
        import uvloop
    except ImportError:
        made = asyncio.new_event_loop()
        if sys.platform != "linux" or type(made) is not asyncio.SelectorEventLoop:
            return made  # of the kind that the program has chosen
        made.close()
        return asyncio.SelectorEventLoop(Punctual())
    loop: asyncio.AbstractEventLoop = cast("Any", uvloop).new_event_loop()  # the types come with the extra
    return loop


class Background:
    """An event loop that runs for as long as the process does."""

    def __init__(self) -> None:
        self.loop = new_loop()
        #: What runs here: runs of flows, and what is awaited for others.
        self.users: set[object] = set()
        self.thread = threading.Thread(target=self._run, name="stretto-loop", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def run(self, work: Coroutine[Any, Any, Any], piece: Piece | None = None) -> Any:
        """Run a coroutine here to its end, from another thread. Ctrl-C cancels it, and so does the run that
        does not want the piece of code any more which waits for it: that ends by `Stopped`."""
        done: Future[Any] = Future()
        context = contextvars.copy_context()

        def begin() -> None:
            task = self.loop.create_task(work, context=context)
            task.add_done_callback(settle)
            tasks.append(task)

        def settle(task: asyncio.Task[Any]) -> None:
            if task.cancelled():
                done.set_exception(asyncio.CancelledError())
                return
            error = task.exception()
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(task.result())

        def cancel() -> None:
            self.loop.call_soon_threadsafe(lambda: [t.cancel() for t in tasks])

        tasks: list[asyncio.Task[Any]] = []
        self.users.add(user := object())
        self.loop.call_soon_threadsafe(begin)
        try:
            if piece is not None:
                piece.waits_for(cancel)
            return done.result()
        except KeyboardInterrupt:
            if not done.done():
                cancel()
                try:
                    done.result()
                except BaseException:
                    pass
            raise
        except BaseException:
            if piece is not None and piece.stopped:
                raise Stopped from None
            raise
        finally:
            self.users.discard(user)
            if piece is not None:
                piece.waits_for(None)
            if done.done():
                tasks.clear()
                del done  # what it raises holds this frame, and must not be held by it


_lock = threading.Lock()
_pool: list[Background] = []


def _forked() -> None:
    global _lock
    _lock = threading.Lock()
    _pool.clear()  # a child has none of its parent's threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def background() -> Background:
    """A background loop that does not run in this very thread."""
    with _lock:
        me = threading.current_thread()
        for found in _pool:
            if found.thread is not me:
                return found
        made = Background()
        _pool.append(made)
        return made
