"""``stretto ls``: the runs of a journal, the newest first."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from stretto.journal.events import RunState, now

from .execute import OK
from .load import did_you_mean
from .options import Given
from .output import Style
from .runs import INTERRUPTED, as_fields, opened, state_named, state_of
from .times import ago, lasted, since
from .values import clean

if TYPE_CHECKING:
    from stretto.journal import Journal, RunRecord

__all__ = ["colour_of", "list_runs"]

#: How many runs are shown to people who have not said how many.
_SHOWN = 50

_COLOURS = {"failed": "31", "in doubt": "33;1", INTERRUPTED: "33", "running": "36", "succeeded": "32"}


def list_runs(given: Given) -> int:
    current = now()
    limit = given.number("--limit")
    state = given.values.get("--state")
    state = None if state is None else state_named(state)
    start, end = (
        None if (text := given.values.get(option)) is None else since(option, text, current)
        for option in ("--since", "--until")
    )
    most = limit if limit is not None or given.json else _SHOWN
    with opened(given) as journal:
        wanted = _Wanted(journal, given.values.get("--flow"), state, start, end)
        found = wanted.runs(None if most is None else most + 1)
        guess = wanted.guess() if not found else ""
    more = most is not None and len(found) > most
    found = found[:most]
    if given.json:
        print(json.dumps([as_fields(run) for run in found], ensure_ascii=False, indent=2))
        return OK
    _print_table(found, current)
    if not found:
        print(
            f"no such runs{guess}" if given.values.keys() - {"--journal"} else "no runs yet", file=sys.stderr
        )
    elif more and limit is None:
        print(
            f"These are the newest {most}; --limit N shows more, --since 2h those of that time.",
            file=sys.stderr,
        )
    return OK


class _Wanted:
    """Runs that meet what was asked for."""

    def __init__(
        self, journal: Journal, flow: str | None, state: str | None, start: int | None, end: int | None
    ) -> None:
        self._journal = journal
        self._flow = flow
        self._state = state
        self._start, self._end = start, end

    def runs(self, limit: int | None) -> list[RunRecord]:
        found = self._runs(self._flow, limit)
        if found or self._flow is None:
            return found
        # A flow is recorded as module:name, and mostly known by its name alone.
        return [run for run in self._runs(None, None) if self._flow in _names(run.flow)][:limit]

    def _runs(self, flow: str | None, limit: int | None) -> list[RunRecord]:
        state = self._state
        # Which of those that are running by their events are interrupted, the journal cannot tell.
        split = state in (INTERRUPTED, RunState.RUNNING.value)
        found = self._journal.runs(
            flow=flow,
            state=None if state is None else RunState.RUNNING if split else RunState(state),
            since=self._start,
            until=self._end,
            limit=None if split else limit,
        )
        return [run for run in found if state_of(run) == state][:limit] if split else found

    def guess(self) -> str:
        """What flow may have been meant where there is none of that name."""
        if self._flow is None:
            return ""
        flows = {run.flow for run in self._journal.runs()}
        names = {name for flow in flows for name in _names(flow)}
        return "" if self._flow in names else did_you_mean(self._flow, names).rstrip(".")


def _names(flow: str) -> tuple[str, ...]:
    """All names that a flow goes by."""
    qualname = flow.rpartition(":")[2]
    return flow, qualname, qualname.rpartition(".")[2]


def colour_of(state: str) -> str:
    return _COLOURS.get(state, "0")


def _print_table(runs: list[RunRecord], current: int) -> None:
    style = Style(sys.stdout)
    head = ("id", "flow", "state", "started", "took", "calls")
    rows = [_row(run, current) for run in runs]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    if rows:
        print(style.dim("  ".join(_padded(head, widths))))
    for row in rows:
        cells = _padded(row, widths)
        cells[2] = style(colour_of(row[2]), cells[2])
        print("  ".join(cells))


def _padded(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    *texts, number = cells
    return [text.ljust(width) for text, width in zip(texts, widths, strict=False)] + [
        number.rjust(widths[-1])
    ]


def _row(run: RunRecord, current: int) -> tuple[str, ...]:
    state = state_of(run)
    took = "-"
    if run.ended is not None:
        took = lasted(run.ended - run.started)
    elif state == RunState.RUNNING.value:
        took = f"{lasted(current - run.started)} so far"
    return clean(run.id), clean(run.flow), state, ago(run.started, current), took, f"{run.calls:,}"
