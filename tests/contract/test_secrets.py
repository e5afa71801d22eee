"""Runs with secrets in journals of both kinds, and from one into the other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import stretto
from stretto import call, errors, flow
from stretto.journal import Journal
from stretto.journal.configured import shared
from stretto.journal.events import BlobRef, CallFinished
from stretto.journal.frames import values_of
from stretto.journal.secrets import VARIABLE
from stretto.journal.transfer import export_run, import_run
from tests.waiting import PATIENCE, until

from .conftest import Store, postgres_store

SECRET = "hunter2-correct-horse"
made: list[str] = []
hold = False


@call.writes("vault", secret="return")
def fetch(user: str) -> str:
    """Large enough to be stored apart, with what would be compressed."""
    made.append("fetch")
    return SECRET * 10_000


@call.reads("vault", secret="text")
async def wait(text: str) -> int:
    made.append("wait")
    while hold:
        await asyncio.sleep(0.001)
    return len(text)


@flow(secret=True)
def sized(user: str, password: str) -> int:
    return wait(fetch(user) + password)


def held(journal: Journal, run: str) -> bytes:
    found = [journal.get_blob(name) for name in journal.blobs(run)]
    for _, event in journal.events(run):
        found.append(repr(event).encode())
        found += [value for _, value in values_of(event) if isinstance(value, bytes)]
    return b"\n".join(found)


def interrupted(url: str) -> str:
    global hold
    made.clear()
    hold = True
    run = sized.using(journal=url).start("ann", SECRET)
    until(lambda: "wait" in made, lambda: made)
    run.interrupt()
    hold = False
    assert made == ["fetch", "wait"]
    made.clear()
    return run.id


def test_a_run_is_taken_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = interrupted(store.url)
    journal = shared(store.url)
    journal.flush()
    [result] = [e.result for _, e in journal.events(run) if isinstance(e, CallFinished)]
    assert isinstance(result, BlobRef)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv(VARIABLE, "ab" * 32)
        with pytest.raises(errors.SecretKeyError, match="another one"):
            stretto.resume(run, journal=store.url)
    assert stretto.resume(run, journal=store.url).result(PATIENCE) == 10_001 * len(SECRET)
    assert made == ["wait"]
    assert SECRET.encode() not in held(journal, run)
    journal.close()


def test_a_run_goes_on_in_another_journal(
    sqlite: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run = interrupted(sqlite.url)
    source = shared(sqlite.url)
    export_run(source, run, tmp_path / "run.stretto")
    source.close()
    other = postgres_store(request.getfixturevalue("server"))
    target = shared(other.url)
    import_run(target, tmp_path / "run.stretto")
    assert stretto.resume(run, journal=other.url).result(PATIENCE) == 10_001 * len(SECRET)
    assert made == ["wait"]
    assert SECRET.encode() not in held(target, run)
    target.close()
    other.close()
