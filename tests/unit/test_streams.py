"""Streams: how far a source is ahead of its loop, when it ends, and what becomes of its failures."""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from stretto import call, errors, explain, flow
from stretto.streams import BUFFER
from stretto.testing import VirtualClock
from stretto.text import splitlines

told: list[object] = []


@pytest.fixture(autouse=True)
def clean() -> None:
    told.clear()


@call.unordered
async def count(n: int) -> AsyncIterator[int]:
    try:
        for i in range(n):
            await asyncio.sleep(1)
            told.append(("made", i))
            yield i
    finally:
        await asyncio.sleep(0.5)
        told.append("closed")


@call.unordered(buffer=2)
async def endless() -> AsyncIterator[int]:
    try:
        for i in itertools.count():
            told.append(i)
            yield i
    finally:
        told.append("closed")


@call.unordered
async def slow(x: int) -> int:
    await asyncio.sleep(1)
    return x


@call.unordered
async def again(x: int) -> int:
    await asyncio.sleep(1)
    return x


@flow
def three_stages(n: int) -> list[int]:
    out = []
    for x in count(n):
        out.append(again(slow(x)))
    return out


@flow
def until(n: int) -> int:
    for x in endless():
        if slow(x) >= n:
            break
    return x


def test_each_item_goes_through_the_stages_as_it_comes() -> None:
    with VirtualClock() as clock:
        assert three_stages(100) == list(range(100))
        assert clock.now == pytest.approx(102.5, abs=0.6)  # the last item, its two stages, and the end


def test_a_loop_that_cannot_go_on_holds_up_the_source() -> None:
    with VirtualClock() as clock:
        assert until(5) == 5
        assert clock.now == 6
    made = [x for x in told if x != "closed"]
    assert told[-1] == "closed"
    assert len(made) <= 6 + 2


def test_nothing_is_asked_for_ahead_where_buffer_is_0() -> None:
    @call.unordered(buffer=0)
    async def lazily() -> AsyncIterator[int]:
        for i in itertools.count():
            told.append(i)
            yield i

    @flow
    def first(n: int) -> int:
        for x in lazily():
            if slow(x) >= n:
                return x
        return -1

    with VirtualClock():
        assert first(3) == 3
    assert told == [0, 1, 2, 3]


def test_a_source_that_nobody_holds_up_is_ahead_by_its_buffer() -> None:
    @call.unordered
    async def numbers() -> AsyncIterator[int]:
        for i in itertools.count():
            told.append(i)
            yield i

    @flow
    def first() -> int:
        for x in numbers():
            if slow(x) == 0:
                return x
        return -1

    with VirtualClock():
        assert first() == 0
    assert len(told) == 1 + BUFFER


def test_the_limit_of_the_flow_holds_up_the_source() -> None:
    @flow(limit=20)
    def all_of(n: int) -> int:
        total = 0
        for x in endless():
            slow(x)
            if x == n:
                return x
        return total

    with VirtualClock():
        assert all_of(100) == 100
    assert len(told) < 110


def test_leaving_closes_and_awaits_the_source() -> None:
    @flow
    def leave() -> int:
        for x in count(10):
            if x == 2:
                return x
        return -1

    with VirtualClock() as clock:
        assert leave() == 2
        assert told[-1] == "closed"
        assert clock.now == 3.5


def test_cancelling_closes_the_source() -> None:
    run = three_stages.start(1000)
    while ("made", 0) not in told:
        time.sleep(0.01)
    run.cancel()
    assert told[-1] == "closed"
    with pytest.raises(errors.Cancelled):
        run.result()


failures = 0


@call.unordered(retries=3)
async def flaky(good: int) -> AsyncIterator[int]:
    global failures
    for i in range(good):
        yield i
    if failures > 0:
        failures -= 1
        raise ConnectionError(good)
    yield good


@flow
def collect(good: int) -> list[int]:
    return [slow(x) for x in flaky(good)]


def test_a_stream_is_made_again_before_its_first_item_only() -> None:
    global failures
    for run in (collect, collect.sequential):
        failures = 2
        with VirtualClock():
            assert run(0) == [0]
        failures = 1
        with VirtualClock(), pytest.raises(ConnectionError):
            run(1)


@call.unordered(timeout=2.5)
async def timed(n: int) -> AsyncIterator[int]:
    for i in range(n):
        await asyncio.sleep(1)
        yield i


@flow
def in_time(n: int) -> list[int]:
    out = []
    for x in timed(n):
        if slow(slow(x)) != x:
            break
        out.append(x)
    return out


def test_a_timeout_counts_what_the_source_takes_over_the_whole_stream() -> None:
    for run in (in_time, in_time.sequential):
        with VirtualClock():
            assert run(2) == [0, 1]
        with VirtualClock(), pytest.raises(TimeoutError, match=r"timed took longer than its timeout of 2.5"):
            run(3)


def test_streams_in_streams_of_a_call_with_a_limit() -> None:
    @call.unordered(limit=1)
    async def few(n: int) -> AsyncIterator[int]:
        for i in range(n):
            await asyncio.sleep(1)
            yield i

    @flow
    def nested() -> list[tuple[int, int, int]]:
        return [(a, b, c) for a in few(2) for b in few(3) for c in few(2)]

    with VirtualClock(validate=True):
        assert nested() == nested.sequential()


