"""`stretto blame RUN`: where a failure began, what led to it, and what was thrown away for it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from stretto import call, flow
from stretto.configuration import DEFAULT
from stretto.journal import Journal
from stretto.journal.configured import shared
from stretto.journal.events import RunEnded, RunState, now
from stretto.testing import VirtualClock
from tests.unit.journals import data, done, ended, fill, intended, stretto

pytestmark = pytest.mark.usefixtures("folder")


@call.unordered
async def find(n: int) -> int:
    await asyncio.sleep(1)
    return n


@call.unordered
async def check(n: int) -> int:
    await asyncio.sleep(1)
    if n > 1:
        error = ValueError(f"{n} is too many")
        error.add_note("as it was checked")
        raise error from OSError("no\x1b[31m disk")
    return n


@call.unordered
async def slow(n: int) -> int:
    await asyncio.sleep(n)
    return n


@call.writes("box", secret=["code"])
async def put(n: int, code: str = "") -> None:
    await asyncio.sleep(0.5)
    if code:
        raise KeyError(code)


@flow
def checking(limit: int) -> int:
    total = 0
    try:
        total += check(find(2))
    except ValueError:
        put(0)
    for n in range(limit):
        total += check(find(n))
    return total + slow(1) + slow(2) + slow(100)


@flow
def tidying(n: int) -> None:
    try:
        check(find(n))
    except ValueError:
        put(n, "s3cret")
    finally:
        put(1)


@flow
def again(n: int) -> None:
    try:
        check(find(n))
    except ValueError:
        check(n + 1)


@flow
def own(n: int) -> int:
    return [find(n)][n]


def recorded(program: Any, argument: object) -> str:
    Path(DEFAULT).parent.mkdir(exist_ok=True)
    with VirtualClock(), pytest.raises(Exception):  # noqa: B017, PT011  # each test looks at which
        program.using(journal=str(DEFAULT))(argument)
    [newest] = shared(str(DEFAULT)).runs(limit=1)
    return newest.id


def blamed(capsys: pytest.CaptureFixture[str], run: str) -> tuple[str, Any]:
    assert stretto(f"blame {run}") == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 120
    assert stretto(f"blame {run} --json") == 0
    return text, json.loads(capsys.readouterr().out)


def test_the_one_that_was_not_handled(capsys: pytest.CaptureFixture[str]) -> None:
    """The first raised the same, and what follows it shows that it was handled."""
    text, found = blamed(capsys, recorded(checking, 4))
    assert [call["place"] for call in found["calls"]] == ["for/2/check#2"] and found["alike"] == 1
    assert [each["place"] for each in found["values"]] == ["for/2/find#2"]
    assert found["values"][0]["result"] == 2 and found["values"][0]["depth"] == 1
    assert [call["place"] for call in found["handled"]] == ["check", "for/3/check#2"]
    assert [call["place"] for call in found["cancelled"]] == ["slow#3"]
    assert {call["place"] for call in found["for_nothing"]} == {
        "for/3/find#2",
        "for/3/check#2",
        "slow",
        "slow#2",
    }
    assert found["raised"][0] == {
        "type": "ValueError", "message": "2 is too many", "notes": ["as it was checked"],
    }  # fmt: skip
    head, origin, values, *_ = text.split("\n\n")
    assert (
        "ValueError: 2 is too many" in head
        and "as it was checked" in head
        and "OSError: no�[31m disk" in head
    )
    assert (
        "check test_cli_blame.py:" in origin
        and "for/2/check#2" in origin
        and "1 more raised the same" in origin
    )
    assert "→ 2" in values


def test_what_a_handler_raised(capsys: pytest.CaptureFixture[str]) -> None:
    """It began with what was being handled."""
    text, found = blamed(capsys, recorded(again, 3))
    assert [call["place"] for call in found["calls"]] == ["check", "check#2"] and found["handled"] == []
    assert text.index("4 is too many") < text.index("Where it began") < text.index("While that was handled")


def test_a_secret_is_told_nowhere(capsys: pytest.CaptureFixture[str], secretive: None) -> None:
    text, found = blamed(capsys, recorded(tidying, 3))
    assert [call["place"] for call in found["calls"]] == ["put"] and found["error"]["type"] == "KeyError"
    assert [call["place"] for call in found["handled"]] == ["check"]
    assert "s3cret" not in text + json.dumps(found) and "KeyError: <secret>" in text


def test_the_flows_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    text, found = blamed(capsys, recorded(own, 3))
    assert "IndexError" in text and "flow's own code" in text and found["calls"] == []


def test_what_has_not_failed(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    fill(journal, "good", [done("a"), ended()])
    assert "It has not failed.\n" in blamed(capsys, "good")[0]
    fill(journal, "doubt", [intended("a"), ended(RunState.IN_DOUBT)])
    assert "stretto show doubt" in blamed(capsys, "doubt")[0]
    fill(journal, "running", [intended("a")], release=False)
    assert blamed(capsys, "running")[1]["failed"] is False
    fill(journal, "empty", [RunEnded(RunState.FAILED, None, data(ValueError("x")), now())])
    assert "ValueError: x" in blamed(capsys, "empty")[0]
    fill(journal, "unread", [RunEnded(RunState.FAILED, None, b"\xff\xff", now())])
    assert "cannot be read" in blamed(capsys, "unread")[0]
    assert stretto("blame nothing") == 1
