"""What goes through the writer's thread: appends, gathered into one transaction, and jobs in their turn."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias, TypeVar, cast

from ..errors import JournalError, JournalLocked, LeaseLost, RunExists
from . import frames, leases, tables
from .contract import BLOB_OVER, Done
from .database import Database
from .events import BlobRef, Event, RunStarted, changed
from .holding import Holding
from .leases import Lease
from .writer import Writer

__all__ = ["Append", "Probe", "Recorder"]

T = TypeVar("T")

#: Seconds that an event loop can be held up, with nothing else to do, and nobody notices; and so many events
#: are written in that time.
_NO_TIME, _FEW = 0.001, 64

Probe: TypeAlias = Callable[[str], None]
"""Called in the writer's thread "before", "within" and "after" each transaction that appends, for tests
that kill the process or fail there."""


@dataclass(slots=True)
class Append:
    """Something to append under a lease; `started` is given where it begins a new run."""

    lease: Lease
    events: Sequence[Event] = ()
    done: Done | None = None
    started: RunStarted | None = None
    blobs: dict[bytes, bytes] | None = None

    def weight(self) -> int:
        return len(self.events) + (self.blobs is not None)


class _Job:
    """Anything else that writes. It opens its own transaction, and may be done twice.

    Args:
        quiet: who asks does not pass on what went wrong before.
    """

    __slots__ = ("_done", "_error", "_value", "quiet", "work")

    def __init__(self, work: Callable[[], Any], *, quiet: bool = False) -> None:
        self.work = work
        self.quiet = quiet
        self._done = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None

    def do(self, attempt: Callable[[Callable[[], Any]], Any]) -> None:
        try:
            self._value = attempt(self.work)
        except BaseException as error:
            self._error = error
        self._done.set()

    def refuse(self, error: JournalError) -> None:
        self._error = error
        self._done.set()

    def result(self) -> Any:
        self._done.wait()
        if self._error is not None:
            raise self._error.with_traceback(None)
        return self._value


class Recorder:
    """The writer's side of a journal.

    The first append that cannot be written is the last one that is tried: its error goes to everything
    that waits and to everything that comes later, since an event must not be missing in the middle.
    Only what concerns a single run, such as a lost lease, stays with that run.
    """

    def __init__(self, db: Database, *, interval: float, probe: Probe | None) -> None:
        self._db = db
        self._probe = probe
        self._written = 0
        self._took = _NO_TIME * 2  # seconds, as far as is known, for the last transaction
        self._failure: JournalError | None = None
        self._told = False  # whether anyone has heard of the failure
        self.holding = Holding(db)
        self._writer: Writer[Append | _Job] = Writer(
            db.where, self._write, interval=interval, idle=self.holding.renew_due
        )

    @property
    def backlog(self) -> int:
        return self._writer.put_in - self._written

    @property
    def usable(self) -> bool:
        return self._failure is None and self._writer.closed is None

    def put(self, item: Append) -> None:
        if item.lease.failure is not None:
            raise item.lease.failure.with_traceback(None)
        self._check()
        self._writer.put(item, urgent=item.done is not None, weight=item.weight())

    def put_here(self, item: Append) -> None:
        """Write an item, and all before it, in the caller's thread; `done` is called before this returns."""
        if item.lease.failure is not None:
            raise item.lease.failure.with_traceback(None)
        self._check()
        self._writer.put(item, urgent=False, weight=item.weight(), wake=False)
        self._writer.drain()

    def put_at_once(self, item: Append) -> bool:
        """As `put_here`, if that is likely to be over in no time; whether it was done. Else it is not put."""
        if self._took > _NO_TIME or self.backlog > _FEW or not self._db.local:
            return False
        if item.lease.failure is not None:
            raise item.lease.failure.with_traceback(None)
        self._check()
        return self._writer.put_and_drain(item, item.weight(), self._write_at_once)

    def perform(self, work: Callable[[], T]) -> T:
        """Do this after all that was put in before; wait for what comes of it."""
        self._check()
        job = _Job(work)
        self._writer.put(job, urgent=True)
        return cast("T", job.result())

    def settle(self) -> None:
        """Have what was put in before written, if it can be."""
        if self._failure is None and not self._writer.inside:
            job = _Job(_nothing, quiet=True)
            try:
                self._writer.put(job, urgent=True)
                job.result()
            except JournalError:
                pass

    def nudge(self) -> None:
        """Have leases that are due renewed now."""
        self._writer.nudge()

    def closed(self) -> JournalError | None:
        return self._writer.closed

    def stop(self) -> JournalError | None:
        """Write what is left, and end the thread. What failed, if nobody was told yet."""
        self._writer.stop()
        return None if self._told else self._failure

    def _check(self) -> None:
        if self._failure is not None:
            self._told = True
            raise self._failure.with_traceback(None)

    # -- in the writer's thread ---------------------------------------------------------------------

    def _write(self, group: list[Append | _Job]) -> None:
        appends: list[Append] = []
        for item in group:
            if isinstance(item, Append):
                appends.append(item)
            else:
                self._write_appends(appends)
                appends = []
                self._do(item)
        self._write_appends(appends)

    def _write_at_once(self, group: list[Append | _Job]) -> bool:
        """In the thread of `put_at_once`: write a group, unless others write just now. Whether it is done."""
        appends = [item for item in group if isinstance(item, Append)]
        if len(appends) < len(group) or self._failure is not None:
            return False
        with self._db.without_waiting():
            try:
                self._write_appends(appends, at_once=True)
            except JournalLocked:
                return False
        return True

    def _do(self, job: _Job) -> None:
        # A job may be what finds out that something before it was lost.
        if self._failure is not None:
            self._told = self._told or not job.quiet
            job.refuse(self._failure)
        else:
            job.do(self._db.attempt)

    def _write_appends(self, items: list[Append], *, at_once: bool = False) -> None:
        if not items:
            return
        by_lease: dict[Lease, list[Append]] = {}
        for item in items:
            by_lease.setdefault(item.lease, []).append(item)
        if self._failure is None:
            began = time.perf_counter()
            try:
                self._write_batches(by_lease)
            except Exception as error:
                if at_once and isinstance(error, JournalLocked):
                    raise
                failure = self._fail(error)
                for lease in by_lease:
                    self.holding.drop(lease, failure)
            self._took = time.perf_counter() - began
        self._written += sum(item.weight() for item in items)
        for item in items:
            if item.done is not None:
                self._told = self._told or self._failure is not None
                _tell(item.done, self._failure or item.lease.failure)

    def _write_batches(self, items: dict[Lease, list[Append]]) -> None:
        batches: dict[Lease, tables.Batch] = {}
        for lease, its in items.items():
            if lease.failure is None:
                try:
                    batches[lease] = _gather(its)
                except Exception as error:
                    self.holding.drop(lease, self._unfit(lease, error))
        began = leases.owner_clock()
        refused = self._db.attempt(lambda: self._transact(items, batches))
        for lease, batch in batches.items():
            if lease in refused:
                # Nothing of this run's was written; the others' is none the worse.
                self.holding.drop(lease, refused[lease])
                continue
            tables.appended(lease, batch)
            if items[lease][0].started is not None:
                self.holding.hold(lease, began)
        self._tell_probe("after")

    def _transact(
        self, items: dict[Lease, list[Append]], batches: dict[Lease, tables.Batch]
    ) -> dict[Lease, JournalError]:
        """Write all batches; which leases were refused, and why."""
        self._tell_probe("before")
        refused: dict[Lease, JournalError] = {}
        if len(batches) == 1:
            [(lease, batch)] = batches.items()
            if batch.simple and items[lease][0].started is None:
                try:
                    tables.add(self._db, lease, batch)
                except LeaseLost as error:
                    refused[lease] = error
                return refused
        with self._db.transaction():
            for lease, batch in batches.items():
                started = items[lease][0].started
                try:
                    if started is not None:
                        tables.begin(self._db, lease, started)
                    tables.add(self._db, lease, batch)
                except (RunExists, LeaseLost) as error:
                    refused[lease] = error
            self._tell_probe("within")
        return refused

    def _fail(self, error: Exception) -> JournalError:
        if not isinstance(error, JournalError):
            said = f"{self._db.where}: the writer failed: {type(error).__name__}: {error}"
            wrapped = JournalError(said)
            wrapped.__cause__ = error
            error = wrapped
        self._failure = error
        # Others may take the runs over: this process can record nothing of them any more.
        self.holding.drop_all(error)
        return error

    def _unfit(self, lease: Lease, error: Exception) -> JournalError:
        return JournalError(
            f"{self._db.where}: run {lease.run!r} was given what cannot be written: "
            f"{type(error).__name__}: {error}"
        )

    def _tell_probe(self, moment: str) -> None:
        if self._probe is not None:
            self._probe(moment)


def _gather(items: Sequence[Append]) -> tables.Batch:
    """What the items append, with large values moved out of the events."""
    events: list[Event] = []
    uses: dict[bytes, None] = {}
    blobs: dict[bytes, bytes] = {}
    for item in items:
        for event in item.events:
            for name, value in frames.values_of(event):
                if isinstance(value, BlobRef):
                    uses[value.digest] = None
                elif len(value) > BLOB_OVER:
                    digest = sha256(value).digest()
                    uses[digest], blobs[digest] = None, value
                    event = changed(event, **{name: BlobRef(digest, len(value))})
            events.append(event)
        for digest, data in (item.blobs or {}).items():
            if sha256(data).digest() != digest:
                raise ValueError(f"put_blob was given {digest.hex()} for data of another SHA-256")
            uses[digest], blobs[digest] = None, data
    return tables.Batch.of(events, uses, blobs)


def _nothing() -> None:
    pass


def _tell(done: Done, error: JournalError | None) -> None:
    try:
        done(error)
    except Exception:
        # One whose loop has ended cannot be told; the others must be. The threads' hook shows it.
        threading.excepthook(threading.ExceptHookArgs([*sys.exc_info(), threading.current_thread()]))
