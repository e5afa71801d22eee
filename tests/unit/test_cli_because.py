"""`stretto why RUN CALL`: why a call started when it did."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from stretto import call, flow, fork
from stretto.configuration import DEFAULT
from stretto.journal import Journal
from stretto.journal.configured import shared
from stretto.journal.events import CallStarted, now
from stretto.testing import VirtualClock
from tests.unit.journals import done, ended, fill, intended, stretto

pytestmark = pytest.mark.usefixtures("folder")


@call.reads("web")
async def search(topic: str) -> list[str]:
    await asyncio.sleep(2)
    return [topic]


@call
async def log(text: str) -> None:
    await asyncio.sleep(0.5)


@call.unordered(limit=1)
async def think(text: str) -> str:
    await asyncio.sleep(3)
    return text


@call.writes("mail")
async def send(text: str) -> None:
    await asyncio.sleep(1)


@flow
def digest(topics: list[str]) -> None:
    notes = []
    for topic in topics:
        hits = search(topic)
        log(topic)
        notes.append(think(hits[0]))
    send("; ".join(notes))


@flow
def thinking(times: int) -> str:
    return "".join([think(str(n)) for n in range(times)])


@call.writes("sum")
def add(n: int) -> int:
    return n


@flow
def adding(times: int) -> None:
    for n in range(times):
        add(n)


def recorded(program: Any, argument: object) -> str:
    Path(DEFAULT).parent.mkdir(exist_ok=True)
    with VirtualClock():
        program.using(journal=str(DEFAULT))(argument)
    [newest] = shared(str(DEFAULT)).runs(limit=1)
    return newest.id


def told(capsys: pytest.CaptureFixture[str], command: str) -> str:
    assert stretto(command) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 100
    return text


def test_the_chain_and_what_would_have_helped(capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded(digest, ["a", "b"])
    text = told(capsys, f"why {run[:12]} send")
    lines = [line.split() for line in text.splitlines()]
    calls = [line[4] for line in lines if len(line) > 5 and line[1] in ("s", "ms", "µs") and line[3] == "s"]
    assert calls[:1] == ["search"] and calls[-1] == "send"
    for words in (
        "declared    writes mail", "could start at 9.0 s", "took        1.0 s, and came back", "for/1/think",
        "1. log, test_cli_because.py:", "@call.unordered", " earlier\n",
    ):  # fmt: skip
        assert words in text

    assert stretto(f"why {run} send --json") == 0
    found = json.loads(capsys.readouterr().out)
    chain = found["chain"]
    assert [step["place"] for step in chain] == [
        "for/0/search", "for/0/log", "for/0/think", "for/1/log", "for/1/think", "send",
    ]  # fmt: skip
    for before, after in zip(chain, chain[1:], strict=False):
        assert after["waited_for"] == before["place"]
        assert after["started"] == before["ended"] + after["gap_seconds"]
    assert (found["call"]["started"], found["call"]["waited"]) == (9.0, "data")
    assert [need["place"] for need in found["needs"]] == ["for/1/think", "for/0/think"]
    # with log out of the way: search to 2, think to 5, think to 8
    assert found["earlier"][0]["would_start_earlier_seconds"] == 1.0


def test_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded(thinking, 3)
    text = told(capsys, f"why {run} for/2/think")
    assert "started     at 6.0 s, 6.0 s later; it waited for a free place (think test_cli_because.py:" in text
    assert "6.0 s earlier" in text and "raise limit=1" in text
    assert "It waited for nothing" in told(capsys, f"why {run} for/0/think")


def test_which_call(capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded(thinking, 30)
    for name, says in (
        ("think", "30 calls of think; name one by its place:\n    for/0/think\n"),
        ("thinks", "no call is recorded at 'thinks', nor of a function of that name"),
    ):
        assert stretto(f"why {run} {name}") == 1
        err = capsys.readouterr().err
        assert says in err and err.count("\n") < 25
    assert stretto(f"why nothing {run}") == 1
    assert "there is no run 'nothing'" in capsys.readouterr().err
    assert stretto(f"why {run}") == 2
    assert "say CALL" in capsys.readouterr().err


def test_what_is_not_recorded(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    fill(journal, "old", [done("search"), done("e\x1b[31m"), ended()])
    assert "older version" in told(capsys, "why old search")
    assert "e�[31m" in told(capsys, "why old 'e\x1b[31m'")
    fill(journal, "empty", [ended()])
    assert stretto("why empty search") == 1


def test_a_call_under_way(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    fill(journal, "r", [done("a", waited_for="start\nm.py:3\nunordered"), intended("put")], release=False)
    text = told(capsys, "why r put")
    assert "runs        for" in text and "recorded when it ends" in text and "How it came" not in text
    waited = "data\nm.py:4\nunordered\na"
    fill(
        journal, "s",
        [done("a", waited_for="start\nm.py:3\nunordered"), CallStarted("b", "m:b", 1, now(), now(), waited)],
    )  # fmt: skip
    text = told(capsys, "why s b")
    assert "never ended" in text and "needed      a m.py:3" in text and "a m.py:3" in text.split("How it")[1]
    assert stretto("why s b --json") == 0
    assert json.loads(capsys.readouterr().out)["call"]["under_way"] is True


def test_a_fork(capsys: pytest.CaptureFixture[str]) -> None:
    adding.using(journal=str(DEFAULT))(2)
    [run] = [record.id for record in shared(str(DEFAULT)).runs()]
    forked = fork(run, before="for/1/add", journal=str(DEFAULT))
    forked.result()
    text = told(capsys, f"why {forked.id} for/0/add")
    assert f"stretto why {run} for/0/add" in text and "How it came" not in text
    assert "How it came to that" in told(capsys, f"why {forked.id} for/1/add")
