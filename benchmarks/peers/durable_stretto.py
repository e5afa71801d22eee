"""Stretto with a journal in SQLite: a plain loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import stretto
from stretto import call, flow
from stretto.journal.configured import shared
from stretto.journal.events import CallFinished

from .. import work
from .marks import marks

FILE = "journal.db"


@call.unordered
async def step(i: int) -> int:
    if marks.ran(i):
        await asyncio.sleep(3600)
    return i + 1


@flow
def steps(n: int) -> int:
    i = 0
    while i < n:
        i = step(i)
    return i


class Stretto:
    def __init__(self, folder: Path) -> None:
        self.url = str(folder / FILE)
        self.journal = shared(self.url)

    def chain(self, n: int) -> None:
        work.chain.using(journal=self.url)(n)
        self.journal.flush()  # what is recorded lazily counts, too

    def many(self, n: int) -> None:
        work.many.using(journal=self.url)(n)
        self.journal.flush()

    def begin(self, n: int) -> int:
        return steps.using(journal=self.url)(n)

    def resume(self) -> int:
        return stretto.resume(self.journal.runs(limit=1)[0].id, journal=self.url).result()

    @staticmethod
    def recorded(folder: Path) -> int:
        journal = shared(str(folder / FILE))
        events = journal.events(journal.runs(limit=1)[0].id)
        return sum(isinstance(one.event, CallFinished) for one in events)


class ByHand:
    """The floor: asyncio, with nothing recorded."""

    def __init__(self, folder: Path) -> None: ...

    def chain(self, n: int) -> None:
        asyncio.run(work.chain_by_hand(n))

    def many(self, n: int) -> None:
        asyncio.run(work.many_by_hand(n))
