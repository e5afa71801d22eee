"""The public API under mypy and pyright: `checked_*.py` hold what both must find, and what they must not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CHECKED = sorted(str(file) for file in HERE.glob("checked_*.py"))

CHECKERS = {
    "mypy": ["mypy", "--config-file", str(ROOT / "pyproject.toml"), "--warn-unused-ignores", *CHECKED],
    "pyright": ["pyright", "--warnings", "--project", str(HERE / "pyrightconfig.json")],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_checked_files(checker: str) -> None:
    environment = {**os.environ, "MYPYPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", *CHECKERS[checker]]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
