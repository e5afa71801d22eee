"""`blocking.py` in a process of its own: what it puts in place of functions of the standard library stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.waiting import PATIENCE


def test_nothing_blocks_the_loop() -> None:
    checks = Path(__file__).with_name("blocking.py")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", str(checks)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
