"""Calls that are made once more when they take unusually long."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from stretto import call, errors, flow
from stretto.limits.hedges import Latencies
from stretto.testing import VirtualClock

made: list[tuple[int, float]] = []
cancelled: list[int] = []


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    made.clear()
    cancelled.clear()
    yield


def service(seed: int, slow: float = 20.0) -> Any:
    """Takes about 0.1 s, and one time in thirty, for no reason of the call's, much longer."""
    draw = random.Random(seed)

    async def answer(n: int) -> int:
        seconds = draw.uniform(0.08, 0.12)
        if draw.random() < 1 / 30:
            seconds *= slow * draw.random() + 1
        made.append((n, seconds))
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            cancelled.append(n)
            raise
        return n * n

    return answer


def percentile(declared: Any, n: int) -> float:
    """How long the slowest hundredth of calls takes, one after the other."""
    took: list[float] = []

    @flow
    def one(i: int) -> int:
        return declared(i)

    for i in range(n):
        before = asyncio_now()
        assert one(i) == i * i
        took.append(asyncio_now() - before)
    return sorted(took)[n * 99 // 100]


def asyncio_now() -> float:
    assert clocks
    return clocks[-1].now


clocks: list[VirtualClock] = []


@pytest.mark.parametrize("seed", range(3))
def test_the_slowest_hundredth_is_halved_for_few_calls_more(seed: int) -> None:
    plain, twice = call.unordered(service(seed)), call.unordered(hedge=0.95)(service(seed))
    with VirtualClock() as clock:
        clocks.append(clock)
        alone = percentile(plain, 2000)
        made.clear()
        hedged = percentile(twice, 2000)
    clocks.clear()
    assert hedged <= alone / 2
    assert len(made) <= 2000 * 1.06
    assert len(cancelled) == len(made) - 2000  # nobody waits for the slower ones


def test_a_service_that_is_slow_as_a_whole_is_not_asked_twice() -> None:
    slow = False

    @call.unordered(hedge=0.9)
    async def ask(n: int) -> int:
        made.append((n, 0))
        await asyncio.sleep(2 if slow else 0.1)
        return n

    @flow
    def many(n: int) -> int:
        return sum([ask(i) for i in range(n)])

    with VirtualClock():
        many(200)
        slow = True
        made.clear()
        many(500)
    assert len(made) <= 500 * 1.12 + 10


def test_failures() -> None:
    fails: list[int] = []

    @call.unordered(hedge=0.5)
    async def ask(n: int) -> int:
        attempt = len([m for m, _ in made if m == n])
        made.append((n, 0))
        await asyncio.sleep(1 if n == 100 and not attempt else 0.1)
        if (n, attempt) in [(100, a) for a in fails]:
            raise LookupError(n, attempt)
        return attempt

    @flow
    def warm() -> int:
        return len([ask(i) for i in range(50)])

    @flow
    def last() -> int:
        return ask(100)

    for fails, expected in (([1], 0), ([0], 1), ([], 1)):
        with VirtualClock():
            warm()
            made.clear()
            assert last() == expected
    fails = [0, 1]
    with VirtualClock():
        warm()
        made.clear()
        with pytest.raises(LookupError) as told:
            last()
    assert told.value.args == (100, 0)


def test_a_second_attempt_takes_a_place_where_one_is_free() -> None:
    @call.unordered(hedge=0.5, limit=1)
    async def ask(n: int) -> int:
        made.append((n, 0))
        await asyncio.sleep(1 if n == 100 else 0.1)
        return n

    @flow
    def all_of_them() -> int:
        return sum([ask(i) for i in range(50)]) + ask(100)

    with VirtualClock():
        assert all_of_them() == 1325
    assert len(made) == 51


def test_a_run_that_ends_cancels_both(tmp_path: Path) -> None:
    @call.unordered(hedge=0.9, timeout=5)
    async def ask(n: int) -> int:
        made.append((n, 0))
        try:
            await asyncio.sleep(1000 if n == 100 else 0.1 + n / 1000)
        except asyncio.CancelledError:
            cancelled.append(n)
            raise
        return n

    @flow
    def all_of_them(last: int) -> int:
        return sum([ask(i) for i in range(50)]) + ask(last)

    program = all_of_them.using(journal=tmp_path / "journal.db")
    with VirtualClock():
        assert program(1) == 1226
        with pytest.raises(TimeoutError):
            program(100)
    assert cancelled.count(100) == 2


def test_outside_of_flows() -> None:
    declared = call.unordered(hedge=0.9)(service(5))
    with VirtualClock():
        assert [declared(n) for n in range(200)] == [n * n for n in range(200)]
    assert 200 < len(made) < 230


@pytest.mark.parametrize("hedge", [0, 1, 1.5, "0.9", True])
def test_a_wrong_quantile(hedge: Any) -> None:
    with pytest.raises(
        errors.DeclarationError, match=r"the option hedge= is .* a number between 0 and 1; found"
    ):
        call.unordered(hedge=hedge)


def test_what_cannot_be_made_twice() -> None:
    with pytest.raises(
        errors.DeclarationError, match="write changes the world, and hedge= would make it twice"
    ):

        @call.writes("log", hedge=0.9)
        async def write(n: int) -> None: ...

    with pytest.raises(errors.DeclarationError, match="slow is not async"):

        @call.unordered(hedge=0.9)
        def slow(n: int) -> None: ...

    with pytest.raises(errors.DeclarationError, match="stream gives a stream"):

        @call.unordered(hedge=0.9)
        async def stream(n: int) -> AsyncIterator[int]:
            yield n


def test_latencies() -> None:
    latencies = Latencies(0.5)
    assert latencies.patience() is None
    for n in range(1000):
        latencies.took(n)
    assert latencies.patience() == 744 + 128
    for _ in range(30):
        latencies.patience()
    assert [latencies.spend() for _ in range(10)] == [True] * 8 + [False] * 2
