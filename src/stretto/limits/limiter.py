"""Who may start: places in buckets, handed out over all runs of a process.

A ticket asks for one place in each of its buckets, and gets all or none, so that nobody holds one place
while waiting for another. It waits in the bucket that lacks room. When there is room again, the party
with the fewest places in that bucket comes first, and among those the one that was served longest ago: no
party starves. Within a party it is the ticket with the longest remaining path ("highest level first": Hu,
"Parallel Sequencing and Assembly Line Problems", 1961), and now and then the one that has waited longest,
so that no ticket starves.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from .adaptive import Adaptive
from .breaker import Verdict
from .buckets import Bucket, Party, Ticket
from .health import Health
from .hedges import Latencies
from .overload import Refusal

__all__ = ["Limiter"]

#: So many tickets are looked at, of those at the head of a queue, that have to go on and wait elsewhere.
_MOVED = 8

#: The weight of one call in what such calls take, and of how many kinds that is kept.
_NEWEST, _KINDS = 0.1, 4096

#: At most so many times as many tokens as expected, or as few, are expected of the next call.
_TIMES = 1000.0

#: Seconds until it is looked whether those who have all places have gone.
_GONE = 1.0

#: Seconds by which a time is waited for longer, so that it has come whatever is rounded.
_AFTER = 1e-6


class Limiter:
    """All buckets of a process, or of a virtual clock.

    Args:
        clock: the time, in seconds.
        later: calls a function in so many seconds, once, from any thread.
        leave: whether somebody may go and leave calls behind that never end.
    """

    def __init__(
        self, clock: Callable[[], float], later: Callable[[float, Callable[[], None]], Any], *,
        leave: bool = False,
    ) -> None:  # fmt: skip
        self.clock = clock
        self.later = later
        self.leave = leave
        # who gives a place back may be a coroutine that is collected, and that may come while this is held
        self._lock: Any = threading.RLock()
        #: Buckets of calls of which nothing was said, and that a server has refused.
        self.learned: WeakKeyDictionary[Any, Bucket] = WeakKeyDictionary()
        self._buckets: dict[object, Bucket] = {}
        #: Those that are forgotten as soon as nobody is about to ask for a place there.
        self._unused: WeakValueDictionary[object, Bucket] = WeakValueDictionary()
        self._swept = 0
        #: Seconds that calls of a kind take, and that any of them does.
        self._seconds: dict[Any, float] = {}
        self._typical = 0.0
        self._corrections: dict[Any, float] = {}
        #: How long calls took that are made twice if they take long.
        self.latencies: WeakKeyDictionary[Any, Latencies] = WeakKeyDictionary()
        #: How calls have fared that others stand in for.
        self._health: WeakKeyDictionary[Any, dict[str, Health]] = WeakKeyDictionary()

    def bucket(self, key: object, make: Callable[[], Bucket]) -> Bucket:
        """The bucket of that key."""
        found = self._buckets.get(key)
        if found is not None:
            return found
        with self._lock:
            found = self._buckets.get(key)
            if found is None:
                if len(self._buckets) > 2 * self._swept + 64:
                    self._sweep(self.clock())
                # one that a ticket was made with stays what it is, though nothing was taken of it yet
                kept = self._unused.get(key)
                found = self._buckets[key] = make() if kept is None else kept
            return found

    def learn(self, kind: Any, name: str, refused: Refusal) -> None:
        """A server has refused a call of which nothing was said: how many it takes is found out now."""
        with self._lock:
            if kind not in self.learned:
                adaptive = Adaptive()
                adaptive.pause(self.clock(), refused)
                self.learned[kind] = Bucket(name, adaptive=adaptive)

    @property
    def buckets(self) -> list[Bucket]:
        """All that are kept."""
        with self._lock:
            return [*self._buckets.values(), *self.learned.values()]

    def enter(self, ticket: Ticket) -> bool:
        """Ask for the places of a ticket. Whether it has them; if not, it waits, and is told. Where it is
        `shut`, it does not wait."""
        with self._lock:
            now = self.clock()
            if ticket.guards and self._turned_away(ticket, now):
                return True
            for lacking in ticket.buckets:
                if (lacking.contended and not ticket.forced) or not lacking.room(ticket, now):
                    break
            else:
                self._take(ticket, now)
                return True
            lacking.queue(ticket)
            woken = self._serve([lacking])
            granted = ticket.granted
        self._tell([told for told in woken if told is not ticket])
        return granted

    def enter_now(self, ticket: Ticket) -> bool:
        """As `enter`, of one that does not wait."""
        with self._lock:
            now = self.clock()
            if not all(breaker.closed for breaker in ticket.guards):
                return False
            if any(bucket.contended or not bucket.room(ticket, now) for bucket in ticket.buckets):
                return False
            self._take(ticket, now)
            return True

    def starts(self, ticket: Ticket) -> None:
        """What it stands for starts now, some time after it got its places: rates are those of starts. To be
        told of those that are timed. From any thread."""
        with self._lock:
            if ticket.started or ticket.over:
                return
            ticket.started, now = True, self.clock()
            ticket.began = now
            for bucket in ticket.buckets:
                if bucket.timed:
                    bucket.start(ticket, now)
                if bucket.contended:
                    self._watch(bucket, now)

    def heard(self, ticket: Ticket, error: BaseException | None) -> None:
        """What it stands for has returned, or raised: at once, before anything is made of that. From any
        thread."""
        if not ticket.guards:
            return
        verdict = Verdict.of(ticket.kind, error)
        with self._lock:
            now = self.clock()
            for breaker in ticket.guards:
                breaker.heard(ticket, verdict, now)
            woken = self._serve(ticket.buckets)  # those that wait are turned away, perhaps
        self._tell(woken)

    def end(self, ticket: Ticket) -> None:
        """Give its places back; what the ticket says of how it has ended is taken into account."""
        if self._lock._is_owned():
            self.later(0.0, functools.partial(self.end, ticket))
            return
        with self._lock:
            if not self._end(ticket):
                return
            self._ended(ticket, self.clock())
            if not any(bucket.contended for bucket in ticket.buckets):
                return
            woken = self._serve(ticket.buckets)
        self._tell(woken)

    def end_unwaited(self, tickets: Sequence[Ticket]) -> int:
        """As `end`, of those up to the first whose places somebody waits for; how many that were."""
        if self._lock._is_owned():
            return 0
        with self._lock:
            now = self.clock()
            for done, ticket in enumerate(tickets):
                for bucket in ticket.buckets:
                    if bucket.contended:
                        return done
                if self._end(ticket):
                    self._ended(ticket, now)
        return len(tickets)

    def withdraw(self, *tickets: Ticket) -> None:
        """They do not want to start any more; those that have their places already give them back."""
        if self._lock._is_owned():
            self.later(0.0, functools.partial(self.withdraw, *tickets))
            return
        with self._lock:
            buckets: dict[Bucket, None] = {}
            for ticket in tickets:
                if ticket.waits is not None:
                    ticket.waits.unqueue(ticket)
                    ticket.over = True
                elif not self._end(ticket):
                    continue
                buckets.update(dict.fromkeys(ticket.buckets))
            woken = self._serve(list(buckets))
        self._tell(woken)

    def force(self, ticket: Ticket) -> None:
        """It must not wait for those to end that run now, since they may wait for it."""
        with self._lock:
            bucket = ticket.waits
            if bucket is None or ticket.forced:
                return
            bucket.unqueue(ticket)
            ticket.urgent()
            now = self.clock()
            if not self._turned_away(ticket, now):
                lacking = next((b for b in ticket.buckets if not b.room(ticket, now)), None)
                if lacking is not None:
                    lacking.queue(ticket)
                    self._watch(lacking, now)
                    return
                self._take(ticket, now)
        self._tell([ticket])

    def poll(self, buckets: Sequence[Bucket]) -> None:
        """The time may have come for some who wait."""
        with self._lock:
            woken = self._serve(buckets)
        self._tell(woken)

    def due(self, ticket: Ticket) -> float | None:
        """In how many seconds the time has come where a ticket waits; None if it waits for no time."""
        with self._lock:
            now, bucket = self.clock(), ticket.waits
            first = None if bucket is None else bucket.next()
            at = math.inf if bucket is None or first is None else bucket.due(first, now)
            return None if at == math.inf else max(at - now, 0.0) + _AFTER

    def sort(self, party: Party, buckets: Sequence[Bucket]) -> None:
        """The levels of a party's tickets have changed."""
        with self._lock:
            for bucket in buckets:
                bucket.sort(party)

    def correction(self, call: Any) -> float:
        """How many times as many tokens a call of that kind uses as was expected."""
        return self._corrections.get(call, 1.0)

    def health(self, call: Any, key: str) -> Health:
        """How calls of that kind, and of those the ones that are counted under that key, have fared."""
        with self._lock:
            found = self._health.setdefault(call, {})
            if key not in found and len(found) >= _KINDS:
                found.clear()
            return found.setdefault(key, Health(key or getattr(call, "name", "")))

    def seconds(self, call: Any) -> float:
        """How long a call of that kind takes, or any where it is None, as far as is known."""
        return self._seconds.get(call) or self._typical or 1.0

    def _tell(self, woken: list[Ticket]) -> None:
        while woken:
            lost = [ticket for ticket in woken if not ticket.wake(ticket)]
            if not lost:
                return
            with self._lock:
                found = [ticket for ticket in lost if self._end(ticket)]
                woken = self._serve([bucket for ticket in found for bucket in ticket.buckets])

    # -- with the lock held -------------------------------------------------------------------------------

    def _sweep(self, now: float) -> None:
        kept: dict[object, Bucket] = {}
        for key, bucket in self._buckets.items():
            (self._unused if bucket.unused(now) else kept)[key] = bucket
        self._buckets, self._swept = kept, len(kept)

    def _take(self, ticket: Ticket, now: float) -> None:
        for bucket in ticket.buckets:
            bucket.take(ticket)
        for breaker in ticket.guards:
            breaker.take(ticket)
        ticket.granted = True
        ticket.began = now

    def _turned_away(self, ticket: Ticket, now: float) -> bool:
        """Whether the circuit of one of its buckets is open."""
        for breaker in ticket.guards:
            ticket.shut = breaker.shut(now, ticket.forced)
            if ticket.shut is not None:
                return True
        return False

    def _end(self, ticket: Ticket) -> bool:
        """Give its places back; whether it had any."""
        if not ticket.granted or ticket.over:
            return False
        ticket.over = True
        unused = ticket.timed and not ticket.started
        for bucket in ticket.buckets:
            bucket.leave(ticket)
            if unused:
                bucket.release(ticket)
        for breaker in ticket.guards:
            breaker.leave(ticket)
        return True

    def _ended(self, ticket: Ticket, now: float) -> None:
        """Take into account how it has ended."""
        if ticket.well:
            self._took(ticket.kind, now - ticket.began)
        for bucket in ticket.buckets:
            if bucket.adaptive is not None:
                bucket.adaptive.ended(ticket.began, now, bucket.active + 1, ticket.well, ticket.refused)
        if ticket.used is not None:
            self._corrected(ticket.kind, ticket.used / ticket.tokens if ticket.tokens else 1.0)
            for window, entry in ticket.entries:
                window.settle(entry, ticket.used, now)

    def _corrected(self, kind: Any, times: float) -> None:
        if len(self._corrections) >= _KINDS:
            self._corrections.clear()
        found = self._corrections.get(kind, 1.0) * _within(times) ** _NEWEST
        self._corrections[kind] = _within(found)

    def _took(self, kind: Any, seconds: float) -> None:
        before = self._seconds.get(kind)
        if before is None and len(self._seconds) >= _KINDS:
            self._seconds.clear()
        self._seconds[kind] = seconds if before is None else before + _NEWEST * (seconds - before)
        self._typical = self._typical + _NEWEST * (seconds - self._typical) if self._typical else seconds

    def _serve(self, buckets: Sequence[Bucket]) -> list[Ticket]:
        """Hand out what places there are; who is to be told."""
        woken: list[Ticket] = []
        now = self.clock()
        for bucket in buckets:
            moved = 0
            while bucket.contended and moved < _MOVED and (ticket := bucket.next()) is not None:
                if self._turned_away(ticket, now):
                    bucket.unqueue(ticket)
                    woken.append(ticket)
                    continue
                if not bucket.room(ticket, now):
                    break
                bucket.unqueue(ticket)
                lacking = next((b for b in ticket.buckets if not b.room(ticket, now)), None)
                if lacking is not None:
                    lacking.queue(ticket)
                    self._watch(lacking, now)
                    moved += 1
                    continue
                self._take(ticket, now)
                woken.append(ticket)
        for bucket in buckets:
            if bucket.contended:
                self._watch(bucket, now)
        return woken

    def _watch(self, bucket: Bucket, now: float) -> None:
        """If the next one waits for a time, it is looked again then."""
        first = bucket.next()
        if first is None:
            return
        due = bucket.due(first, now)
        if due == math.inf and self.leave:
            due = now + _GONE
        if due < bucket.watched:
            bucket.watched = due
            self.later(max(due - now, 0.0) + _AFTER, functools.partial(self._time_has_come, bucket))

    def _time_has_come(self, bucket: Bucket) -> None:
        with self._lock:
            if self.clock() < bucket.watched:
                return  # it was put off, or has come before
            bucket.watched = math.inf
            if self.leave:
                bucket.take_back()
            woken = self._serve([bucket])
        self._tell(woken)


def _within(times: float) -> float:
    return min(max(times, 1 / _TIMES), _TIMES)
