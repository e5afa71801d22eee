"""What a process does in `test_histories`: starts, resumes or forks a run of a program in a file, and may
kill itself at a moment of it (see `programs.moment`).

The world is one file, with a line for each write: which run, which place, what.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import stretto
from stretto import call
from stretto.cli.load import load_flow
from stretto.errors import LeaseHeld
from stretto.journal import configured, open_journal
from stretto.journal.events import CallFinished
from tests.waiting import PATIENCE

from . import programs
from .programs import moment

HELD = 7  # the exit code where another process has the run

folder = Path()
hangs_at = -1


def lines() -> list[list[str]]:
    path = folder / "world"
    return [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []


def was_put(text: str) -> bool:
    return any(run == stretto.current().run and found == text for run, _, found in lines())


def append(text: str) -> None:
    moment()
    with open(folder / "world", "a") as file:
        file.write(f"{stretto.current().run} {stretto.current().place} {text}\n")
        file.flush()
        os.fsync(file.fileno())
    moment()


@call.unordered
def ask(x: object) -> str:
    if x == hangs_at:
        print("hangs", flush=True)
        time.sleep(3600)
    return f"about {x}"


@call.writes("world", check=was_put)
async def put(text: str) -> None:
    append(text)


@call.commutes("tally", check=was_put)
def tally(text: str) -> None:
    append(text)


def rehearse() -> None:
    """All that the processes here import."""
    with tempfile.TemporaryDirectory() as where:
        (Path(where) / "program.py").write_text(
            "from stretto import flow\nfrom tests.crash.acts import ask, put, tally\n\n\n"
            "@flow\ndef main(n):\n    put(ask(n))\n    tally('once')\n"
        )
        main("start", f"{where}/journal.db", where, "0", "-1")
        journal = configured.current()
        assert journal is not None
        (run,) = journal.runs()
        put_at = next(e.place for _, e in journal.events(run.id) if isinstance(e, CallFinished))
        main("fork", f"{where}/journal.db", where, "0", "-1", run.id, put_at)


def main(what: str, url: str, where: str, when: str, hangs: str, *about: str) -> None:
    """One run, begun or gone on with, seen to its end."""
    global folder, hangs_at
    folder, programs.last, hangs_at = Path(where), int(when), int(hangs)
    configured._shared[str(Path(url).resolve())] = open_journal(url, probe=moment)
    stretto.configure(journal=url)
    try:
        run: Any
        if what == "start":
            run = load_flow(f"{where}/program.py:main").start(4)
        elif what == "resume":
            run = stretto.resume(about[0])
        else:
            run = stretto.fork(about[0], before=about[1])
        print(f"run {run.id}", flush=True)
        print(f"result {run.result(PATIENCE)}", flush=True)
    except LeaseHeld:
        sys.exit(HELD)
    journal = configured.current()
    assert journal is not None
    journal.flush()
