"""`stretto show RUN --trace FILE`: a run in the format of Chrome's traces."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from stretto import call, flow
from stretto.configuration import DEFAULT
from stretto.journal import Journal
from stretto.journal.configured import shared
from stretto.journal.events import CallFinished, RunResumed, now
from stretto.testing import VirtualClock
from tests.unit.journals import done, ended, failed, fill, intended, stretto
from tests.unit.trace_format import breaches

pytestmark = pytest.mark.usefixtures("folder")


@call.reads("web")
async def search(n: int) -> int:
    await asyncio.sleep(n % 3)
    return n


@call.unordered(limit=2)
async def think(n: int) -> int:
    await asyncio.sleep(1)
    return n


@call.writes("log")
async def log(n: int) -> None:
    await asyncio.sleep(0.5)


@flow
def thinking(times: int) -> int:
    total = 0
    for n in range(times):
        total += think(search(n))
        log(n)
    return total


def traced(capsys: pytest.CaptureFixture[str], run: str) -> list[dict[str, Any]]:
    assert stretto(f"show {run} --trace trace.json") == 0
    assert f"of {run} in trace.json: open it" in capsys.readouterr().out
    text = Path("trace.json").read_text()
    assert stretto(f"show {run} --trace -") == 0
    assert capsys.readouterr().out == text
    found = json.loads(text)
    assert breaches(found) == []
    assert found["otherData"]["run"] == run
    events = found["traceEvents"]
    assert isinstance(events, list)
    return events


def test_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    Path(DEFAULT).parent.mkdir(exist_ok=True)
    with VirtualClock():
        thinking.using(journal=str(DEFAULT))(12)
    [run] = shared(str(DEFAULT)).runs()
    events = traced(capsys, run.id)
    threads = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    slices: dict[int, list[Any]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            slices[event["tid"]].append(event)
    assert slices.keys() == threads.keys() and threads[1] == "critical path"
    for those in slices.values():
        those.sort(key=lambda event: event["ts"])
        for before, after in zip(those, those[1:], strict=False):
            assert before["ts"] + before["dur"] <= after["ts"]
    calls = [event for tid, those in slices.items() if tid != 1 for event in those]
    assert len(calls) == 36 and sum(e["dur"] for e in calls if e["name"] == "think") == 12_000_000
    path = slices[1]
    assert sum(e["dur"] + e["args"]["gap_us"] for e in path) == max(e["ts"] + e["dur"] for e in calls)
    by_place = {event["args"]["place"]: event for event in calls}
    one = by_place["for/3/log"]
    assert one["cat"] == "writes" and one["args"]["line"].rpartition(":")[0].endswith("test_cli_trace.py")
    assert (
        one["args"]["waited"] == "order" and one["args"]["waited_us"] == one["ts"] - one["args"]["ready_us"]
    )

    begins = {event["id"]: event for event in events if event["ph"] == "s"}
    arrows = [(begins[event["id"]], event) for event in events if event["ph"] == "f"]
    assert len(arrows) == len(begins) == sum("waited_for" in event["args"] for event in calls)
    at = {(event["tid"], event["ts"]): event for event in calls}
    for begin, end in arrows:
        after = at[end["tid"], end["ts"]]
        before = by_place[after["args"]["waited_for"]]
        assert begin["tid"] == before["tid"] and begin["ts"] <= end["ts"]
        assert before["ts"] <= begin["ts"] <= before["ts"] + before["dur"]


def test_many_short_calls(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """Some take no time at all, and many begin as others end."""
    luck, time = random.Random(7), 2_000_000_000_000_000
    calls: list[CallFinished] = []
    for n in range(300):
        started = time + luck.randrange(40)
        before = calls[luck.randrange(n)] if n else None
        waited = "start\nm.py:1\npure"
        if before is not None:
            started = max(started, before.ended)
            waited = f"order {before.place}\nm.py:1\npure\n{before.place}"
        ended_at = started + luck.choice([0, 0, 1, 2, 30])
        calls.append(
            done(f"for/{n}/a", waited_for=waited)._replace(ready=time, started=started, ended=ended_at)
        )
    fill(journal, "short", [*sorted(calls, key=lambda event: event.ended), ended()])
    events = traced(capsys, "short")
    assert sum(event["ph"] == "s" for event in events) > 200


def test_what_the_format_forbids_is_found() -> None:
    head = {"pid": 1, "tid": 2, "name": "a"}
    one = {**head, "ph": "X", "ts": 0, "dur": 10}
    begin = {**head, "ph": "s", "cat": "waits", "id": 1, "ts": 5}
    end = {**begin, "ph": "f", "bp": "e", "ts": 7}
    assert breaches({"traceEvents": [one, begin, end]}) == []
    for wrong in (
        [{**one, "dur": -1}],
        [{**one, "ts": "0"}],
        [{**one, "ph": "Y"}],
        [{**head, "ph": "M"}],
        [one, {**one, "ts": 5}],
        [one, begin],
        [one, begin, {**end, "id": 2}],
        [one, begin, {**end, "tid": 3}],
        [one, begin, {**end, "ts": 11}],
        [one, {**begin, "tid": 3}, end],
        [one, begin, end, {**begin, "ph": "e"}],
    ):
        assert breaches({"traceEvents": wrong}), wrong
    assert breaches([one])


def test_odd_runs(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    fill(journal, "empty", [ended()])
    assert [event["name"] for event in traced(capsys, "empty")] == ["process_name"]
    odd = [
        failed('e\x1b[31m"</script>', ValueError()),
        done("a", attempt=2),
        RunResumed("me", "source", now()),
        intended("w"),
    ]
    fill(journal, "odd", odd)
    events = traced(capsys, "odd")
    slices = {event["args"]["place"]: event["args"] for event in events if event["ph"] == "X"}
    assert (
        slices['e\x1b[31m"</script>']["failed"] and slices["w"]["under_way"] and slices["a"]["attempts"] == 2
    )
    assert [event["name"] for event in events if event["ph"] == "i"] == ["taken up again"]
    assert "critical path" not in {event["args"].get("name") for event in events if event["ph"] == "M"}


def test_where_it_cannot_be_written(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    fill(journal, "r", [done("a")])
    assert stretto("show r --trace no/where.json") == 1
    assert "no/where.json" in capsys.readouterr().err
    assert stretto("show r --trace t.json --json") == 0
    assert json.loads(capsys.readouterr().out) == {"id": "r", "file": "t.json", "calls": 1}
    assert stretto("show nothing --trace t.json") == 1
