"""What a journal costs a run, and what it saves."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import stretto
from stretto import Flow, call, flow
from stretto.journal import configured, open_journal
from stretto.journal.configured import shared

from .journal import bare
from .measure import by_hand, by_turns
from .rows import Row
from .work import LOOK, look, many, many_by_hand

__all__ = ["durable"]

#: Seconds that a disk across a network takes to sync; a local one takes less than 0.1 ms.
SLOW = 0.005


@call.writes("table")
async def note(i: int) -> int:
    return i + 1


@call.unordered
async def quick(i: int) -> int:
    if i == Durable.stop:
        await asyncio.sleep(3600)
    Durable.ran.append(time.perf_counter())
    return i


@flow
def notes(n: int) -> int:
    x = 0
    for _ in range(n):
        x = note(x)
    return x


@flow
def looks(n: int) -> int:
    total = 0
    for i in range(n):
        total += look(i)
    return look(total)


@flow
def rounds(n: int, width: int) -> int:
    total = 0
    for _ in range(n):
        total = sum([look(total + i) for i in range(width)])
    return total


@flow
def thousand(n: int) -> int:
    x = 0
    for _ in range(n):
        x = quick(x) + 1
    return x


def _slow(fsync: float) -> Callable[[str], None]:
    def probe(moment: str) -> None:
        if moment == "after":
            time.sleep(fsync)

    return probe


class Durable:
    """The measurements, with journals in a folder of their own."""

    stop: ClassVar[int] = -1
    ran: ClassVar[list[float]] = []

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = itertools.count()

    def new(self) -> str:
        return str(self.folder / f"journal{next(self.numbers)}.db")

    def calls(self, n: int, repeat: int) -> tuple[float, float, float]:
        """Seconds journalled until durable, by hand without a journal, and bytes on disk for a call."""
        sizes: list[float] = []

        def journalled() -> None:
            url = self.new()
            many.using(journal=url)(n)
            shared(url).flush()
            sizes.append(sum(f.stat().st_size for f in self.folder.glob(Path(url).name + "*")) / n)

        ours, floor = by_turns(journalled, lambda: by_hand(many_by_hand(n)), repeat=repeat)
        return ours, floor, sizes[-1]

    def chain(self, n: int, repeat: int) -> tuple[float, float]:
        """Seconds for a chain of writes, and for as many commits of one row each."""
        url = self.new()
        program = notes.using(journal=url)

        def commits() -> None:
            connection: sqlite3.Connection = bare(Path(self.new()))
            for _ in range(n):
                connection.execute("insert into record (body) values (?)", (b"x" * 100,))
            connection.close()

        ours, floor = by_turns(lambda: program(n), commits, repeat=repeat)
        return ours, floor

    def off_and_on(
        self, program: Flow[..., int], *args: int, repeat: int, fsync: float = 0.0
    ) -> tuple[float, float]:
        """Seconds with a journal and without; on a disk that takes `fsync` seconds longer for every sync.

        Where that time goes: in WAL mode a commit syncs once, and whoever waits for it, waits. The journal
        calls its probe behind each commit, in the thread that commits, before it tells anybody that it is
        durable and before the next commit may begin. So sleeping there is to all others what a slow disk is;
        and unlike a library that is put in front of the system's own, it is the same on every machine.
        """
        url = self.new()
        if fsync:
            # Where a run looks up its journal by URL.
            configured._shared[str(Path(url).resolve())] = open_journal(url, probe=_slow(fsync))
        off, on = program.using(journal=None), program.using(journal=url)
        ours, floor = by_turns(lambda: on(*args), lambda: off(*args), repeat=repeat)
        assert floor > LOOK
        return ours, floor

    def resume(self, n: int) -> tuple[float, int]:
        """Seconds from the call of `resume` to the first new call of a run stopped half way, and how many
        recorded calls ran again."""
        program = thousand.using(journal=self.new())
        Durable.stop, Durable.ran = n // 2, []
        run = program.start(n)
        while len(Durable.ran) < n // 2:
            time.sleep(0.001)
        time.sleep(0.1)  # the journal has written what it was told
        run.interrupt()
        Durable.stop, Durable.ran = -1, []
        started = time.perf_counter()
        stretto.resume(run.id, journal=program.journal).result()
        return Durable.ran[0] - started, len(Durable.ran) - (n - n // 2)


def durable() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="stretto-bench-") as folder:
        bench = Durable(Path(folder))
        ours, floor, size = bench.calls(10_000, 5)
        detail = f"{ours * 100:.1f} us against {floor * 100:.1f} us a call"
        yield Row("(h) 10,000 calls with a journal / asyncio without", ours / floor, "x", 6.0, detail)
        yield Row("(h) bytes on disk of a small call", size, "B", 250.0, "")
        ours, floor = bench.chain(1000, 5)
        detail = f"{ours * 1e3:.0f} us against {floor * 1e3:.0f} us each"
        yield Row("(i) chain of 1,000 writes / bare commits", ours / floor, "x", 2.0, detail)
        for fsync, disk in ((0.0, ""), (SLOW, f", {SLOW * 1e3:g} ms for each sync")):
            ours, floor = bench.off_and_on(rounds, 10, 10, repeat=7, fsync=fsync)
            detail = f"{ours * 1e3:.1f} ms against {floor * 1e3:.1f} ms"
            what = f"(j) 10 rounds of 10 calls of 20 ms, journal{disk} / none"
            yield Row(what, ours / floor, "x", 1.02, detail)
        # The worst for a journal: nearly all begins, and ends, in the same moment.
        ours, floor = bench.off_and_on(looks, 100, repeat=7)
        detail = f"{ours * 1e3:.1f} ms against {floor * 1e3:.1f} ms"
        what = "(j) 100 calls of 20 ms at once, and one behind them, journal / none"
        yield Row(what, ours / floor, "x", None, detail)
        first, again = bench.resume(1000)
        detail = f"{again} recorded calls ran again"
        yield Row("(k) 1,000 calls, resumed half way: to the first new one", first, "s", 0.1, detail)
