"""``stretto show RUN --timeline``: what ran when, as a chart of text."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TextIO

from stretto.engine.causes import CERTAIN, CONTROL, DATA, EFFECT, LIMIT, ORDER, ROOM, START
from stretto.observe.chart import Chart, Row
from stretto.observe.kinds import INSIDE, WAITS
from stretto.observe.timeline import Timeline

from .output import Style
from .runs import state_of
from .times import lasted
from .values import clean
from .why import OLD, named

if TYPE_CHECKING:
    from stretto.journal import RunRecord

__all__ = ["chart", "print_chart"]

#: So many rows, if nobody says how many.
_ROWS = 60

#: The colour of a line, by how its call waits.
_COLOURS = {
    EFFECT: "33", ORDER: "31", CERTAIN: "35", LIMIT: "34", ROOM: "34", DATA: "2", CONTROL: "2", START: "2",
    INSIDE: "36",
}  # fmt: skip

_PATH, _OTHER = "32;1", "36"


class _Signs(NamedTuple):
    """What a chart is drawn with."""

    path: str
    bar: str
    wait: str
    again: str
    levels: str
    failed: str
    under_way: str
    mark: str


_UNICODE = _Signs("█", "▒", "─", "┊", "▁▂▃▄▅▆▇█", "✗", "▶", "●")
_ASCII = _Signs("#", "=", "-", ":", ".:-=+*%#", "x", ">", "*")
#: What a terminal without Unicode is shown in place of what else stands in texts.
_PLAIN = {"µ": "u", "…": "~", "→": "->", "·": "-"}


def print_chart(timeline: Timeline, record: RunRecord, rows: int | None) -> None:
    """Draw it as wide as the terminal."""
    width = shutil.get_terminal_size((100, 24)).columns
    stream = sys.stdout
    for line in chart(timeline, record, rows or _ROWS, width, Style(stream), _speaks_unicode(stream)):
        print(line.rstrip())


def _speaks_unicode(stream: TextIO) -> bool:
    try:
        "".join(_UNICODE).encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def chart(
    timeline: Timeline, record: RunRecord, rows: int, width: int, style: Style, fancy: bool
) -> Iterator[str]:
    """The lines of a chart: with Unicode's blocks, or in plain ASCII."""
    for line in _Drawn(timeline, record, rows, width, style, _UNICODE if fancy else _ASCII).lines():
        if fancy or line.isascii():
            yield line
            continue
        for sign, plain in _PLAIN.items():
            line = line.replace(sign, plain)
        yield line.encode("ascii", "replace").decode()