def test_on_a_real_loop_in_threads_and_in_async_code() -> None:
    @call.reads("db")
    def rows(n: int) -> Iterator[int]:
        try:
            yield from range(n)
        finally:
            told.append("closed")

    @call.unordered
    async def tokens(n: int) -> AsyncIterator[int]:
        for i in range(n):
            await asyncio.sleep(0)
            yield i

    @call.unordered
    async def double(x: int) -> int:
        return 2 * x

    @flow
    def both(n: int) -> list[int]:
        out = [double(x) for x in rows(n)]
        for x in tokens(n):
            out.append(double(x))
        for x in rows(n):
            if x == 3:
                break
        return out

    async def by_hand() -> list[int]:
        out = [x async for x in tokens(3)]
        async for x in await rows.aio(9):
            out.append(x)
            if x == 2:
                break
        return out

    assert asyncio.run(by_hand()) == [0, 1, 2, 0, 1, 2]
    assert told == ["closed"]
    told.clear()
    expected = [*range(0, 200, 2)] * 2
    assert both(100) == expected
    assert told == ["closed", "closed"]
    assert both.sequential(100) == expected
    assert asyncio.run(both.aio(100)) == expected
    assert list(tokens(3)) == list(rows(3)) == [0, 1, 2]


def test_items_are_checked() -> None:
    @call.unordered
    async def wrong() -> AsyncIterator[str]:
        yield "fine"
        yield 3  # type: ignore[misc]  # pyright: ignore

    @flow
    def use() -> list[str]:
        return [x.upper() for x in wrong()]

    for run in (use, use.sequential):
        with pytest.raises(errors.ReturnTypeError, match="to give items of type str, and gave int: 3"):
            run()


def test_what_is_opened_has_to_be_an_iterator() -> None:
    @call.unordered
    def dial() -> Iterator[str]:
        return 3  # type: ignore[return-value]  # pyright: ignore

    @flow
    def use() -> list[str]:
        return list(dial())

    for run in (use, use.sequential):
        with pytest.raises(errors.ReturnTypeError, match="to return an iterator, and returned int: 3"):
            run()


def test_explain_tells_of_streams() -> None:
    @call.writes("log")
    async def feed(n: int) -> AsyncIterator[int]:
        yield n

    @flow
    def use(n: int) -> list[int]:
        out = [slow(x) for x in count(n)]
        for x in feed(n):
            out.append(slow(x))
        return [*out, *(slow(x) for x in count(n))]

    text = " ".join(str(explain(use)).split())
    assert "what count returns has no declared type" not in text
    assert "feed is asked for in its turn, so what follows waits" in text


def test_a_run_with_a_journal_refuses_streams_asked_by_themselves(tmp_path: Path) -> None:
    @flow
    def natively(n: int) -> int:
        return next(count(n))

    @call.writes("log")
    def feed(n: int) -> Iterator[int]:
        told.append("feed")
        yield n

    @flow
    def writing(n: int) -> int:
        return sum(x for x in feed(n))

    @call.writes("log")
    def fetched(n: int) -> Iterator[int]:
        told.append("fetched")
        return iter(range(n))

    @flow
    def opening(n: int) -> int:
        return sum(x for x in fetched(n))

    @flow
    def in_a_list(n: int) -> list[object]:
        return [*map(lambda x: fetched(x), [n])]

    one_by_one = "asked for its items one by one"
    programs = ((natively, one_by_one), (writing, "with effects"), (opening, "with effects"))
    for program, said in (*programs, (in_a_list, "with effects")):
        with pytest.raises(errors.NotRecordable, match=f"is a stream .*{said}"):
            program.using(journal=tmp_path / "runs.db")(3)
    assert told == []


def test_the_option() -> None:
    with pytest.raises(errors.DeclarationError, match="how many items may wait"):
        call.unordered(buffer=-1)


def test_a_stream_that_is_the_result_goes_on() -> None:
    @flow
    def begun(n: int) -> Iterator[int]:
        s = count(n)
        assert next(s) == 0
        return s

    with VirtualClock():
        assert list(begun(3)) == [1, 2]


def test_lines_of_text_in_pieces() -> None:
    draw = random.Random(3)
    for _ in range(500):
        text = "".join(draw.choice("ab\n\r\x0b\u2028\x85") for _ in range(draw.randrange(12)))
        pieces, rest = [], text
        while rest:
            cut = draw.randrange(4)
            pieces.append(rest[:cut])
            rest = rest[cut:]
        assert list(splitlines(pieces)) == text.splitlines()


def test_what_closing_raises_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    @call.unordered
    def ask(x: int) -> int:
        return x

    def gen(n: int) -> Iterator[int]:
        try:
            yield ask(n)
        finally:
            raise ValueError("not closed")

    @flow
    def main() -> int:
        for x in gen(1):
            break
        return x

    before, sys.unraisablehook = sys.unraisablehook, sys.__unraisablehook__
    try:
        assert main() == 1
    finally:
        sys.unraisablehook = before
    told = capsys.readouterr().err
    assert told.startswith("Exception ignored while closing a generator\n")
    assert "ValueError: not closed" in told
