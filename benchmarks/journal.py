"""What journalling costs, against the least that it could: bare `sqlite3` on the same disk, in the same run.

Run it by itself with ``python -m benchmarks.journal``.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from stretto.errors import JournalError
from stretto.journal import Journal, Lease, open_journal
from stretto.journal.events import CallFinished, RunStarted, now

from .measure import by_turns, seconds

__all__ = ["Measured", "measure"]

CALLS = 20_000
COMMITS = 500

#: Records per transaction of the bare insert: as many as the engine finishes between two turns of a loop.
GROUP = 64


@dataclass(frozen=True)
class Measured:
    """Seconds for one record or commit, and bytes on disk for one record.

    Attributes:
        append: for the thread that appends, not counting the writer's.
        durable: from the first append until all are durable.
        bare_rows: `sqlite3` inserting the same bytes, a row each, `GROUP` to a transaction.
        commit: one record that is waited for.
        here: the same by `commit_here`, without another thread.
        bare_commit: `sqlite3` inserting the same bytes, and committing.
        read: to read a record back.
        size: of the file after it was closed.
    """

    append: float
    durable: float
    bare_rows: float
    commit: float
    here: float
    bare_commit: float
    read: float
    size: float


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


class _Done:
    def __init__(self) -> None:
        self._called = threading.Event()
        self._error: JournalError | None = None

    def __call__(self, error: JournalError | None) -> None:
        self._error = error
        self._called.set()

    def wait(self) -> None:
        self._called.wait()
        if self._error is not None:
            raise self._error


def commit(journal: Journal, lease: Lease, events: list[CallFinished]) -> None:
    done = _Done()
    journal.commit(lease, events, done)
    done.wait()


def bare(path: Path) -> sqlite3.Connection:
    """A database with the durability of a journal: each commit survives loss of power."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("create table if not exists record (id integer primary key, body blob not null)")
    return connection


def measure(folder: Path) -> Measured:
    """Everything once, in files in that folder."""
    events = calls()
    bodies = [(body,) for body in records(events)]
    numbers = iter(range(1_000_000))

    def new() -> tuple[Path, Journal, Lease]:
        path = folder / f"journal{next(numbers)}.db"
        journal = open_journal(path)
        lease = journal.start(
            RunStarted("run", "package.module:digest", "0" * 32, b"[20000]", "bench", now())
        )
        commit(journal, lease, [])
        return path, journal, lease

    appended: list[float] = []

    def append() -> None:
        _, journal, lease = new()

        def work() -> None:
            for event in events:
                journal.append(lease, (event,))

        appended.append(seconds(work))
        commit(journal, lease, [])
        journal.close()

    def insert() -> None:
        connection = bare(folder / f"bare{next(numbers)}.db")
        for start in range(0, CALLS, GROUP):
            connection.execute("begin immediate")
            connection.executemany("insert into record (body) values (?)", bodies[start : start + GROUP])
            connection.execute("commit")
        connection.close()

    durable, rows = by_turns(append, insert, repeat=3)

    path, journal, lease = new()
    connection = bare(folder / "commits.db")

    def commits() -> None:
        for event in events[:COMMITS]:
            commit(journal, lease, [event])

    def bare_commits() -> None:
        for body in bodies[:COMMITS]:
            connection.execute("insert into record (body) values (?)", body)

    def commits_here() -> None:
        for event in events[:COMMITS]:
            journal.commit_here(lease, [event])

    one, here, bare_one = by_turns(commits, commits_here, bare_commits, repeat=3)
    journal.close()
    connection.close()

    path, journal, lease = new()
    for event in events:
        journal.append(lease, (event,))
    journal.flush()
    read = seconds(lambda: _go_through(journal))
    journal.close()
    return Measured(
        append=sorted(appended)[len(appended) // 2] / CALLS,
        durable=durable / CALLS,
        bare_rows=rows / CALLS,
        commit=one / COMMITS,
        here=here / COMMITS,
        bare_commit=bare_one / COMMITS,
        read=read / CALLS,
        size=os.path.getsize(path) / CALLS,
    )


def _go_through(journal: Journal) -> None:
    for _ in journal.events("run"):
        pass


def lines(found: Measured) -> list[str]:
    """What was measured, for people."""
    pairs: list[tuple[str, float, float]] = [
        ("a record until it is durable, to a bare row of the same bytes", found.durable, found.bare_rows),
        ("the part of that in the thread that appends", found.append, found.bare_rows),
        ("a commit that is waited for, to a bare one", found.commit, found.bare_commit),
        ("the same in one's own thread", found.here, found.bare_commit),
    ]
    said = [f"{text}: {a * 1e6:.1f} µs to {b * 1e6:.1f} µs, {a / b:.2f} times" for text, a, b in pairs]
    said.append(f"records a second: {1 / found.durable:,.0f}, bare {1 / found.bare_rows:,.0f}")
    said.append(f"reading a record: {found.read * 1e6:.1f} µs")
    said.append(f"bytes on disk for a small call: {found.size:.0f}")
    return said


def main(run: Callable[[str], None] = print) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for line in lines(measure(Path(folder))):
            run(line)


if __name__ == "__main__":
    main()