class _Drawn:
    def __init__(
        self, timeline: Timeline, record: RunRecord, rows: int, width: int, style: Style, signs: _Signs
    ) -> None:
        self.timeline = timeline
        self.record = record
        self.style = style
        self.signs = signs
        chart = Chart(timeline, rows, 1)  # how wide it is, is known when its labels are
        self.labels = [self.label(row, chart.single) for row in chart.rows]
        self.room = min(max(map(len, self.labels), default=0), max(width * 2 // 5, 16))
        chart.width = max(width - self.room - 15, 10)
        self.chart = chart
        self.used: dict[str, None] = {}
        self.again = {chart.cell(time) for time in timeline.resumed}

    def label(self, row: Row, single: bool) -> str:
        first = row.calls[0]
        return clean(first.place) if single else f"{named(first)}  {len(row.calls):,}×"

    def lines(self) -> Iterator[str]:
        chart, style, record, timeline = self.chart, self.style, self.record, self.timeline
        count = len(timeline.calls) + len(timeline.running)
        about = f"{state_of(record)}, {count:,} call{'s' * (count != 1)} in {lasted(timeline.took)}"
        yield f"{style('1', clean(record.flow))}, run {clean(record.id)}: {about}"
        yield ""
        if not chart.rows:
            yield "no calls"
            return
        yield style.dim(self.axis())
        for label, row in zip(self.labels, chart.rows, strict=True):
            mark = self.signs.mark if row.on_path else " "
            shown = f"{_ending(label, self.room):<{self.room}}"
            cells = "".join(self.single(row) if chart.single else self.several(row))
            end = self.signs.failed if row.failed else self.signs.under_way if row.under_way else " "
            bold = style("1", f"{mark} {shown}") if row.on_path else f"{mark} {shown}"
            took = f"{lasted(row.took):>10}"
            yield f"{bold} {cells}{style('31;1', end) if row.failed else end}{style.dim(took)}"
        if chart.left_out:
            yield style.dim(f"  and {chart.left_out:,} more lines that took less; --limit N shows more")
        yield ""
        yield from self.legend()

    def axis(self) -> str:
        cells = [" "] * (self.chart.width + 12)
        for cell, time in self.chart.marks():
            text = f"|{lasted(time) if time else '0'}"
            if cell + len(text) <= self.chart.width + 10:
                cells[cell : cell + len(text)] = text
        return f"{'':<{self.room + 3}}{''.join(cells)}".rstrip()

    def blank(self, cell: int) -> str:
        return self.signs.again if cell in self.again else " "

    def single(self, row: Row) -> Iterator[str]:
        """The cells of one call."""
        chart, style, signs = self.chart, self.style, self.signs
        [call] = row.calls
        span = chart.span(call)
        yield from (self.blank(cell) for cell in range(span.ready))
        if span.begin > span.ready:
            self.used[call.kind] = None
            letter, colour = WAITS[call.kind].letter, _COLOURS[call.kind]
            yield style(colour, letter + signs.wait * (span.begin - span.ready - 1))
        bar = signs.path if row.on_path else signs.bar
        yield style(_PATH if row.on_path else _OTHER, bar * (span.end - span.begin))
        yield from (self.blank(cell) for cell in range(span.end, chart.width))

    def several(self, row: Row) -> Iterator[str]:
        """The cells of all calls on a line: how many run at once, or how they wait where none runs."""
        chart, style, signs = self.chart, self.style, self.signs
        busy, waiting = chart.busy(row), chart.waiting(row)
        top = max(max(busy), 1e-9)
        before = ""
        for cell, value in enumerate(busy):
            kind = max(waiting, key=lambda kind: waiting[kind][cell], default="")
            if value > 0.02 * top or (value > 0 and not (kind and waiting[kind][cell])):
                level = signs.levels[min(int(value / top * len(signs.levels)), len(signs.levels) - 1)]
                before = ""
                yield style(_PATH if row.on_path else _OTHER, level)
            elif kind and waiting[kind][cell] > 0:
                self.used[kind] = None
                letter, colour = WAITS[kind].letter, _COLOURS[kind]
                yield style(colour, signs.wait if kind == before else letter)
                before = kind
            else:
                before = ""
                yield self.blank(cell)

    def legend(self) -> Iterator[str]:
        """What the signs mean, of those that there are."""
        chart, style, signs = self.chart, self.style, self.signs
        says: list[str] = []
        if chart.single:
            says.append(f"{style(_OTHER, signs.bar)} running")
        else:
            levels = f"{signs.levels[0]}..{signs.levels[-1]}"
            says.append(f"{style(_OTHER, levels)} how many run at once, on each line")
        if any(row.on_path for row in chart.rows):
            sign = signs.path if chart.single else ""
            says.append(f"{signs.mark} {style(_PATH, sign)}{' ' * bool(sign)}on the critical path")
        if any(row.failed for row in chart.rows):
            says.append(f"{style('31;1', signs.failed)} raised")
        if any(row.under_way for row in chart.rows):
            says.append(f"{signs.under_way} has no end yet")
        if self.again:
            says.append(f"{signs.again} taken up again")
        yield "  ".join(says)
        waits = [
            f"{style(_COLOURS[kind], WAITS[kind].letter + signs.wait)} {WAITS[kind].short}"
            for kind in self.used
        ]
        if waits:
            yield "waits for: " + "  ".join(waits)
        if not self.timeline.caused and self.timeline.calls:
            yield OLD


def _ending(text: str, width: int) -> str:
    """The end of a text, which tells more of a place than its beginning."""
    return text if len(text) <= width else f"…{text[len(text) - width + 1 :]}"
