"""``stretto top``: what the runs of a journal are doing."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from stretto.errors import RunNotFound
from stretto.journal.events import RunState, now
from stretto.journal.leases import alive, describe
from stretto.observe.following import Following

from .execute import OK
from .listing import colour_of
from .options import Given
from .output import Style
from .runs import INTERRUPTED, as_fields, opened, state_of
from .times import iso, lasted
from .values import Values, clean, dollars, shorten

if TYPE_CHECKING:
    from stretto.journal import Journal, RunRecord

__all__ = ["show_top"]

#: Seconds between two looks.
_EVERY = 0.5

#: So many events are gone through at a look, so that it does not take long; the rest is read at the next.
_EVENTS = 20_000

#: So many runs of a kind are told, and so many calls of each.
_RUNS, _CALLS = 20, 5

#: A run that has ended is told of for so long, in microseconds.
_STAYS = 60_000_000

_HEAD = ("run", "flow", "state", "for", "calls", "a second", "running", "cost")


def show_top(given: Given) -> int:
    stays = sys.stdout.isatty() and not given.json and "--once" not in given.flags
    with opened(given) as journal:
        top = _Top(journal)
        if not stays:
            top.look(None)
            if given.json:
                print(json.dumps(top.as_json(), ensure_ascii=False, indent=2))
            else:
                for line in top.as_text(shutil.get_terminal_size((120, 24)).columns, Style(sys.stdout)):
                    print(line)
            return OK
        try:
            _refreshed(top)
        except KeyboardInterrupt:
            print()
    return OK


def _refreshed(top: _Top) -> None:
    """Write it over and over, until Ctrl-C. Nothing has to be put back then."""
    style, above = Style(sys.stdout), 0
    while True:
        top.look(_EVENTS)
        width, height = shutil.get_terminal_size((120, 24))
        lines = list(islice(top.as_text(width, style), max(height - 2, 3)))
        up = f"\x1b[{above}F\x1b[J" if above else ""
        sys.stdout.write("\n".join([up + lines[0], *lines[1:], ""]))
        sys.stdout.flush()
        above = len(lines)
        time.sleep(_EVERY)


class _Top:
    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.values = Values(journal)
        self.known: dict[str, Following] = {}
        self.runs: list[RunRecord] = []
        self.states: dict[str, str] = {}
        self.left_out: dict[str, int] = {}
        self.now = now()

    def look(self, most: int | None) -> None:
        """See what is new, going through at most so many events."""
        self.now = now()
        found = {
            run.id: run
            for state in (RunState.RUNNING, RunState.IN_DOUBT)
            for run in self.journal.runs(state=state)
        }
        for run in self.journal.runs(limit=_RUNS):
            if run.ended is not None and run.ended > self.now - _STAYS:
                found[run.id] = run
        self.states = {run.id: state_of(run) for run in found.values()}
        order = [RunState.RUNNING.value, RunState.IN_DOUBT.value, INTERRUPTED]
        by_state: dict[str, list[RunRecord]] = {state: [] for state in order}
        for run in sorted(found.values(), key=lambda run: -run.started):
            by_state.setdefault(self.states[run.id], []).append(run)
        self.runs = [run for runs in by_state.values() for run in runs[:_RUNS]]
        self.left_out = {state: len(runs) - _RUNS for state, runs in by_state.items() if len(runs) > _RUNS}
        self.known = {run.id: self.known.get(run.id) or Following(self.values.cost) for run in self.runs}
        for run in self.runs:
            known = self.known[run.id]
            before = known.seq
            if run.events > before and (most is None or most > 0):
                try:
                    known.read(islice(self.journal.events(run.id, after=before), most))
                except RunNotFound:  # it was pruned just now
                    continue
                most = None if most is None else most - (known.seq - before)

    def lasts(self, run: RunRecord) -> int | None:
        """For how long a run goes on, or has; of one that was interrupted nobody knows."""
        if run.ended is not None:
            return run.ended - run.started
        return self.now - run.started if self.states[run.id] == RunState.RUNNING.value else None

    # -- for programs --------------------------------------------------------------------------------

    def as_json(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for run in self.runs:
            known = self.known[run.id]
            fields = as_fields(run)
            fields |= {
                "owner_alive": None if run.owner is None else alive(run.owner),
                "seconds": None if (lasts := self.lasts(run)) is None else lasts / 1_000_000,
                "failed_attempts": known.failed,
                "calls_per_second": self.per_second(run),
                "usd": known.usd,
                "running": [
                    {
                        "place": call.place, "call": call.name, "attempt": call.attempt,
                        "started": iso(call.since), "seconds": max(0, self.now - call.since) / 1_000_000,
                    }
                    for call in known.running.values()
                ],
            }  # fmt: skip
            found.append(fields)
        return found

    def per_second(self, run: RunRecord) -> float:
        running = self.states[run.id] == RunState.RUNNING.value
        return round(self.known[run.id].per_second(self.now), 1) if running else 0.0

    # -- for people ----------------------------------------------------------------------------------

    def as_text(self, width: int, style: Style) -> Iterator[str]:
        states = [self.states[run.id] for run in self.runs]
        running = states.count(RunState.RUNNING.value)
        yield style.dim(
            shorten(
                f"{clean(self.journal.where)}: {running} {'run' if running == 1 else 'runs'} going on", width
            )
        )
        if not self.runs:
            return
        rows = [self.row(run) for run in self.runs]
        widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
        over = sum(widths) + 2 * (len(widths) - 1) - width
        widths[1] = max(widths[1] - max(over, 0), 8)
        yield style.dim(_joined(_HEAD, widths)[:width])
        for run, row, state in zip(self.runs, rows, states, strict=True):
            line = _joined((*row[:1], shorten(row[1], widths[1]), *row[2:]), widths)[:width]
            at = widths[0] + widths[1] + 4
            said = line[at : at + len(state)]
            yield line[:at] + style(colour_of(state), said) + line[at + len(said) :]
            yield from (style.dim(shorten(text, width)) for text in self.calls(run, state))
        for state, count in self.left_out.items():
            yield style.dim(f"and {count:,} more that are {state}; stretto ls tells them all")

    def row(self, run: RunRecord) -> tuple[str, ...]:
        known = self.known[run.id]
        whole = known.seq >= run.events
        cost = "" if known.usd is None else dollars(known.usd)
        state, seconds = self.states[run.id], self.lasts(run)
        going_on = state == RunState.RUNNING.value
        return (
            clean(run.id), clean(run.flow), state, "" if seconds is None else lasted(seconds),
            f"{run.calls:,}", f"{self.per_second(run):,.1f}" if going_on else "",
            (f"{len(known.running):,}" if going_on else "") if whole else "...",
            cost if whole else f"{100 * known.seq // run.events}% read",
        )  # fmt: skip

    def calls(self, run: RunRecord, state: str) -> Iterator[str]:
        """The calls that are under way, those first that began first; and who ran what nobody runs."""
        if state == INTERRUPTED and run.owner is not None:
            yield f"  {clean(describe(run.owner))} is gone"
        if state != RunState.RUNNING.value:
            return
        if run.owner is not None and alive(run.owner) is None:
            yield f"  {clean(describe(run.owner))} may be alive"
        calls = sorted(self.known[run.id].running.values(), key=lambda call: call.since)
        for call in calls[:_CALLS]:
            again = f", attempt {call.attempt}" if call.attempt > 1 else ""
            name = call.name.rpartition(":")[2].rpartition(".")[2]
            of = "" if call.place.rpartition("/")[2].partition("#")[0] == name else f"{name}  "
            yield f"  {lasted(self.now - call.since):>10}  {clean(f'{of}{call.place}')}{again}"
        if len(calls) > _CALLS:
            yield f"  and {len(calls) - _CALLS:,} more"


def _joined(cells: tuple[str, ...], widths: list[int]) -> str:
    *texts, last = (
        text.ljust(width) if index < 3 else text.rjust(width)
        for index, (text, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([*texts, last]).rstrip()
