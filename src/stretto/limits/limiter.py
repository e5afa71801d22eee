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
import heapq
import itertools
import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from .adaptive import Adaptive
from .hedges import Latencies
from .overload import Refusal
from .rates import Rate, Window

__all__ = ["Bucket", "Limiter", "Party", "Ticket"]

#: Of so many places that a party gets in a bucket, one goes to the ticket that has waited longest.
_ELDEST = 16
#: For so many entries of a queue one at least is of a ticket that waits.
_PAST = 32
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

_numbers = itertools.count()


class Party:
    """Those who share fairly: the calls of one run. `gone` says whether none of them is ever going to end."""

    __slots__ = ("gone", "served")

    def __init__(self, gone: Callable[[], bool] = lambda: False) -> None:
        self.gone = gone
        #: When it was served last in each bucket: the number of that grant.
        self.served: WeakKeyDictionary[Bucket, int] = WeakKeyDictionary()


class Ticket:
    """One who wants to start.

    Attributes:
        kind: the call; what calls of one kind take is measured.
        wake: told, once, from any thread, that the ticket has its places; the lock is not held. It says
            whether there is anybody to whom that matters.
        level: the length of the path that hangs on it; more is more urgent.
        tokens: how many tokens it is going to take, as far as is known.
        granted: whether it has its places.
        waits: in which bucket it waits for one.
        forced: it goes before all others, and does not wait for a place among those that run at once.
        timed: whether the limiter has to know when what it stands for starts.
        started: whether that has started.
        began: when that was, or when it was granted.
        well: whether what it stands for has ended as it should.
        used: how many tokens it has used, if that was told.
        refused: what the server has said that did not take it.
    """

    __slots__ = (
        "began", "buckets", "entries", "forced", "granted", "kind", "level", "number", "over", "party",
        "refused", "started", "timed", "tokens", "used", "waits", "wake", "well",
    )  # fmt: skip

    def __init__(
        self,
        kind: Any,
        party: Party,
        buckets: Sequence[Bucket],
        wake: Callable[[Ticket], bool],
        tokens: float = 0,
    ) -> None:
        self.kind = kind
        self.party = party
        self.buckets = buckets
        self.wake = wake
        self.tokens = tokens
        self.level = 0.0
        self.number = next(_numbers)
        self.granted = self.timed = self.started = self.over = self.forced = self.well = False
        self.used: float | None = None
        self.refused: Refusal | None = None
        self.waits: Bucket | None = None
        self.began = 0.0
        #: What was taken of the rates of tokens.
        self.entries: list[tuple[Window, list[float]]] = []

    def urgent(self) -> None:
        """Others wait for it that hold the places it would have to wait for."""
        self.forced = True


class _Queue:
    """The tickets of one party that wait in one bucket. Those that wait here no more are passed over."""

    __slots__ = ("eldest", "granted", "heap", "size")

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Ticket]] = []
        self.eldest: deque[Ticket] = deque()
        self.granted = 0
        self.size = 0

    def put(self, ticket: Ticket) -> None:
        heapq.heappush(self.heap, (-ticket.level, ticket.number, ticket))
        self.eldest.append(ticket)
        self.size += 1

    def first(self, bucket: Bucket) -> Ticket | None:
        """The one that comes next."""
        heap, eldest = self.heap, self.eldest
        while eldest and eldest[0].waits is not bucket:
            eldest.popleft()
        if self.granted % _ELDEST == _ELDEST - 1:
            return eldest[0] if eldest else None
        while heap and heap[0][2].waits is not bucket:
            heapq.heappop(heap)
        return heap[0][2] if heap else None

    def sort(self, bucket: Bucket) -> None:
        """Levels have changed, or most of them wait here no more."""
        self.heap = [(-t.level, t.number, t) for t in {t: None for _, _, t in self.heap} if t.waits is bucket]
        heapq.heapify(self.heap)
        self.eldest = deque({t: None for t in self.eldest if t.waits is bucket})


