"""The same work twice: as a flow, and as one would write it by hand."""

from __future__ import annotations

import asyncio

from stretto import call, flow

__all__ = ["branchy", "branchy_by_hand", "chain", "chain_by_hand", "many", "many_by_hand"]

LOOK, DEEPEN = 0.020, 0.030  #: seconds; the critical path of `branchy` is their sum


@call.unordered
async def noop(i: int) -> int:
    return i


@flow
def many(n: int) -> None:
    for i in range(n):
        noop(i)


async def many_by_hand(n: int) -> None:
    await asyncio.gather(*[asyncio.create_task(noop.fn(i)) for i in range(n)])


@flow
def chain(n: int) -> int:
    x = 0
    for _ in range(n):
        x = noop(x)
    return x


async def chain_by_hand(n: int) -> int:
    x = 0
    for _ in range(n):
        x = await asyncio.create_task(noop.fn(x))
    return x


@call.unordered
async def look(i: int) -> int:
    await asyncio.sleep(LOOK)
    return i


@call.unordered
async def deepen(x: int) -> int:
    await asyncio.sleep(DEEPEN)
    return -x


@flow
def branchy(n: int) -> list[int]:
    found = []
    for i in range(n):
        x = look(i)
        if x % 2:
            found.append(deepen(x))
    return found


async def branchy_by_hand(n: int) -> list[int]:
    async def one(i: int) -> list[int]:
        x = await look.fn(i)
        return [await deepen.fn(x)] if x % 2 else []

    parts = await asyncio.gather(*[one(i) for i in range(n)])
    return [x for part in parts for x in part]
