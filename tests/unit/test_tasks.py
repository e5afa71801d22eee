"""Tasks of flows: `asyncio.create_task` and task groups. That they overlap, and what they refuse."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import call, flow
from stretto.errors import UnsupportedConstruct
from stretto.testing import VirtualClock
from tests.unit.steps import lines_run
from tests.waiting import PATIENCE

made: list[object] = []
#: So long are calls, in these.
UNIT = 0.01


@pytest.fixture(autouse=True)
def clean() -> None:
    made.clear()


@call.unordered
async def ask(x: int) -> int:
    await asyncio.sleep(x * UNIT)
    made.append(("asked", x))
    return x


@call.reads("web")
async def fetch(x: int) -> list[int]:
    await asyncio.sleep(UNIT)
    return [10 * x, 10 * x + 1] if x < 100 else []


@call.writes("log")
async def write(x: object) -> None:
    await asyncio.sleep(UNIT)
    made.append(x)


@call.unordered
async def refuse(x: int) -> int:
    await asyncio.sleep(x * UNIT)
    raise ValueError(x)


def timed(work: Coroutine[Any, Any, Any]) -> tuple[Any, float]:
    with VirtualClock(validate=True) as clock:
        return clock.run(work), clock.now / UNIT


async def asks_and_writes(x: int) -> int:
    n = await ask(x)  # type: ignore[misc]
    await write(n)  # type: ignore[misc]
    return n  # type: ignore[no-any-return]


def test_tasks_overlap() -> None:
    @flow
    async def gathered(xs: list[int]) -> list[int]:
        tasks = [asyncio.create_task(asks_and_writes(x)) for x in xs]
        return await asyncio.gather(*tasks)

    @flow
    async def one_by_one(xs: list[int]) -> list[int]:
        tasks = [asyncio.create_task(asks_and_writes(x)) for x in xs]
        return [await task for task in tasks]

    @flow
    async def grouped(xs: list[int]) -> list[int]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asks_and_writes(x)) for x in xs]
        return [task.result() for task in tasks]

    for program in (gathered, one_by_one, grouped):
        made.clear()
        found, took = timed(program([5, 3, 4]))
        assert found == [5, 3, 4]
        assert took == pytest.approx(8)  # the longest, and three writes, one after the other
        assert made == [("asked", 3), ("asked", 4), ("asked", 5), 5, 3, 4]
        assert asyncio.run(program([0, 0])) == program.sequential([0, 0]) == [0, 0]


def test_what_follows_starts_on_the_first_result() -> None:
    @flow
    async def program() -> list[int]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(x)) for x in (1, 5)]  # type: ignore[arg-type, var-annotated]
        return [await ask(task.result()) for task in tasks]  # type: ignore[misc]

    found, took = timed(program())
    assert found == [1, 5]
    assert took == pytest.approx(10)
    assert made[1] == ("asked", 1), "not only when the group has ended"


def test_a_tree_of_groups_overlaps() -> None:
    async def crawl(x: int) -> list[Any]:
        kids = await fetch(x)  # type: ignore[misc]
        tasks = []
        async with asyncio.TaskGroup() as group:
            for kid in kids:
                tasks.append(group.create_task(crawl(kid)))
        return [x, [task.result() for task in tasks]]

    @flow
    async def tree() -> list[Any]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(crawl(x)) for x in range(1, 4)]
        return [task.result() for task in tasks]

    found, took = timed(tree())
    assert took == pytest.approx(3)
    assert found == tree.sequential()


def test_a_handler_around_each() -> None:
    @flow
    async def program() -> list[int]:
        works: Any = (ask(3), refuse(1), ask(2))
        tasks: list[asyncio.Task[int]] = [asyncio.create_task(work) for work in works]
        found = []
        for task in tasks:
            try:
                found.append(await task)
            except ValueError:
                found.append(0)
        return found

    found, took = timed(program())
    assert found == [3, 0, 2]
    assert took == pytest.approx(3)


def test_a_failure_of_a_group() -> None:
    """All of its tasks run; what failed is raised at its end, in the order in which the tasks were made."""

    @flow
    async def program() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(refuse(3))  # type: ignore[arg-type]
            group.create_task(asks_and_writes(1))
            group.create_task(refuse(2))  # type: ignore[arg-type]

    for run in (lambda: timed(program()), program.sequential, lambda: asyncio.run(program())):
        made.clear()
        with pytest.raises(ExceptionGroup, match="unhandled errors in a TaskGroup") as caught:
            run()
        assert list(map(repr, caught.value.exceptions)) == ["ValueError(3)", "ValueError(2)"]
        assert 1 in made


def test_the_block_of_a_group_is_left_where_its_tasks_have_failed() -> None:
    @flow
    async def program() -> list[str]:
        log = []
        try:
            async with asyncio.TaskGroup() as group:
                first = group.create_task(ask(1))  # type: ignore[arg-type, var-annotated]
                group.create_task(refuse(1))  # type: ignore[arg-type]
                try:
                    await first
                    log.append("never")
                except asyncio.CancelledError:
                    log.append("cancelled")
                    raise
        except ExceptionGroup as error:
            log.append(repr(error.exceptions[0]))
        log.append(f"{first.result()}")
        return log

    expected = ["cancelled", "ValueError(1)", "1"]
    assert program.sequential() == timed(program())[0] == asyncio.run(program()) == expected


def test_a_failing_flow_leaves_what_has_not_begun() -> None:
    @flow
    async def program() -> None:
        asyncio.create_task(asks_and_writes(1))
        raise KeyError

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for run in (lambda: timed(program()), program.sequential, lambda: asyncio.run(program())):
            with pytest.raises(KeyError):
                run()
        gc.collect()
    assert made == []


def test_what_has_no_order_is_refused() -> None:
    @flow
    async def beside() -> None:
        event = asyncio.Event()
        task = asyncio.create_task(asks_and_writes(1))
        await event.wait()
        await task

    async def waits(queue: asyncio.Queue[int]) -> int:
        await ask(1)  # type: ignore[misc]
        return await queue.get()

    @flow
    async def inside() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(waits(queue))

    @flow
    async def told() -> None:
        task = asyncio.create_task(asks_and_writes(1))
        task.add_done_callback(print)

    for program, word in ((beside, "tasks have not begun"), (told, "add_done_callback")):
        with pytest.raises(UnsupportedConstruct, match=word) as caught:
            asyncio.run(program())
        assert __file__ in str(caught.value)
    with pytest.raises(ExceptionGroup) as group:
        asyncio.run(inside())
    assert "waits for what another task does with this Queue" in str(group.value.exceptions[0])


def test_a_task_that_another_one_is_to_await_is_made_before_it() -> None:
    async def waits(tasks: list[asyncio.Task[int]]) -> int:
        await ask(1)  # type: ignore[misc]
        return await tasks[0]

    @flow
    async def wrong() -> int:
        tasks: list[asyncio.Task[int]] = []
        first = asyncio.create_task(waits(tasks))
        tasks.append(asyncio.create_task(asks_and_writes(1)))
        return await first

    @flow
    async def right() -> int:
        tasks = [asyncio.create_task(asks_and_writes(1))]
        return await asyncio.create_task(waits(tasks))

    with pytest.raises(UnsupportedConstruct, match="Make it before the task that awaits it"):
        asyncio.run(wrong())
    assert asyncio.run(right()) == right.sequential() == 1


def test_what_is_made_of_each_that_is_completed_overlaps() -> None:
    @flow
    async def program(xs: list[int]) -> list[int]:
        found = []
        for work in asyncio.as_completed([ask(x) for x in xs]):  # type: ignore[arg-type, var-annotated]
            found.append(await ask(await work))  # type: ignore[misc]
        return found

    found, took = timed(program([5, 1, 3]))
    assert found == [5, 1, 3], "in the order in which they were given"
    assert took == pytest.approx(10)
    assert made[:2] == [("asked", 1), ("asked", 1)], "each as soon as it has come"
    assert program.sequential([0, 1]) == [0, 1]


def test_waiting_for_some() -> None:
    @flow
    async def program(xs: list[int]) -> list[int]:
        left = {asyncio.create_task(ask(x)) for x in xs}  # type: ignore[arg-type, var-annotated]
        found: list[int] = []
        while left:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            found += [task.result() for task in done]
        return sorted(found)

    found, took = timed(program([3, 1, 2]))
    assert found == [1, 2, 3]
    assert took == pytest.approx(3)

    @flow
    async def again() -> None:
        for work in asyncio.as_completed([ask(1), ask(2)]):  # type: ignore[list-item]
            await work
            await work

    with pytest.raises(UnsupportedConstruct, match="once, in the loop over it"):
        asyncio.run(again())

    @flow
    async def limited() -> None:
        await asyncio.wait([asyncio.create_task(ask(1))], timeout=1)  # type: ignore[arg-type]

    with pytest.raises(UnsupportedConstruct, match="no timeout"):
        asyncio.run(limited())


@flow
async def recorded(xs: list[int]) -> list[int]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asks_and_writes(x)) for x in xs]
    await ask.aio(0)
    return [task.result() for task in tasks]


def test_what_tasks_have_done_is_recorded(tmp_path: Path) -> None:
    """Each call in a task has the place where the task was made: another run finds it there."""
    url = str(tmp_path / "runs.db")
    run = recorded.using(journal=url).start([0, 0])
    assert run.result(PATIENCE) == [0, 0]
    assert made.count(("asked", 0)) == 3
    assert made.count(0) == 2
    again = stretto.fork(run.id, before="ask.aio", journal=url)
    assert again.result(PATIENCE) == [0, 0]
    assert made[5:] == [("asked", 0)]


@flow
async def completes(count: int) -> int:
    total = 0
    for work in asyncio.as_completed([ask(1) for _ in range(count)]):  # type: ignore[misc]
        total += await work
    return total


@flow
async def cancels(count: int) -> int:
    tasks = [asyncio.create_task(asks_and_writes(1)) for _ in range(count)]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return sum(task.cancelled() for task in tasks)


@pytest.mark.parametrize("which", [completes, cancels], ids=["completes", "cancels"])
def test_many_tasks_cost_each_the_same(which: Any) -> None:
    def steps(count: int) -> int:
        with VirtualClock() as clock:
            return lines_run(lambda: clock.run(which(count)))

    steps(10)
    assert steps(400) < 5 * steps(100)
