"""What the steps of a run that will be killed leave behind: a line for each, with its number and the time."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["WHERE", "Marks", "marks"]

#: Set for a process whose steps leave marks: the file, and the step that is in the middle of its work when
#: the process is killed (-1 for none).
WHERE = "STRETTO_BENCH_MARKS"


class Marks:
    """The file that this process marks; none where it is not asked to."""

    def __init__(self) -> None:
        path, _, half = os.environ.get(WHERE, "").rpartition(",")
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if path else -1
        self._half = int(half or -1)

    def ran(self, number: int) -> bool:
        """Mark a step; whether it is the one to stop at, which the parent is told."""
        os.write(self._file, f"{number} {time.time()}\n".encode())
        if number == self._half:
            os.write(1, b"half\n")
            return True
        return False


def read(path: Path) -> list[tuple[int, float]]:
    """The steps that ran, in the order in which they did, with the time."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return [(int(number), float(when)) for number, when in lines]


marks = Marks()
