"""What it costs to be able to look at runs, and to look."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import timeit
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from stretto import call, flow
from stretto.engine.machine import Engine
from stretto.journal import under_way
from stretto.observe import listening

from .measure import by_turns
from .rows import Row
from .work import many

__all__ = ["events"]

#: Longer than what others are told of.
LONG = under_way.SOON * 1.2


@call.unordered
async def long(i: int) -> int:
    await asyncio.sleep(LONG)
    return i


@flow
def long_rounds(n: int, width: int) -> int:
    total = 0
    for _ in range(n):
        total = sum([long(total + i) for i in range(width)])
    return total


def events(n: int, repeat: int) -> Iterator[Row]:
    """Nobody listens, somebody listens, and a journal that tells of what is under way."""
    engine, loops = Engine(), 1_000_000
    asked = timeit.timeit("if engine.observing: pass", globals={"engine": engine}, number=loops) / loops

    def heard() -> None:
        with listening(lambda event: None):
            many(n)

    alone, listened = by_turns(lambda: many(n), heard, repeat=repeat)
    detail = f"{asked * 1e9:.0f} ns of {alone / n * 1e6:.1f} us a call"
    yield Row("(s) nobody listens: asking for that, of a call", asked / (alone / n) * 100, "%", 1.0, detail)
    detail = f"{(listened - alone) / n * 1e6:.1f} us a call more, for 5 events"
    yield Row(f"(s) {n:,} calls, somebody listens / nobody", listened / alone, "x", None, detail)
    with tempfile.TemporaryDirectory(prefix="stretto-bench-") as folder:
        files = (f"sqlite:///{Path(folder) / f'{number}.db'}" for number in itertools.count())

        def recorded() -> None:
            long_rounds.using(journal=next(files))(10, 100)

        def silent() -> None:
            with mock.patch.object(under_way, "SOON", 1e6):
                recorded()

        told, untold = by_turns(recorded, silent, repeat=repeat)
    detail = f"{told * 1e3:.0f} ms against {untold * 1e3:.0f} ms"
    what = f"(s) 10 rounds of 100 calls of {LONG * 1e3:.0f} ms, told of while they run / not"
    yield Row(what, told / untold, "x", 1.05, detail)
