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
import asyncio.tasks
import contextlib
import contextvars
import heapq
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from typing import Any

from .ambient import CLOCK

__all__ = ["run_reference", "whole"]

#: Of what a task does itself, behind all of its children; of what its task groups do, before that.
_LAST, _GROUPS = float("inf"), sys.float_info.max


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
    with _in_order(), asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(whole(work))


class _Ordered(set[Any]):
    """A set that is gone over in the order in which it was given its elements."""

    def __init__(self, given: Iterable[Any]) -> None:
        self.order = list(dict.fromkeys(given))
        super().__init__(self.order)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.order)


def _set(*given: Any) -> set[Any]:
    return _Ordered(*given) if given else set()


_runs: list[object] = []
_lock = threading.Lock()


@contextlib.contextmanager
def _in_order() -> Generator[None]:
    """`asyncio.as_completed` makes a set of what it is given, and a task of each element: here, in the order
    in which they were given. (In its module, ``set`` is another one while a reference run is going on.)"""
    names: dict[str, Any] = asyncio.tasks.__dict__
    run = object()
    with _lock:
        _runs.append(run)
        names["set"] = _set
    try:
        yield
    finally:
        with _lock:
            _runs.remove(run)
            if not _runs:
                del names["set"]


async def whole(work: Coroutine[Any, Any, Any]) -> Any:
    """A run that fails leaves tasks behind that have not begun: these never do."""
    try:
        return await work
    except BaseException:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        raise


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
        last = _LAST
        if isinstance(owner, asyncio.TaskGroup):  # one of its tasks has ended
            group: Any = owner
            owner, last = group._parent_task, _GROUPS
        elif not isinstance(owner, asyncio.Task):
            owner = self._current()
        key: tuple[float, ...] = (*self._path(owner), last)
        ended = args[0] if args else None
        if isinstance(ended, asyncio.Task) and ended is not owner and ended in self._paths:
            key += self._paths[ended]  # somebody asks for tasks that have ended: in their order
        self._count += 1
        heapq.heappush(self._due, (key, self._count, handle))
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
