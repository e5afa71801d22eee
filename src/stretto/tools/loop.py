"""The event loop of all connections of this process, which live on over many runs and loops."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar, cast

from ..drivers.background import Background

__all__ = ["at_end", "do", "do_now"]

T = TypeVar("T")

_starting = threading.Lock()
_background: Background | None = None
#: What is to be done there before the process ends.
_ends: list[Callable[[], Awaitable[Any]]] = []


async def do(work: Coroutine[Any, Any, T]) -> T:
    """Have something done there. Who is cancelled while waiting cancels it, too."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, _loop().loop))


def do_now(work: Coroutine[Any, Any, T]) -> T:
    """The same from sync code, which waits."""
    return cast("T", _loop().run(work))


def at_end(work: Callable[[], Awaitable[Any]]) -> None:
    """Have this done there when the process ends."""
    _ends.append(work)


def _loop() -> Background:
    global _background
    with _starting:
        if _background is None:
            _background = Background()
            atexit.register(_end)
        return _background


def _forked() -> None:
    global _starting, _background
    _starting, _background = threading.Lock(), None  # a child has none of its parent's threads
    _ends.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _end() -> None:
    async def end() -> None:
        await asyncio.gather(*(work() for work in _ends), return_exceptions=True)

    if _background is not None and _ends:
        _background.run(end())
