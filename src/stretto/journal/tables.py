"""The statements, each once: what the tables hold, and how runs, batches, blobs and leases come into them.

Functions that write are called within a transaction. Each may be called again with the same arguments
after a transaction whose answer was lost, and then does nothing where that one was done.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from ..errors import JournalCorrupt, LeaseLost, RunExists, RunNotFound
from . import frames
from .contract import RunRecord
from .database import Database, Row
from .events import CallFinished, Event, Recorded, RunEnded, RunResumed, RunStarted, RunState
from .leases import Lease, describe

__all__ = [
    "Batch",
    "Held",
    "add",
    "beat",
    "begin",
    "blob",
    "find",
    "forget",
    "forgettable",
    "holder",
    "listed",
    "read",
    "release",
    "take",
]

#: Events per batch, so that reading takes constant memory.
BATCH_EVENTS = 1024

_SHIFT = 32  # a batch's key is its run's number and its first event's, 32 bits each
_LAST = (
    "(select {} from stretto_batch where key > number * 4294967296 and key < (number + 1) * 4294967296 "
    "order by key desc limit 1)"
)
_EVENTS = f"coalesce({_LAST.format('key + count - 1')} - number * 4294967296, 0)"
_CALLS = f"coalesce({_LAST.format('calls')}, 0)"
_COLUMNS = f"id, flow, source, state, started, ended, owner, {_EVENTS}, {_CALLS}, forked_from"


def _salt(run: str, key: int) -> bytes:
    return b"%s\0%d" % (run.encode(), key)


# -- appending ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Batch:
    """What one transaction appends to one run, made ready before it begins.

    Attributes:
        parts: the events, encoded.
        calls: how many events of each part are calls that finished.
        state: the run's state after them and the time of its end, if they change it.
        uses: the blobs that the run uses from now on.
        blobs: data by its SHA-256, to be stored if it is not yet.
    """

    parts: list[frames.Encoded]
    calls: list[int]
    state: tuple[RunState, int | None] | None
    uses: Collection[bytes]
    blobs: Mapping[bytes, bytes]

    @classmethod
    def of(cls, events: Sequence[Event], uses: Collection[bytes], blobs: Mapping[bytes, bytes]) -> Batch:
        state: tuple[RunState, int | None] | None = None
        for event in events:
            if isinstance(event, RunEnded):
                state = event.state, event.time
            elif isinstance(event, RunResumed):
                state = RunState.RUNNING, None
        if len(events) <= BATCH_EVENTS:
            cuts = [events] if events else []
        else:
            cuts = [events[start : start + BATCH_EVENTS] for start in range(0, len(events), BATCH_EVENTS)]
        calls = [sum([type(event) is CallFinished for event in cut]) for cut in cuts]
        return cls([frames.encode(cut) for cut in cuts], calls, state, uses, blobs)

    @property
    def simple(self) -> bool:
        """Whether one statement writes all of it, so that no transaction has to be opened for it."""
        return len(self.parts) == 1 and self.state is None and not self.uses


def begin(db: Database, lease: Lease, started: RunStarted) -> bool:
    """The row of a new run, leased; the event itself comes with the first batch.

    False if an earlier attempt with this lease has made it."""
    made = db.change(
        "insert into stretto_run (id, flow, source, state, started, forked_from, owner, ttl_ms, nonce) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do nothing",
        (
            started.run, started.flow, started.source, RunState.RUNNING.value, started.time,
            started.forked_from, lease.owner, round(lease.ttl * 1000), lease.nonce,
        ),
    )  # fmt: skip
    number, token, nonce = db.query(
        "select number, token, nonce from stretto_run where id = ?", (started.run,)
    )[0]
    if nonce != lease.nonce:
        raise RunExists(f"{db.where}: there is a run {started.run!r} already, which stays as it is")
    lease.number, lease.token = int(number), int(token)
    return bool(made)


def add(db: Database, lease: Lease, batch: Batch) -> None:
    """Append a batch, unless the lease is no longer good. The lease itself is moved on by `appended`."""
    seq, calls = lease.last + 1, lease.calls
    for part, more in zip(batch.parts, batch.calls, strict=True):
        calls += more
        key = (lease.number << _SHIFT) + seq
        # Whether the token is still the lease's, and the events: one statement, so that a batch which
        # comes alone needs no other. That it locks the run's row keeps takers from what it decides.
        added = db.change(
            f"insert into stretto_batch (key, token, count, calls, body) select ?, ?, ?, ?, ? "
            f"from stretto_run where number = ? and token = ?{db.lock} on conflict (key) do nothing",
            (
                key, lease.token, part.count, calls, part.seal(_salt(lease.run, key)),
                lease.number, lease.token,
            ),
        )  # fmt: skip
        if not added:
            _check_added(db, lease, key)
        seq += part.count
    if not batch.parts:
        _check_token(db, lease)
    if batch.state is not None:
        state, ended = batch.state
        db.change(
            "update stretto_run set state = ?, ended = ?, length = ? where number = ?",
            (state.value, ended, seq - 1, lease.number),
        )
    for digest in batch.uses:
        # The use first: `forget` looks for uses before it deletes a blob, and this waits for it.
        use(db, lease.number, digest)
        if digest in batch.blobs:
            keep(db, digest, batch.blobs[digest])


def _check_added(db: Database, lease: Lease, key: int) -> None:
    """A batch was not inserted: that is fine if an earlier attempt had done it."""
    if db.query("select 1 from stretto_batch where key = ? and token = ?", (key, lease.token)):
        return
    _check_token(db, lease)
    raise JournalCorrupt(
        f"{db.where}: run {lease.run!r} has events after the last that its owner knows of; "
        "export what can be read and start again with a new journal"
    )


def _check_token(db: Database, lease: Lease) -> None:
    if not db.change(
        "update stretto_run set token = token where number = ? and token = ?", (lease.number, lease.token)
    ):
        raise lost(db, lease)


def appended(lease: Lease, batch: Batch) -> None:
    """The batch is durable."""
    lease.last += sum([part.count for part in batch.parts])
    lease.calls += sum(batch.calls)


def use(db: Database, number: int, digest: bytes) -> None:
    """Note that a run uses a blob."""
    db.change(
        "insert into stretto_use (run, digest) values (?, ?) on conflict (run, digest) do nothing",
        (number, digest),
    )


def keep(db: Database, digest: bytes, data: bytes) -> None:
    """Store a blob, if it is not yet."""
    if not db.query("select 1 from stretto_blob where digest = ?", (digest,)):
        db.change(
            "insert into stretto_blob (digest, size, body) values (?, ?, ?) on conflict (digest) do nothing",
            (digest, len(data), zlib.compress(data, 1)),
        )


def blob(db: Database, digest: bytes) -> bytes:
    """The data with that SHA-256."""
    rows = db.query("select size, body from stretto_blob where digest = ?", (digest,))
    name = digest.hex()
    if not rows:
        raise JournalCorrupt(f"{db.where}: the stored value {name} is missing")
    try:
        data = zlib.decompress(rows[0][1])
    except zlib.error:
        data = b""
    if len(data) != rows[0][0] or sha256(data).digest() != digest:
        raise JournalCorrupt(f"{db.where}: the stored value {name} is damaged")
    return data


def used(db: Database, number: int) -> list[bytes]:
    """The blobs that a run uses."""
    return [
        row[0] for row in db.query("select digest from stretto_use where run = ? order by digest", (number,))
    ]


# -- leases -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """A run's lease, as its row has it."""

    number: int
    token: int
    owner: str | None
    ttl: float
    beat: int
    nonce: str


