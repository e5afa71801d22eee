"""Blocks of asyncio's semaphores and locks: they overlap, and no more are under way than are let in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from stretto import call, explain, flow
from stretto.errors import UnsupportedConstruct
from stretto.testing import VirtualClock, without


class Watch:
    """How many blocks have something running, and how many had at the most."""

    def __init__(self) -> None:
        self.now: dict[int, int] = {}
        self.most = 0

    def enter(self, block: int) -> None:
        self.now[block] = self.now.get(block, 0) + 1
        self.most = max(self.most, len(self.now))

    def leave(self, block: int) -> None:
        self.now[block] -= 1
        if not self.now[block]:
            del self.now[block]


watch = Watch()


@call.unordered
async def work(block: int, seconds: float = 1.0) -> int:
    watch.enter(block)
    try:
        await asyncio.sleep(seconds)
    finally:
        watch.leave(block)
    return block


@call.reads("web")
async def read(block: int) -> int:
    return await work.fn(block)


@call.writes("log")
async def put(block: int) -> int:
    watch.enter(block)
    await asyncio.sleep(1)
    watch.leave(block)
    return block


@call.unordered
async def parts(block: int) -> AsyncIterator[int]:
    watch.enter(block)
    try:
        for part in range(3):
            await asyncio.sleep(1)
            yield part
    finally:
        watch.leave(block)


@call.unordered
async def broken(block: int) -> int:
    await work.fn(block)
    raise ValueError(block)


SHARED = asyncio.Semaphore(3)


def taken(run: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[Any, int, float]:
    """What a flow gives, how many blocks were under way at the most, and how long it took."""
    global watch
    watch = Watch()
    with VirtualClock(validate=True) as clock:
        found = clock.run(run())
        return found, watch.most, clock.now


async def once(sem: Any, block: int) -> int:
    async with sem:
        return await work(block)


@flow
async def gathered(sem: Any, count: int) -> list[int]:
    return await asyncio.gather(*(once(sem, block) for block in range(count)))


@pytest.mark.parametrize("kind", [asyncio.Semaphore, asyncio.BoundedSemaphore])
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_as_many_blocks_as_it_lets_in(kind: Any, size: int) -> None:
    found, most, time = taken(lambda: gathered(kind(size), 10))
    assert found == list(range(10))
    assert most == min(size, 10)
    assert time == -(-10 // min(size, 10))


def test_a_lock_lets_in_one() -> None:
    assert taken(lambda: gathered(asyncio.Lock(), 4)) == ([0, 1, 2, 3], 1, 4.0)


@flow
async def all_read(sem: Any) -> list[int]:
    async def one(block: int) -> int:
        async with sem:
            return await read(block)

    return await asyncio.gather(*(one(block) for block in range(4)))


def test_without_it_blocks_run_in_order() -> None:
    assert taken(lambda: all_read(asyncio.Semaphore(4))) == ([0, 1, 2, 3], 4, 1.0)
    with without("semaphores"):
        assert taken(lambda: all_read(asyncio.Semaphore(4))) == ([0, 1, 2, 3], 1, 4.0)
        assert taken(lambda: gathered(asyncio.Semaphore(2), 4)) == ([0, 1, 2, 3], 1, 4.0)


async def of_module(block: int) -> int:
    async with SHARED:
        return await work(block)


@flow
async def tasks_of_module() -> list[int]:
    tasks = [asyncio.create_task(of_module(block)) for block in range(6)]
    return [await task for task in tasks]


@flow
async def closed_over() -> list[int]:
    sem = asyncio.Semaphore(3)

    async def one(block: int) -> int:
        async with sem:
            return await work(block)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(block)) for block in range(6)]
    return [task.result() for task in tasks]


class Client:
    def __init__(self) -> None:
        self.sem = asyncio.Semaphore(3)
        self.asked = 0

    async def ask(self, block: int) -> int:
        async with self.sem:
            self.asked += 1
            return await work(block)


@flow
async def of_an_object() -> list[int]:
    client = Client()
    return await asyncio.gather(*[client.ask(block) for block in range(6)])


@flow
async def one_after_the_other() -> list[int]:
    sem = asyncio.Semaphore(3)
    out = []
    for block in range(6):
        async with sem:
            out.append(await work(block))
    return out


@pytest.mark.parametrize("made", [tasks_of_module, closed_over, of_an_object, one_after_the_other])
def test_wherever_it_is_held(made: Any) -> None:
    assert taken(made) == (list(range(6)), 3, 2.0)
    assert SHARED._value == 3


@flow
async def several_calls(sem: Any) -> list[int]:
    async def one(block: int) -> int:
        async with sem:
            both = await asyncio.gather(work(block), work(block))
            return sum(both) + await work(block)

    return await asyncio.gather(*(one(block) for block in range(4)))


def test_a_block_keeps_its_place_for_all_that_it_calls() -> None:
    found, most, time = taken(lambda: several_calls(asyncio.Semaphore(2)))
    assert (found, most, time) == ([0, 3, 6, 9], 2, 2.0)


@flow
async def reads_then_writes(sem: Any) -> list[int]:
    async def one(block: int) -> int:
        async with sem:
            await work(block, 5.0 - block)
            return await put(block)

    return await asyncio.gather(*(one(block) for block in range(4)))


def test_writes_in_blocks_never_wait_for_places_of_those_that_wait_for_them() -> None:
    found, most, _ = taken(lambda: reads_then_writes(asyncio.Semaphore(2)))
    assert (found, most) == ([0, 1, 2, 3], 2)


@flow
async def streams(sem: Any, writes: bool) -> list[int]:
    async def one(block: int) -> int:
        found = 0
        async with sem:
            if block == 0:
                await work(block, 10.0)
            async for part in parts(block):
                found += part
                if writes:
                    await put(block)
        return found

    return await asyncio.gather(*(one(block) for block in range(4)))


def test_streams_have_places_but_hold_up_nobody() -> None:
    found, most, _ = taken(lambda: streams(asyncio.Semaphore(2), False))
    assert (found, most) == ([3] * 4, 2)
    found, _, _ = taken(lambda: streams(asyncio.Semaphore(1), True))
    assert found == [3] * 4


@flow
async def nested(outer: Any, inner: Any) -> list[int]:
    async def one(block: int) -> int:
        async with outer, inner:
            return await work(block)

    async def other(block: int) -> int:
        async with inner, outer:
            return await work(block)

    return await asyncio.gather(*(one(block) if block % 2 else other(block) for block in range(6)))


def test_one_in_another_whichever_is_the_outer_one() -> None:
    found, most, time = taken(lambda: nested(asyncio.Semaphore(2), asyncio.Semaphore(3)))
    assert (found, most, time) == (list(range(6)), 2, 3.0)


@flow
async def that_fail(sem: Any) -> list[Any]:
    async def one(block: int) -> int:
        async with sem:
            return await (broken(block) if block % 2 else work(block))

    return await asyncio.gather(*(one(block) for block in range(6)), return_exceptions=True)


def test_those_that_fail_give_their_place_back() -> None:
    sem = asyncio.BoundedSemaphore(2)
    found, most, time = taken(lambda: that_fail(sem))
    assert [str(v) for v in found] == ["0", "1", "2", "3", "4", "5"]
    assert (most, time) == (2, 3.0)
    assert sem._value == 2


def test_a_semaphore_that_others_hold_is_waited_for() -> None:
    async def main() -> tuple[list[int], int]:
        sem = asyncio.Semaphore(2)
        await sem.acquire()
        await sem.acquire()
        run = asyncio.ensure_future(gathered(sem, 3))
        await asyncio.sleep(5)
        assert watch.most == 0
        sem.release()
        await asyncio.sleep(1.5)
        sem.release()
        return await run, sem._value

    found, most, _ = taken(main)
    assert found == ([0, 1, 2], 2)
    assert most <= 2


async def again(lock: Any) -> None:
    async with lock, lock:
        await work(1)


@flow
async def twice() -> None:
    lock = asyncio.Lock()
    task = asyncio.create_task(again(lock))
    await task


def test_a_task_that_waits_for_itself_is_told_so() -> None:
    with VirtualClock() as clock, pytest.raises(UnsupportedConstruct, match="this Lock"):
        clock.run(twice())


@flow
async def beside_a_limit(sem: Any) -> list[int]:
    async def one(block: int) -> int:
        async with sem:
            return await few(block)

    return await asyncio.gather(*(one(block) for block in range(6)), few(6), few(7))


@call.unordered(limit=2)
async def few(block: int) -> int:
    return await work.fn(block)


def test_a_limit_of_the_call_holds_as_well() -> None:
    for size in (1, 2, 3):
        found, most, _ = taken(lambda size=size: beside_a_limit(asyncio.Semaphore(size)))  # type: ignore[misc]
        assert (found, most) == (list(range(8)), 2)


async def told(sem: asyncio.Semaphore, block: int) -> int:
    async with sem:
        return await work(block)


@flow
async def all_told(count: int) -> list[int]:
    sem = asyncio.Semaphore(2)
    return await asyncio.gather(*(told(sem, block) for block in range(count)))


def test_explain_says_that_they_hold_up_nothing() -> None:
    found = str(explain(all_told))
    assert "as many blocks are under way as it lets in" in found
    assert "Nothing is known of asyncio" not in found
    assert "enters and leaves in order" in str(explain(gathered))  # where nothing says what it is
