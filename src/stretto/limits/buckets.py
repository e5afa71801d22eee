"""What is counted, and who waits for a place there."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any
from weakref import WeakKeyDictionary

from .adaptive import Adaptive
from .breaker import Breaker, Shut
from .overload import Refusal
from .rates import Rate, Taken, Window

__all__ = ["Bucket", "Party", "Ticket"]

#: Of so many places that a party gets in a bucket, one goes to the ticket that has waited longest.
_ELDEST = 16
#: For so many entries of a queue one at least is of a ticket that waits.
_PAST = 32

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
        guards: the circuit breakers of its buckets.
        shut: why what it stands for is not to be made, if one of these is open. It has no places then.
        inside: the context of what it stands for, to be copied, as far as whoever asks keeps one.
        ending: what is known of its end, by whoever ends it.
    """

    __slots__ = (
        "began", "buckets", "ending", "entries", "forced", "granted", "guards", "inside", "kind", "level",
        "number", "over", "party", "refused", "shut", "started", "timed", "tokens", "used", "waits", "wake",
        "well",
    )  # fmt: skip

    def __init__(
        self,
        kind: Any,
        party: Party,
        buckets: Sequence[Bucket],
        wake: Callable[[Ticket], bool],
        tokens: float = 0,
        counted: bool = False,
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
        # nothing is made here that is mostly empty: with very many tickets, each object more is dear
        self.guards: tuple[Breaker, ...] = ()
        if not counted:
            for bucket in buckets:
                if bucket.timed:
                    self.timed = True
                if bucket.breaker is not None:
                    self.guards = (*self.guards, bucket.breaker)
        self.shut: Shut | None = None
        self.waits: Bucket | None = None
        self.began = 0.0
        #: What was taken of the rates of tokens.
        self.entries: tuple[tuple[Window, Taken], ...] = ()
        self.inside: Context | None = None
        self.ending: Any = None

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
        timed: whether there are any.
        counted: as `most`, where it says nothing else.
        adaptive: finds `most`, where nobody has said it.
        breaker: keeps calls off where too many have failed.
        active: how many run.
    """

    def __init__(
        self, name: str, *, most: int | None = None, rate: Rate | None = None, tokens: Rate | None = None,
        adaptive: Adaptive | None = None, breaker: Breaker | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.most = most
        self.window = None if rate is None else Window(rate)
        self.tokens = None if tokens is None else Window(tokens)
        self.timed = rate is not None or tokens is not None
        self.counted = None if self.timed or adaptive is not None or breaker is not None else most
        self.adaptive = adaptive
        self.breaker = breaker
        self.active = 0
        #: Whether any ticket waits here.
        self.contended = False
        self.held: dict[Party, int] = {}
        self._queues: dict[Party, _Queue] = {}
        #: Those that have reserved something of the rates, and have not started.
        self._reserved: dict[Party, set[Ticket]] = {}
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

    def unused(self, now: float) -> bool:
        """Whether it may be forgotten, and made anew when it is asked for."""
        if self.active or self.contended or (self.adaptive is not None and not self.adaptive.unused(now)):
            return False
        if self.breaker is not None and not self.breaker.unused(now):
            return False
        return all(window is None or window.idle(now) for window in (self.window, self.tokens))

    def room(self, ticket: Ticket, now: float) -> bool:
        if self.counted is not None:
            return self.active < self.counted or ticket.forced
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
        party = ticket.party
        self.active += 1
        self.held[party] = self.held.get(party, 0) + 1
        if self._queues:
            self._served(party)
        if not self.timed:
            return
        self._reserved.setdefault(party, set()).add(ticket)
        if self.window is not None:
            self.window.reserve(1)
        if self.tokens is not None:
            self.tokens.reserve(ticket.tokens)

    def release(self, ticket: Ticket) -> None:
        """It has not started, and is not going to: nothing of the rates was used."""
        if self._had_reserved(ticket):
            if self.window is not None:
                self.window.release(1)
            if self.tokens is not None:
                self.tokens.release(ticket.tokens)

    def start(self, ticket: Ticket, now: float) -> None:
        """What was reserved is taken, from now on."""
        reserved = self._had_reserved(ticket)
        if self.window is not None:
            self.window.take(1, now, reserved)
        if self.tokens is not None:
            taken = self.tokens.take(ticket.tokens, now, reserved)
            ticket.entries = (*ticket.entries, (self.tokens, taken))

    def _had_reserved(self, ticket: Ticket) -> bool:
        """Whether it had reserved something, and that was not taken from it. From now on it has not."""
        reserved = self._reserved.get(ticket.party)
        if reserved is None or ticket not in reserved:
            return False
        reserved.remove(ticket)
        if not reserved:
            del self._reserved[ticket.party]
        return True

    def leave(self, ticket: Ticket) -> None:
        party = ticket.party
        left = self.held.get(party, 0) - 1
        if left < 0:
            return  # it was taken from them
        self.active -= 1
        if left:
            self.held[party] = left
        else:
            del self.held[party]
        if self._queues and party in self._queues:
            self._line_up(party)

    def take_back(self) -> None:
        """What those have who have gone."""
        for party in [party for party in self.held if party.gone()]:
            self.active -= self.held.pop(party)
            for ticket in tuple(self._reserved.get(party, ())):
                self.release(ticket)
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
        self.contended = True
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
            self.contended = bool(self._queues or self._forced)
            return
        queue = self._queues[ticket.party]
        queue.size -= 1
        if not queue.size:
            del self._queues[ticket.party]
            self.contended = bool(self._queues or self._forced)
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
