"""A run told while it goes on, as server-sent events.

What is told is read from the journal, so it makes no difference which process runs the run, or on which
machine. One that begins to listen is told everything from the beginning, in parts; so what comes at first and
what comes later is the same, and a page has no second way to be filled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..cli.runs import state_of
from ..cli.values import Values
from ..errors import StrettoError
from ..journal.events import Recorded, RunState, now
from ..journal.history import without_gc
from ..observe.rows import Part, Rows
from .reading import as_text, head

if TYPE_CHECKING:
    from ..journal import Journal

__all__ = ["news"]

#: Seconds between two looks into the journal, while the run goes on and when nobody runs it.
_EVERY, _SELDOM = 0.1, 0.5

#: How many events are told at once: no more than a page takes in between two clicks. The first part is small,
#: so that there is something to see.
_PART, _FIRST = 8_192, 2_048


class _Told:
    """What one listener has been told of a run."""

    def __init__(self, journal: Journal, run: str) -> None:
        self.journal = journal
        self.run = run
        self.rows = Rows(Values(journal).cost)
        self.about: tuple[str, str | None, int | None] | None = None
        #: What is there and not told yet.
        self.events: Iterator[Recorded] = iter(())

    def step(self) -> tuple[list[str], bool, float | None]:
        """What is new, whether there is more of it, and how long to wait for more; None at the end."""
        with without_gc():
            return self._step()

    def _step(self) -> tuple[list[str], bool, float | None]:
        record = self.journal.run(self.run)
        told: list[str] = []
        # whether its owner is alive, the journal does not tell
        about = state_of(record), record.owner, record.ended
        if about != self.about:
            self.about = about
            told.append(_event("head", head(self.journal, record)))
        most = _PART if self.rows.seq else _FIRST
        part = self._next(most) if record.events > self.rows.seq else None
        more = part is not None and record.events > self.rows.seq
        if part is not None:
            told.append(_event("part", part | {"now": now() - self.rows.zero, "more": more}))
        if record.state.ended and not more:
            return [*told, _event("end", {})], False, None
        return told, more, _EVERY if about[0] == RunState.RUNNING.value else _SELDOM

    def _next(self, most: int) -> Part | None:
        found = list(islice(self.events, most))
        if not found:
            self.events = self.journal.events(self.run, after=self.rows.seq)
            found = list(islice(self.events, most))
        return self.rows.add(found) if found else None


async def news(journal: Journal, run: str, closing: Callable[[], bool]) -> AsyncIterator[str]:
    """Events for as long as there is something to tell, and the server is not closing."""
    told = _Told(journal, run)
    wait: float | None = 0.0
    while wait is not None and not closing():
        try:
            events, more, wait = await asyncio.to_thread(told.step)
        except StrettoError as error:  # it was pruned, or the journal is gone
            yield _event("gone", {"message": str(error)})
            return
        for event in events:
            yield event
        if not more and wait:
            if not events:
                yield ": \n\n"  # that nobody listens any more is found by telling
            await asyncio.sleep(wait)


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {as_text(data)}\n\n"
