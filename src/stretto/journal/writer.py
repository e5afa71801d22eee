"""The one thread that writes: what was put in while it wrote is the next group.

So a thousand appends cost one transaction, and a hundred writers that all wait for the disk wait for it
together. It knows nothing of databases: `write` is given each group, in order.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from ..errors import JournalClosed, JournalError

__all__ = ["Writer"]

T = TypeVar("T")


class Writer(Generic[T]):
    """A queue and the thread that empties it.

    Args:
        name: of the journal, for messages and the thread.
        write: is given what was put in, in order, and must not raise.
        interval: seconds for which what is put in may wait for more of it.
        idle: called before each wait for work; does what is due by itself, and tells in how many
            seconds something will be due next (None: never).
    """

    def __init__(
        self,
        name: str,
        write: Callable[[list[T]], None],
        *,
        interval: float,
        idle: Callable[[], float | None],
    ) -> None:
        self._name = name
        self._write = write
        self._interval = interval
        self._idle = idle
        self._lock = threading.Lock()
        self._queue: list[T] = []
        # Held by whoever writes, so that groups are written one after the other.
        self._writing = threading.Lock()
        self._writing_thread = 0
        # What wakes the thread. Of all that wait with a timeout this one costs least: it is written in C.
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._urgent = False
        self._closing = False
        self.closed: JournalError | None = None
        self.put_in = 0
        self._thread = threading.Thread(target=self._turn, name=f"stretto journal {name}", daemon=True)
        self._thread.start()
        _writers.add(self)

    @property
    def inside(self) -> bool:
        """Whether the caller is being called by `write`, and must not wait for it."""
        return self._writing_thread == threading.get_ident()

    def put(self, item: T, *, urgent: bool, weight: int = 0, wake: bool = True) -> None:
        """Queue an item; urgent ones, and all before them, are written now. `put_in` counts weights.

        Who lets the thread sleep on, with `wake=False`, calls `drain` next."""
        with self._lock:
            if self.closed is not None:
                raise self.closed.with_traceback(None)
            wake = wake and (not self._queue or (urgent and not self._urgent))
            self._queue.append(item)
            self.put_in += weight
            if urgent:
                self._urgent = True
        if wake:
            self._wakes.put(None)

    def drain(self) -> None:
        """Write all that is queued in the caller's thread; when this returns it has been written."""
        with self._writing:
            self._write_queued()

    def put_and_drain(self, item: T, weight: int, write: Callable[[list[T]], bool]) -> bool:
        """Queue an item and write all that is queued in the caller's thread, if nobody is writing: `write` is
        given it, and says whether it has written it all, or nothing. If not, the item is not queued."""
        if not self._writing.acquire(blocking=False):
            return False
        try:
            with self._lock:
                if self.closed is not None:
                    raise self.closed.with_traceback(None)
                group, self._queue = [*self._queue, item], []
                self.put_in += weight
            self._writing_thread = threading.get_ident()
            try:
                written = write(group)
            finally:
                self._writing_thread = 0
            if not written:
                with self._lock:
                    self._queue[:0] = group[:-1]
                    self.put_in -= weight
            return written
        finally:
            self._writing.release()

    def nudge(self) -> None:
        """Have `idle` called soon."""
        self._urgent = True
        self._wakes.put(None)

    def stop(self) -> None:
        """Write all that is queued, and end the thread. Later calls of `put` fail."""
        with self._lock:
            self._closing = True
            if self.closed is None:
                self.closed = JournalClosed(
                    f"{self._name}: the journal is closed; open it again to write to it"
                )
        self._wakes.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()
        _writers.discard(self)

    def abandon(self, error: JournalError) -> None:
        """Take nothing more: the thread is not there (it does not come along when a process forks)."""
        self.closed = error
        self._lock = threading.Lock()  # another thread may have held the old ones
        self._writing = threading.Lock()
        self._wakes = SimpleQueue()

    def _turn(self) -> None:
        while True:
            with self._writing:
                due = self._idle()
            if not self._queue and not self._hurried():
                self._sleep(due)
            if self._queue and not self._hurried():
                # More may come; only what is urgent ends the wait.
                until = time.monotonic() + self._interval
                while not self._hurried() and (left := until - time.monotonic()) > 0:
                    self._sleep(left)
            # Asked before the queue is emptied: what was put in until it was closed is written.
            closing = self._closing
            with self._writing:
                written = self._write_queued()
            if closing and not written:
                return

    def _write_queued(self) -> bool:
        """Write what is queued, if anything is. The caller holds `_writing`."""
        with self._lock:
            group, self._queue = self._queue, []
            self._urgent = False
        if not group:
            return False
        self._writing_thread = threading.get_ident()
        try:
            self._write(group)
        finally:
            self._writing_thread = 0
        return True

    def _hurried(self) -> bool:
        return self._urgent or self._closing

    def _sleep(self, timeout: float | None) -> None:
        try:
            self._wakes.get(timeout=timeout)
        except Empty:
            pass


_writers: weakref.WeakSet[Writer[Any]] = weakref.WeakSet()


def _forked() -> None:
    error = JournalClosed(
        "this process was forked from one with an open journal, which cannot be used on both sides; "
        "open it again here"
    )
    for writer in list(_writers):
        writer.abandon(error)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