def holder(db: Database, run: str) -> Held:
    rows = db.query("select number, token, owner, ttl_ms, beat, nonce from stretto_run where id = ?", (run,))
    if not rows:
        raise _not_found(db, run)
    number, token, owner, ttl, beats, nonce = rows[0]
    return Held(number, token, owner, ttl / 1000, beats, nonce)


def take(db: Database, lease: Lease, held: Held) -> bool:
    """Make the lease good, if the run's is still as it was seen. Whether it was."""
    changed = db.change(
        "update stretto_run set token = token + 1, beat = beat + 1, owner = ?, ttl_ms = ?, nonce = ? "
        "where number = ? and token = ? and beat = ?",
        (lease.owner, round(lease.ttl * 1000), lease.nonce, held.number, held.token, held.beat),
    )
    # Read after the row is locked: what the last owner appended until then counts.
    rows = db.query(
        f"select token, nonce, {_EVENTS}, {_CALLS} from stretto_run where number = ? and id = ?",
        (held.number, lease.run),
    )
    if not rows:
        raise _not_found(db, lease.run)
    token, nonce, events, calls = rows[0]
    if not changed and nonce != lease.nonce:
        return False
    lease.number, lease.token, lease.last, lease.calls = held.number, token, events, calls
    return True


def beat(db: Database, lease: Lease) -> bool:
    """Leave a sign of life. Whether the lease is still good."""
    return bool(
        db.change(
            "update stretto_run set beat = beat + 1 where number = ? and token = ?",
            (lease.number, lease.token),
        )
    )


