"""The one limiter of this process, on its real clock."""

from __future__ import annotations

import heapq
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable

from .limiter import Limiter

__all__ = ["Timers", "limiter"]


class Timers:
    """Calls functions when their time has come, on a thread that is there while any time has to come.

    Not on an event loop of those who wait: that may be busy, stopped, or closed, and others wait as well.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._going = False

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Call it in so many seconds."""
        with self._changed:
            heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._numbers), work))
            if not self._going:
                threading.Thread(target=self._go, name="stretto-limits", daemon=True).start()
                self._going = True
            elif self._heap[0][2] is work:
                self._changed.notify()

    def _go(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Exception as error:
                sys.excepthook(type(error), error, error.__traceback__)

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while self._heap:
                seconds = self._heap[0][0] - time.monotonic()
                if seconds <= 0:
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(min(seconds, threading.TIMEOUT_MAX))
            self._going = False
            return None


_limiter: list[Limiter] = []

if hasattr(os, "register_at_fork"):
    # what runs in the parent, and waits there, does not end in the child
    os.register_at_fork(after_in_child=_limiter.clear)


def limiter() -> Limiter:
    """What all runs of this process share."""
    if not _limiter:
        _limiter.append(Limiter(time.monotonic, Timers().later, leave=True))
    return _limiter[0]
