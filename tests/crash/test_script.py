"""A killed script is taken up by the command line, which loads it under another name, and maybe edited."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow

SCRIPT = """
import os, signal
from dataclasses import dataclass
from pathlib import Path
from stretto import call, flow

@dataclass
class Page:
    text: str

def done(what):
    with open("done", "a") as file:
        file.write(what + "\\n")

@call.reads("web")
def fetch(n: int) -> Page:
    done(f"fetch {n}")
    return Page(f"page {n}")

@call.writes("out", idempotent=True)
def put(page: Page) -> None:
    if page.text == "page 2" and not Path("again").exists():
        Path("again").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    done(f"put {page.text}")

@flow
def work(n: int) -> int:
    for page in [fetch(i) for i in range(n)]:
        put(page)
    return n

if __name__ == "__main__":
    work(4)
"""


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env={**os.environ, "STRETTO_JOURNAL": "runs.db"},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def killed(folder: Path, *how: str) -> str:
    """A run of the script, which kills itself: its identifier."""
    (folder / "script.py").write_text(SCRIPT)
    done = python(folder, *how)
    assert done.returncode == -signal.SIGKILL, done.stderr
    [run] = json.loads(python(folder, "-m", "stretto", "ls", "--json").stdout)
    assert run["state"] == "interrupted"
    return run["id"]


@pytest.mark.parametrize("how", [["script.py"], ["-m", "script"]], ids=" ".join)
def test_a_script_is_taken_up_by_the_command_line(tmp_path: Path, how: list[str]) -> None:
    run = killed(tmp_path, *how)
    resumed = python(tmp_path, "-m", "stretto", "resume", run)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == "4\n"
    made = (tmp_path / "done").read_text().splitlines()
    assert sorted(made[:4]) == [f"fetch {n}" for n in range(4)]
    assert made[4:] == [f"put page {n}" for n in range(4)]


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (("text: str", "text: str\n    size: int"), "'size' is new and has no default"),
        (("Page", "Leaf"), "put it back under that name"),
        (('put(page)', 'put(Page("dear " + page.text))'), "Put back what makes them"),
    ],
)  # fmt: skip
def test_an_edit_that_does_not_go_with_what_is_recorded_can_be_put_back(
    tmp_path: Path, edit: tuple[str, str], says: str
) -> None:
    run = killed(tmp_path, "script.py")
    made = (tmp_path / "done").read_text()
    (tmp_path / "script.py").write_text(SCRIPT.replace(*edit))
    refused = python(tmp_path, "-m", "stretto", "resume", run)
    assert refused.returncode == 1
    assert says in refused.stderr and "Traceback" not in refused.stderr
    assert "The flow's own lines" not in refused.stderr
    assert (tmp_path / "done").read_text() == made
    (tmp_path / "script.py").write_text(SCRIPT)
    resumed = python(tmp_path, "-m", "stretto", "resume", run)
    assert resumed.returncode == 0, resumed.stderr
