"""Bytes that one pending call costs: ``python -m benchmarks.memory stretto|asyncio N``.

Run in a process of its own, because what an allocator keeps of earlier work would be counted too.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
import tracemalloc

from stretto import call, flow

from .measure import by_hand

started = 0


@call.unordered
async def asleep(i: int) -> int:
    global started
    started += 1
    await asyncio.sleep(3600)
    return i


@flow(limit=1_000_000)  # operations in flight; the default of 10,000 is what is asked for here
def many(n: int) -> None:
    for i in range(n):
        asleep(i)


def of_stretto(n: int) -> float:
    many.start(1).cancel()  # what the first run loads is not counted
    before = _allocated()
    run = many.start(n)
    _wait_for(n)
    after = _allocated()
    run.cancel()
    return (after - before) / n


async def of_asyncio(n: int) -> float:
    before = _allocated()
    tasks = [asyncio.create_task(asleep.fn(i)) for i in range(n)]
    await asyncio.sleep(0.01)  # one turn of the loop starts them all
    assert started == n
    after = _allocated()
    for task in tasks:
        task.cancel()
    return (after - before) / n


def _allocated() -> int:
    global started
    started = 0
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _wait_for(n: int) -> None:
    deadline = time.monotonic() + 60
    while started < n:
        if time.monotonic() > deadline:
            sys.exit(f"only {started} of {n} calls are in flight: is there a limit below that?")
        time.sleep(0.01)


if __name__ == "__main__":
    tracemalloc.start()
    side, count = sys.argv[1], int(sys.argv[2])
    print(of_stretto(count) if side == "stretto" else by_hand(of_asyncio(count)), flush=True)
    os._exit(0)
