"""``async def`` flows: what they give, where they run, and what is recorded of them."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import call, flow
from stretto.journal.configured import shared
from stretto.testing import VirtualClock
from tests.waiting import PATIENCE, until

made: list[object] = []
stop: list[object] = []


@pytest.fixture(autouse=True)
def clean() -> None:
    made.clear()
    stop.clear()


@call.unordered
async def ask(x: object) -> str:
    made.append(("ask", x))
    await asyncio.sleep(1000 if ("ask", x) in stop else 0.01)
    return f"about {x}"


@call.writes("log")
async def write(x: object) -> int:
    made.append(("write", x))
    return len(made)


async def both(x: object) -> str:
    first = await ask(x)  # type: ignore[misc]
    return first + ", " + await ask(first)  # type: ignore[misc]


async def native(x: str) -> str:
    """No call in it: it stays what it is."""
    await asyncio.sleep(0.001)
    return f"{x} in {threading.current_thread().name}"


@flow
async def digest(xs: list[str]) -> list[str]:
    """What it says."""
    found = []
    for x in xs:
        found.append(await both(x))
    await write(found)  # type: ignore[misc]
    return found


ABOUT = [f"about {x}, about about {x}" for x in "abc"]


def test_a_call_of_the_flow_gives_a_coroutine() -> None:
    work = digest(["a"])
    assert inspect.iscoroutine(work)
    assert made == []
    assert asyncio.run(work) == ABOUT[:1]
    assert digest.__doc__ == "What it says."


def test_ways_to_run() -> None:
    assert digest.start(list("abc")).result(PATIENCE) == ABOUT
    assert digest.sequential(list("abc")) == ABOUT
    assert asyncio.run(digest.aio(list("abc"))) == ABOUT

    async def inside() -> None:
        assert await digest(list("abc")) == ABOUT
        assert digest.sequential(list("abc")) == ABOUT  # blocks, on a loop of its own
        first, second = await asyncio.gather(digest(["a"]), digest(["b"]))
        assert first + second == ABOUT[:2]

    asyncio.run(inside())
    with VirtualClock() as clock:
        assert clock.run(digest(list("abc"))) == ABOUT
        assert clock.now == pytest.approx(0.02)  # not 0.06
        assert digest.sequential(list("abc")) == ABOUT
        assert clock.now == pytest.approx(0.08)


class Reader:
    def __init__(self, name: str) -> None:
        self.name = name

    @flow
    async def read(self, x: str) -> str:
        return self.name + ": " + await both(x)


def test_a_method_may_be_an_async_flow() -> None:
    reader = Reader("I")
    wanted = f"I: {ABOUT[0]}"
    assert reader.read.start("a").result(PATIENCE) == wanted
    assert reader.read.sequential("a") == wanted
    assert asyncio.run(reader.read("a")) == asyncio.run(reader.read.aio("a")) == wanted
    assert asyncio.run(reader.read.using(journal=None)("a")) == wanted


@flow
async def mixed(x: str) -> list[str]:
    loop = asyncio.get_running_loop
    where = await native(await ask(x))  # type: ignore[misc]
    inner = await digest([where])
    return [where, *inner, str(loop is not None)]


def test_other_coroutines_run_on_the_loop() -> None:
    me = threading.current_thread().name
    assert asyncio.run(mixed("a"))[0] == f"about a in {me}"
    assert mixed.start("a").result(PATIENCE)[0] == "about a in stretto-loop"


def test_an_async_call_is_awaited_in_async_code_and_gives_its_value_elsewhere() -> None:
    def plain() -> str:
        return ask("plain")

    async def inside() -> list[Any]:
        unused = ask("never")
        assert inspect.iscoroutine(unused)
        unused.close()
        lazily = [await x for x in (ask(i) for i in "ab")]  # type: ignore[misc]
        gathered = await asyncio.gather(*map(ask, "cd"))  # type: ignore[arg-type]
        return [plain(), await ask("x"), await ask.aio("y"), *lazily, *gathered]  # type: ignore[misc]

    assert asyncio.run(inside()) == [f"about {x}" for x in ("plain", *"xyabcd")]
    assert ("ask", "never") not in made


def test_a_coroutine_that_nobody_awaits_is_warned_of() -> None:
    @flow
    async def forgetful() -> int:
        ask("never")
        return await write(1)  # type: ignore[misc, no-any-return]

    with pytest.warns(RuntimeWarning, match="never awaited"):
        assert asyncio.run(forgetful()) == 1
        import gc

        gc.collect()
    assert made == [("write", 1)]


def test_timeouts_and_cancellation() -> None:
    stop.append(("ask", "a"))

    @flow(timeout=0.05)
    async def slow() -> str:
        return await ask("a")  # type: ignore[misc, no-any-return]

    with pytest.raises(TimeoutError, match="slow took longer"):
        asyncio.run(slow())

    async def cancelled() -> None:
        task = asyncio.create_task(digest(["a"]))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    run = digest.start(["a"])
    run.cancel()
    with pytest.raises(stretto.errors.Cancelled):
        run.result(PATIENCE)


def test_a_flow_with_a_timeout_in_a_flow() -> None:
    stop.append(("ask", "a"))

    @flow(timeout=0.05)
    async def slow() -> str:
        return await ask("a")  # type: ignore[misc, no-any-return]

    @flow
    async def around() -> list[str]:
        found = []
        for work in (slow, slow):
            try:
                found.append(await work())
            except TimeoutError:
                found.append("late")
        later = slow()
        try:
            found.append(await later)
        except TimeoutError:
            found.append("later")
        return found

    with VirtualClock() as clock:
        assert clock.run(around()) == ["late", "late", "later"]


async def whole(x: str) -> list[str]:
    return await asyncio.gather(ask(x), ask(x + x))  # type: ignore[arg-type]


uncompiled = functools.partial(whole)


@flow
async def recorded(xs: list[str]) -> list[str]:
    found = [await ask(x) for x in xs]  # type: ignore[misc]
    found += await uncompiled(found[0])
    done = await write(len(found))  # type: ignore[misc]
    found.append(await ask("last" if done else ""))  # type: ignore[misc]
    return found


def test_a_run_is_taken_up(tmp_path: Path) -> None:
    program = recorded.using(journal=tmp_path / "journal.sqlite")
    stop.append(("ask", "last"))
    run = program.start(["a", "b"])
    until(lambda: ("ask", "last") in made, lambda: made)  # so the write has ended
    run.interrupt()
    shared(program.journal or "").flush()
    before = list(made)
    assert ("write", 4) in before
    made.clear()
    stop.clear()
    expected = ["about a", "about b", "about about a", "about about aabout a", "about last"]
    assert stretto.resume(run.id, journal=program.journal).result(PATIENCE) == expected
    assert made == [("ask", "last")]


@call.reads("web")
async def fetch(x: int) -> list[int]:
    made.append(("fetch", x))
    await asyncio.sleep(x)
    return [x, x]


@call.unordered
async def digest_of(x: int) -> int:
    made.append(("digest", x))
    await asyncio.sleep(1)
    return x


@flow
async def gathered() -> list[int]:
    found = await asyncio.gather(*(fetch(x) for x in (1, 3, 2)))  # type: ignore[arg-type, var-annotated]
    return [await digest_of(hits[0]) for hits in found]


def test_what_follows_starts_on_the_first_element() -> None:
    with VirtualClock(validate=True) as clock:
        assert clock.run(gathered()) == [1, 3, 2]
        assert clock.now == pytest.approx(4)  # the longest, and its digest
    assert made.index(("digest", 1)) < made.index(("digest", 2)) < made.index(("digest", 3))


def test_functions_that_need_the_loop_are_refused() -> None:
    @flow
    async def later() -> None:
        work = asyncio.gather(digest_of(1))  # type: ignore[arg-type, call-overload]
        await work

    @flow
    async def timed() -> None:
        async with asyncio.timeout(1):
            await digest_of(1)  # type: ignore[misc]

    @flow
    async def whenever() -> None:
        works = asyncio.as_completed([digest_of(1)])  # type: ignore[list-item]
        for work in works:
            await work

    refused = {later: "gather", timed: "timeout"}
    for program, word in {**refused, whenever: "as_completed"}.items():
        with pytest.raises(stretto.errors.UnsupportedConstruct, match=f"asyncio.{word}") as caught:
            asyncio.run(program())
        assert caught.value.lineno
        assert __file__ in str(caught.value)
    assert made == []


async def in_time(xs: list[int]) -> list[int]:
    """Not taken apart: it runs as a whole, as asyncio runs it."""
    async with asyncio.timeout(1000), asyncio.TaskGroup() as group:
        tasks = [group.create_task(digest_of.aio(x)) for x in xs]
    return [task.result() for task in tasks]


def test_a_helper_that_cannot_be_taken_apart_runs_as_a_whole() -> None:
    @flow
    async def around() -> list[int]:
        return await in_time([1, 2]) + await in_time([await digest_of(3)])  # type: ignore[misc]

    with VirtualClock() as clock:
        assert clock.run(around()) == [1, 2, 3]
    assert asyncio.run(around()) == [1, 2, 3]
    assert around.sequential() == [1, 2, 3]


def test_waiting_for_what_has_no_end_is_no_hang() -> None:
    @flow
    async def waits() -> str:
        lock = asyncio.Lock()
        async with lock:
            await digest_of(1)  # type: ignore[misc]
        queue: asyncio.Queue[str] = asyncio.Queue()
        await queue.put("in")
        try:
            await asyncio.wait_for(queue.get(), 5)
            await asyncio.wait_for(queue.get(), 0.01)
        except TimeoutError:
            return "late"
        return "there"

    assert asyncio.run(waits()) == "late"
    with VirtualClock() as clock:
        assert clock.run(waits()) == "late"


class Client:
    @call.reads("web")
    async def get(self, path: str) -> str:
        await asyncio.sleep(0.01)
        return path

    async def page(self, path: str) -> str:
        return await self.get(path) + await self.get(path + "/next")


@flow
async def crawled(client: Client, paths: list[str]) -> list[str]:
    found = [await client.get(path) for path in paths]
    return found + [await client.page(path) for path in paths]


def test_calls_that_are_methods_overlap() -> None:
    with VirtualClock() as clock:
        assert clock.run(crawled(Client(), ["a", "b"])) == ["a", "b", "aa/next", "bb/next"]
        assert clock.now == pytest.approx(0.01)


def test_a_run_that_nobody_awaits_goes_by_its_name() -> None:
    with pytest.warns(RuntimeWarning, match="coroutine 'digest' was never awaited"):
        digest(["a"])
        import gc

        gc.collect()
