"""A whole run, as another journal had it, written in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from ..errors import TransferError
from . import frames, tables
from .database import Database
from .events import BlobRef, Event, RunStarted
from .leases import Lease

__all__ = ["restore"]


def restore(db: Database, lease: Lease, events: Iterable[Event], blob: Callable[[BlobRef], bytes]) -> None:
    """Write the run of a lease that is for this only, and give the lease back.

    `events` is gone through again if the connection breaks."""
    left = iter(events)
    started = next(left, None)
    if not isinstance(started, RunStarted) or started.run != lease.run:
        raise TransferError(
            f"the first event of run {lease.run!r} should be its start; found: {started!r:.100}"
        )
    left = chain([started], left)
    with db.transaction():
        if not tables.begin(db, lease, started):
            return  # an earlier attempt was committed, and its answer was lost
        lease.last = lease.calls = 0
        for some in _chunks(left):
            for ref in frames.refs(some):
                tables.use(db, lease.number, ref.digest)
                tables.keep(db, ref.digest, blob(ref))
            batch = tables.Batch.of(some, {})
            tables.add(db, lease, batch)
            tables.appended(lease, batch)
        tables.release(db, lease)


def _chunks(events: Iterator[Event]) -> Iterator[list[Event]]:
    while some := list(islice(events, tables.BATCH_EVENTS)):
        yield some
