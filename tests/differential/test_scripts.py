"""Whole files: ``python script.py`` against ``stretto run script.py``, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from stretto.journal import Journal, open_journal
from stretto.journal.events import CallFinished
from tests.waiting import PATIENCE, until

SCRIPTS = Path(__file__).parent / "scripts"
WAYS = {
    "python": [sys.executable],
    "overlapped": [sys.executable, "-m", "stretto", "run", "--no-journal"],
    "one by one": [sys.executable, "-m", "stretto", "run", "--sequential"],
}


def run(
    way: str, script: Path | str, *words: str, at: Path, stdin: str = ""
) -> tuple[int, str, str, dict[str, str]]:
    """What a run of a script in a folder of its own is seen by: its exit code, what it wrote, its files."""
    folder = at / way
    folder.mkdir()
    done = subprocess.run(
        [*WAYS[way], str(script), *words],
        cwd=folder, input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONSAFEPATH": ""},
    )  # fmt: skip
    files = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    return done.returncode, done.stdout, done.stderr, files


def same(
    script: Path | str, *words: str, at: Path, stdin: str = "", between: Callable[[], None] = lambda: None
) -> tuple[int, str, str, dict[str, str]]:
    """A script is seen to do the same, whoever runs it; `between` is called after Python has."""
    expected = run("python", script, *words, at=at, stdin=stdin)
    between()
    found = run("overlapped", script, *words, at=at, stdin=stdin)
    assert found[:2] == expected[:2], found[2]
    assert found[3] == expected[3]
    assert untold(found[2]) == untold(expected[2])
    return found


def untold(text: str) -> list[str]:
    """What is written to stderr, without the marks below the lines of a traceback."""
    return [line for line in text.splitlines() if set(line) - set(" ^~")]


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.py")), ids=lambda p: p.stem)
def test_script(path: Path, tmp_path: Path) -> None:
    same(path, at=tmp_path)


def test_told_by_its_process(tmp_path: Path) -> None:
    words = ("a", "b", "--flag", "--json")
    code, out, _, _ = same(SCRIPTS / "arguments.py", *words, at=tmp_path, stdin="one\ntwo\n")
    assert code == 2
    assert "['a', 'b'] True True ['a', 'b', '--flag', '--json']" in out
    assert "read two" in out


def test_sequential(tmp_path: Path) -> None:
    assert run("one by one", SCRIPTS / "fails.py", at=tmp_path) == run(
        "python", SCRIPTS / "fails.py", at=tmp_path
    )


OVERLAPS = """
import threading
from stretto import call

everyone = threading.Barrier(10)

@call.reads("web")
def get(n: int) -> int:
    everyone.wait(60)  # for all ten to be under way
    return n * n

def page(n):
    return get(n) + 1

if __name__ == "__main__":
    pages = []
    for n in range(10):
        pages.append(page(n))
    best = max(pages)
    print(pages, best)
"""


def test_overlaps(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(OVERLAPS)
    code, out, err, _ = run("overlapped", script, at=tmp_path)
    assert (code, out) == (0, f"{[n * n + 1 for n in range(10)]} 82\n"), err


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("gone.py", "there is no file gone.py"),
        ("folder", "is a folder"),
        ("broken.py", "SyntaxError: '(' was never closed"),
        ("binary.py", "cannot contain null bytes"),
    ],
)
def test_no_script(target: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken.py").write_text("x = 1\nprint((x)\n")
    (tmp_path / "binary.py").write_bytes(b"\x00\x01")
    done = subprocess.run(
        [*WAYS["overlapped"], target],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "stretto/" not in done.stderr


DURABLE = """
import os
import sys
import time
from stretto import call

@call.reads("web")
def get(n: int) -> int:
    with open("made.txt", "a") as made:
        made.write(f"{n}\\n")
    while n and "TAKEN_UP" not in os.environ:
        time.sleep(0.01)
    return n

def main():
    print("first", get(0), sys.argv[1:], flush=True)
    print("second", get(1) + get(2))
    sys.exit(3)

if __name__ == "__main__":
    main()
"""


def recorded(journal: Journal) -> int:
    """How many results are on disk."""
    return sum(isinstance(e, CallFinished) for run in journal.runs() for _, e in journal.events(run.id))


def test_a_script_that_was_killed_is_taken_up(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(DURABLE)
    command = [sys.executable, "-m", "stretto"]
    with subprocess.Popen(
        [*command, "run", "script.py", "a", "--b"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as begun:
        assert begun.stdout is not None
        assert begun.stdout.readline() == "first 0 ['a', '--b']\n"
        with closing(open_journal(tmp_path / ".stretto" / "journal.db")) as opened:
            # a result that changes nothing is told to the journal a moment later
            until(lambda: recorded(opened))
        begun.kill()
    listed = subprocess.run(
        [*command, "ls", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    run_id = json.loads(listed.stdout)[0]["id"]
    journal = str(tmp_path / ".stretto" / "journal.db")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    refused = subprocess.run(
        [*command, "resume", "--dry-run", run_id, "--journal", journal],
        cwd=elsewhere, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "no --dry-run of a script" in refused.stderr
    done = subprocess.run(
        [*command, "resume", run_id, "--journal", journal], cwd=elsewhere,
        capture_output=True, text=True, timeout=PATIENCE, check=False, env={**os.environ, "TAKEN_UP": "yes"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "first 0 ['a', '--b']\nsecond 3\n"), done.stderr
    assert (tmp_path / "made.txt").read_text().split().count("0") == 1
    shown = subprocess.run(
        [*command, "show", run_id], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "returned" in shown.stdout or "done" in shown.stdout
    assert "SystemExit" not in shown.stdout
