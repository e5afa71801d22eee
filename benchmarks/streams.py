"""How soon what a stream gives first has gone through all stages of a flow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from stretto import call, flow

from .measure import by_hand, by_turns
from .rows import Row

__all__ = ["first_item", "first_item_by_hand", "streams"]

#: Seconds that each item takes at each of the three stages.
STAGE = 0.020


@call.unordered
async def source(n: int) -> AsyncIterator[int]:
    for i in range(n):
        await asyncio.sleep(STAGE)
        yield i


@call.unordered
async def refine(x: int) -> int:
    await asyncio.sleep(STAGE)
    return x


@call.unordered
async def store(x: int) -> float:
    await asyncio.sleep(STAGE)
    return time.perf_counter()


@flow
def staged(n: int) -> list[float]:
    return [store(refine(x)) for x in source(n)]


def first_item(n: int) -> float:
    """Seconds until the first of so many items has gone through."""
    began = time.perf_counter()
    first: float = min(staged(n))
    return first - began


def first_item_by_hand(n: int) -> float:
    async def one(x: int) -> float:
        return await store.fn(await refine.fn(x))

    async def work() -> list[float]:
        return await asyncio.gather(*[asyncio.create_task(one(x)) async for x in source.fn(n)])

    began = time.perf_counter()
    return min(by_hand(work())) - began


def streams(repeat: int) -> Iterator[Row]:
    n, ideal = 100, 3 * STAGE
    seconds: dict[str, list[float]] = {"ours": [], "floor": []}
    by_turns(
        lambda: seconds["ours"].append(first_item(n)),
        lambda: seconds["floor"].append(first_item_by_hand(n)),
        repeat=repeat,
    )
    ours, floor = (sorted(found)[len(found) // 2] for found in seconds.values())
    detail = f"{ours * 1e3:.1f} ms; by hand {floor * 1e3:.1f} ms"
    what = f"(p) first of {n} streamed items through 3 stages / its stages"
    yield Row(what, ours / ideal, "x", 1.1, detail)
