"""The event loop of the reference run of async flows.

asyncio leaves open which of several tasks goes on first, where they take time. The reference run has one
order: **a task that waits, waits for all tasks that it has made, and each of them runs to its end before the
next begins**. That is what asyncio does itself if calls take no time, but for tasks that make tasks, which
take turns there.

So every callback has a key: the path of the task that it belongs to in the tree of tasks, those of a task's
children before its own. The loop runs the smallest key first. A sleep is like a call: nothing else goes on
meanwhile.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

from .ambient import CLOCK

__all__ = ["run_reference"]

_LAST = float("inf")


def run_reference(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end as the reference run; in a thread of its own, if a loop runs in this one."""
    if asyncio._get_running_loop() is None:
        return _run(work)
    context = contextvars.copy_context()
    outcome: list[Any] = []
    failures: list[BaseException] = []

    def elsewhere() -> None:
        try:
            outcome.append(context.run(_run, work))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=elsewhere, name="stretto-reference")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return outcome[0]


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)


class _Loop(asyncio.SelectorEventLoop):
    """Runs callbacks in the order of the tree of tasks."""

    def __init__(self) -> None:
        super().__init__()
        self._due: list[tuple[tuple[float, ...], int, asyncio.Handle]] = []
        self._count = 0
        self._pumping = False
        self._paths: weakref.WeakKeyDictionary[Any, tuple[float, ...]] = weakref.WeakKeyDictionary()
        self._children: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        owner = getattr(callback, "__self__", None)
        if not isinstance(owner, asyncio.Task):
            owner = self._current()
        self._count += 1
        heapq.heappush(self._due, ((*self._path(owner), _LAST), self._count, handle))
        if not self._pumping:
            self._pumping = True
            super().call_soon(self._next)
        return handle

    def _current(self) -> asyncio.Task[Any] | None:
        try:
            return asyncio.current_task(self)
        except RuntimeError:
            return None

    def _path(self, task: Any) -> tuple[float, ...]:
        """Where a task stands in the tree of tasks."""
        if task is None:
            return ()
        found = self._paths.get(task)
        if found is None:
            parent = self._current()
            if parent is None:
                found = ()
            else:
                number = self._children[parent] = self._children.get(parent, 0) + 1
                found = (*self._path(parent), number)
            self._paths[task] = found
        return found

    def _next(self) -> None:
        _, _, handle = heapq.heappop(self._due)
        if not handle.cancelled():
            handle._run()
        if self._due:
            super().call_soon(self._next)
        else:
            self._pumping = False

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        if getattr(callback, "__name__", "") == "_set_result_unless_cancelled":  # what `asyncio.sleep` asks
            clock = CLOCK.get()
            if clock is None:
                time.sleep(delay)
            else:
                clock.run(asyncio.sleep(delay))
            delay = 0
        return super().call_later(delay, callback, *args, context=context)
