"""`stretto run --suggest`: what ran as a whole, in order, and the line that would free it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.waiting import PATIENCE

SCRIPT = """
import queue

import shelf


def work(n):
    box = shelf.Box(n)
    box.fill(n)
    return shelf.get(box.top)


for number in range(3):
    print(work(number))
"""

SHELF = """
import queue


class Box:
    def __init__(self, n):
        self.items = queue.SimpleQueue()
        self.n = n

    def fill(self, n):
        self.items.put(n)
        self.top = [self.items.get()]


def get(top):
    return list(top)
"""


def run(at: Path, *words: str) -> tuple[str, str]:
    (at / "script.py").write_text(SCRIPT)
    (at / "shelf.py").write_text(SHELF)
    done = subprocess.run(
        [sys.executable, "-m", "stretto", *words],
        cwd=at, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_lines_are_proposed(tmp_path: Path) -> None:
    out, told = run(tmp_path, "run", "--suggest", "--no-journal", "script.py")
    assert out == "[0]\n[1]\n[2]\n"
    lines = told.splitlines()
    assert "[effects]" in lines
    at = next(n for n, line in enumerate(lines) if line.startswith("# script.py:8  shelf.Box"))
    assert lines[at + 1].startswith("#   3 times, ")
    assert "making a SimpleQueue" in lines[at + 1]
    assert '"_queue.SimpleQueue" = "pure"  # a guess: if making one touches nothing else' in lines
    assert any('"_queue.SimpleQueue.put" = "' in line for line in lines)


def test_with_these_lines_nothing_is_left_to_say(tmp_path: Path) -> None:
    (tmp_path / "stretto.toml").write_text(
        '[effects]\n"shelf.Box" = "pure"\n"shelf.Box.fill" = "changes self"\n'
    )
    _, told = run(tmp_path, "run", "--suggest", "--no-journal", "script.py")
    assert "shelf.Box\n" not in told
    assert "making a SimpleQueue" not in told


def test_what_is_known_before(tmp_path: Path) -> None:
    out, _ = run(tmp_path, "explain", "--suggest", "script.py")
    assert "`stretto run --suggest` runs it" in out
    out, _ = run(tmp_path, "explain", "script.py")
    assert "Nothing is known of" in out
    assert "stretto run --suggest" in out
