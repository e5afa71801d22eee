"""A journal over a database: what `contract.Journal` asks for, the same for SQLite and PostgreSQL."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from ..errors import JournalCorrupt, JournalError, LeaseHeld
from . import leases, tables
from .contract import FLUSH_INTERVAL, Done, RunRecord
from .database import Database
from .events import Event, Recorded, RunStarted, RunState
from .leases import TTL, Lease
from .recorder import Append, Probe, Recorder
from .restore import prepare, restore

__all__ = ["StoredJournal"]

T = TypeVar("T")

#: So many batches are read at once at most.
READ = 8

#: Seconds between looks at a lease that is waited for.
LOOK = 0.1

#: Runs pruned between two looks for more.
PRUNE = 100


class StoredJournal:
    """See `contract.Journal`.

    Args:
        connect: makes a connection; called at once for the writer, and later for readers.
        interval: seconds for which appended events may lie in memory.
        ttl: seconds without a renewal after which others may take a run over, if a lease says nothing else.
        probe: for tests.
    """

    def __init__(
        self, connect: Callable[[], Database], *, interval: float = FLUSH_INTERVAL, ttl: float = TTL,
        probe: Probe | None = None,
    ) -> None:  # fmt: skip
        self._connect = connect
        self._ttl = ttl
        self._db = connect()
        self._where = self._db.where
        self._reader: Database | None = None
        self._reading = threading.Lock()
        self._shut = False
        self._process = os.getpid()
        self._recorder = Recorder(self._db, interval=interval, probe=probe)
        # The writer's thread is a daemon, since another would keep the program from ending; so this
        # writes what is left when it ends.
        self._at_exit = _closer(weakref.ref(self))
        atexit.register(self._at_exit)

    @property
    def where(self) -> str:
        return self._where

    @property
    def usable(self) -> bool:
        return not self._shut and self._recorder.usable

    @property
    def backlog(self) -> int:
        return self._recorder.backlog

    # -- writing ------------------------------------------------------------------------------------

    def start(
        self, started: RunStarted, *, with_events: Sequence[Event] = (), ttl: float | None = None
    ) -> Lease:
        texts = (started.run, started.flow, started.source, started.owner, started.forked_from or "")
        if not started.run or any("\0" in text for text in texts):
            raise ValueError(f"a run needs an identifier, and its texts hold no zero character: {started!r}")
        lease = Lease(started.run, started.owner, self._ttl if ttl is None else ttl)
        self._recorder.put(Append(lease, (started, *with_events), started=started))
        return lease

    def append(self, lease: Lease, events: Sequence[Event]) -> None:
        self._recorder.put(Append(lease, events))

    def commit(self, lease: Lease, events: Sequence[Event], done: Done) -> None:
        self._recorder.put(Append(lease, events, done))

    def commit_here(self, lease: Lease, events: Sequence[Event]) -> None:
        told: list[JournalError | None] = []
        self._recorder.put_here(Append(lease, events, told.append))
        [error] = told
        if error is not None:
            raise error.with_traceback(None)

    def commit_at_once(self, lease: Lease, events: Sequence[Event]) -> bool:
        told: list[JournalError | None] = []
        if not self._recorder.put_at_once(Append(lease, events, told.append)):
            return False
        [error] = told
        if error is not None:
            raise error.with_traceback(None)
        return True

    def put_blob(self, lease: Lease, digest: bytes, data: bytes) -> None:
        self._recorder.put(Append(lease, blobs={digest: data}))

    def flush(self) -> None:
        self._recorder.perform(lambda: None)

    def close(self) -> None:
        if os.getpid() != self._process:
            return  # forked: the connections are the other process's, and closing them would harm it
        with self._reading:
            if self._shut:
                return
            self._shut = True
        atexit.unregister(self._at_exit)
        untold = self._recorder.stop()
        if self._reader is not None:
            self._reader.close()
        self._db.close()
        if untold is not None:
            raise untold.with_traceback(None)

    # -- leases -------------------------------------------------------------------------------------

    def acquire(
        self, run: str, *, owner: str | None = None, ttl: float | None = None, wait: float = 0.0
    ) -> Lease:
        lease = Lease(run, owner or leases.this_process(), self._ttl if ttl is None else ttl)
        until = time.monotonic() + wait
        while True:
            try:
                self._recorder.perform(lambda: self._recorder.holding.take(lease))
                return lease
            except LeaseHeld as held:
                left = until - time.monotonic()
                if left <= 0:
                    raise
                time.sleep(min(left, LOOK, max(held.retry_after, 0.001)))

    def renew(self, lease: Lease) -> None:
        lease.beaten = float("-inf")
        self._recorder.nudge()

    def release(self, lease: Lease) -> None:
        self._recorder.perform(lambda: self._recorder.holding.give_back(lease))

    # -- reading ------------------------------------------------------------------------------------

    def events(self, run: str, *, after: int = 0) -> Iterator[Recorded]:
        self._settle()
        number, total = self._read(lambda db: tables.extent(db, run))
        limit = 1  # at first, so that there is soon something to go on with
        while True:
            found = self._read(partial(tables.read, run=run, number=number, after=after, limit=limit))
            limit = min(2 * limit, READ)
            for recorded in found:
                if recorded.seq != after + 1:
                    break
                yield recorded
                after = recorded.seq
            else:
                if found:
                    continue
                if after >= total:
                    return
            self.run(run)  # which raises if the run was deleted meanwhile: that is no damage
            raise JournalCorrupt(
                f"{self._where}: event {after + 1} of run {run!r} is missing; it should have {total}"
            )

    def runs(
        self,
        *,
        flow: str | None = None,
        state: RunState | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[RunRecord]:
        wanted: dict[str, str | int | None] = {
            "flow = ?": flow,
            "state = ?": None if state is None else state.value,
            "started >= ?": since,
            "started < ?": until,
        }
        conditions = {text: value for text, value in wanted.items() if value is not None}
        self._settle()
        return self._read(lambda db: tables.listed(db, conditions, limit))

    def run(self, run: str) -> RunRecord:
        self._settle()
        return self._read(lambda db: tables.find(db, run))

    def get_blob(self, digest: bytes) -> bytes:
        self._settle()
        return self._read(lambda db: tables.blob(db, digest))

    def blobs(self, run: str) -> list[bytes]:
        self._settle()
        return self._read(lambda db: tables.used(db, tables.holder(db, run).number))

    def _settle(self) -> None:
        """Have what was appended written before it is read; if it cannot be, what is there is read."""
        if self.backlog:
            self._recorder.settle()

    def _read(self, work: Callable[[Database], T]) -> T:
        with self._reading:
            if self._shut:
                raise self._recorder.closed() or JournalError(f"{self._where}: the journal is closed")
            if self._reader is None:
                self._reader = self._connect()
            reader = self._reader
            return reader.attempt(lambda: work(reader))

    # -- housekeeping -------------------------------------------------------------------------------

    def restore(self, run: str, events: Iterable[Event], blobs: Iterable[tuple[bytes, bytes]]) -> None:
        lease = Lease(run, leases.this_process(), TTL)
        # Encoded here, so that others do not wait for more than the writing.
        batches = prepare(run, events)
        self._recorder.perform(lambda: restore(self._db, lease, batches, blobs))

    def prune(self, before: int) -> int:
        perform = self._recorder.perform
        count = 0
        while numbers := perform(lambda: tables.forgettable(self._db, before, PRUNE)):
            for number in numbers:
                count += perform(partial(self._forget, number))
        perform(self._db.tidy)
        return count

    def _forget(self, number: int) -> bool:
        with self._db.transaction():
            return tables.forget(self._db, number)


def _closer(journal: weakref.ref[StoredJournal]) -> Callable[[], None]:
    def close() -> None:
        alive = journal()
        if alive is not None:
            alive.close()

    return close
