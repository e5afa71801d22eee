"""Limits: how much of what they allow is used, and what they cost. Times are virtual, but for the cost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

from stretto import call, flow
from stretto.testing import VirtualClock

from .measure import by_turns
from .rows import Row
from .schedules import Graph, list_schedule

__all__ = ["limits"]

MACHINES = 8


@call.unordered(rate="600/min")
async def brief(n: int) -> int:
    await asyncio.sleep(0.1)
    return n


@flow
def crawl(n: int) -> int:
    return sum([brief(i) for i in range(n)])


@call.unordered(limit=MACHINES, per="machines")
async def short(n: int, *before: int) -> int:
    await asyncio.sleep(1)
    return n


@call.unordered(limit=MACHINES, per="machines")
async def long(n: int, *before: int) -> int:
    await asyncio.sleep(5)
    return n


@flow
def walk(graph: Graph) -> list[int]:
    found: list[int] = []
    for i, (seconds, needs) in enumerate(zip(graph.takes, graph.needs, strict=True)):
        before = [found[b] for b in needs]
        if seconds > 1:
            found.append(long(i, *before))
        else:
            found.append(short(i, *before))
    return found


@call.unordered
async def free(n: int) -> int:
    return n


@call.unordered(limit=1_000_000)
async def limited(n: int) -> int:
    return n


@flow
def all_free(n: int) -> None:
    for i in range(n):
        free(i)


@flow
def all_limited(n: int) -> None:
    for i in range(n):
        limited(i)


class Service:
    """Takes 0.1 s, and one time in thirty much longer, for no reason of the call's."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.made = 0

    async def answer(self, n: int) -> int:
        self.made += 1
        seconds = self.draw.uniform(0.08, 0.12)
        if self.draw.random() < 1 / 30:
            seconds *= 20 * self.draw.random() + 1
        await asyncio.sleep(seconds)
        return n


def _slowest(declared: object, n: int) -> float:
    """How long the slowest hundredth of calls takes."""

    async def one(i: int) -> float:
        began = asyncio.get_running_loop().time()
        await declared.aio(i)  # type: ignore[attr-defined]
        return asyncio.get_running_loop().time() - began

    async def all_of_them() -> list[float]:
        return [await one(i) for i in range(n)]

    with VirtualClock() as clock:
        took: list[float] = clock.run(all_of_them())
    return sorted(took)[n * 99 // 100]


def limits(n: int, repeat: int) -> Iterator[Row]:
    with VirtualClock() as clock:
        crawl(n)
        bound = n / 600 * 60
        detail = f"{clock.now:.0f} s; the work divided by the limit is {bound:.0f} s"
        yield Row(f"(r) {n:,} calls at 600 a minute / bound", clock.now / bound, "x", 1.03, detail)
    worst, text = 0.0, ""
    for seed in range(6):
        graph = Graph.random(seed, 500, chain=60 * (seed % 2))
        with VirtualClock() as clock:
            assert walk(graph) == list(range(500))
            best = list_schedule(graph, MACHINES)
            if clock.now / best > worst:
                worst, text = clock.now / best, f"{clock.now:.0f} s against {best:.0f} s, the worst of six"
    yield Row("(s) random graph of 500 calls, 8 at once / list schedule", worst, "x", 1.05, text)
    with_limit, without = by_turns(lambda: all_limited(n), lambda: all_free(n), repeat=repeat)
    more = (with_limit - without) / n * 1e6
    detail = f"{with_limit / n * 1e6:.1f} us against {without / n * 1e6:.1f} us a call"
    yield Row(f"(t) what a limit costs, of {n:,} calls", more, "us", 5.0, detail)
    plain, twice = Service(7), Service(7)
    alone = _slowest(call.unordered(plain.answer), 4000)
    hedged = _slowest(call.unordered(hedge=0.95)(twice.answer), 4000)
    more = (twice.made / 4000 - 1) * 100
    detail = f"{hedged:.2f} s against {alone:.2f} s; {more:.1f} % more calls (6 allowed)"
    yield Row("(u) the slowest hundredth of calls, hedged / not", hedged / alone, "x", 0.5, detail)
