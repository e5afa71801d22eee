"""What `stretto explain RUN` tells of a run."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..engine.causes import SOFT
from ..errors import RunNotFound
from ..journal.contract import Journal
from ..journal.events import Event
from ..journal.history import without_gc
from ..journal.resuming import journal_for
from .paths import Model, critical_path, ideal
from .places import Line, Place, costliest
from .timeline import Call, Timeline

__all__ = ["RunExplanation", "explain_run", "seconds", "told", "told_place"]

#: So many places are told.
_PLACES = 5


class RunExplanation:
    """Where the time of a run went. Times are in microseconds.

    Attributes:
        run: its identifier.
        timeline: its calls in time.
        took: how long it took, without times when nobody ran it.
        sequential: how long its calls take one after another.
        ideal: how long it would take at least, whatever were declared of its calls.
        path: the critical path: the calls of which each waited for the one before it, with the gaps between
            them; empty where what calls waited for is not recorded.
        places: the lines that cost most.
        journal: where the run is recorded, if that is known.
    """

    def __init__(self, run: str, events: Iterable[Event], journal: Journal | None = None) -> None:
        self.run = run
        self.journal = journal
        timeline = self.timeline = Timeline(events)
        self.took = timeline.took
        self.sequential = sum(call.took for call in timeline.calls)
        self.ideal = ideal(timeline) if timeline.caused else None
        self.path = critical_path(timeline) if timeline.caused else []
        self.places: list[Place] = []
        if timeline.caused:
            self.places = costliest(Model(timeline), self.path, self.took, _PLACES)

    def __str__(self) -> str:
        from ..cli.output import Style
        from ..cli.why import report  # the command line knows how people like to read it

        lines = report(self, self.timeline.state.value, 80, Style(io.StringIO()))
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str | None:
        """The timeline, for notebooks."""
        if self.journal is None:
            return None
        from ..server.file import as_frame

        return as_frame(self.journal, self.run)

    @property
    def gaps(self) -> int:
        """How much of the critical path is no call: own code, Stretto, and waiting for the disk."""
        return self.took - sum(step.call.took for step in self.path)

    def as_json(self) -> dict[str, Any]:
        """The same as data that JSON can hold; times in seconds."""
        timeline = self.timeline
        return {
            "run": self.run,
            "flow": timeline.flow,
            "state": timeline.state.value,
            "calls": len(timeline.calls),
            "seconds": seconds(self.took),
            "sequential_seconds": seconds(self.sequential),
            "ideal_seconds": None if self.ideal is None else seconds(self.ideal),
            "gap_seconds": seconds(self.gaps) if self.path else None,
            "interrupted": len(timeline.resumed),
            "critical_path": [{**told(step.call), "gap_seconds": seconds(step.gap)} for step in self.path],
            "places": [told_place(place) for place in self.places],
        }


def told(call: Call) -> dict[str, Any]:
    """A call, with how it waited, as data that JSON can hold."""
    file, line = call.line
    return {
        "place": call.place, "call": call.name, "file": file, "line": line,
        "inputs_came": seconds(call.inputs_came), "started": seconds(call.started),
        "ended": seconds(call.ended), "attempts": call.attempts, "failed": call.failed,
        "waited": call.kind, "avoidable": call.kind in SOFT,
        "waited_for": call.unseen or (call.last.place if call.last is not None else None),
    }  # fmt: skip


def told_place(place: Place) -> dict[str, Any]:
    """A place that costs something."""
    return {
        "call": place.call, "file": place.line.file, "line": place.line.number, "made": place.made,
        "on_path": place.on_path, "path_seconds": seconds(place.path_time),
        "would_save_seconds": seconds(place.saving), "says": place.says, "remedy": place.remedy or None,
        "change": None if place.change is None else _line(place.change),
    }  # fmt: skip


def _line(line: Line) -> dict[str, Any]:
    return {"file": line.file, "line": line.number, "text": line.text}


def seconds(micros: int) -> float:
    return micros / 1_000_000


def explain_run(run: str | None = None, *, journal: str | Path | None = None) -> RunExplanation:
    """Say where the time of a run went.

    Args:
        run: its identifier; the run that was started last if it is not given.
        journal: the URL of its journal; the one that is configured if it is not given.

    Raises `RunNotFound`.
    """
    found = journal_for(journal, run or "that was started last")
    if run is None:
        newest = found.runs(limit=1)
        if not newest:
            raise RunNotFound(f"{found.where}: there is no run yet")
        run = newest[0].id
    with without_gc():
        return RunExplanation(run, (event for _, event in found.events(run)), found)
