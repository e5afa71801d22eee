"""The leases that this journal's writer holds: taking them, keeping them, giving them back.

All of this happens in the writer's thread. What the rules are for is told in `leases`.
"""

from __future__ import annotations

from ..errors import JournalError, LeaseHeld, LeaseLost
from . import leases, tables
from .database import Database
from .leases import Lease, Sighting

__all__ = ["Holding"]


class Holding:
    """The leases held over one connection."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._held: set[Lease] = set()
        self._sightings: dict[str, Sighting] = {}

    def hold(self, lease: Lease, began: float) -> None:
        """Renew this lease from now on; it was made good by what began then."""
        lease.renewed(began)
        self._held.add(lease)

    def drop(self, lease: Lease, why: JournalError) -> None:
        lease.failure = lease.failure or why
        self._held.discard(lease)

    def drop_all(self, why: JournalError) -> None:
        for lease in list(self._held):
            self.drop(lease, why)

    # -- taking and giving back ---------------------------------------------------------------------

    def take(self, lease: Lease) -> None:
        """Make the lease good. Raises `LeaseHeld` or `RunNotFound`."""
        began = leases.owner_clock()
        with self._db.transaction():
            held = tables.holder(self._db, lease.run)
            # An earlier attempt of this very taking may have succeeded, and its answer have been lost.
            if held.nonce != lease.nonce:
                self._ask(held, lease.run)
            if not tables.take(self._db, lease, held):
                raise self._refusal(lease.run, held.owner or "another process", held.ttl)
        self._sightings.pop(lease.run, None)
        self.hold(lease, began)

    def _ask(self, held: tables.Held, run: str) -> None:
        """Raise unless the run may be taken over; the cases are those of the module `leases`."""
        if held.owner is None or leases.alive(held.owner) is False:
            return
        seen = self._sightings.get(run)
        if seen is None or (seen.token, seen.beat) != (held.token, held.beat):
            seen = self._sightings[run] = Sighting(held.token, held.beat)
        remaining = seen.remaining(held.ttl)
        if remaining > 0:
            raise self._refusal(run, held.owner, remaining)

    def _refusal(self, run: str, owner: str, remaining: float) -> LeaseHeld:
        who = leases.describe(owner)
        state = "is running it" if leases.alive(owner) else "has it, and may be running it"
        return LeaseHeld(
            f"{self._db.where}: run {run!r} cannot be taken over: {who} {state}. End that process, or ask "
            f"again in {remaining:.1f} s: by then it has given a sign of life, or the run is free",
            owner=who,
            retry_after=remaining,
        )

    def give_back(self, lease: Lease) -> None:
        if lease.failure is not None:
            raise lease.failure.with_traceback(None)
        with self._db.transaction():
            lost = None if tables.release(self._db, lease) else tables.lost(self._db, lease)
        released = LeaseLost(f"{self._db.where}: the lease of run {lease.run!r} was released already")
        self.drop(lease, lost or released)
        if lost is not None:
            raise lost

    # -- keeping ------------------------------------------------------------------------------------

    def renew_due(self) -> float | None:
        """Renew the leases whose time has come; in how many seconds the next one's will."""
        now = leases.owner_clock()
        for lease in [lease for lease in self._held if lease.due() <= now]:
            self._renew(lease, now)
        if not self._held:
            return None
        return max(0.0, min(lease.due() for lease in self._held) - leases.owner_clock())

    def _renew(self, lease: Lease, began: float) -> None:
        def work() -> bool:
            with self._db.transaction():
                return tables.beat(self._db, lease)

        try:
            if self._db.attempt(work):
                lease.renewed(began)
            else:
                self.drop(lease, self._db.attempt(lambda: tables.lost(self._db, lease)))
        except Exception:
            # `lease.good` turns false unless a later one succeeds. That comes soon, but not at once.
            lease.beaten = began - 0.9 * lease.ttl / leases.RENEWALS
