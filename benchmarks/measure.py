"""How things are measured."""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from stretto.drivers.background import new_loop

__all__ = ["by_hand", "by_turns", "child_seconds", "median_of", "seconds"]


def seconds(work: Callable[[], Any]) -> float:
    """How long `work` takes, once, with the garbage of the one before out of the way."""
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def by_hand(work: Coroutine[Any, Any, Any]) -> Any:
    """`asyncio.run`, on the same kind of event loop that flows run on: uvloop, where it is installed."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)


def by_turns(*works: Callable[[], Any], repeat: int) -> list[float]:
    """The median time of each, run one after the other, `repeat` rounds after one to warm up."""
    for work in works:
        work()
    rounds = [[seconds(work) for work in works] for _ in range(repeat)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def median_of(work: Callable[[], Any], *, repeat: int) -> float:
    """The median time of something that is compared with nothing."""
    [found] = by_turns(work, repeat=repeat)
    return found


def child_seconds(source: str) -> Callable[[], None]:
    """Work that is a fresh interpreter running `source`."""

    def work() -> None:
        subprocess.run([sys.executable, "-c", source], check=True)

    return work
