"""How far a run is: one line that changes on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TextIO, cast

from .live import LiveProgress
from .output import Style

if TYPE_CHECKING:
    from stretto.observe.doing import Doing

__all__ = ["LineProgress", "Reporter", "TerminalProgress", "progress_for", "watch"]

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Counts(Protocol):
    """What ``run.progress()`` tells."""

    @property
    def done(self) -> int: ...
    @property
    def running(self) -> int: ...
    @property
    def waiting(self) -> int: ...


class Reporter(Protocol):
    every: float  #: seconds between two looks at the run

    def show(self, counts: Counts) -> None: ...
    def close(self) -> None: ...


class TerminalProgress:
    """One line, written over; gone while the user's own code writes, and when the run ends."""

    every = 0.1

    def __init__(self, stream: TextIO, style: Style) -> None:
        self._stream, self._style = stream, style
        self._started = time.monotonic()
        self._tick = 0
        self._shown = False
        self._held = False  # the user's code is in the middle of a line of its own
        self._lock = threading.Lock()
        self._streams = sys.stdout, sys.stderr
        if sys.stdout.isatty():
            sys.stdout = cast("TextIO", _Above(sys.stdout, self))
        if sys.stderr.isatty():
            sys.stderr = cast("TextIO", _Above(sys.stderr, self))

    def show(self, counts: Counts) -> None:
        seconds = time.monotonic() - self._started
        if seconds < 0.3:  # a quick run needs no progress
            return
        self._tick += 1
        spinner = self._style.cyan(_SPINNER[self._tick % len(_SPINNER)])
        with self._lock:
            if not self._held:
                self._write(f"{spinner} {_words(counts)} {self._style.dim(f'{seconds:.1f} s')}")
                self._shown = True

    def close(self) -> None:
        sys.stdout, sys.stderr = self._streams
        with self._lock:
            self._clear()

    def write_above(self, stream: TextIO, text: str) -> int:
        with self._lock:
            self._clear()
            self._held = not text.endswith("\n") if text else self._held
            written = stream.write(text)
            stream.flush()
            return written

    def _clear(self) -> None:
        if self._shown:
            self._write("")
            self._shown = False

    def _write(self, text: str) -> None:
        self._stream.write(f"\r\x1b[2K{text}")
        self._stream.flush()


class _Above:
    """The terminal as the user's code sees it: what it prints stands above the progress line."""

    def __init__(self, stream: TextIO, progress: TerminalProgress) -> None:
        self._stream, self._progress = stream, progress

    def write(self, text: str) -> int:
        return self._progress.write_above(self._stream, text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class LineProgress:
    """A line of its own, at most every two seconds, and only where something has changed."""

    every = 2.0

    def __init__(self, write: Callable[[Counts, float], None]) -> None:
        self._write = write
        self._started = time.monotonic()
        self._last: tuple[int, int, int] | None = None

    def show(self, counts: Counts) -> None:
        now = (counts.done, counts.running, counts.waiting)
        if now != self._last:
            self._last = now
            self._write(counts, time.monotonic() - self._started)

    def close(self) -> None: ...


def progress_for(stream: TextIO, style: Style, doing: Doing | None = None) -> Reporter:
    """What suits the stream; `doing` is what is known of the run, if it is listened to."""
    if doing is not None:
        return LiveProgress(doing)
    if stream.isatty():
        return TerminalProgress(stream, style)

    def write(counts: Counts, seconds: float) -> None:
        print(f"{seconds:.0f} s: {_words(counts)}", file=stream, flush=True)

    return LineProgress(write)


def watch(run: Any, reporter: Reporter) -> Any:
    """The result of a run, with its progress shown until it is there; raises what the flow raised."""
    try:
        while True:
            try:
                return run.result(timeout=reporter.every)
            except TimeoutError:
                if run.done():  # the flow's own TimeoutError, or an end just now
                    return run.result()
            reporter.show(run.progress())
    finally:
        reporter.close()


def _words(counts: Counts) -> str:
    return f"{counts.done} done, {counts.running} running, {counts.waiting} waiting"
