"""A script that is killed is taken up by the command line, which loads it under another name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("how", [["script.py"], ["-m", "script"]], ids=" ".join)
def test_a_script_is_taken_up_by_the_command_line(tmp_path: Path, how: list[str]) -> None:
    def python(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env={**os.environ, "STRETTO_JOURNAL": "runs.db"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    (tmp_path / "script.py").write_text(SCRIPT)
    killed = python(*how)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [run] = json.loads(python("-m", "stretto.cli", "ls", "--json").stdout)
    assert run["state"] == "interrupted"
    resumed = python("-m", "stretto.cli", "resume", run["id"])
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == "4\n"
    made = (tmp_path / "done").read_text().splitlines()
    assert sorted(made[:4]) == [f"fetch {n}" for n in range(4)]
    assert made[4:] == [f"put page {n}" for n in range(4)]
