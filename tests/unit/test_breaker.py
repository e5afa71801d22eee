"""Circuit breakers: calls that are not made while what they ask keeps failing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import call, errors, flow
from stretto.declarations import project
from stretto.errors import CircuitOpen
from stretto.journal.configured import shared
from stretto.testing import VirtualClock


class Down(Exception):
    """The server does not answer."""


class Server:
    """Fails where it is told to; notes what it was asked, and when."""

    down: set[Any] = set()
    error: type[Exception] = Down
    asked: list[tuple[Any, float]] = []


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    Server.down, Server.error, Server.asked = set(), Down, []
    yield
    project.rules.load(None, {})


async def ask(what: Any, seconds: float = 1.0) -> Any:
    Server.asked.append((what, asyncio.get_running_loop().time()))
    await asyncio.sleep(seconds)
    if what in Server.down:
        raise Server.error(f"{what} is down")
    return what


@call.writes("ledger", breaker="3/60s")
async def write(n: int) -> int:
    await ask(n)
    return n


@call.reads("clock")
async def wait(seconds: float) -> None:
    await asyncio.sleep(seconds)


@flow
def writes(n: int, pause: float = 0.0) -> list[str]:
    told: list[str] = []
    for i in range(n):
        try:
            told.append(str(write(i)))
        except Down:
            told.append("down")
        except CircuitOpen as error:
            told.append(f"open: {error.call}, {error.failed}")
            wait(pause)
    return told


def test_ordered_writes_fail_as_in_the_reference_run() -> None:
    Server.down = {1, 2, 3, 4, 5, 9}
    with VirtualClock(validate=True) as clock:
        found = writes(12)
        assert clock.now == pytest.approx(4)
    assert found == ["0", "down", "down", "down"] + ["open: write, Down: 3 is down"] * 8
    assert [what for what, _ in Server.asked] == [0, 1, 2, 3]
    with VirtualClock():
        assert writes.sequential(12) == found
    Server.asked.clear()
    with VirtualClock():
        found = writes(12, 70.0)  # 5 is the trial, and fails; 7 is the next one, and does not
        asked = Server.asked[:]
        assert found[3:8] == [
            "down",
            "open: write, Down: 3 is down",
            "down",
            "open: write, Down: 5 is down",
            "7",
        ]
        assert found[8:] == ["8", "down", "10", "11"]
    with VirtualClock():
        assert writes.sequential(12, 70.0) == found
    assert Server.asked[len(asked) :] == asked


def test_the_error_says_what_is_the_matter() -> None:
    Server.down = {1}
    with VirtualClock() as clock:
        for _ in range(3):
            with pytest.raises(Down):
                write(1)
        clock.run(asyncio.sleep(10))
        with pytest.raises(CircuitOpen) as caught:
            write(1)
    error = caught.value
    assert str(error) == (
        "write is not called: 3 in a row have failed, the first of them 12 s ago, the last with Down: 1 is "
        "down; tried again in 50 s"
    )
    assert (error.call, error.failed, error.since) == ("write", "Down: 1 is down", 12.0)
    assert error.retry_after == pytest.approx(50)


@call.reads("web", breaker="2/30s", per="{host}")
async def page(host: str, n: int = 0) -> str:
    await ask(host)
    return host


def test_each_key_has_a_circuit_of_its_own_and_one_tries_for_all() -> None:
    Server.down = {"a"}

    async def many(n: int) -> list[str]:
        calls = [page.aio(host, i) for i in range(n) for host in ("a", "b")]
        found = await asyncio.gather(*calls, return_exceptions=True)
        return [one if isinstance(one, str) else type(one).__name__ for one in found]

    with VirtualClock() as clock:
        assert clock.run(many(2)) == ["Down", "b"] * 2
        assert clock.run(many(2)) == ["CircuitOpen", "b"] * 2
        clock.run(asyncio.sleep(31))
        Server.asked.clear()
        Server.down = set()
        assert clock.run(many(4)) == ["a", "b"] + ["CircuitOpen", "b"] * 3
        assert len(Server.asked) == 5
        assert clock.run(many(4)) == ["a", "b"] * 4


def test_those_that_wait_for_a_place_are_turned_away_at_once() -> None:
    @call.reads("web", limit=1, breaker="2/60s")
    async def slow(n: int) -> str:
        return str(await ask("slow"))

    @call.reads("web", rate="1/min", breaker="1/300s")
    async def rare(n: int) -> str:
        return str(await ask("rare"))

    @flow
    def all_of(which: Any, n: int) -> list[str]:
        told: list[str] = []
        for i in range(n):
            try:
                told.append(which(i))
            except (Down, CircuitOpen) as error:
                told.append(type(error).__name__)
        return told

    Server.down = {"slow", "rare"}
    for which, made in ((slow, 2), (rare, 1)):
        with VirtualClock() as clock:
            assert all_of(which, 20) == ["Down"] * made + ["CircuitOpen"] * (20 - made)
            assert clock.now == pytest.approx(made)
        with VirtualClock():
            assert all_of.sequential(which, 20) == ["Down"] * made + ["CircuitOpen"] * (20 - made)


def test_a_call_that_is_made_again_waits_until_it_is_tried() -> None:
    @call.reads("web", breaker="2/20s", retries=3)
    async def again(n: int) -> str:
        Server.down = {"web"} if asyncio.get_running_loop().time() < 15 else set()
        return str(await ask("web"))

    @flow
    def one() -> str:
        return again(1)

    for run in (one, one.sequential):
        with VirtualClock() as clock:
            assert run() == "web"
            assert 20 < clock.now < 26


def test_what_counts_as_a_failure() -> None:
    class Answered(Exception):
        def __init__(self, status: int) -> None:
            self.status_code = status
            super().__init__(f"status {status}")

    def opens(error: Exception, **options: Any) -> bool:
        async def fail() -> None:
            raise error

        declared = call.unordered(breaker=1, **options)(fail)
        with VirtualClock():
            for _ in range(2):
                try:
                    declared()
                except CircuitOpen:
                    return True
                except type(error):
                    continue
        return False

    assert opens(Down())
    assert opens(TimeoutError())
    assert opens(ConnectionError(), retry_on=ConnectionError)
    assert opens(TimeoutError(), retry_on=Down)  # timeouts always
    assert opens(ValueError(), retry_on=ValueError)
    assert opens(Answered(500))
    assert opens(Answered(429))
    assert not opens(Answered(404))
    assert not opens(Down(), retry_on=ConnectionError)
    assert not opens(ValueError("no such topic"))
    assert not opens(KeyError("x"))
    assert not opens(errors.ReturnTypeError("..."))


def test_sync_calls_that_take_too_long_and_refusals() -> None:
    class Busy(Exception):
        status_code = 503
        headers = {"retry-after": "90"}

    @call.reads("web", breaker="1/20s")
    async def busy() -> None:
        raise Busy

    with VirtualClock():
        with pytest.raises(Busy):
            busy()
        with pytest.raises(CircuitOpen) as caught:
            busy()
        assert caught.value.retry_after == pytest.approx(90)

    released: list[bool] = []

    @call.reads("web", timeout=0.05, breaker="1/300s", name="hangs")
    def hangs() -> None:
        import time

        time.sleep(0.2)
        released.append(True)

    @flow
    def twice() -> list[str]:
        told: list[str] = []
        for _ in range(2):
            try:
                hangs()
            except (TimeoutError, CircuitOpen) as error:
                told.append(type(error).__name__)
            page("here")
        return told

    Server.down = set()
    found = twice()
    assert found[0] == "TimeoutError"
    assert "CircuitOpen" in _second(hangs)
    assert released  # it is not left running


def _second(declared: Any) -> str:
    try:
        declared()
    except (TimeoutError, CircuitOpen) as error:
        return type(error).__name__
    return "none"


def test_a_trial_that_is_cancelled_leaves_the_circuit_as_it_was() -> None:
    @call.reads("web", breaker="1/10s", timeout=None, name="trial")
    async def trial(seconds: float) -> str:
        return str(await ask("trial", seconds))

    Server.down = {"trial"}

    async def main() -> list[str]:
        told: list[str] = []
        for seconds in (1.0, 0.0):
            try:
                await trial.aio(seconds)
            except (Down, CircuitOpen) as error:
                told.append(type(error).__name__)
        await asyncio.sleep(11)
        Server.down = set()
        task = asyncio.ensure_future(trial.aio(100.0))
        await asyncio.sleep(1)
        with pytest.raises(CircuitOpen, match="it is being tried now"):
            await trial.aio(1.0)
        task.cancel()
        await asyncio.wait([task])
        told.append(await trial.aio(1.0))
        return told

    with VirtualClock() as clock:
        assert clock.run(main()) == ["Down", "CircuitOpen", "trial"]


def test_a_call_inside_the_trial_is_part_of_it() -> None:
    @call.reads("web", breaker="1/10s", per="nested")
    async def inner() -> str:
        return str(await ask("nested"))

    @call.reads("web", breaker="1/10s", per="nested")
    async def outer() -> str:
        return await inner()

    Server.down = {"nested"}
    with VirtualClock() as clock:
        with pytest.raises(Down):
            outer()
        Server.down = set()
        with pytest.raises(CircuitOpen):
            outer()
        clock.run(asyncio.sleep(11))
        assert outer() == "nested"
        assert outer() == "nested"


def test_streams() -> None:
    @call.unordered(breaker="1/10s")
    async def lines(before: int) -> AsyncIterator[str]:
        yield str(await ask("lines"))

    @flow
    def read() -> list[str]:
        told: list[str] = []
        for _ in range(3):
            try:
                for line in lines(len(told)):  # one after the other
                    told.append(line)
            except (Down, CircuitOpen) as error:
                told.append(type(error).__name__)
            wait(1.0)
        return told

    for run in (read, read.sequential):
        with VirtualClock():
            Server.down = {"lines"}
            assert run() == ["Down", "CircuitOpen", "CircuitOpen"]
            Server.down = set()
            wait(10.0)
            assert run() == ["lines", "lines", "lines"]


def test_resources_in_the_table(tmp_path: Path) -> None:
    file = tmp_path / "stretto.toml"
    file.write_text('[limits]\nvault = { breaker = "1/60s" }\n')
    project.rules.load(file, {"vault": {"breaker": "1/60s"}})

    @call.reads("vault:{key}", name="look")
    async def look(key: str) -> str:
        return str(await ask(key))

    @flow
    def looks() -> list[str]:
        told: list[str] = []
        for key in ("a", "b"):
            try:
                told.append(look(key))
            except (Down, CircuitOpen) as error:
                told.append(str(error))
        return told

    Server.down = {"a"}
    with VirtualClock():
        assert looks.sequential()[1].startswith(
            "look (counted per vault) is not called: one has failed 0 s ago, with Down"
        )
    with pytest.raises(errors.DeclarationError, match="a breaker is a number of failures in a row"):
        project.rules.load(file, {"vault": {"breaker": "often"}})
    with pytest.raises(errors.DeclarationError, match=r"breaker= is how many failures in a row"):
        call.unordered(breaker="5 times")


stops = [True]


@call.reads("x")
def stop() -> None:
    if stops[0]:
        raise KeyboardInterrupt


@flow
def interrupted_writes() -> list[str]:
    told: list[str] = []
    for i in range(5):
        try:
            told.append(str(write(i)))
        except (Down, CircuitOpen) as error:
            told.append(f"{type(error).__name__}: {error}")
    stop()
    return told


def test_what_is_recorded_asks_nothing(tmp_path: Path) -> None:
    """A call that was turned away has failed, and is not made when the run is taken up."""
    journal = tmp_path / "journal.db"
    Server.down = {0, 1, 2}
    with VirtualClock():
        with pytest.raises(KeyboardInterrupt):
            interrupted_writes.using(journal=journal)()
    shared(str(journal)).flush()
    Server.down, stops[0] = set(), False
    asked = len(Server.asked)
    with VirtualClock():
        found: Any = stretto.resume(shared(str(journal)).runs()[0].id, journal=journal).result(60)
    assert [told.partition(":")[0] for told in found] == ["Down"] * 3 + ["CircuitOpen"] * 2
    assert asked == len(Server.asked) == 3
