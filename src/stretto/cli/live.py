"""What a run is doing, on a terminal, while it does it: what runs, for how long, and what the rest waits for.

It takes `rich`, which comes with the extra ``ui``; without it there is one line (see `progress`).
"""

from __future__ import annotations

import importlib
import sys
import time
from typing import TYPE_CHECKING, Any

from stretto.observe.kinds import WAITING

from .times import lasted
from .values import clean, dollars, shorten

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from stretto.observe.doing import Doing, Running

    from .progress import Counts

__all__ = ["LiveProgress", "has_rich", "picture"]

#: So many calls are shown one by one.
_ROWS = 8


def has_rich() -> bool:
    """Whether the view can be shown."""
    try:
        importlib.import_module("rich")
    except ImportError:
        return False
    return True


class LiveProgress:
    """The view, written over; gone when the run ends. What the user's own code prints stands above it."""

    every = 0.12

    def __init__(self, doing: Doing, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self.doing = doing
        self.console = console or Console(stderr=True, highlight=False)
        self._began = time.monotonic()
        self._live = Live(
            console=self.console, auto_refresh=False, transient=True, redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=sys.stderr.isatty(),
        )  # fmt: skip
        self._shown = False

    def show(self, counts: Counts) -> None:
        if time.monotonic() - self._began < 0.3:  # a quick run needs no progress
            return
        if not self._shown:
            self._live.start()
            self._shown = True
        self._live.update(picture(self.doing, time.time_ns() // 1000, self.console.width), refresh=True)

    def close(self) -> None:
        if self._shown:
            self._live.stop()


def picture(doing: Doing, now: int, width: int) -> RenderableType:
    """The view as it is at a time, in microseconds since 1970, so many characters wide."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    lines: list[Any] = [_head(doing, now, Text(no_wrap=True, overflow="ellipsis"))]
    ways = doing.ways()
    if ways:
        said = " · ".join(f"{count:,} {WAITING.get(way, way)}" for way, count in ways.items())
        lines.append(Text(f"  waiting: {said}", style="dim", no_wrap=True, overflow="ellipsis"))
    running = list(doing.running.values())
    rows = Table.grid(padding=(0, 2))
    rows.add_column(no_wrap=True)
    rows.add_column(no_wrap=True, style="dim")
    rows.add_column(no_wrap=True, justify="right")
    rows.add_column(no_wrap=True, overflow="ellipsis", style="yellow")
    for call in running[:_ROWS]:
        rows.add_row(
            f"  {shorten(clean(call.name), width // 3)}", shorten(clean(call.place), width // 3),
            lasted(max(now - call.since, 0)), _note(call),
        )  # fmt: skip
    if running:
        lines.append(rows)
    if len(running) > _ROWS:
        lines.append(Text(f"  and {len(running) - _ROWS:,} more", style="dim"))
    return Group(*lines)


def _head(doing: Doing, now: int, text: Any) -> Any:
    name = doing.flow.rpartition(":")[2]
    text.append(clean(name), style="bold")
    text.append(f"  {lasted(max(now - doing.began, 0))}  ", style="dim")
    text.append(f"{doing.done:,} done", style="green")
    text.append(f" · {len(doing.running):,} running · {len(doing.waiting):,} waiting")
    if doing.failed:
        text.append(f" · {doing.failed:,} failed", style="red")
    if doing.tokens:
        text.append(f" · {doing.tokens:,} tokens")
    if doing.usd:
        text.append(f" · {dollars(doing.usd)}")
    return text


def _note(call: Running) -> str:
    if call.failed:
        return f"attempt {call.attempt} failed: {clean(call.failed)}"
    if call.attempt > 1:
        return f"attempt {call.attempt}"
    return "streams" if call.streams else ""
