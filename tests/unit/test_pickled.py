"""Results that are pickled, by the choice of who declares the call and of nobody else."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import call, errors, flow
from stretto.journal.codecs import encode
from stretto.journal.configured import shared
from stretto.journal.events import CallFinished, Event, RunStarted, RunState
from tests.unit.journals import copied
from tests.unit.journals import stretto as command
from tests.waiting import PATIENCE, until

made: list[str] = []
unpickled: list[str] = []
World: dict[str, bool] = {}


class Ticket:
    """What no codec takes."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __setstate__(self, state: dict[str, Any]) -> None:
        unpickled.append("ticket")
        self.__dict__.update(state)


def go_off() -> None:
    unpickled.append("bang")


class Bomb:
    def __reduce__(self) -> Any:
        return go_off, ()


BOMB = encode(Bomb(), pickle=True).data


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    made.clear()
    unpickled.clear()
    World["hold"] = False
    yield


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "journal.db")


@call.writes("office", pickle=True)
def draw(number: int) -> Ticket:
    made.append("draw")
    return Ticket(number)


undeclared = call.writes("office")(draw.fn)
secretly = call.writes("office", pickle=True, secret="return")(draw.fn)


@call.writes("office", pickle=True)
def lose(number: int) -> Ticket:
    made.append("lose")
    raise LookupError(number)


@call.unordered
async def wait(number: int) -> int:
    made.append("wait")
    while World["hold"]:
        await asyncio.sleep(0.001)
    return number


drawing: Any = draw


@flow
def visit(number: int) -> int:
    try:
        lose(number)
    except LookupError:
        number += 1
    ticket = drawing(number)
    return wait(ticket.number)


@pytest.fixture
def stopped(journal: str) -> Callable[[], str]:
    """Runs the flow until it waits, and stops it there; the run's identifier."""

    def stop() -> str:
        World["hold"] = True
        run = visit.using(journal=journal).start(6)
        until(lambda: "wait" in made, lambda: made)
        run.interrupt()
        World["hold"] = False
        assert made == ["lose", "draw", "wait"] and unpickled == []
        made.clear()
        shared(journal).flush()
        return run.id

    return stop


def resumed(journal: str, run: str) -> object:
    return stretto.resume(run, journal=journal).result(PATIENCE)


def test_a_pickled_result_is_answered(journal: str, stopped: Callable[[], str]) -> None:
    assert resumed(journal, stopped()) == 7
    assert made == ["wait"] and unpickled == ["ticket"]


def test_without_the_choice_the_call_fails_and_says_how(
    journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "drawing", undeclared)
    with pytest.raises(errors.NotRecordable, match=r"draw: its result.*declare pickle=True"):
        visit.using(journal=journal)(6)


def test_what_is_no_longer_declared_is_not_read(
    journal: str, stopped: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stopped()
    monkeypatch.setitem(globals(), "drawing", undeclared)
    with pytest.raises(errors.JournalError, match=r"test_pickled\.py:\d+: what .*draw.*pickle=True"):
        resumed(journal, run)
    assert made == [] and unpickled == []
    assert shared(journal).run(run).state is RunState.RUNNING
    monkeypatch.setitem(globals(), "drawing", draw)
    assert resumed(journal, run) == 7


def test_a_secret_may_be_pickled(
    journal: str, stopped: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "drawing", secretly)
    run = stopped()
    assert b"Ticket" not in b"".join(
        event.result for _, event in shared(journal).events(run)
        if isinstance(event, CallFinished) and isinstance(event.result, bytes)
    )  # fmt: skip
    assert resumed(journal, run) == 7


def result_of_draw(event: Event) -> Event:
    """A call that is not declared so."""
    is_it = isinstance(event, CallFinished) and event.call.endswith(":draw")
    return event._replace(result=BOMB) if is_it else event


def exception_of_lose(event: Event) -> Event:
    """Results are pickled, exceptions are not."""
    is_it = isinstance(event, CallFinished) and event.call.endswith(":lose")
    return event._replace(error=BOMB) if is_it else event


def arguments(event: Event) -> Event:
    return replace(event, arguments=BOMB) if isinstance(event, RunStarted) else event


@pytest.mark.parametrize("change", [result_of_draw, exception_of_lose, arguments])
def test_a_journal_cannot_have_code_run(
    journal: str, stopped: Callable[[], str], monkeypatch: pytest.MonkeyPatch, change: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    run = stopped()
    monkeypatch.setitem(globals(), "drawing", undeclared)
    copied(shared(journal), run, "changed", change)
    with pytest.raises(errors.StrettoError, match="runs code that the bytes choose"):
        resumed(journal, "changed")
    assert made == [] and unpickled == []
    assert command(f"show changed --journal {journal}") == 0
    assert "<pickled tests.unit.test_pickled.Bomb, " in capsys.readouterr().out
    assert unpickled == []


def test_the_bomb_would_go_off(journal: str, stopped: Callable[[], str]) -> None:
    run = stopped()
    copied(shared(journal), run, "changed", result_of_draw)
    with pytest.raises(errors.ReturnTypeError):
        resumed(journal, "changed")  # `draw` is declared so: who can write to the journal is trusted
    assert unpickled == ["bang"]


def test_to_look_reads_nothing(
    journal: str, stopped: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = stopped()
    assert command(f"show {run} --journal {journal}") == 0
    assert "(7) → <pickled tests.unit.test_pickled.Ticket, " in capsys.readouterr().out.replace(",)", ")")
    assert command(f"show {run} --json --journal {journal}") == 0
    calls = {c["call"].rpartition(":")[2]: c for c in json.loads(capsys.readouterr().out)["calls"]}
    size = len(pickle.dumps(Ticket(7), 5))
    assert calls["draw"]["result"] == f"<pickled tests.unit.test_pickled.Ticket, {size} bytes>"
    assert unpickled == []


def test_plain_results_are_recorded_as_ever(journal: str) -> None:
    @flow
    def main() -> list[int]:
        return plain(3)

    assert main.using(journal=journal)() == [3]
    (record,) = shared(journal).runs()
    results = [e.result for _, e in shared(journal).events(record.id) if isinstance(e, CallFinished)]
    assert results == [encode([3]).data]


@call(pickle=True)
def plain(x: int) -> list[int]:
    return [x]


def test_the_option_is_true_or_false() -> None:
    with pytest.raises(errors.DeclarationError, match=r"pickle= is True: .*found 'yes'"):
        call(pickle="yes")(draw.fn)  # type: ignore[call-overload]  # pyright: ignore
