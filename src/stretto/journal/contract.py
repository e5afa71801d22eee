"""What a journal is, whatever it is kept in.

A journal holds runs, and of each run its events in order. Appending never waits: what is appended lies in
memory for at most the flush interval, and one thread writes what has gathered in one transaction. Whoever
has to know that something is on disk says `commit` and is called back. Events become durable in the order
in which they were appended, so what is on disk after a crash is a prefix of it, and the prefix holds at
least everything that was called back for.

Nothing is appended without a `Lease`, the right to write to one run. At most one lease of a run is good.
See `stretto.journal.leases` for why that holds when clocks step and processes freeze.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from ..errors import JournalError
from .events import Event, Recorded, RunStarted, RunState
from .leases import Lease

__all__ = ["BLOB_OVER", "FLUSH_INTERVAL", "Done", "Journal", "RunRecord"]

#: Seconds for which appended events may lie in memory.
#: (A run keeps a plain result to itself for a millisecond before that: 10 ms in all.)
FLUSH_INTERVAL = 0.009

#: Values of more bytes than this are stored by content, outside the events.
BLOB_OVER = 64 * 1024

Done: TypeAlias = Callable[[JournalError | None], None]
"""Called once: with None when durable, else with what went wrong.

It is called in the thread that wrote, which is the journal's own, or that of a `commit_here`. It must return
at once and must not call the journal's blocking methods."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a journal knows of a run without reading its events.

    Attributes:
        id: the run's identifier.
        flow: what runs, as "module:qualname".
        source: digest of the flow's source when the run started.
        state: as its events tell.
        started: when, in microseconds since 1970.
        ended: when it stopped by itself, or None.
        owner: the process that has the lease, or None. It may be dead: `leases.alive` tells.
        events: how many events it has.
        calls: how many of them are calls that finished.
        forked_from: the run that it was forked from, or None.
    """

    id: str
    flow: str
    source: str
    state: RunState
    started: int
    ended: int | None
    owner: str | None
    events: int
    calls: int
    forked_from: str | None


class Journal(Protocol):
    """The durable store of runs. Every method may be called from every thread.

    `start`, `append`, `commit`, `put_blob` and `renew` return at once. All others wait for the disk or
    the server, so asynchronous code calls them in a thread. Those that read see all that was appended
    before through the same journal.
    """

    @property
    def where(self) -> str:
        """The file or the URL (without password), as messages name it."""
        ...

    @property
    def usable(self) -> bool:
        """Whether it still takes appends: it was not closed, and nothing failed."""
        ...

    @property
    def backlog(self) -> int:
        """How many events were appended and are not written yet."""
        ...

    # -- writing ------------------------------------------------------------------------------------

    def start(
        self, started: RunStarted, *, with_events: Sequence[Event] = (), ttl: float | None = None
    ) -> Lease:
        """A new run, and the lease of it, for `started.owner`. Returns at once: that the identifier was
        taken (`RunExists`) is found when the event is written, and told to the first `done` after it.

        There is never a run on disk without the events that are given with its start."""
        ...

    def append(self, lease: Lease, events: Sequence[Event]) -> None:
        """Have these events written soon. Raises what an earlier append of this lease, or the writing
        of anything in this journal, failed with: nothing is lost silently."""
        ...

    def commit(self, lease: Lease, events: Sequence[Event], done: Done) -> None:
        """Have these events, and all before them, written now; `done` is called when they are durable.

        Events may be empty: then `done` is called when all that was appended before is durable.
        Raises as `append` does, and then `done` is not called.
        """
        ...

    def commit_here(self, lease: Lease, events: Sequence[Event]) -> None:
        """Have these events, and all before them, written in the caller's thread, and wait for that.

        Two changes of thread faster than `commit`, for a caller that has nothing else to do meanwhile."""
        ...

    def commit_at_once(self, lease: Lease, events: Sequence[Event]) -> bool:
        """As `commit_here`, if that is going to be over in no time, as far as can be told; whether it was.

        It waits for nobody else who writes, nor for a server, nor for a disk that was slow the last time."""
        ...

    def put_blob(self, lease: Lease, digest: bytes, data: bytes) -> None:
        """Store data by its SHA-256, once, as used by this lease's run, before any event appended later.

        Only for parts of values: a whole value that is large is stored so by itself."""
        ...

    def flush(self) -> None:
        """Wait until all that was appended is durable; raises what went wrong."""
        ...

    def close(self) -> None:
        """Write all that was appended and let go of the file or server; raises what went wrong.

        Leases that were not released stay as they are. Closing twice is fine."""
        ...

    # -- leases -------------------------------------------------------------------------------------

    def acquire(
        self, run: str, *, owner: str | None = None, ttl: float | None = None, wait: float = 0.0
    ) -> Lease:
        """The right to write to a run that exists. While it is held, it is renewed by itself.

        Args:
            owner: as `leases.this_process` names it, which it does when left out.
            ttl: seconds without a renewal after which others may take the run over; as the journal has it if
                it is left out.
            wait: seconds to wait for the lease to become free.

        Raises `LeaseHeld` if another owner has it who is alive, or may be; `RunNotFound`.
        """
        ...

    def renew(self, lease: Lease) -> None:
        """Renew a lease sooner than it would be by itself; `lease.good` tells how that went."""
        ...

    def release(self, lease: Lease) -> None:
        """Give a lease back, once all that was appended under it is durable."""
        ...

    # -- reading ------------------------------------------------------------------------------------

    def events(self, run: str, *, after: int = 0) -> Iterator[Recorded]:
        """A run's events in order, from the one after number `after`, in constant memory.

        Ends at the last event that was durable when the iterator was begun, or later. Raises
        `RunNotFound`, and `JournalCorrupt` where an event is missing or damaged."""
        ...

    def runs(
        self,
        *,
        flow: str | None = None,
        state: RunState | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[RunRecord]:
        """Runs, the newest first: of a flow, in a state, started at `since` or later and before `until`."""
        ...

    def run(self, run: str) -> RunRecord:
        """What is known of one run. Raises `RunNotFound`."""
        ...

    def get_blob(self, digest: bytes) -> bytes:
        """The data with that SHA-256. Raises `JournalCorrupt` if it is missing or other data."""
        ...

    def blobs(self, run: str) -> list[bytes]:
        """The digests of all blobs that a run uses."""
        ...

    # -- housekeeping -------------------------------------------------------------------------------

    def restore(self, run: str, events: Iterable[Event], blobs: Iterable[tuple[bytes, bytes]]) -> None:
        """Write a whole run in one transaction, as it was in another journal; nobody has its lease.

        Args:
            run: its identifier, the same as in its first event, which is a `RunStarted`.
            events: all of them; they are encoded in memory first.
            blobs: all that the run uses, as pairs of SHA-256 and data; gone through again if the
                connection breaks.

        Raises `RunExists` if the journal has a run of that identifier, and `TransferError` if what is
        given is no whole run.
        """
        ...

    def prune(self, before: int) -> int:
        """Forget runs that have their outcome since before that time (microseconds since 1970), and the
        blobs that only they used. How many runs that were.

        A run that still goes on, is in doubt, or is leased stays."""
        ...
