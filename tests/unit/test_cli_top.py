"""`stretto top`: what the runs of a journal are doing."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from stretto.cli import top
from stretto.journal import Journal
from stretto.journal.events import CallStarted, RunResumed, RunState, now
from stretto.journal.leases import this_process
from tests.unit.journals import DAY, HOUR, dead, done, ended, fill, intended, stretto

pytestmark = pytest.mark.usefixtures("folder")


def started(place: str, age: int = 0, attempt: int = 1) -> CallStarted:
    return CallStarted(place, f"m:{place.rpartition('/')[2]}", attempt, 0, now() - age, "")


def told(capsys: pytest.CaptureFixture[str], options: str = "") -> Any:
    assert stretto(f"top --json {options}") == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def runs(journal: Journal) -> Journal:
    cost = {"cost": 0.25}
    events = [
        done("a", cost),
        intended("send"),
        started("for/3/ask", 2 * HOUR, 2),
        started("b"),
        done("b", cost),
    ]
    fill(journal, "going", events, owner=this_process(), release=False)
    fill(journal, "gone", [started("a")], owner=dead(), release=False)
    fill(journal, "doubt", [intended("send"), ended(RunState.IN_DOUBT)])
    fill(journal, "just", [done("a"), ended()])
    fill(journal, "long ago", [done("a"), ended(time=now() - DAY)], age=2 * DAY)
    return journal


def test_one_table(runs: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    assert stretto("top") == 0  # stdout is no terminal
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("1 run going on") and "\x1b" not in "".join(lines)
    assert [line.split()[0] for line in lines if not line.startswith(" ")][2:] == [
        "going",
        "doubt",
        "gone",
        "just",
    ]
    assert lines[2].split()[1:3] == ["report:digest", "running"] and lines[2].split()[-2:] == ["2", "$0.5000"]
    assert lines[3].split() == ["2", "h", "0", "min", "for/3/ask,", "attempt", "2"] and "send" in lines[4]
    assert "interrupted" in lines[6] and "is gone" in lines[7]
    assert stretto("top --once --jurnal x") == 2


def test_for_programs(runs: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    going, doubt, gone, just = told(capsys)
    assert (going["state"], going["owner_alive"], going["usd"], going["calls"]) == ("running", True, 0.5, 2)
    assert [call["place"] for call in going["running"]] == ["send", "for/3/ask"]
    assert going["running"][1]["attempt"] == 2 and going["running"][1]["seconds"] >= 7200
    assert (doubt["state"], gone["state"], gone["owner_alive"], gone["seconds"]) == (
        "in doubt",
        "interrupted",
        False,
        None,
    )
    assert [call["place"] for call in gone["running"]] == ["a"] and just["running"] == []


def test_what_was_under_way_is_lost_with_the_run(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(journal, "r", [started("a"), RunResumed("me", "source", now()), started("b")], release=False)
    [run] = told(capsys)
    assert [call["place"] for call in run["running"]] == ["b"]


def test_an_empty_journal_and_none(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "--once") == []
    assert stretto("top") == 0
    assert capsys.readouterr().out.endswith("0 runs going on\n")
    assert stretto("top --journal none.db") == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    def watch(*steps: Callable[[], None]) -> list[str]:
        """What is on the terminal after each of these, and at the end."""
        terminal, left = Terminal(), [*steps]

        def sleep(seconds: float) -> None:
            if not left:
                raise KeyboardInterrupt
            left.pop(0)()

        monkeypatch.setattr(top.time, "sleep", sleep)
        monkeypatch.setattr(sys, "stdout", terminal)
        assert stretto("top") == 0
        return terminal.getvalue().split("\x1b[J")

    return watch


def test_on_a_terminal_until_ctrl_c(journal: Journal, watched: Callable[..., list[str]]) -> None:
    fill(journal, "r", [done(f"for/{n}/a") for n in range(5)])
    lease = journal.acquire("r")

    def more() -> None:
        journal.append(lease, [done("b"), started("c")])
        journal.flush()

    pictures = watched(more)
    assert len(pictures) == 2 and "  5 " in pictures[0] and "  6 " in pictures[1] and " c\x1b" in pictures[1]
    assert pictures[0].endswith("\x1b[3F")  # over what stands there


def test_each_event_is_read_once(
    journal: Journal, watched: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no more than so many at a look, which is said."""
    fill(journal, "r", [done(f"for/{n}/a") for n in range(250)], release=False)
    monkeypatch.setattr(top, "_EVENTS", 100)
    asked: list[int] = []
    real = type(journal).events

    def events(self: Journal, run: str, *, after: int = 0) -> Any:
        asked.append(after)
        return real(self, run, after=after)

    monkeypatch.setattr(type(journal), "events", events)
    pictures = watched(*[lambda: None] * 4)
    assert asked == [0, 100, 200]
    assert "39% read" in pictures[0] and "79% read" in pictures[1] and "read" not in pictures[2]
