"""The journal by itself, against bare `sqlite3` on the same disk: where the rows of `durable` come from."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from stretto.journal import Journal, Lease, open_journal
from stretto.journal.events import CallFinished, RunStarted, now

from .measure import by_turns, median_of
from .rows import Row

__all__ = ["bare", "journal"]

CALLS = 20_000

#: Records per transaction of the bare insert: as many as the engine finishes between two turns of a loop.
GROUP = 64


def calls() -> list[CallFinished]:
    """Small calls as a loop over integers makes them."""
    time = now()
    return [
        CallFinished(
            f"digest/for:{n}/search",
            "package.module:search",
            blake2b(b"%d" % n, digest_size=16).digest(),
            1,
            b'"result %d"' % n,
            None,
            time + 50 * n,
            time + 50 * n + 3,
            time + 50 * n + 40,
        )
        for n in range(CALLS)
    ]


def records(events: list[CallFinished]) -> list[bytes]:
    """The same information as bytes, one value for each."""
    return [
        b"\0".join(
            [e.place.encode(), e.call.encode(), e.digest, e.result if isinstance(e.result, bytes) else b""]
        )
        + b"%d %d %d" % (e.ready, e.started, e.ended)
        for e in events
    ]


def bare(path: Path) -> sqlite3.Connection:
    """A database with the durability of a journal: each commit survives loss of power."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("create table if not exists record (id integer primary key, body blob not null)")
    return connection


def journal(repeat: int) -> Iterator[Row]:
    """A record until it is durable, and read again."""
    events = calls()
    bodies = [(body,) for body in records(events)]
    with tempfile.TemporaryDirectory(prefix="stretto-bench-") as folder:
        files = (Path(folder) / f"{number}.db" for number in range(1_000_000))

        def append() -> None:
            kept, lease = _begun(next(files))
            for event in events:
                kept.append(lease, (event,))
            kept.flush()
            kept.close()

        def insert() -> None:
            connection = bare(next(files))
            for start in range(0, CALLS, GROUP):
                connection.execute("begin immediate")
                connection.executemany("insert into record (body) values (?)", bodies[start : start + GROUP])
                connection.execute("commit")
            connection.close()

        ours, floor = by_turns(append, insert, repeat=repeat)
        detail = f"{CALLS / ours:,.0f} against {CALLS / floor:,.0f} a second"
        yield Row(f"(l) {CALLS:,} records until durable / bare rows", ours / floor, "x", None, detail)

        kept, lease = _begun(next(files))
        for event in events:
            kept.append(lease, (event,))
        kept.flush()
        read = median_of(lambda: sum(1 for _ in kept.events("run")), repeat=repeat)
        kept.close()
        yield Row("(l) reading a record", read / CALLS * 1e6, "us", None, "")


def _begun(path: Path) -> tuple[Journal, Lease]:
    kept = open_journal(path)
    started = RunStarted("run", "package.module:digest", "0" * 32, b"[20000]", "bench", now())
    return kept, kept.start(started)
