"""A Chromium for the tests: the one of the machine, which is installed where there is none."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["FLAGS", "chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

_MISSING = """\
The tests of the page need a Chromium on the PATH, and there is none. Install one (apt-get install chromium),
or run them as root on Debian or Ubuntu, where they do so themselves; or say --ignore tests/browser."""


def chromium() -> str:
    """Where it is."""
    found = _found()
    if found is None and os.getuid() == 0 and shutil.which("apt-get"):
        # several processes run tests at once
        with (Path(tempfile.gettempdir()) / "stretto-chromium.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = _found()
            if found is None:
                _install()
                found = _found()
    if found is None:
        raise RuntimeError(_MISSING)
    return found


def _found() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def _install() -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "chromium"]):
        done = subprocess.run(["apt-get", "-q", *words], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(
                f"{_MISSING}\n\napt-get {' '.join(words)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
