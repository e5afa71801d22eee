"""Others can see what a run is doing while it does it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from stretto import call, flow
from stretto.journal.events import CallStarted
from stretto.journal.resuming import shared
from stretto.observe.timeline import Timeline
from stretto.testing import VirtualClock
from tests.waiting import PATIENCE, until

gate = threading.Event()


@call.unordered
async def quick(n: int) -> int:
    return n


@call.unordered
def slow(n: int) -> int:
    assert gate.wait(PATIENCE)
    return n


@call.writes("shelf")
async def put(n: int) -> None:
    await asyncio.sleep(5)


@call.unordered
async def words(n: int) -> AsyncIterator[int]:
    for i in range(n):
        await asyncio.sleep(1)
        yield i


@flow
def program(n: int) -> int:
    found = [slow(i) for i in range(n)]
    for i in range(1000):
        quick(i)
    return sum(found)


@flow
def storing(n: int) -> int:
    for i in words(n):
        put(i)
    return n


@flow(timeout=8)
def hurried(n: int) -> int:
    return storing(n)


@pytest.fixture
def journal(tmp_path: object) -> str:
    return f"{tmp_path}/journal.db"


def seen(journal: str) -> Timeline:
    kept = shared(journal)
    kept.flush()
    return Timeline(event for _, event in kept.events(kept.runs()[0].id))


def test_calls_that_take_long_are_told_of(journal: str) -> None:
    gate.clear()
    run = program.using(journal=journal).start(3)
    try:
        until(lambda: len(seen(journal).running) == 3)
        running = seen(journal).running
        assert [call.short for call in running] == ["slow"] * 3
        assert [call.place for call in running] == ["for/0/slow", "for/1/slow", "for/2/slow"]
        assert {call.line[0].rpartition("/")[2] for call in running} == {"test_under_way.py"}
    finally:
        gate.set()
    assert run.result(PATIENCE) == 3
    assert seen(journal).running == []


def test_each_is_told_of_once_and_quick_ones_never(journal: str) -> None:
    with VirtualClock():
        assert storing.using(journal=journal)(3) == 3
    kept = shared(journal)
    kept.flush()
    told = [event for _, event in kept.events(kept.runs()[0].id) if isinstance(event, CallStarted)]
    assert [event.place for event in told] == ["words", "for/0/put", "for/1/put", "for/2/put"]
    assert all(event.waited_for for event in told)


def test_what_was_under_way_when_a_run_ended(journal: str) -> None:
    with VirtualClock(), pytest.raises(TimeoutError):
        hurried.using(journal=journal)(30)
    assert [call.short for call in seen(journal).running] == ["words", "put"]
