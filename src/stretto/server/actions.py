"""What can be done to a run from its page.

Each is done as somebody at a terminal would do it: by a process of its own, so that it outlives this server
and a flow never runs in here; and by the same command, so that it means the same. Only to stop a run that
another process runs there is no command: that process is sent what Ctrl-C sends it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from ..configuration import VARIABLE
from ..errors import JournalError
from ..journal.events import RunState
from ..journal.leases import alive, this_process

if TYPE_CHECKING:
    from ..journal import Journal, RunRecord

__all__ = ["Refused", "fork", "resume", "settle", "shared_with", "signal_for", "stop"]

#: Seconds in which a command that fails at once has failed, and in which one that is short is done.
_SOON, _LONG = 2.0, 60.0

#: So much of what a command has said is told.
_TOLD = 4000


class Refused(JournalError):
    """What was asked for is not done."""


def stop(journal: Journal, record: RunRecord) -> dict[str, Any]:
    """Stop a run that a process of this machine runs, as Ctrl-C does: it can be resumed."""
    owner = record.owner
    if record.state is not RunState.RUNNING or owner is None:
        raise Refused("nobody runs it")
    if owner == this_process():
        raise Refused("it is run by this very process")
    pid = int(owner.partition("/")[0]) if owner.partition("/")[0].isdigit() else 0
    if not pid or alive(owner) is not True:
        raise Refused("it is run on another machine, or in a container: stop it there")
    number = signal_for(pid)
    try:
        if hasattr(os, "pidfd_open"):
            # so that it is this process also if it ends now, and its number is given to another
            process = os.pidfd_open(pid)
            try:
                if alive(owner) is not True:
                    raise Refused("it has just ended")
                signal.pidfd_send_signal(process, number)
            finally:
                os.close(process)
        else:
            os.kill(pid, number)
    except OSError as error:
        raise Refused(f"process {pid} cannot be stopped: {error.strerror}") from None
    return {"said": f"process {pid} was told to stop"}


def signal_for(pid: int) -> signal.Signals:
    """The signal that has a process end its runs in order. What is begun in the background of a shell script
    does not listen to Ctrl-C, but `stretto run` does the same for SIGTERM."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return signal.SIGINT
    caught = next((line.partition(":")[2] for line in status.splitlines() if line.startswith("SigCgt:")), "")
    mask = int(caught.strip() or "0", 16)
    for number in (signal.SIGINT, signal.SIGTERM):
        if mask & 1 << (number - 1):
            return number
    raise Refused(f"process {pid} would not stop in order: it listens neither to SIGINT nor to SIGTERM")


def shared_with(journal: Journal, record: RunRecord) -> list[str]:
    """The other runs of the process that runs this one, which would be stopped with it."""
    if record.owner is None:
        return []
    runs = journal.runs(state=RunState.RUNNING)
    return [run.id for run in runs if run.owner == record.owner and run.id != record.id]


def resume(url: str, run: str, *, accept: bool = False) -> dict[str, Any]:
    """Take the run up in a process of its own."""
    return _begin(url, ["resume", *(["--accept-orphans"] if accept else []), "--json", "--", run])


def fork(url: str, run: str, place: str) -> dict[str, Any]:
    """Start a run in a process of its own that shares what this one has done before a call."""
    return _begin(url, ["fork", f"--before={place}", "--json", "--", run])


def settle(url: str, run: str, place: str, value: str | None, by: str) -> dict[str, Any]:
    """Say what came of a call in doubt: it returned `value`, as JSON, or is to be run again."""
    decided = "--retry" if value is None else f"--done={value}"
    words = ["settle", decided, *([f"--by={by}"] if by else []), "--json", "--", run, place]
    command = [sys.executable, "-m", "stretto", *words]
    try:
        done = subprocess.run(
            command, env=_environment(url), capture_output=True, text=True, timeout=_LONG,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Refused("it took too long; `stretto show` tells whether it was settled") from None
    said = _last(done.stdout)
    if done.returncode:
        raise Refused(str(said.get("message") or done.stderr[-_TOLD:] or "it could not be done"))
    return {"said": f"settled {'to be run again' if value is None else 'as done'}", **said}


def _environment(url: str) -> dict[str, str]:
    """A URL may have a password in it, and what stands in a command everybody on the machine can read."""
    return {**os.environ, VARIABLE: url, "PYTHONUNBUFFERED": "1"}


def _begin(url: str, words: list[str]) -> dict[str, Any]:
    """Start a command that runs a flow; tells its run, or raises what it failed with at once."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "stretto", *words], env=_environment(url), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        heard = _Heard(process.stdout)
        heard.first.wait(_LONG)
        try:
            code = process.wait(_SOON)
        except subprocess.TimeoutExpired:
            code = None
        if code:
            heard.reader.join(_SOON)
            errors.seek(0)
            message = heard.error or errors.read()[-_TOLD:].decode(errors="replace")
            if not heard.run:  # else it is the flow that has failed, as its run tells
                raise Refused(message or f"the command ended with code {code}")
    threading.Thread(target=process.wait, daemon=True).start()
    return {"said": "started", "run": heard.run}


class _Heard:
    """What a command tells, one JSON object a line, gone through so that it never waits for a reader.

    Attributes:
        first: that its run has begun, or that it ends.
        run: its run.
        error: what it failed with.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.first = threading.Event()
        self.run = self.error = ""
        self.reader = threading.Thread(target=self._listen, args=(stream,), daemon=True)
        self.reader.start()

    def _listen(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                told = _last(line.decode(errors="replace"))
                if told.get("event") == "started":
                    self.run = str(told.get("run", ""))
                    self.first.set()
                elif told.get("event") == "error":
                    self.error = str(told.get("message") or told.get("kind") or "")
        self.first.set()


def _last(text: str) -> dict[str, Any]:
    """The last line that is a JSON object."""
    for line in reversed(text.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return cast("dict[str, Any]", found)
    return {}
