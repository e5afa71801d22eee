"""Large results are encoded and decoded off the event loop, which has other runs to go on with."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stretto
from stretto import call, errors, flow
from stretto.journal.configured import shared
from stretto.journal.run_secrets import RunSecrets
from tests.waiting import PATIENCE

LARGE: dict[str, Any] = {
    "text": "x" * 200_000,
    "bytes": b"x" * 200_000,
    "list": [{"id": n, "text": "some text that takes some room", "tags": [n]} for n in range(3000)],
    "within": {"items": [[n, "some text that takes some room"] for n in range(3000)]},
    "array": np.arange(40_000.0),
}
SMALL: dict[str, Any] = {"text": "x", "list": [1, 2], "array": np.arange(3)}
made: list[object] = []
held: list[bool] = []


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    made.clear()
    held.clear()
    yield


@call.reads("store")
async def load(name: str, kind: str) -> Any:
    made.append(name)
    return (LARGE if kind == "large" else SMALL)[name]


@call.writes("log", idempotent=True)
def write(length: int) -> int:
    made.append(length)
    return length


@call.unordered
def hold(what: int) -> int:
    made.append("held")
    while held:
        time.sleep(0.001)
    return what


@flow
def lengths(name: str, kind: str) -> list[Any]:
    found = load(name, kind)
    length = write(len(found))
    return [hold(length), found]


@pytest.mark.parametrize(("name", "kind"), [(n, "large") for n in LARGE] + [(n, "small") for n in SMALL])
def test_where_results_are_encoded_and_decoded(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: dict[str, list[str]] = {"result": [], "value": []}
    for method, threads in where.items():
        original = getattr(RunSecrets, method)

        def watched(*args: Any, original: Any = original, threads: list[str] = threads, **more: Any) -> Any:
            threads.append(threading.current_thread().name)
            return original(*args, **more)

        monkeypatch.setattr(RunSecrets, method, watched)
    journal = str(tmp_path / "journal.db")
    held.append(True)
    run = lengths.using(journal=journal).start(name, kind)
    while "held" not in made:
        time.sleep(0.001)
    run.stop(KeyboardInterrupt())
    held.clear()
    with pytest.raises(KeyboardInterrupt):
        run.result(PATIENCE)
    made.clear()
    length, found = stretto.resume(run.id, journal=journal).result(PATIENCE)
    assert length == len(found) and type(found) is type(LARGE[name])
    assert np.all(found == (LARGE if kind == "large" else SMALL)[name])
    assert made == ["held"]
    used = {thread.rpartition("_")[0] for thread in [*where["result"], *where["value"][:1]]}
    if kind == "large":
        assert used == {"stretto-call"}
    else:
        assert "stretto-call" not in used


@call.unordered
async def odd() -> Any:
    return [*range(3000), object()]


@flow
def unfit() -> str:
    try:
        return str(odd())
    except errors.NotRecordable as error:
        return str(error)


def test_one_that_cannot_be_recorded_fails_its_call(tmp_path: Path) -> None:
    assert "odd: its result cannot be recorded" in unfit.using(journal=str(tmp_path / "journal.db"))()


@flow
def changes() -> tuple[int, int]:
    rows = load("list", "large")
    count = write(len(rows))
    rows.append({})
    return count, len(rows)


def test_it_is_recorded_as_it_came_back(tmp_path: Path) -> None:
    journal = str(tmp_path / "journal.db")
    try:
        assert changes.using(journal=journal)() == (3000, 3001)
    finally:
        del LARGE["list"][3000:]
    (record,) = shared(journal).runs()
    made.clear()
    forked = stretto.fork(record.id, before="write", journal=journal)
    assert forked.result(PATIENCE) == (3000, 3001)
    assert made == [3000]


def test_a_run_that_is_cancelled_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, going_on, cancelled = RunSecrets.result, threading.Event(), threading.Event()

    def slowly(*args: Any, **more: Any) -> bytes:
        going_on.set()
        assert cancelled.wait(PATIENCE)
        return original(*args, **more)

    monkeypatch.setattr(RunSecrets, "result", slowly)
    run = lengths.using(journal=str(tmp_path / "journal.db")).start("list", "large")
    assert going_on.wait(PATIENCE)
    run.stop(errors.Cancelled("enough of it"))
    cancelled.set()
    run.cancel()
    with pytest.raises(errors.Cancelled, match="enough of it"):
        run.result(PATIENCE)
    assert made == ["list"]


def test_one_that_cannot_be_read_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = str(tmp_path / "journal.db")
    lengths.using(journal=journal)("list", "large")
    (record,) = shared(journal).runs()

    def gone(digest: bytes) -> bytes:
        raise errors.JournalCorrupt("the value is damaged")

    monkeypatch.setattr(shared(journal), "get_blob", gone)
    made.clear()
    forked = stretto.fork(record.id, before="hold", journal=journal)
    with pytest.raises(errors.JournalCorrupt, match="damaged"):
        forked.result(PATIENCE)
    assert made == []
