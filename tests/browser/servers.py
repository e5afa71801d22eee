"""A server of `stretto ui` in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from types import TracebackType

__all__ = ["Served"]


class Served:
    """Within it the runs of a journal are served; gives the address."""

    def __init__(self, url: str, *options: str) -> None:
        self._command = [
            sys.executable,
            "-m",
            "stretto",
            "ui",
            "--journal",
            url,
            "--port",
            str(_free()),
            *options,
        ]

    def __enter__(self) -> str:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True, env=environment)
        assert self.process.stderr is not None
        said = self.process.stderr.readline()
        found = re.search(r"http://\S+", said)
        if found is None:
            raise RuntimeError(said + self.process.stderr.read())
        return found[0]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.process:
            self.process.send_signal(signal.SIGINT)


def _free() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
