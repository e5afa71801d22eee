"""Flows that yield, with a journal: ended, left, interrupted, resumed, forked. (Killed: `tests/crash`.)"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import call, errors, flow
from stretto.journal import Journal, open_journal
from stretto.journal.configured import shared
from stretto.journal.events import RunEnded, RunState
from stretto.journal.history import value_of
from stretto.journal.replay import preview
from stretto.testing import VirtualClock
from tests.waiting import PATIENCE

written: list[Any] = []
asked: list[int] = []
#: Whether a write waits.
held: list[bool] = []
numbers = itertools.count()


@pytest.fixture(autouse=True)
def _clean() -> None:
    written.clear()
    asked.clear()
    held.clear()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "runs.db")


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    made = open_journal(url)
    yield made
    made.close()


@call.unordered
async def ask(x: int) -> int:
    """Never the same twice."""
    asked.append(x)
    await asyncio.sleep(0.001)
    return 1000 * x + next(numbers)


@call.writes("w")
async def put(x: object) -> None:
    while held:
        await asyncio.sleep(0.001)
    written.append(x)


@call.unordered
async def words(n: int) -> AsyncIterator[str]:
    for i in range(n):
        await asyncio.sleep(0.001)
        yield f"word{i}"


@flow
def parts(n: int) -> Generator[int, str | None, str]:
    try:
        for i in range(n):
            said = yield ask(i)
            put((i, said))
        for word in words(2):
            yield len(word)
    finally:
        put("finally")
    return "done"


def interrupted(url: str, n: int, after: int) -> list[int]:
    """The values of a run that was then interrupted, as by Ctrl-C."""
    values = parts.using(journal=url)(n)
    given = [next(values) for _ in range(after)]
    with pytest.raises(KeyboardInterrupt):
        values.throw(KeyboardInterrupt())
    return given


def newest(journal: Journal) -> Any:
    shared(journal.where).flush()
    return journal.runs()[0]


def test_gone_over_to_its_end(url: str, journal: Journal) -> None:
    values = list(parts.using(journal=url)(2))
    assert [value // 1000 for value in values] == [0, 1, 0, 0]
    record = newest(journal)
    assert record.state is RunState.SUCCEEDED
    [ended] = [event for _, event in journal.events(record.id) if isinstance(event, RunEnded)]
    assert ended.result is not None and value_of(journal, ended.result) == "done"
    assert written == [(0, None), (1, None), "finally"]


def test_what_is_sent(url: str) -> None:
    values = parts.using(journal=url)(2)
    next(values)
    values.send("one")
    values.send("two")
    assert written == [(0, "one"), (1, "two")]
    values.close()
    assert written[-1] == "finally"


def test_left_early_it_has_ended(url: str, journal: Journal) -> None:
    for value in parts.using(journal=url)(5):
        assert value // 1000 == 0
        break
    assert newest(journal).state is RunState.CANCELLED
    assert written == ["finally"]
    with pytest.raises(errors.RunEndedAlready):
        stretto.resume(newest(journal).id, journal=url)


def test_interrupted_and_taken_up(url: str, journal: Journal) -> None:
    before = interrupted(url, 4, 2)
    assert newest(journal).state is RunState.RUNNING
    assert written == [(0, None)]
    asked.clear()
    found = preview(journal, newest(journal).id)
    assert {"for/0/ask", "for/1/ask", "for/0/put"} <= {operation.place for operation in found.reused}
    assert [operation.place for operation in found.to_run if operation.changes][0] == "for/1/put"
    run = stretto.resume(newest(journal).id, journal=url)
    assert list(run)[:2] == before
    assert run.result() == "done"
    assert not {0, 1} & set(asked)
    assert written == [*((i, None) for i in range(4)), "finally"]
    assert newest(journal).state is RunState.SUCCEEDED


def test_its_result_is_asked_for(url: str, journal: Journal) -> None:
    interrupted(url, 3, 1)
    held.append(True)
    run = stretto.resume(newest(journal).id, journal=url)
    with pytest.raises(TimeoutError):
        run.result(0)
    held.clear()
    assert run.result(PATIENCE) == "done"
    with pytest.raises(TypeError, match="only once"):
        iter(run)


def test_taken_up_and_cancelled(url: str, journal: Journal) -> None:
    interrupted(url, 3, 1)
    run = stretto.resume(newest(journal).id, journal=url)
    run.cancel()
    with pytest.raises(errors.Cancelled):
        run.result()
    assert newest(journal).state is RunState.CANCELLED


def test_a_flow_that_does_not_yield_is_not_gone_over() -> None:
    @flow
    def plain() -> int:
        return ask(1)

    run = plain.start()
    with pytest.raises(TypeError, match="does not yield"):
        iter(run)
    run.result()


def test_forked(url: str, journal: Journal) -> None:
    first = list(parts.using(journal=url)(3))
    asked.clear()
    values = list(stretto.fork(newest(journal).id, before="for/2/ask", journal=url))
    assert values[:2] == first[:2]
    assert values[2] != first[2]
    assert asked == [2]


def test_in_async_code_and_on_a_virtual_clock(url: str, journal: Journal) -> None:
    recorded = parts.using(journal=url)

    async def main() -> list[int]:
        return [value async for value in recorded.aio(2)]

    assert len(asyncio.run(main())) == 4
    with VirtualClock():
        assert len(list(recorded(2))) == 4
    shared(url).flush()
    assert [record.state for record in journal.runs()] == [RunState.SUCCEEDED] * 2


def test_a_journal_that_fails_ends_it(url: str) -> None:
    values = parts.using(journal=url)(5)
    next(values)
    shared(url).close()
    with pytest.raises(errors.JournalError):
        list(values)


PROGRAM = """
from stretto import call, flow

@call.unordered
def ask(x: int) -> int:
    return x

@flow
def parts(n: int):
    try:
        for i in range(n):
            yield ask(i)
    finally:
        print("closed")

if __name__ == "__main__":
    values = parts.using(journal="runs.db")(3)
    print(next(values))
"""


def test_the_process_ends_and_it_can_be_taken_up(tmp_path: Path, url: str) -> None:
    (tmp_path / "script.py").write_text(PROGRAM)

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("script.py") == "0\n"
    found = open_journal(url)
    [record] = found.runs()
    found.close()
    assert record.state is RunState.RUNNING  # by its events: nobody runs it
    assert run("-m", "stretto", "resume", record.id, "--journal", "runs.db") == "0\n1\n2\nclosed\n"
