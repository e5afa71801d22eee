"""`explain` of ``async def`` flows: what is awaited is said like any call, and is true on the clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from stretto import call, explain, flow
from stretto.testing import VirtualClock


@call.reads("web")
async def search(topic: str) -> str:
    await asyncio.sleep(1)
    return topic


@call.unordered
async def tokens(text: str) -> AsyncIterator[str]:
    for token in text.split():
        yield token


async def twice(topic: str) -> str:
    return await search(await search(topic))


async def pages() -> AsyncIterator[str]:
    yield "page"


class Session:
    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await asyncio.sleep(0)

    async def look(self, topic: str) -> str:
        return await search(topic)


def said(function: Any) -> list[tuple[str, str, bool]]:
    """What kind each operation is, its text, and whether it stops the overlap."""
    found: list[tuple[str, str, bool]] = []
    for line in explain(function).lines:
        found += [
            (o.kind, o.text, o.stops_overlap) for o in line.operations if o.kind not in ("plain", "value")
        ]
    return found


def seconds(work: Any) -> float:
    with VirtualClock() as clock:
        clock.run(work)
        return round(clock.now, 3)


@flow
async def gathers(topics: list[str]) -> list[str]:
    found = await asyncio.gather(*(search(t) for t in topics))
    later = twice("x")
    found.append(await later)
    return found


def test_calls_helpers_and_what_is_gathered_overlap() -> None:
    assert said(gathers)[:2] == [("call", "search(t)", False), ("helper", "twice('x')", False)]
    assert not explain(gathers).stops
    assert seconds(gathers(["a", "b"])) == 2


@flow
async def tasked(topics: list[str]) -> list[str]:
    tasks = [asyncio.create_task(twice(topic)) for topic in topics]
    async with asyncio.TaskGroup() as group:
        one = group.create_task(search("one"))
    return [one.result(), *[await task for task in tasks]]


def test_calls_in_tasks_overlap() -> None:
    kinds = [kind for kind, _, _ in said(tasked)]
    assert kinds.count("helper") == 1 and kinds.count("call") == 3
    assert not explain(tasked).stops
    assert seconds(tasked(["a", "b"])) == 2


@flow
async def streams(text: str) -> list[str]:
    found = []
    async for token in tokens(text):
        found.append(await search(token))
    return found


def test_streams_overlap() -> None:
    kinds = [kind for kind, _, _ in said(streams)]
    assert kinds == ["call", "loop", "call"]
    assert not explain(streams).stops
    assert seconds(streams("a b c")) == 1


@flow
async def waits(topics: list[str]) -> list[str]:
    found = [await search(t) for t in topics]
    await asyncio.sleep(1)
    async with Session() as session:
        found.append(await session.look("x"))
    async for page in pages():
        found.append(await search(page))
    return found


def test_what_nobody_knows_is_awaited_in_order() -> None:
    stops = [stop.text for stop in explain(waits).stops]
    assert stops == ["asyncio.sleep(1)", "__aenter__()", "__anext__(__aiter__(pages()))"]
    assert seconds(waits(["a", "b"])) == 4
