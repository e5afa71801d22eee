"""The ways to run a flow, and how runs end."""

from __future__ import annotations

import asyncio
import gc
import runpy
import threading
import time
import traceback
import weakref
from pathlib import Path

import pytest

from stretto import call, errors, flow
from stretto.testing import VirtualClock
from tests.waiting import PATIENCE, time_is_up, until

entered: list[str] = []
left: list[str] = []


@call.unordered
async def double(x: int) -> int:
    await asyncio.sleep(0.001)
    return 2 * x


@call.unordered
def triple(x: int) -> int:
    return 3 * x


@call.unordered
async def forever(name: str) -> None:
    entered.append(name)
    try:
        await asyncio.sleep(1000)
    finally:
        left.append(name)


@call.unordered
async def boom(x: int) -> int:
    raise ValueError(x)


@flow
def both(xs: list[int]) -> list[int]:
    return [double(triple(x)) for x in xs]


@flow
def stuck() -> None:
    forever("a")
    forever("b")


@flow
def fails(x: int) -> int:
    y = double(x)
    return boom(y) + 1


def test_every_way_to_run_gives_the_same() -> None:
    expected = [6, 12, 18]
    assert both([1, 2, 3]) == expected
    assert both.sequential([1, 2, 3]) == expected
    assert both.start([1, 2, 3]).result() == expected
    assert asyncio.run(both.aio([1, 2, 3])) == expected

    async def inside_a_running_loop() -> list[int]:
        return both([1, 2, 3])

    assert asyncio.run(inside_a_running_loop()) == expected
    found: list[list[int]] = []
    thread = threading.Thread(target=lambda: found.append(both([1, 2, 3])))
    thread.start()
    thread.join()
    assert found == [expected]


def test_a_call_outside_a_flow_simply_runs() -> None:
    assert double(2) == 4
    assert triple(2) == 6
    assert asyncio.run(double.aio(2)) == 4
    assert asyncio.run(triple.aio(2)) == 6


def test_a_flow_called_by_a_call_runs_on_its_own() -> None:
    @call
    def nested(x: int) -> list[int]:
        return both([x])

    @call
    async def nested_on_the_loop(x: int) -> list[int]:
        return both([x])

    @flow
    def outer() -> tuple[list[int], list[int]]:
        return nested(1), nested_on_the_loop(2)

    assert outer() == ([6], [12])


def test_the_failure_shows_the_users_lines() -> None:
    with pytest.raises(ValueError) as caught:
        fails(1)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [f.name for f in frames if f.filename == __file__][-2:] == ["fails", "boom"]
    ours = [f for f in frames if "stretto" in f.filename and f.filename != __file__]
    assert len(ours) <= 1, ours


