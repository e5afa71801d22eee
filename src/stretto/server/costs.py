"""What runs have cost, added up a little at a time: the results of a long run are not read in a moment."""

from __future__ import annotations

import threading
import time
from itertools import islice
from typing import TYPE_CHECKING

from ..cli.values import Values
from ..observe.rows import Rows

if TYPE_CHECKING:
    from ..journal import Journal, RunRecord

__all__ = ["Costs"]

#: Seconds that are spent on it each time somebody asks, and how many events are gone through at once.
_BUDGET, _SOME = 0.1, 1024


class Costs:
    """The costs of the runs of a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._cost = Values(journal).cost
        #: Of each run, how many events are gone through, and what is known of its calls.
        self._known: dict[str, tuple[Rows, dict[int, float]]] = {}
        self._lock = threading.Lock()

    def of(self, runs: list[RunRecord]) -> dict[str, float | None]:
        """What is known by now: None of a run whose calls tell nothing, or are not gone through yet."""
        until = time.monotonic() + _BUDGET
        with self._lock:
            return {run.id: self._of(run, until) for run in runs}

    def _of(self, run: RunRecord, until: float) -> float | None:
        rows, costs = self._known.setdefault(run.id, (Rows(self._cost), {}))
        while rows.seq < run.events and time.monotonic() < until:
            some = list(islice(self._journal.events(run.id, after=rows.seq), _SOME))
            if not some:
                break
            part = rows.add(some)
            costs.update(part["usd"])
            for number in part["gone"]:
                costs.pop(number, None)
        return sum(costs.values()) if costs and rows.seq >= run.events else None
