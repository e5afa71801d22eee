"""Where the time went of runs that were interrupted, forked, nested, or ran code as a whole."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import call, flow
from stretto.journal.configured import shared
from stretto.observe import explain_run
from stretto.testing import VirtualClock

HELD: list[bool] = []


@call.unordered
async def think(seconds: float, *about: object) -> str:
    if HELD:
        HELD.append(True)
        await asyncio.sleep(3600)
    await asyncio.sleep(seconds)
    return "thought"


@call.unordered
async def wait(seconds: float, *about: object) -> str:
    await asyncio.sleep(seconds)
    return "waited"


@flow
def chain(seconds: float) -> str:
    first = wait(seconds)
    second = think(seconds, first)
    return wait(seconds, second)


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "journal.db")


def test_an_interrupted_run(journal: str) -> None:
    HELD.append(True)
    try:
        run = chain.using(journal=journal).start(0.05)
        while len(HELD) < 2:
            time.sleep(0.01)
        run.interrupt()
    finally:
        HELD.clear()
    time.sleep(0.3)
    assert stretto.resume(run.id, journal=journal).result() == "waited"
    found = explain_run(run.id, journal=journal)
    timeline = found.timeline
    assert [call.place for call in timeline.calls] == ["wait", "think", "wait#2"]
    assert len(timeline.resumed) == 1 and timeline.away >= 250_000
    # nobody ran it for a while, which counts for nothing; what was lost with the interruption is a gap
    assert [step.call.place for step in found.path] == ["wait", "think", "wait#2"]
    assert sum(step.call.took + step.gap for step in found.path) <= found.took
    assert found.ideal is not None and 150_000 <= found.ideal <= found.sequential <= found.took
    assert "interrupted once" in str(found)


def test_a_forked_run(journal: str) -> None:
    chain.using(journal=journal)(0.05)
    [record] = shared(journal).runs()
    forked = stretto.fork(record.id, before="wait#2", journal=journal)
    forked.result()
    found = explain_run(forked.id, journal=journal)
    assert found.timeline.shared == 2
    assert [step.call.place for step in found.path][-1] == "wait#2"
    assert "taken over" in str(found)


@flow
def inner(seconds: float) -> str:
    return think(seconds, wait(seconds))


@flow
def outer() -> str:
    return wait(1.0, inner(1.0), inner(2.0))


def test_flows_in_a_flow(journal: str) -> None:
    with VirtualClock():
        outer.using(journal=journal)()
    found = explain_run(journal=journal)
    assert [step.call.place for step in found.path] == ["inner#2/wait", "inner#2/think", "wait"]
    assert (found.took, found.ideal) == (5_000_000, 5_000_000)


NAMES: dict[str, Any] = {"wait": wait}
exec("def unreadable(seconds):\n    return [wait(each) for each in seconds]", NAMES)
unreadable = NAMES["unreadable"]


@flow
def whole(seconds: list[float]) -> object:
    return unreadable(seconds)


@flow
def lots(times: int) -> str:
    last = ""
    for n in range(times):
        last = wait(0, n % 2 and last)
    return last


def test_code_that_runs_as_a_whole(journal: str) -> None:
    with VirtualClock():
        whole.using(journal=journal)([1.0, 2.0])
    found = explain_run(journal=journal)
    assert len(found.timeline.calls) == 2 and found.took == 3_000_000
    assert str(found)


def test_a_long_run_takes_time_in_proportion(journal: str) -> None:
    took: list[int] = []
    for times in (1_000, 4_000):
        with VirtualClock():
            lots.using(journal=journal)(times)
        with counted() as steps:
            found = explain_run(journal=journal)
        took.append(len(steps))
        assert len(found.timeline.calls) == times
    assert took[1] < 6 * took[0]


@contextlib.contextmanager
def counted() -> Iterator[deque[None]]:
    """What is done meanwhile in this thread, line by line: how much that is depends on no machine."""
    steps: deque[None] = deque()

    def step(frame: object, event: str, arg: object) -> Any:
        steps.append(None)
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        yield steps
    finally:
        sys.settrace(before)


def slowly(text: str) -> str:
    time.sleep(0.2)
    return text.upper()


slowly = NAMES.setdefault("slowly", eval("lambda text: nap(text)", {"nap": slowly}))


@flow
def naps() -> str:
    seen: list[str] = []
    for n in range(2):
        seen.append(look(n))
        slowly("nap")
    return seen[-1]


@call.reads("web")
async def look(n: int) -> str:
    await asyncio.sleep(0.1)
    return str(n)


def test_code_that_is_no_call_is_named(journal: str) -> None:
    naps.using(journal=journal)()
    found = explain_run(journal=journal)
    assert [step.call.short for step in found.path] == ["look", "look"]
    [own] = [place for place in found.places if "slowly" in place.name]
    assert own.path_time >= 200_000 and own.saving >= 50_000 and own.line.text.startswith("slowly(")
    assert "slowly" in str(found) and "--suggest" in own.remedy
