"""Processes that begin as copies of one which has imported all that they need.

The tests here begin thousands of processes, and importing is most of what such a short process does. Each
copy is a process of its own, as good as any: it is killed, and what it held dies with it.

``python -m tests.crash.nursery MODULE`` reads a line of words for each process, whose work is ``MODULE.main``
with them, and says its exit code when it has ended (-9: killed).
"""

from __future__ import annotations

import importlib
import json
import os
import random
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType

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

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, *words: object, timeout: float = 60) -> tuple[int, str]:
        """One process, from its begin to its end: its exit code, and what it printed."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps([str(word) for word in words]) + "\n")
        child = int(process.stdout.readline())
        if not select.select([process.stdout], [], [], timeout)[0]:
            os.kill(child, 9)
            raise TimeoutError(f"{words}: still running after {timeout} s\n{self.output.read_text()}")
        return int(process.stdout.readline()), self.output.read_text()


def serve(module: str, output: str) -> int:
    work = importlib.import_module(module).main
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            printed = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(printed, 1)
            os.dup2(printed, 2)
            random.seed()  # else all would draw the same numbers
            work(*json.loads(line))
            return 0
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(serve(*sys.argv[1:]))
