"""A whole run, as another journal had it, written in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import chain, islice

from ..errors import TransferError
from . import frames, tables
from .database import Database
from .events import Event, RunStarted
from .leases import Lease

__all__ = ["restore"]


def restore(
    db: Database, lease: Lease, events: Iterable[Event], blobs: Iterable[tuple[bytes, bytes]]
) -> None:
    """Write the run of a lease that is for this only, and give the lease back.

    `events` and `blobs` are gone through again if the connection breaks."""
    left = iter(events)
    started = next(left, None)
    if not isinstance(started, RunStarted) or started.run != lease.run:
        raise TransferError(
            f"the first event of run {lease.run!r} should be its start; found: {started!r:.100}"
        )
    with db.transaction():
        if not tables.begin(db, lease, started):
            return  # an earlier attempt was committed, and its answer was lost
        lease.last = lease.calls = 0
        known: set[bytes] = set()
        for digest, data in blobs:
            if sha256(data).digest() != digest:
                raise TransferError(f"the value {digest.hex()} of run {lease.run!r} has another SHA-256")
            known.add(digest)
            tables.use(db, lease.number, digest)
            tables.keep(db, digest, data)
        for some in _chunks(chain([started], left)):
            for ref in frames.refs(some):
                if ref.digest not in known:
                    raise TransferError(f"the value {ref.digest.hex()} of run {lease.run!r} is missing")
            batch = tables.Batch.of(some, (), {})
            tables.add(db, lease, batch)
            tables.appended(lease, batch)
        tables.release(db, lease)


def _chunks(events: Iterator[Event]) -> Iterator[list[Event]]:
    while some := list(islice(events, tables.BATCH_EVENTS)):
        yield some