def release(db: Database, lease: Lease) -> bool:
    """Give the lease back. Whether it was still good."""
    return bool(
        db.change(
            "update stretto_run set owner = null, beat = beat + 1 where number = ? and token = ?",
            (lease.number, lease.token),
        )
    )


def lost(db: Database, lease: Lease) -> LeaseLost:
    try:
        owner = holder(db, lease.run).owner
    except RunNotFound:
        who = "the run was deleted"
    else:
        who = f"{describe(owner)} took it over" if owner else "another owner took it over and gave it back"
    return LeaseLost(
        f"{db.where}: run {lease.run!r} is no longer {describe(lease.owner)}'s: {who}; "
        "nothing that this owner does now is recorded, so stop it"
    )


# -- reading ------------------------------------------------------------------------------------------


def find(db: Database, run: str) -> RunRecord:
    rows = db.query(f"select {_COLUMNS} from stretto_run where id = ?", (run,))
    if not rows:
        raise _not_found(db, run)
    return _record(rows[0])


def extent(db: Database, run: str) -> tuple[int, int]:
    """A run's number, and how many events it must have."""
    rows = db.query(f"select number, {_EVENTS}, length from stretto_run where id = ?", (run,))
    if not rows:
        raise _not_found(db, run)
    number, events, length = rows[0]
    return number, max(events, length)


def listed(db: Database, conditions: Mapping[str, object], limit: int | None) -> list[RunRecord]:
    """Runs, the newest first, that meet conditions such as ``{"flow = ?": "m:f"}``."""
    where = f"where {' and '.join(conditions)}" if conditions else ""
    sql = f"select {_COLUMNS} from stretto_run {where} order by started desc, number desc"
    parameters = list(conditions.values())
    if limit is not None:
        sql += " limit ?"
        parameters.append(limit)
    return [_record(row) for row in db.query(sql, parameters)]


def read(db: Database, run: str, number: int, after: int, limit: int) -> list[Recorded]:
    """A run's events after the one of that number, from at most `limit` batches; none at the end."""
    base = number << _SHIFT
    # The batch that holds the wanted event may begin before it.
    first = db.query(
        "select max(key) from stretto_batch where key > ? and key <= ?", (base, base + after + 1)
    )[0][0]
    rows = db.query(
        "select key, count, body from stretto_batch where key >= ? and key <= ? order by key limit ?",
        (first if first is not None else base, base + (1 << _SHIFT) - 1, limit),
    )
    return [recorded for recorded in _events(db, run, base, rows) if recorded.seq > after]


def _events(db: Database, run: str, base: int, rows: Sequence[Row]) -> Iterator[Recorded]:
    for key, count, body in rows:
        try:
            events = frames.unpack(_salt(run, key), count, body)
        except frames.DamagedBatch as damage:
            raise JournalCorrupt(
                f"{db.where}: the events of run {run!r} from number {key - base} on are damaged: {damage}"
            ) from None
        yield from map(Recorded, range(key - base, key - base + count), events)


def _record(row: Row) -> RunRecord:
    run, flow, source, state, started, ended, owner, events, calls, forked_from = row
    return RunRecord(run, flow, source, RunState(state), started, ended, owner, events, calls, forked_from)


def _not_found(db: Database, run: str) -> RunNotFound:
    return RunNotFound(f"{db.where}: there is no run {run!r}; `stretto ls` lists the runs there are")


# -- housekeeping -------------------------------------------------------------------------------------


def forgettable(db: Database, before: int, limit: int) -> list[int]:
    """Numbers of runs that ended before a time, have their outcome, and are not leased."""
    ended = [state.value for state in RunState if state.ended]
    rows = db.query(
        f"select number from stretto_run where ended < ? and owner is null "
        f"and state in ({', '.join('?' * len(ended))}) order by ended limit ?",
        (before, *ended, limit),
    )
    return [row[0] for row in rows]


def forget(db: Database, number: int) -> bool:
    """Delete a run, and the blobs that nobody uses then; False if it was leased meanwhile, or is gone."""
    if not db.change("delete from stretto_run where number = ? and owner is null", (number,)):
        return False
    base = number << _SHIFT
    db.change("delete from stretto_batch where key > ? and key < ?", (base, base + (1 << _SHIFT)))
    digests = used(db, number)
    if digests:
        db.alone("stretto_use")
        db.change("delete from stretto_use where run = ?", (number,))
    for digest in digests:
        db.change(
            "delete from stretto_blob where digest = ? "
            "and not exists (select 1 from stretto_use where digest = ?)",
            (digest, digest),
        )
    return True
