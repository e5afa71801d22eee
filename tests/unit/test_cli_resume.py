"""`stretto resume` and `stretto fork`, as people and programs use them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stretto.journal import open_journal
from stretto.journal.events import CallFinished
from tests.waiting import PATIENCE, until

PROGRAM = """\
import asyncio, os
from stretto import call, flow

@call.reads("web")
async def fetch(page: int) -> str:
    if page >= 2 and not os.path.exists("online"):
        await asyncio.sleep(3600)
    return f"page {page}"

@call.writes("mail")
async def send(text: str) -> str:
    with open("sent", "a") as file:
        file.write(text + ";")
    return text

@flow
def digest(pages: int) -> list[str]:
    found: list[str] = []
    for page in range(pages):
        found.append(fetch(page))
        send(found[-1])
        print("sent", page, flush=True)
    return found
"""


def stretto(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stretto", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def until_sent(folder: Path, pages: int) -> None:
    """Waits until it is on disk that so many pages have been sent."""
    until((folder / ".stretto" / "journal.db").exists)
    with closing(open_journal(folder / ".stretto" / "journal.db")) as journal:

        def there() -> bool:
            events = [e for run in journal.runs() for _, e in journal.events(run.id)]
            return sum(isinstance(e, CallFinished) and e.call.endswith(":send") for e in events) >= pages

        until(there)


@pytest.fixture
def killed(tmp_path: Path) -> tuple[Path, str]:
    """A folder with a run that was killed after two of its four pages; its identifier."""
    (tmp_path / "report.py").write_text(PROGRAM)
    words = [sys.executable, "-m", "stretto", "run", "--json", "report.py:digest", "4"]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    run = str(json.loads(process.stdout.readline())["run"])
    until_sent(tmp_path, 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return tmp_path, run


def sent(folder: Path) -> list[str]:
    return (folder / "sent").read_text().split(";")[:-1]


def test_to_the_end(killed: tuple[Path, str]) -> None:
    folder, run = killed
    dry = stretto(folder, "resume", run[:6], "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "  reused       4\n  to run       2\n      for/2/fetch\n      for/3/fetch\n" in dry.stdout
    assert f"    stretto resume {run}\n" in dry.stdout and "\x1b" not in dry.stdout
    assert sent(folder) == ["page 0", "page 1"]
    (folder / "online").touch()
    resumed = stretto(folder, "resume", run[:6], "--json")
    assert resumed.returncode == 0, resumed.stderr
    last: dict[str, Any] = json.loads(resumed.stdout.splitlines()[-1])
    assert last["result"] == ["page 0", "page 1", "page 2", "page 3"]
    assert sent(folder) == ["page 0", "page 1", "page 2", "page 3"]
    again = stretto(folder, "resume", run)
    assert again.returncode == 1 and "has ended (succeeded)" in again.stderr
    again = stretto(folder, "resume", run, "--dry-run")
    assert again.returncode == 1 and "has ended (succeeded)" in again.stderr


def test_after_an_edit(killed: tuple[Path, str]) -> None:
    folder, run = killed
    (folder / "online").touch()
    (folder / "report.py").write_text(PROGRAM.replace("send(found[-1])", "send(found[-1].upper())"))
    found: dict[str, Any] = json.loads(stretto(folder, "resume", run, "--dry-run", "--json").stdout)
    assert found["edited"] is True
    assert [orphan["place"] for orphan in found["orphaned"]] == ["for/0/send", "for/1/send"]
    assert [new["place"] for new in found["to_run"]] == [
        "for/0/send", "for/1/send", "for/2/fetch", "for/3/fetch",
    ]  # fmt: skip
    refused = stretto(folder, "resume", run)
    assert refused.returncode == 1
    assert "comes to a new write, for/0/send (report:send)" in refused.stderr
    assert f"stretto resume {run} --accept-orphans" in refused.stderr
    assert sent(folder) == ["page 0", "page 1"]
    assert stretto(folder, "resume", run, "--accept-orphans").returncode == 0
    assert sent(folder) == ["page 0", "page 1", "PAGE 0", "PAGE 1", "PAGE 2", "PAGE 3"]


def test_forked(killed: tuple[Path, str]) -> None:
    folder, run = killed
    (folder / "online").touch()
    forked = stretto(folder, "fork", run, "--before", "for/1/fetch", "--set", 'for/1/fetch="mine"', "--json")
    assert forked.returncode == 0, forked.stderr
    last: dict[str, Any] = json.loads(forked.stdout.splitlines()[-1])
    assert last["result"] == ["page 0", "mine", "page 2", "page 3"]
    assert sent(folder) == ["page 0", "page 1", "mine", "page 2", "page 3"]
    listed: list[dict[str, Any]] = json.loads(stretto(folder, "ls", "--json").stdout)
    assert [(one["forked_from"], one["state"]) for one in listed] == [
        (run, "succeeded"),
        (None, "interrupted"),
    ]


WRONG = {
    (): "say where the new run parts from the other: --before CALL",
    ("--before", "fetch"): "2 calls of fetch; name one by its place:\n    for/0/fetch\n    for/1/fetch",
    ("--before", "nothing"): "no call is recorded at 'nothing'",
    ("--before", "for/0/send", "--set", "fetch"): "--set takes CALL=VALUE, and found 'fetch'",
    ("--before", "for/0/send", "--set", "fetch=x"): "a text stands in quotes: --set 'fetch=\"x\"'",
}


def test_what_is_wrong_with_a_fork(killed: tuple[Path, str]) -> None:
    folder, run = killed
    for words, message in WRONG.items():
        found = stretto(folder, "fork", run, *words)
        assert found.returncode in (1, 2) and message in found.stderr, found.stderr
        assert "Traceback" not in found.stderr


def test_the_order_of_a_set_of_texts_is_the_same(tmp_path: Path) -> None:
    """Each process has another one, unless the seed of hashes is set."""
    loop = PROGRAM.replace("for page in range(pages):", "for page in {f'x{n}' for n in range(pages)}:")
    hang = "if page >= 2 and not os.path.exists"
    (tmp_path / "report.py").write_text(
        loop.replace(hang, "if BEGUN.append(page) or len(BEGUN) > 1 and not os.path.exists")
        + "\nBEGUN = []\nprint(os.environ.get('PYTHONHASHSEED'))\n"
    )
    words = [sys.executable, "-m", "stretto", "run", "report.py:digest", "30"]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "None\n"
    assert process.stdout.readline().startswith("sent x")
    until_sent(tmp_path, 1)
    process.kill()
    process.communicate()
    (tmp_path / "online").touch()
    run = json.loads(stretto(tmp_path, "ls", "--json").stdout)[0]["id"]
    resumed = stretto(tmp_path, "resume", run)
    assert resumed.returncode == 0, resumed.stderr
    assert sorted(sent(tmp_path)) == sorted(f"page x{n}" for n in range(30))


@pytest.mark.parametrize("how", ["a file that is no journal", "a setting that there is not", "no value"])
def test_what_is_wrong_with_the_journal_is_said_in_a_line(tmp_path: Path, how: str) -> None:
    (tmp_path / "report.py").write_text(PROGRAM)
    (tmp_path / "online").touch()
    (tmp_path / "wrong.db").write_text("no journal, " * 100)
    said = {
        "a file that is no journal": 'journal = "wrong.db"',
        "a setting that there is not": 'journl = "x.db"',
    }
    (tmp_path / "pyproject.toml").write_text(f"[tool.stretto]\n{said.get(how, 'journal = 3')}\n")
    for command in (["run", "report.py:digest", "1"], ["ls"]):
        done = stretto(tmp_path, *command)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
        assert ("wrong.db" if how == "a file that is no journal" else "pyproject.toml") in done.stderr


CALLS = """\
import os, signal
from pathlib import Path
from stretto import call

