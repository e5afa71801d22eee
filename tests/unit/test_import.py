"""What ``import stretto`` brings with it: no more than declaring calls and flows takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Each costs every program tens of milliseconds that has not run a flow yet.
LATE = (
    "asyncio",
    "concurrent.futures",
    "sqlite3",
    "stretto.compiler.guard",
    "stretto.compiler.lower",
    "stretto.engine",
    "stretto.journal",
)


@pytest.mark.parametrize("module", LATE)
def test_import_is_light(module: str) -> None:
    program = (
        "import sys, stretto\n"
        "@stretto.call.reads('web')\n"
        "def fetch(url: str) -> str: return url\n"
        f"sys.exit({module!r} in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_what_comes_late_comes() -> None:
    program = "import stretto; from stretto import Run, explain; assert stretto.Run is Run and explain"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