class Bucket:
    """One thing that is counted.

    Attributes:
        name: what it counts, for people.
        most: how many may run at once; None if that is not limited.
        windows: rates of calls.
        tokens: rates of tokens.
        adaptive: finds `most`, where nobody has said it.
        active: how many run.
    """

    def __init__(
        self, name: str, *, most: int | None = None, rate: Rate | None = None, tokens: Rate | None = None,
        adaptive: Adaptive | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.most = most
        self.window = None if rate is None else Window(rate)
        self.tokens = None if tokens is None else Window(tokens)
        self.adaptive = adaptive
        self.active = 0
        self.held: dict[Party, int] = {}
        self._queues: dict[Party, _Queue] = {}
        #: Forced ones, which come before all others.
        self._forced: dict[Ticket, None] = {}
        #: When the limiter is going to look whether the time has come for the next one.
        self.watched = math.inf
        #: Parties that wait, the one that comes next first; what does not hold any more is passed over.
        self._order: list[tuple[int, int, int, Party]] = []

    def __repr__(self) -> str:
        return f"<bucket {self.name}: {self.active} of {self.most}>"

    @property
    def waiting(self) -> int:
        """How many tickets wait here."""
        return sum(queue.size for queue in self._queues.values()) + len(self._forced)

    @property
    def contended(self) -> bool:
        """Whether any ticket waits here."""
        return bool(self._queues or self._forced)

    def unused(self, now: float) -> bool:
        """Whether it may be forgotten, and made anew when it is asked for."""
        if self.active or self.contended or (self.adaptive is not None and not self.adaptive.unused(now)):
            return False
        return all(window is None or window.idle(now) for window in (self.window, self.tokens))

    def room(self, ticket: Ticket, now: float) -> bool:
        adaptive = self.adaptive
        most = self.most if adaptive is None else adaptive.most
        if most is not None and self.active >= most and not ticket.forced:
            return False
        if adaptive is not None and now < adaptive.paused:
            return False
        if self.window is not None and not self.window.room(1, now):
            return False
        return self.tokens is None or self.tokens.room(ticket.tokens, now)

    def due(self, ticket: Ticket, now: float) -> float:
        """When the time has come for a ticket that waits; infinite if it waits for others to start or end."""
        most = self.most if self.adaptive is None else self.adaptive.most
        if most is not None and self.active >= most and not ticket.forced:
            return math.inf
        at = now
        if self.adaptive is not None:
            at = max(at, self.adaptive.paused)
        if self.window is not None:
            at = max(at, self.window.due(1, now))
        if self.tokens is not None:
            at = max(at, self.tokens.due(ticket.tokens, now))
        return at

    def take(self, ticket: Ticket) -> None:
        self.active += 1
        self.held[ticket.party] = self.held.get(ticket.party, 0) + 1
        if self._queues:
            self._served(ticket.party)
        if self.window is not None:
            ticket.timed = True
            self.window.reserve(1)
        if self.tokens is not None:
            ticket.timed = True
            self.tokens.reserve(ticket.tokens)

    def release(self, ticket: Ticket) -> None:
        """It has not started, and is not going to: nothing of the rates was used."""
        if self.window is not None:
            self.window.release(1)
        if self.tokens is not None:
            self.tokens.release(ticket.tokens)

    def start(self, ticket: Ticket, now: float) -> None:
        """What was reserved is taken, from now on."""
        self.release(ticket)
        if self.window is not None:
            self.window.take(1, now)
        if self.tokens is not None:
            ticket.entries.append((self.tokens, self.tokens.take(ticket.tokens, now)))

    def leave(self, ticket: Ticket) -> None:
        left = self.held.get(ticket.party, 0) - 1
        if left < 0:
            return  # it was taken from them
        self.active -= 1
        if left:
            self.held[ticket.party] = left
        else:
            del self.held[ticket.party]
        if self._queues and ticket.party in self._queues:
            self._line_up(ticket.party)

    def take_back(self) -> None:
        """What those have who have gone."""
        for party in [party for party in self.held if party.gone()]:
            self.active -= self.held.pop(party)
            if party in self._queues:
                self._line_up(party)

    def _line_up(self, party: Party) -> None:
        if len(self._order) > 4 * len(self._queues) + 64:  # most of it does not hold any more
            self._order = [self._standing(party) for party in self._queues]
            heapq.heapify(self._order)
        heapq.heappush(self._order, self._standing(party))

    def _standing(self, party: Party) -> tuple[int, int, int, Party]:
        return self.held.get(party, 0), party.served.get(self, 0), next(_numbers), party

    def queue(self, ticket: Ticket) -> None:
        ticket.waits = self
        if ticket.forced:
            self._forced[ticket] = None
            return
        queue = self._queues.get(ticket.party)
        if queue is None:
            queue = self._queues[ticket.party] = _Queue()
            self._line_up(ticket.party)
        queue.put(ticket)

    def unqueue(self, ticket: Ticket) -> None:
        """A ticket does not wait here any more."""
        ticket.waits = None
        if ticket in self._forced:
            del self._forced[ticket]
            return
        queue = self._queues[ticket.party]
        queue.size -= 1
        if not queue.size:
            del self._queues[ticket.party]
        elif max(len(queue.heap), len(queue.eldest)) > _PAST * (queue.size + 16):
            queue.sort(self)

    def next(self) -> Ticket | None:
        """The ticket that comes next."""
        if self._forced:
            return next(iter(self._forced))
        while self._order:
            held, served, _, party = self._order[0]
            queue = self._queues.get(party)
            if queue is not None and (held, served) == (self.held.get(party, 0), party.served.get(self, 0)):
                return queue.first(self)
            heapq.heappop(self._order)
        return None

    def _served(self, party: Party) -> None:
        party.served[self] = next(_numbers)
        queue = self._queues.get(party)
        if queue is not None:
            queue.granted += 1
            self._line_up(party)

    def sort(self, party: Party) -> None:
        queue = self._queues.get(party)
        if queue is not None:
            queue.sort(self)


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
        """Ask for the places of a ticket. Whether it has them; if not, it waits, and is told."""
        with self._lock:
            now = self.clock()
            for lacking in ticket.buckets:
                if not lacking.room(ticket, now) or (lacking.contended and not ticket.forced):
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
                bucket.start(ticket, now)
                self._watch(bucket, now)

    def end(self, ticket: Ticket) -> None:
        """Give its places back; what the ticket says of how it has ended is taken into account."""
        if self._lock._is_owned():
            self.later(0.0, functools.partial(self.end, ticket))
            return
        with self._lock:
            if not self._end(ticket):
                return
            now, others = self.clock(), False
            if ticket.well:
                self._took(ticket.kind, now - ticket.began)
            for bucket in ticket.buckets:
                if bucket.adaptive is not None:
                    bucket.adaptive.ended(ticket.began, now, bucket.active + 1, ticket.well, ticket.refused)
                if bucket.contended:
                    others = True
            if ticket.used is not None:
                self._corrected(ticket.kind, ticket.used / ticket.tokens if ticket.tokens else 1.0)
                for window, entry in ticket.entries:
                    window.settle(entry, ticket.used, now)
            if not others:
                return
            woken = self._serve(ticket.buckets)
        self._tell(woken)

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
        ticket.granted = True
        ticket.began = now

    def _end(self, ticket: Ticket) -> bool:
        """Give its places back; whether it had any."""
        if not ticket.granted or ticket.over:
            return False
        ticket.over = True
        for bucket in ticket.buckets:
            bucket.leave(ticket)
            if ticket.timed and not ticket.started:
                bucket.release(ticket)
        return True

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
            while (
                bucket.contended
                and moved < _MOVED
                and (ticket := bucket.next()) is not None
                and bucket.room(ticket, now)
            ):
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
            self._watch(bucket, now)
        return woken

    def _watch(self, bucket: Bucket, now: float) -> None:
        """If the next one waits for a time, it is looked again then."""
        first = bucket.next() if bucket.contended else None
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