@call.reads("web")
async def get(name: str) -> str:
    print("get", name)
    return f"<{name}>"

@call.writes("mail")
def send(text: str) -> None:
    print("send", text)

@call.writes("cut", idempotent=True)
def cut() -> None:
    if not Path("cut").exists():
        Path("cut").touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""

HELPER = """\
from calls import get, send

def collect(n):
    found = []
    for i in range(n):
        found.append(get(f"x{i}"))
        send(found[-1])
    return found + [get("last")]
"""

MAIN = """\
from calls import cut
from helper import collect
from stretto import flow

@flow
def main(n: int) -> list[str]:
    found = collect(n)
    cut()
    return found
"""


def test_a_helper_in_another_file_is_edited(tmp_path: Path) -> None:
    """What the edit did not touch is reused, though lines above it have come, and dry runs tell so."""
    for name, text in {"calls": CALLS, "helper": HELPER, "main": MAIN}.items():
        (tmp_path / f"{name}.py").write_text(text)
    assert stretto(tmp_path, "run", "main.py:main", "2").returncode == -9
    run = json.loads(stretto(tmp_path, "ls", "--json").stdout)[0]["id"]
    above = "    new = get('new')\n    newer = get(new)\n    found = []\n"
    (tmp_path / "helper.py").write_text(HELPER.replace("    found = []\n", above))
    foreseen = stretto(tmp_path, "resume", run, "--dry-run")
    assert "main:main, which has been edited since" in foreseen.stdout
    assert "reused       5\n" in foreseen.stdout and "orphaned     0\n" in foreseen.stdout
    resumed = stretto(tmp_path, "resume", run)
    assert resumed.returncode == 0, resumed.stderr
    assert [line for line in resumed.stdout.splitlines() if line.startswith(("get", "send"))] == [
        "get new",
        "get <new>",
    ]
