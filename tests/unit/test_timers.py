"""A flow with a timeout that is called in a flow."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from stretto import call, flow
from stretto.testing import VirtualClock

written: list[object] = []
cancelled: list[float] = []


@call.unordered
async def rest(seconds: float) -> float:
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        cancelled.append(seconds)
        raise
    return seconds


@call.writes("log")
async def write(what: object) -> None:
    written.append(what)


@flow(timeout=3)
def hurried(xs: list[float]) -> float:
    total = 0.0
    for x in xs:
        total += rest(x)
        write(x)
    return total


@flow
def outer(first: float, xs: list[float]) -> tuple[float, object, float]:
    before = rest(first)
    try:
        found: object = hurried(xs)
    except TimeoutError as error:
        found = str(error)
    write("end")
    return before, found, rest(1)


@flow
def bare(xs: list[float]) -> float:
    rest(1)
    return hurried(xs)


@pytest.fixture(autouse=True)
def clean() -> None:
    written.clear()
    cancelled.clear()


def test_in_time() -> None:
    with VirtualClock(validate=True) as clock:
        assert outer(2, [1, 1, 1, 2]) == (2, 5, 1)
        assert clock.now < 2.1  # a part of the run: all its calls at once, and with the others
    assert written == [1, 1, 1, 2, "end"]


def test_too_late() -> None:
    with VirtualClock(validate=True) as clock:
        assert outer(0.5, [1, 10, 1]) == (0.5, "the flow hurried took longer than its timeout of 3 s", 1)
        assert 3.5 <= clock.now < 3.6
    assert written == [1, "end"]
    assert cancelled == [10]


def test_its_seconds_count_from_its_turn() -> None:
    """Run line by line it begins when the call before it has ended."""
    with VirtualClock(validate=True) as clock:
        assert outer(20, [22, 1]) == (20, 23, 1)
        assert 22 <= clock.now < 22.1


def test_the_traceback_names_the_call() -> None:
    with VirtualClock(validate=True), pytest.raises(TimeoutError, match="hurried") as caught:
        bare([5])
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-1] == "bare"
    assert cancelled == [5]


def test_a_failure_before_it_comes_first() -> None:
    @call.unordered
    async def fail() -> None:
        await asyncio.sleep(5)
        raise KeyError(1)

    @flow
    def main() -> float:
        fail()
        return hurried([100])

    with VirtualClock(validate=True) as clock:
        with pytest.raises(KeyError):
            main()
        assert clock.now < 5.1


def test_its_own_failure_stops_its_clock() -> None:
    @flow(timeout=2)
    def fails(x: int) -> int:
        rest(1)
        return 1 // x

    @flow
    def main() -> str:
        try:
            fails(0)
        except ZeroDivisionError:
            rest(10)
        return "went on"

    with VirtualClock(validate=True):
        assert main() == "went on"


def test_one_in_another_and_in_a_loop() -> None:
    @flow(timeout=10)
    def several(n: int) -> list[float]:
        return [hurried([1, i + 0.0]) for i in range(n)]

    @flow
    def main() -> list[object]:
        found: list[object] = []
        for n in (2, 3, 30):
            try:
                found.append(several(n))
            except TimeoutError as error:
                found.append(str(error).split()[2].rpartition(".")[2])
        return found

    with VirtualClock(validate=True):
        # each of the thirty is in time, since all but its last second overlap; together they are not
        assert main() == [[1, 2], [1, 2, 3], "several"]


def test_on_a_real_loop() -> None:
    @flow(timeout=0.05)
    def short() -> float:
        return rest(10)

    @flow
    def main() -> str:
        try:
            short()
        except TimeoutError:
            return "late"
        return "in time"

    assert main() == "late"
    assert asyncio.run(main.aio()) == "late"
    assert cancelled == [10, 10]
