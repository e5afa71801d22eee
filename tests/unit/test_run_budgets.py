"""The budget that each run has, said beside the program: in every form of a run, and line by line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stretto import budget, call, configuration, configure, errors, flow
from stretto.cli import main
from stretto.testing import VirtualClock


@call.unordered(usd=0.02)
async def chat(n: int, seconds: float = 0.001) -> dict[str, float]:
    await asyncio.sleep(seconds)
    return {"n": n, "cost": 0.004}


@flow
def asked(n: int) -> int:
    done = 0
    try:
        for i in range(n):
            chat(i)
            done += 1
    except errors.BudgetExceeded:
        return -done
    return done


@flow
async def asked_async(n: int) -> int:
    done = 0
    try:
        for i in range(n):
            await chat(i)
            done += 1
    except errors.BudgetExceeded:
        return -done
    return done


@flow
def values(n: int) -> Iterator[float]:
    for i in range(n):
        with budget(usd=0.03):
            found = chat(i)
            yield found["n"]


@flow
def outer(n: int) -> list[int]:
    return [asked(n), asked(n)]


def taken(source: Iterator[float]) -> int:
    found = 0
    with pytest.raises(errors.BudgetExceeded) as raised:
        for _ in source:
            found += 1
    assert "is left of budget(usd=0.1) of the run (stretto.configure)" in str(raised.value)
    return found


async def _aio(n: int) -> int:
    return await asked.aio(n)


@pytest.mark.parametrize(
    "run",
    [
        asked, asked.sequential, lambda n: asyncio.run(_aio(n)), lambda n: asked.start(n).result(),
        asked_async.sequential, lambda n: asyncio.run(asked_async(n)),
    ],
)  # fmt: skip
def test_every_run_has_it(folder: Path, run: Callable[[int], int]) -> None:
    configure(budget={"usd": 0.1})
    assert run(20) == 20
    assert run(30) == run(40) == -21  # a run's own
    configure(budget=None)
    assert run(30) == 30


def test_flows_that_yield(folder: Path) -> None:
    configure(budget="usd=0.1")
    with VirtualClock():
        assert taken(values(40)) == taken(values.sequential(40)) == taken(values.start(40)) == 21


def test_a_flow_in_a_flow_has_that_of_the_run(folder: Path) -> None:
    configure(budget={"usd": 0.2})
    with VirtualClock():
        assert outer(40) == outer.sequential(40) == [40, -6]
        with budget(usd=0.1):  # all of them have to have room
            assert asked(40) == -21
        with budget(usd=0.1):
            assert asked.sequential(40) == -21


def test_seconds(folder: Path) -> None:
    configure(budget={"seconds": 2.5})

    @flow
    def row(n: int) -> float:
        found = 0.0
        for _ in range(n):
            found = chat(int(found), 1)["n"] + 1
        return found

    with VirtualClock():
        assert row(2) == row.sequential(2) == 2
        for run in (row, row.sequential):
            with pytest.raises(
                errors.BudgetExceeded, match=r"^the 2.5 s of budget\(seconds=2.5\) of the run"
            ):
                run(5)


@pytest.mark.parametrize(
    "said, wrong",
    [
        ({"usd": 0}, "budget(usd=...) is US dollars, more than 0; found 0"),
        ({"usdd": 1}, "budget is such as { usd = 0.50, tokens = 200_000, seconds = 30 }"),
        ({}, "found {}"),
        ("usd", "found 'usd'"),
        (7, "found 7"),
    ],
)
def test_what_it_cannot_be(folder: Path, said: Any, wrong: str) -> None:
    with pytest.raises(errors.ConfigurationError) as raised:
        configure(budget=said)
    assert str(raised.value).startswith("stretto.configure: budget") and wrong in str(raised.value)


def test_from_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "spend.py").write_text(
        "from stretto import call, flow\n\n"
        "@call.unordered(usd=0.02)\n"
        "async def chat(n: int) -> dict[str, float]:\n    return {'n': n, 'cost': 0.004}\n\n"
        "@flow\ndef work(n: int) -> int:\n    for i in range(n):\n        chat(i)\n    return n\n"
    )
    (folder / "stretto.toml").write_text("[budget]\nusd = 0.03\n")
    configuration.unconfigure()
    for more in ("", " --sequential"):
        assert main(f"run{more} spend.py:work 9".split()) == 1
        assert f"of the run ({folder}/stretto.toml:1)" in capsys.readouterr().err
        assert main(f"run{more} --budget usd=0.5 spend.py:work 9".split()) == 0
        assert capsys.readouterr().out == "9\n"
    for wrong in ("usd", "usd=-1", "dollars=1"):
        assert main(["run", "--budget", wrong, "spend.py:work", "9"]) == 2
        assert capsys.readouterr().err.startswith("error: --budget")
    assert main("ls --state failed --limit 1 --json".split()) == 0
    run = capsys.readouterr().out.split('"id": "')[1].partition('"')[0]
    assert main(f"fork {run} --before for/2/chat --budget usd=1".split()) == 0
    assert capsys.readouterr().out == "9\n"
    (folder / "whole.py").write_text(
        "from spend import chat\nfor i in range(9):\n    chat(i)\nprint('all')\n"
    )
    for more, code in (("", 1), (" --sequential", 1), (" --budget usd=1", 0)):
        assert main(f"run --no-journal{more} whole.py".split()) == code
        assert ("of the run (" in capsys.readouterr().err) == bool(code)
    assert main(["config"]) == 0
    assert "usd=0.03" in capsys.readouterr().out
