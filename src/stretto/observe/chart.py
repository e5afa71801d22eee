"""What ran when, as rows of a chart so many cells wide: one for each call, or for each line of the source
where there are more calls than rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from .paths import critical_path, positions
from .timeline import Call, Timeline

__all__ = ["Chart", "Row", "Span"]

#: A mark of the axis is followed by the next after so many cells at least.
_APART = 12


@dataclass(frozen=True, slots=True)
class Span:
    """The cells of one call: it waits from `ready` on, and runs from `begin` on up to `end`."""

    ready: int
    begin: int
    end: int


@dataclass(slots=True)
class Row:
    """A call, or all calls on a line.

    Attributes:
        calls: they, by when they started.
        took: how long they ran, all together, in microseconds.
        on_path: whether any of them is on the critical path.
        under_way: whether any of them has not ended.
        failed: how many of them raised.
    """

    calls: list[Call]
    took: int
    on_path: bool
    under_way: bool
    failed: int


class Chart:
    """A run as a chart.

    Attributes:
        rows: in program order.
        single: whether each of them is a single call.
        left_out: how many rows there are more, of calls that took less time.
        took: how long the run took, or has by now.

    Args:
        most: of so many rows.
        width: so many cells wide.
    """

    def __init__(self, timeline: Timeline, most: int, width: int) -> None:
        self.timeline = timeline
        self.width = width
        self.took = max(timeline.took, 1)
        path = {step.call for step in critical_path(timeline)} if timeline.caused else set[Call]()
        self.path = path
        calls = sorted([*timeline.calls, *timeline.running], key=lambda call: call.started)
        under_way = set(timeline.running)
        self.single = len(calls) <= most
        groups: list[list[Call]] = []
        if self.single:
            position = positions(calls)
            groups = [[call] for call in sorted(calls, key=position.__getitem__)]
        else:
            lines: dict[tuple[str, str, int], list[Call]] = {}
            for call in calls:
                lines.setdefault((call.name, *call.line), []).append(call)
            groups = list(lines.values())
        rows = [
            Row(
                group, sum(call.took for call in group), not path.isdisjoint(group),
                not under_way.isdisjoint(group), sum(call.failed for call in group),
            )
            for group in groups
        ]  # fmt: skip
        self.left_out = max(0, len(rows) - most)
        if self.left_out:
            least = sorted(range(len(rows)), key=lambda index: rows[index].took)[: self.left_out]
            for index in sorted(least, reverse=True):
                del rows[index]
        self.rows = rows

    def cell(self, time: int) -> int:
        """The cell that begins nearest to a time."""
        return min(max(round(time * self.width / self.took), 0), self.width)

    def span(self, call: Call) -> Span:
        """Where a call stands in its row; it takes at least one cell."""
        begin = min(self.cell(call.started), self.width - 1)
        return Span(min(self.cell(call.ready), begin), begin, max(self.cell(call.ended), begin + 1))

    def busy(self, row: Row) -> list[float]:
        """How many calls of a row are running in each cell, on average."""
        return self._density([(call.started, max(call.ended, call.started + 1)) for call in row.calls])

    def waiting(self, row: Row) -> dict[str, list[float]]:
        """How many calls of a row wait in each cell that could run, by how they wait."""
        kinds: dict[str, list[tuple[int, int]]] = {}
        for call in row.calls:
            if call.started > call.ready:
                kinds.setdefault(call.kind, []).append((call.ready, call.started))
        return {kind: self._density(spans) for kind, spans in kinds.items()}

    def _density(self, spans: Sequence[tuple[int, int]]) -> list[float]:
        width, scale = self.width, self.width / self.took
        # what a cell has of its own, and what begins and ends with all that lies between
        part, change = [0.0] * (width + 1), [0] * (width + 2)
        for begin, end in spans:
            first, last = min(begin * scale, width), min(end * scale, width)
            low, high = int(first), int(last)
            if low == high:
                part[low] += last - first
                continue
            part[low] += low + 1 - first
            part[high] += last - high
            change[low + 1] += 1
            change[high] -= 1
        whole = accumulate(change)
        return [a + b for a, b in zip(part, whole, strict=False)][:width]

    def marks(self) -> list[tuple[int, int]]:
        """The marks of the time axis: cell and time, at round times."""
        step = 1
        while self.width * step / self.took < _APART:
            for factor in (2, 5, 10):
                if self.width * step * factor / self.took >= _APART:
                    break
            step *= factor
        return [(self.cell(time), time) for time in range(0, self.took + 1, step)]
