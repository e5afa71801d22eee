"""llama-index-workflows: steps that pass events."""

from __future__ import annotations

import asyncio

from workflows import Context, Workflow, step
from workflows.events import Event, StartEvent, StopEvent

from ..work import DEEPEN, LOOK

WORKERS = 10_000  # the default of four at a time is no comparison


class Item(Event):
    x: int


class Deep(Event):
    x: int


class Done(Event):
    x: int | None


class Branchy(Workflow):
    @step
    async def items(self, ctx: Context, ev: StartEvent) -> Item | None:
        await ctx.store.set("n", ev.n)
        for i in range(ev.n):
            ctx.send_event(Item(x=i))
        return None

    @step(num_workers=WORKERS)
    async def look(self, ev: Item) -> Deep | Done:
        await asyncio.sleep(LOOK)
        return Deep(x=ev.x) if ev.x % 2 else Done(x=None)

    @step(num_workers=WORKERS)
    async def deepen(self, ev: Deep) -> Done:
        await asyncio.sleep(DEEPEN)
        return Done(x=-ev.x)

    @step
    async def collect(self, ctx: Context, ev: Done) -> StopEvent | None:
        every = ctx.collect_events(ev, [Done] * await ctx.store.get("n"))
        if every is None:
            return None
        return StopEvent(result=[one.x for one in every if one.x is not None])


async def branchy(n: int) -> list[int]:
    return sorted(await Branchy(timeout=None).run(n=n), reverse=True)


class Left(Event):
    steps: int


class Chain(Workflow):
    @step
    async def first(self, ev: StartEvent) -> Left:
        return Left(steps=ev.n)

    @step
    async def one(self, ev: Left) -> Left | StopEvent:
        left = ev.steps - 1
        return Left(steps=left) if left > 0 else StopEvent(result=left)


async def chain(n: int) -> int:
    return await Chain(timeout=None).run(n=n)
