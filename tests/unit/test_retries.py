"""Calls that are made again."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

import stretto
from stretto import Done, call, errors, flow
from stretto.drivers import retries
from stretto.drivers.aio import AsyncioDriver
from stretto.drivers.retries import pause
from stretto.engine.nodes import CallNode
from stretto.journal.configured import shared
from stretto.journal.events import CallFinished, CallIntended
from stretto.testing import VirtualClock
from tests.waiting import PATIENCE, until

attempts: list[object] = []


class World:
    failures = 0


@pytest.fixture(autouse=True)
def clean() -> None:
    attempts.clear()
    World.failures = 2


def meet(x: object) -> object:
    attempts.append(x)
    if World.failures > 0:
        World.failures -= 1
        raise ConnectionError(x)
    return x


@call.unordered(retries=3)
async def ask(x: object) -> object:
    return meet(x)


@call.unordered(retries=3)
def look(x: object) -> object:
    return meet(x)


@call.writes("log", retries=20, idempotent=True)
async def put(x: object) -> object:
    meet(x)
    return stretto.current().key


@call.unordered(retries=3, retry_on=(KeyError, TimeoutError))
async def choosy(x: object) -> object:
    return meet(x)


@flow
def one(x: int) -> object:
    return ask(x)


@flow
def in_a_thread(x: int) -> object:
    return look(x)


@flow
def other(x: int) -> object:
    return choosy(x)


@flow
def writes(x: int) -> object:
    return put(x)


@pytest.mark.parametrize("program", [one, in_a_thread])
def test_a_failure_is_followed_by_another_attempt(program: object) -> None:
    with VirtualClock(validate=True) as clock:
        assert program(7) == 7  # type: ignore[operator]
        assert clock.now < 1
    assert attempts == [7, 7, 7]


def test_the_last_failure_is_the_calls() -> None:
    World.failures = 9
    with VirtualClock(validate=True), pytest.raises(ConnectionError):
        one(1)
    assert len(attempts) == 4


def test_only_after_what_is_said() -> None:
    with VirtualClock(validate=True), pytest.raises(ConnectionError):
        other(1)
    assert len(attempts) == 1


def test_pauses_grow_and_are_bounded() -> None:
    draw = random.Random(1)
    longest = [max(pause(n, draw) for _ in range(500)) for n in (1, 2, 3, 20)]
    assert longest == sorted(longest)
    assert 0.15 < longest[0] <= 0.2 and 29 < longest[3] <= 30


def test_a_write_must_say_that_it_may() -> None:
    with pytest.raises(errors.DeclarationError, match=r"changes the world.*idempotent=True.*check="):

        @call.writes("log", retries=2)
        def careless() -> None: ...


def test_a_write_is_asked_about_between_attempts() -> None:
    @call.writes("log", retries=5, check=lambda x: Done("it was there") if len(attempts) == 2 else False)
    async def asked(x: int) -> object:
        return meet(x)

    @flow
    def main() -> object:
        return asked(1)

    World.failures = 9
    with VirtualClock(validate=True):
        assert main() == "it was there"
    assert attempts == [1, 1]


def test_cancelled_between_two_attempts() -> None:
    @call.unordered(retries=20)
    async def never() -> None:
        meet("never")

    @call.unordered
    async def late() -> None:
        await asyncio.sleep(0.05)
        raise KeyError

    @flow
    def main() -> None:
        late()
        never()

    World.failures = 99
    with VirtualClock(validate=True) as clock:
        with pytest.raises(KeyError):
            main()
        assert clock.now < 0.1


def test_attempts_are_recorded_and_go_on_after_a_stop(tmp_path: Path) -> None:
    journal = str(tmp_path / "journal.db")
    World.failures = 99
    run = writes.using(journal=journal).start(5)
    until(lambda: len(attempts) >= 2)
    run.interrupt()
    shared(journal).flush()
    World.failures = 0
    before = len(attempts)
    key = stretto.resume(run.id, journal=journal).result(PATIENCE)
    assert len(attempts) == before + 1
    events = [event for _, event in shared(journal).events(run.id)]
    intended = [event for event in events if isinstance(event, CallIntended)]
    finished = [event for event in events if isinstance(event, CallFinished)]
    assert intended[-1].attempt in (before + 1, before + 2)  # one may have been intended, and not started
    assert {event.key for event in intended} == {key}
    assert finished[-1].error is None and finished[0].error is not None


def test_in_the_reference_run_too() -> None:
    """As it is without a flow: what is said beside the code holds however the code is run."""
    with VirtualClock():
        assert one.sequential(3) == 3
        assert attempts == [3, 3, 3]
        World.failures = 2
        assert look(7) == 7
        World.failures = 9
        with pytest.raises(ConnectionError):
            look(8)
    assert attempts[3:] == [7] * 3 + [8] * 4


def test_a_write_is_asked_about_in_the_reference_run_too() -> None:
    @call.writes("log", retries=5, check=lambda x: Done("it was there"))
    async def asked(x: int) -> object:
        return meet(x)

    @flow
    def main() -> object:
        return asked(1)

    with VirtualClock():
        assert main.sequential() == "it was there"
    assert attempts == [1]


@call.unordered(retries=5, timeout=1000)
def quick(x: object) -> object:
    return meet(x)


@flow
def in_time(x: object) -> object:
    return quick(x)


@pytest.mark.parametrize("recorded", [False, True])
def test_the_seconds_of_an_attempt_end_with_it(
    recorded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempts and pauses together may take longer than one attempt may: none counts for a later one."""
    begin, timers, counting = AsyncioDriver.begin_sync, [], []

    def begin_sync(driver: AsyncioDriver, node: CallNode) -> None:
        counting.append(sum(not timer.cancelled() for timer in timers))
        begin(driver, node)
        timers.append(driver.timers[node])

    monkeypatch.setattr(AsyncioDriver, "begin_sync", begin_sync)
    monkeypatch.setattr(retries, "pause", lambda attempt, draw: 0.0)
    World.failures = 4
    program = in_time.using(journal=tmp_path / "journal.db" if recorded else None)
    assert program.start(1).result(PATIENCE) == 1
    assert attempts == [1] * 5
    assert counting == [0] * 5
    assert all(timer.cancelled() for timer in timers)
