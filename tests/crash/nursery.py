"""Processes that begin as copies of one which has imported all that they need.

The tests here begin thousands of processes, and importing is most of what such a short process does. Each
copy is a process of its own, as good as any: it is killed, and what it held dies with it.

``python -m tests.crash.nursery MODULE`` reads a line of words for each process, whose work is ``MODULE.main``
with them, and says its exit code when it has ended (-9: killed). What that work imports when it is done is
learnt from a process that does ``MODULE.rehearse``: Stretto imports most of itself when it is first needed,
and one that has threads cannot be copied.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import queue
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.waiting import PATIENCE

__all__ = ["Nursery"]

ROOT = Path(__file__).parents[2]


class Nursery:
    """Begins processes, one after the other.

    Args:
        module: where their work is.
        output: a file for what they print.
    """

    def __init__(self, module: str, output: Path) -> None:
        self.output = output
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.nursery", module, str(output)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        # Read in a thread: whether there is more to read cannot be asked of a file that has read ahead, as it
        # has where a process ends before anybody has heard of its beginning.
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            self._said.put(line)
        self._said.put("")  # it has ended

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._listener.join()  # until then it reads
        self._process.communicate()

    def begin(self, *words: object) -> int:
        """One process; its identifier. The one before it has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(word) for word in words]) + "\n")
        return int(self._said.get())

    def end(self, child: int, timeout: float = PATIENCE) -> tuple[int, str]:
        """Waits until it has ended: its exit code, and what it printed."""
        try:
            code = int(self._said.get(timeout=timeout))
        except queue.Empty:
            os.kill(child, 9)
            raise TimeoutError(f"still running after {timeout} s\n{self.output.read_text()}") from None
        return code, self.output.read_text()

    def run(self, *words: object) -> tuple[int, str]:
        """One process, from its begin to its end."""
        return self.end(self.begin(*words))

    def printed(self, *texts: str, timeout: float = PATIENCE) -> str:
        """Which of these texts the process under way prints first."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            lines = self.output.read_text()
            for text in texts:
                if text in lines:
                    return text
            time.sleep(0.002)
        raise TimeoutError(f"none of {texts} after {timeout} s\n{self.output.read_text()}")


def rehearsed(rehearse: Callable[[], None]) -> list[str]:
    """The names of the modules that are there when this was done, in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        rehearse()
        with os.fdopen(writing, "w") as file:
            json.dump(list(sys.modules), file)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, "the rehearsal failed"
    names: list[str] = json.loads(text)
    return names


def serve(module: str, output: str) -> int:
    family = importlib.import_module(module)
    for name in rehearsed(family.rehearse):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # no collection in a copy writes to what it shares with this process
    work = family.main
    for line in sys.stdin:
        printed = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        child = os.fork()
        if child == 0:
            os.dup2(printed, 1)
            os.dup2(printed, 2)
            random.seed()  # else all would draw the same numbers
            work(*json.loads(line))
            return 0
        os.close(printed)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(serve(*sys.argv[1:]))