def test_every_line_of_a_traceback_is_where_its_function_is() -> None:
    """What shows tracebacks closely, as IPython does, looks for the instruction and the function's lines."""

    @flow
    def late(x: int) -> float:
        y = double(x)
        return 1 / (y - 2)

    for program, first in ((fails, fails.fn.__code__), (late, late.fn.__code__)):
        with pytest.raises((ValueError, ZeroDivisionError)) as caught:
            program(1)
        trace = next(t for t in caught.traceback if t.name == first.co_name)
        code = trace.frame.code.raw
        assert code.co_firstlineno == first.co_firstlineno
        assert 0 <= trace._rawentry.tb_lasti < len(code.co_code)
        assert list(code.co_positions())[trace._rawentry.tb_lasti // 2][0] == trace._rawentry.tb_lineno


def test_the_same_text_in_two_files_names_its_own_file(tmp_path: Path) -> None:
    text = (
        "from stretto import call, flow\n\n@call.unordered\ndef ask():\n    raise KeyError\n\n"
        "def helper():\n    return ask()\n\n@flow\ndef main():\n    return helper()\n"
    )
    for name in ("one.py", "two.py"):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(KeyError) as caught:
            runpy.run_path(str(path))["main"]()
        frames = [(f.filename, f.name) for f in traceback.extract_tb(caught.value.__traceback__)]
        assert frames[-3:] == [(str(path), name) for name in ("main", "helper", "ask")]


def test_raising_the_result_again_does_not_lengthen_the_traceback() -> None:
    run = fails.start(1)
    lengths: list[int] = []
    for _ in range(3):
        with pytest.raises(ValueError) as caught:
            run.result()
        lengths.append(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(set(lengths)) == 1


def test_cancel_waits_until_nothing_runs() -> None:
    entered.clear()
    left.clear()
    run = stuck.start()
    until(lambda: len(entered) == 2)
    assert not run.done()
    run.cancel()
    assert run.done()
    assert sorted(left) == ["a", "b"]
    with pytest.raises(errors.Cancelled):
        run.result()


def test_cancel_of_the_task_that_awaits_a_flow() -> None:
    entered.clear()
    left.clear()

    async def main() -> None:
        task = asyncio.create_task(stuck.aio())
        while len(entered) < 2:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(left) == ["a", "b"]

    asyncio.run(main())


def test_timeouts() -> None:
    @call.unordered(timeout=3)
    async def slow(x: int) -> int:
        await asyncio.sleep(5)
        return x

    @flow
    def handled() -> str:
        try:
            slow(1)
        except TimeoutError as error:
            return str(error)
        return "in time"

    @flow(timeout=3)
    def late() -> None:
        forever("late")

    with VirtualClock() as clock:
        assert "slow took longer than its timeout of 3 s" in handled()
        assert 3 <= clock.now < 3.1
        with pytest.raises(TimeoutError, match="late"):
            late()
        assert 6 <= clock.now < 6.2


def test_a_call_cancelled_before_it_began_still_ends() -> None:
    @flow
    def hasty() -> None:
        x = double(1)
        if x == 2:
            raise KeyError(x)
        forever("never")

    with pytest.raises(KeyError):
        hasty()


def test_a_thousand_seconds_take_no_time() -> None:
    @call.unordered
    async def sleep(s: float) -> float:
        await asyncio.sleep(s)
        return s

    @flow
    def long() -> float:
        x = 0.0
        for _ in range(10):
            x += sleep(100)
        return x

    with VirtualClock(seed=3, validate=True) as clock:
        assert long() == 1000
        assert 100 <= clock.now < 101


def test_nothing_of_a_run_outlives_it() -> None:
    before = set(threading.enumerate())
    seen: list[weakref.ref[object]] = []
    for ending in (lambda: both([1]), lambda: pytest.raises(ValueError, fails, 1)):
        ending()
    run = both.start([1, 2])
    run.result()
    seen.append(weakref.ref(run.engine))
    seen.append(weakref.ref(run))
    del run

    def gone() -> bool:
        gc.collect()
        return all(ref() is None for ref in seen)

    until(gone, lambda: [ref() for ref in seen])

    def left() -> list[str]:
        """The threads of this test: the loop, and the pool of threads for sync calls, stay."""
        names = [thread.name for thread in set(threading.enumerate()) - before]
        return [name for name in names if name != "stretto-loop" and not name.startswith("stretto-call_")]

    until(lambda: not left(), left)


def test_user_code_that_may_block_is_kept_off_the_loop() -> None:
    names: list[str] = []

    def unknown() -> None:
        names.append(threading.current_thread().name)

    @call
    def declared() -> None:
        names.append(threading.current_thread().name)

    @flow
    def main() -> None:
        unknown()
        declared()

    main()
    asyncio.run(main.aio())
    assert len(names) == 4
    assert "stretto-loop" not in names
    assert names[0] == threading.current_thread().name
    assert names[2] != threading.current_thread().name


def test_deep_recursion_and_long_loops() -> None:
    @flow
    def down(n: int) -> int:
        if n == 0:
            return 0
        return double(n) - n + down(n - 1)

    assert down(1000) == sum(range(1001))

    @call.unordered
    async def same(i: int) -> int:
        return i

    @flow(limit=100)
    def long(n: int) -> int:
        total = 0
        for i in range(n):
            total += same(i)
        return total

    run = long.start(3000)
    assert run.result() == sum(range(3000))
    assert run.progress().most_running <= 100
    assert run.progress().done >= 3000


def test_what_is_younger_than_a_failure_may_have_no_end() -> None:
    def down(n: int) -> int:
        if n == 0:
            boom(n)
        return down(n - 1) + double(n)

    @flow(limit=100)
    def main(n: int) -> int:
        return down(n)

    with VirtualClock(seed=1, validate=True), pytest.raises(ValueError, match="0"):
        main(6)


def test_limit_of_a_call() -> None:
    running = most = 0

    @call.unordered(limit=3)
    async def counted(i: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1
        return i

    @flow
    def many() -> list[int]:
        return [counted(i) for i in range(10)]

    with VirtualClock() as clock:
        assert many() == list(range(10))
        assert most == 3
        assert 4 <= clock.now < 4.1


#: More than are made before the run hears that it is to end, on any machine.
MANY = 100_000


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_code_that_runs_as_a_whole_makes_no_calls_once_it_is_not_wanted(how: str) -> None:
    made: list[int] = []

    @call.writes("log")
    def write(i: int) -> None:
        made.append(i)
        time.sleep(0.02)

    class Writer:
        def all(self, n: int) -> None:
            for i in range(n):
                write(i)

    writer = Writer()

    @flow(timeout=1000 if how == "timeout" else None)
    def main() -> None:
        list(work(MANY) for work in [writer.all])

    run = main.start()
    until(lambda: made)
    if how == "cancel":
        run.cancel()
    else:
        time_is_up(run)
    with pytest.raises((errors.Cancelled, TimeoutError)):
        run.result(PATIENCE)
    assert len(made) < MANY
