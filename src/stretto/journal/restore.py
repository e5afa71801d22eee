"""A whole run, as another journal had it, written in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, islice

from ..errors import TransferError
from . import frames, tables
from .database import Database
from .events import Event, RunStarted
from .leases import Lease

__all__ = ["Prepared", "prepare", "restore"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run, encoded.

    Attributes:
        refs: the blobs that its events refer to.
    """

    started: RunStarted
    batches: list[tables.Batch]
    refs: set[bytes]


def prepare(run: str, events: Iterable[Event]) -> Prepared:
    """Encode the events of a run. Raises `TransferError` if they are not those of one."""
    left = iter(events)
    started = next(left, None)
    if not isinstance(started, RunStarted) or started.run != run:
        raise TransferError(f"the first event of run {run!r} should be its start; found: {started!r:.100}")
    refs: set[bytes] = set()
    batches: list[tables.Batch] = []
    for some in _chunks(chain([started], left)):
        refs.update(ref.digest for ref in frames.refs(some))
        batches.append(tables.Batch.of(some, (), {}))
    return Prepared(started, batches, refs)


def restore(db: Database, lease: Lease, run: Prepared, blobs: Iterable[tuple[bytes, bytes]]) -> None:
    """Write a run under a lease that is for this only, and give the lease back."""
    with db.transaction():
        if not tables.begin(db, lease, run.started):
            return  # an earlier attempt was committed, and its answer was lost
        lease.last = lease.calls = 0
        missing = set(run.refs)
        for digest, data in blobs:
            if sha256(data).digest() != digest:
                raise TransferError(f"the value {digest.hex()} of run {lease.run!r} has another SHA-256")
            missing.discard(digest)
            tables.use(db, lease.number, digest)
            tables.keep(db, digest, data)
        if missing:
            raise TransferError(f"the value {min(missing).hex()} of run {lease.run!r} is missing")
        for batch in run.batches:
            tables.add(db, lease, batch)
            tables.appended(lease, batch)
        tables.release(db, lease)


def _chunks(events: Iterator[Event]) -> Iterator[list[Event]]:
    while some := list(islice(events, tables.BATCH_EVENTS)):
        yield some
