"""`stretto explain script.py`, and the lines that it proposes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.waiting import PATIENCE

SCRIPT = """
import gzip
import time
import zipfile

LIMIT = 3
results = []
print("never printed")

def report():
    return len(results)

def main(archive: zipfile.ZipFile):
    for name in ("a", "b"):
        archive.read(name)
        time.sleep(1)
        gzip.open(name)
        print(name)

if __name__ == "__main__":
    results = [open(n) for n in range(LIMIT)]
    main(zipfile.ZipFile("x"))
"""


def explain(at: Path, *words: str) -> str:
    (at / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "stretto", "explain", *words, "script.py"],
        cwd=at, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_script_is_explained_and_not_run(tmp_path: Path) -> None:
    said = explain(tmp_path)
    assert "never printed\n" not in said.replace('print("never printed")', "")
    assert "writes stdout" in said
    assert "runs as a whole, in order: `results` is not the top level's alone" in said
    assert "time.sleep" in said


def test_missing_lines_are_proposed(tmp_path: Path) -> None:
    said = explain(tmp_path, "--suggest")
    assert said.startswith("# Guesses, by the names alone.")
    lines = said.splitlines()
    assert "[effects]" in lines
    [opened] = [line for line in lines if line.startswith('"gzip.open" = "reads gzip"  # a guess')]
    assert "line 17" in opened
    assert any(line.startswith('"zipfile.ZipFile.read" = "reads zipfile"') for line in lines)
    assert any(line.startswith('# "time.sleep" = "..."') for line in lines)
