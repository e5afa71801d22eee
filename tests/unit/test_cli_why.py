"""`stretto explain RUN`, as people and programs read it."""

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
from stretto.testing import VirtualClock
from tests.unit.journals import done, fill, stretto

pytestmark = pytest.mark.usefixtures("folder")


@call.unordered
async def think(seconds: float, *about: object) -> str:
    await asyncio.sleep(seconds)
    return "thought"


@call
async def log(seconds: float) -> None:
    await asyncio.sleep(seconds)


@flow
def slow(times: int) -> str:
    notes = []
    for _ in range(times):
        log(0.5)
        notes.append(think(1.0))
    return think(2.0, ", ".join(notes))


@call.unordered(rate="2/10s")
async def seldom(n: int) -> int:
    await asyncio.sleep(0.1)
    return n


@flow
def limited(times: int) -> int:
    return sum([seldom(n) for n in range(times)])


def recorded(times: int, program: Any = slow) -> str:
    Path(DEFAULT).parent.mkdir(exist_ok=True)
    with VirtualClock():
        program.using(journal=str(DEFAULT))(times)
    [newest] = shared(str(DEFAULT)).runs(limit=1)
    return newest.id


def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded(3)
    assert stretto(f"explain {run[:12]}") == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 80
    lines = text.splitlines()
    assert lines[0].endswith(f"slow, run {run}: succeeded")
    for words in ("one by one        6.5 s", "as it was         4.0 s", "at best           3.0 s"):
        assert words in text
    assert "log" in text and "would save 1.0 s" in text and "@call.unordered" in text


def test_a_rate_that_was_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert stretto(f"explain {recorded(6, limited)}") == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("no call of the path: a rate, or calls of other runs") == 2
    assert "a free place" in text and "rate=2/10s" in text and "own code, or waiting" not in text


def test_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded(3)
    assert stretto(f"explain {run} --json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["seconds"], found["sequential_seconds"], found["ideal_seconds"]) == (4.0, 6.5, 3.0)
    assert sum(step["ended"] - step["started"] for step in found["critical_path"]) == 4.0
    first = found["places"][0]
    assert first["call"].endswith(":log") and first["would_save_seconds"] == 1.0
    assert first["change"]["text"] == "@call"


def test_a_long_path_is_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    assert stretto(f"explain {recorded(50)}") == 0
    text = capsys.readouterr().out
    assert "more calls" in text and len(text.splitlines()) < 40


def test_an_old_run(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    fill(journal, "r", [done("search"), done("ask")])
    assert stretto("explain r") == 0
    assert "older version" in capsys.readouterr().out


def test_no_such_run(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    fill(journal, "r", [done("search")])
    assert stretto("explain nothing") == 1
    assert "there is no run 'nothing'" in capsys.readouterr().err
