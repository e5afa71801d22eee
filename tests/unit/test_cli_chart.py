"""`stretto show RUN --timeline`: what ran when, as a chart of text."""

from __future__ import annotations

import asyncio
import io
import random
from pathlib import Path

import pytest

from stretto import call, flow
from stretto.cli.chart import chart
from stretto.cli.output import Style
from stretto.configuration import DEFAULT
from stretto.journal import Journal
from stretto.journal.configured import shared
from stretto.journal.events import CallFinished, RunResumed, now
from stretto.observe.chart import Chart
from stretto.observe.timeline import Timeline
from stretto.testing import VirtualClock
from tests.unit.journals import data, done, ended, failed, fill, intended, stretto

pytestmark = pytest.mark.usefixtures("folder")


@call.reads("web")
async def search(n: int) -> int:
    await asyncio.sleep(2)
    return n


@call
async def log(n: int) -> None:
    await asyncio.sleep(1)


@call.unordered(limit=1)
async def think(n: int) -> int:
    await asyncio.sleep(3)
    return n


@flow
def thinking(times: int) -> int:
    total = 0
    for n in range(times):
        total += think(search(n))
    log(total)
    return total


def recorded(times: int) -> str:
    Path(DEFAULT).parent.mkdir(exist_ok=True)
    with VirtualClock():
        thinking.using(journal=str(DEFAULT))(times)
    [newest] = shared(str(DEFAULT)).runs(limit=1)
    return newest.id


def drawn(capsys: pytest.CaptureFixture[str], run: str, options: str = "", width: int = 59) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        assert stretto(f"show {run} --timeline {options}") == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text and max(map(len, text.splitlines()[2:-4]), default=0) <= width
    return text


def test_one_row_a_call(capsys: pytest.CaptureFixture[str]) -> None:
    """Nine seconds in 32 cells; of the second search nothing waits but the limit."""
    text = drawn(capsys, recorded(2))
    assert text.splitlines()[2:8] == [
        "               |0                |5.0 s",
        "● for/0/search ███████                               2.0 s",
        "● for/0/think         ███████████                    3.0 s",
        "  for/1/search ▒▒▒▒▒▒▒                               2.0 s",
        "● for/1/think         l──────────██████████          3.0 s",
        "● log                                      ████      1.0 s",
    ]
    assert "● █ on the critical path" in text and "waits for: l─ a free place\n" in text


def test_more_calls_than_rows(capsys: pytest.CaptureFixture[str]) -> None:
    text = drawn(capsys, recorded(10), "--limit 3", width=100)
    search_, think_, log_ = text.splitlines()[3:6]
    assert "search test_cli_chart.py:" in search_ and "10×" in search_ and "20.0 s" in search_
    assert think_.count("█") >= 40 and "─" not in think_  # it runs where others of it wait
    assert log_.split()[-2:] == ["1.0", "s"] and "█" in log_
    assert "how many run at once" in text
    assert "and 2 more lines" in drawn(capsys, recorded(10), "--limit 1", width=100)


def test_plain_ascii(journal: Journal) -> None:
    stamp = now()
    waited = "order b\nm.py:1\nplain"
    times = stamp, stamp + 1_000_000, stamp + 2_000_000
    one = CallFinished("für/a", "m:a", b"", 1, data(1), None, *times, waited)
    fill(
        journal,
        "r",
        [one, failed("e\x1b[31m", ValueError()), intended("w"), RunResumed("me", "source", stamp)],
    )
    record = journal.run("r")
    timeline = Timeline(event for _, event in journal.events("r"))
    lines = list(chart(timeline, record, 9, 60, Style(io.StringIO()), fancy=False))
    text = "\n".join(lines)
    assert text.isascii() and text.isprintable() is False and "\x1b" not in text
    assert (
        "f?r/a" in text
        and "o---" in text
        and "###" in text
        and "x raised" in text
        and ": taken up again" in text
    )


def test_colours_are_for_terminals_only(journal: Journal) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    fill(journal, "r", [done("a")])
    timeline = Timeline(event for _, event in journal.events("r"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.delenv("NO_COLOR", raising=False)
        style = Style(Terminal())
    text = "\n".join(chart(timeline, journal.run("r"), 9, 60, style, fancy=True))
    assert "\x1b[36m▒" in text


def test_without_calls_and_bad_usage(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    fill(journal, "empty", [ended()])
    assert "no calls\n" in drawn(capsys, "empty")
    fill(journal, "old", [done("a"), ended()])
    assert "older version" in drawn(capsys, "old")
    assert stretto("show empty --timeline --json") == 2
    assert stretto("show nothing --timeline") == 1


def test_the_density_is_what_ran(journal: Journal) -> None:
    """What all cells of a row hold together is how long its calls ran."""
    chance = random.Random(3)
    zero = now()
    calls: list[CallFinished] = []
    for n in range(200):
        begin = zero + chance.randrange(1_000_000)
        end = begin + chance.choice([0, 1, 500, 100_000, 700_000])
        calls.append(CallFinished(f"for/{n}/a", "m:a", b"", 1, data(n), None, begin, begin, end, ""))
    fill(journal, "r", calls)
    timeline = Timeline(event for _, event in journal.events("r"))
    drawn = Chart(timeline, 5, 77)
    [row] = drawn.rows
    cells = drawn.busy(row)
    total = sum(max(c.took, 1) for c in row.calls)
    assert len(cells) == 77 and min(cells) > -1e-9
    assert abs(sum(cells) * drawn.took / 77 - total) < 1000 + total * 1e-6
    for cell in (0, 20, 76):
        edges = cell * drawn.took / 77, (cell + 1) * drawn.took / 77
        inside = sum(max(0.0, min(c.ended, edges[1]) - max(c.started, edges[0])) for c in row.calls)
        assert abs(inside * 77 / drawn.took - cells[cell]) < 0.01
