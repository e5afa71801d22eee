"""Where the calls of one run wait for their places among those of all runs (see `stretto.limits`)."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..engine import streams
from ..engine.remaining import length_of, lengths
from ..engine.streams import Source
from ..errors import CircuitOpen
from ..limits import rules
from ..limits.buckets import Bucket, Party, Ticket
from ..limits.limiter import Limiter
from ..limits.overload import refusal
from ..limits.process import limiter
from ..limits.rules import buckets_of, learn, tokens_of
from ..limits.tokens import used
from .ambient import CLOCK, needs_place

if TYPE_CHECKING:
    from ..calls import Call
    from ..engine.nodes import CallNode
    from .aio import AsyncioDriver

__all__ = ["HELD", "Gate", "GoOn", "SourcePlaces", "limiter_here", "ticket_of"]

#: What is done once a call has its places.
GoOn: TypeAlias = "Callable[[AsyncioDriver, Any], None]"

#: The buckets in which those have places who wait for what is called here: it must not wait for them.
HELD: ContextVar[Callable[[], frozenset[Bucket]]] = ContextVar("stretto_held", default=frozenset)

#: How much further the program must have come before remaining paths are measured anew; so much, and a part
#: of what was measured, so that all the measuring costs each operation the same.
_LONGER, _PART = 64, 4


def limiter_here() -> Limiter:
    """The limiter of the clock in force."""
    clock = CLOCK.get()
    return limiter() if clock is None else clock.limiter


def ticket_of(
    limits: Limiter, call: Call[..., Any], args: Any, kwargs: Any, party: Party,
    wake: Callable[[Ticket], bool],
) -> Ticket:  # fmt: skip
    """What a call asks for its places with. Raises what is wrong with its declaration."""
    buckets = buckets_of(limits, call, args, kwargs)
    tokens = 0.0
    for bucket in buckets:
        if bucket.tokens is not None:
            tokens = tokens_of(call, args, kwargs) * limits.correction(call)
            break
    ticket = Ticket(call, party, buckets, wake, tokens)
    held = HELD.get()()
    if held and not held.isdisjoint(buckets):
        ticket.urgent()
    return ticket


class _Kind:
    """What all calls of a kind ask for, where that does not hang on their arguments."""

    __slots__ = ("buckets", "counted", "inside", "loads")

    def __init__(self, buckets: Sequence[Bucket], inside: contextvars.Context) -> None:
        self.buckets = buckets
        self.counted = all(bucket.counted is not None for bucket in buckets)
        self.inside = inside
        #: It holds for as long as no other table of limits is taken in.
        self.loads = rules.loads


class Gate:
    """The calls of one run that have places, or wait for them."""

    def __init__(self, driver: AsyncioDriver) -> None:
        self.driver = driver
        self.limits = limiter_here()
        self.party = Party(driver.loop.is_closed)  # its calls do not end any more then
        #: What those have places in who wait for the run.
        self._around = driver.context.get(HELD, frozenset)
        self._thread = 0
        #: What tickets and the engine are given: a method that is looked up is an object each time.
        self._wake, self._freed = self._woken, self._left
        self._tickets: dict[Any, Ticket] = {}
        #: Whether any of these has to be told of when it starts, or may be turned away.
        self.timed = self.guarded = False
        self._kinds: dict[Any, _Kind] = {}
        self._waiting: dict[Ticket, tuple[Any, GoOn]] = {}
        #: Those that have got their places, and go on with the next turn.
        self._ready: dict[Ticket, tuple[Any, GoOn]] = {}
        #: Those that have left their places, and what is known of the end of the one whose places go on.
        self._left_by: list[Ticket] = []
        self._leaving: Any = None
        #: Those that were told from elsewhere that they have theirs, and whether that is going to be seen to.
        self._granted: deque[Ticket] = deque()
        self._called = False
        #: Open streams, which hold their places while nothing is asked of them.
        self._streams: set[Any] = set()
        #: The lengths of remaining paths, as they were measured last, and how far the program was by then.
        self._lengths: dict[Any, float] = {}
        self._measured = -_LONGER

    # -- what the driver says -----------------------------------------------------------------------------

    def admit(self, node: CallNode | Source, go: GoOn) -> None:
        """Have a call go on once it has its places."""
        call = node.call
        if not call.gated and not needs_place(call):
            go(self.driver, node)
            return
        kind = self._kinds.get(call)
        if kind is not None and kind.loads == rules.loads:
            ticket = Ticket(call, self.party, kind.buckets, self._wake, 0.0, kind.counted)
            ticket.inside = kind.inside
            if self._around is not frozenset and not self._around().isdisjoint(kind.buckets):
                ticket.urgent()
        else:
            try:
                ticket = self._first_of(node)
            except Exception as error:
                self._failed(node, error)
                return
        if self._lengths:
            known = self._lengths.get(node)
            seconds = self.limits.seconds
            ticket.level = length_of(node, self._lengths, seconds) if known is None else known
        self._tickets[node] = ticket
        if ticket.timed:
            self.timed = True
        if ticket.guards:
            self.guarded = True
        if type(node) is Source:
            self._streams.add(node)
        if self.limits.enter(ticket):
            go(self.driver, node)
            return
        self._waiting[ticket] = node, go
        self.driver.engine.held_up(node)
        if type(node) is Source:
            streams.hold(self.driver.engine, node)

    def goes_on(self) -> bool:
        """Give places that were left to others, and go on with those that have theirs; whether any do."""
        if self._waiting:
            self._measure()
        if self._left_by:
            self._let_go()
        if not self._waiting and not self._ready:
            return False
        found = bool(self._ready)
        while self._ready:
            node, go = self._ready.pop(next(iter(self._ready)))
            if type(node) is Source:
                node.held = False
            go(self.driver, node)
        self._press()
        return found

    def _press(self) -> None:
        """If the oldest operation waits for a place, it must not wait for streams of this run, which may wait
        for it."""
        if not (self._waiting and self._streams):
            return
        ticket = self._tickets.get(self.driver.engine.end.following)
        if ticket is not None and ticket in self._waiting and not self.held().isdisjoint(ticket.buckets):
            self.limits.force(ticket)

    def needs(self, source: Source) -> bool:
        """The oldest operation waits for a stream: whether that waited here."""
        ticket = self._tickets.get(source)
        if ticket is None or ticket not in self._waiting:
            return False
        self.limits.force(ticket)
        return True

    def forgets(self, node: CallNode | Source) -> bool:
        """A call is no longer wanted: whether it waited here."""
        ticket = self._tickets.get(node)
        if ticket is None:
            return False
        if self._waiting.pop(ticket, None) is not None:
            self.driver.engine.let_on(node, None)
        elif self._ready.pop(ticket, None) is None:
            return False
        del self._tickets[node]
        self._streams.discard(node)
        self.limits.withdraw(ticket)
        return True

    def turned_away(self, node: CallNode | Source) -> CircuitOpen | None:
        """Why a call that has come so far is not made."""
        ticket = self._tickets.get(node)
        return None if ticket is None or ticket.shut is None else ticket.shut.error(node.call.name)

    def begins(self, node: CallNode | Source) -> None:
        """A call starts at this moment. From any thread."""
        ticket = self._tickets.get(node)
        if ticket is not None and ticket.timed:
            self.limits.starts(ticket)

    def returned(self, node: CallNode | Source, value: Any) -> None:
        """A call has returned, and tells what it has used."""
        ticket = self._tickets.get(node)
        if ticket is not None:
            ticket.well = True
            if ticket.entries:
                ticket.used = used(value)
            if ticket.guards:
                self.limits.heard(ticket, None)

    def raised(self, node: CallNode | Source, error: BaseException) -> None:
        """A call has raised: its server may be asked for too much."""
        if not isinstance(error, Exception):
            return
        ticket = self._tickets.get(node)
        if ticket is not None:
            self.limits.heard(ticket, error)
        found = refusal(error)
        if found is None:
            return
        call = node.call
        if not call.gated:
            call.gated = True
            self.driver.engine.freed = self._freed
        if ticket is not None:
            ticket.refused = found
        learn(self.limits, call, found)

    def gives_way(self, node: CallNode | Source) -> None:
        """A call has failed and is going to be made again: until then it needs no places."""
        self._left(node)

    def close(self) -> None:
        """The run is over."""
        self._waiting.clear()
        self._let_go()
        self.limits.withdraw(*self._tickets.values())
        self._tickets.clear()
        self._ready.clear()
        self._lengths.clear()

    def held(self) -> frozenset[Bucket]:
        """The buckets in which this run's streams have places."""
        tickets = [self._tickets.get(source) for source in tuple(self._streams)]  # from any thread
        return frozenset(
            bucket for ticket in tickets if ticket and ticket.granted for bucket in ticket.buckets
        )

    def context_of(self, node: CallNode | Source) -> contextvars.Context:
        """A copy of the run's context for a call. What that calls itself must not wait for the place that it
        has."""
        ticket = self._tickets.get(node)
        if ticket is None:
            return self.driver.context.copy()
        if ticket.inside is None:
            ticket.inside = self._holding(ticket.buckets)
        return ticket.inside.copy()

    # -- inside -------------------------------------------------------------------------------------------

    def _first_of(self, node: CallNode | Source) -> Ticket:
        """What a call asks with, and perhaps all such calls do. Raises what is wrong with its declaration."""
        call = node.call
        self.driver.engine.freed = self._freed
        ticket = self.driver.context.run(
            ticket_of, self.limits, call, node.args, node.kwargs, self.party, self._wake
        )
        if rules.alike(call) and all(bucket.tokens is None for bucket in ticket.buckets):
            ticket.inside = self._holding(ticket.buckets)
            self._kinds[call] = _Kind(ticket.buckets, ticket.inside)
        return ticket

    def _holding(self, buckets: Sequence[Bucket]) -> contextvars.Context:
        """A copy of the run's context, for what has places there."""
        context, around = self.driver.context.copy(), self._around
        context.run(HELD.set, lambda: around().union(buckets))
        return context

    def _failed(self, node: CallNode | Source, error: Exception) -> None:
        if type(node) is Source:
            streams.over(self.driver.engine, node, error)
            streams.stopped(self.driver.engine, node)
        else:
            self.driver.engine.fail(cast("CallNode", node), error)
        self.driver.kick()

    def _left(self, node: Any) -> None:
        """A call has ended, or gives its places to others: with the next turn, when those who waited for its
        result want them, too."""
        ticket = self._tickets.pop(node, None)
        if ticket is not None:
            if self._streams:
                self._streams.discard(node)
            ticket.ending = self.driver.engine.ending
            self._left_by.append(ticket)

    def _let_go(self) -> None:
        """The places that calls have left go to others."""
        left, self._left_by = self._left_by, []
        self._thread = threading.get_ident()
        for ticket in left[self.limits.end_unwaited(left) :]:
            self._leaving = ticket.ending
            self.limits.end(ticket)
        self._leaving = None

    def _woken(self, ticket: Ticket) -> bool:
        """A ticket has its places. From any thread."""
        loop = self.driver.loop
        if loop.is_closed():
            return False
        if self._leaving is not None and threading.get_ident() == self._thread:
            self._has_place(ticket, self._leaving)
            return True
        self._granted.append(ticket)
        if not self._called:
            self._called = True
            try:
                loop.call_soon_threadsafe(self.driver.safely, self._have_places)
            except RuntimeError:  # it has just been closed
                return False
        return True

    def _have_places(self) -> None:
        self._called = False  # before it is looked: one more may come at any time
        while self._granted:
            self._has_place(self._granted.popleft(), None)

    def _has_place(self, ticket: Ticket, by: Any) -> None:
        waiting = self._waiting.pop(ticket, None)
        if waiting is None:  # it was given up meanwhile
            self.limits.withdraw(ticket)
            return
        self._ready[ticket] = waiting
        self.driver.engine.let_on(waiting[0], by)
        self.driver.kick()

    def _measure(self) -> None:
        """Who waits is served by the length of the path that hangs on it, as far as that is issued."""
        engine = self.driver.engine
        far = engine.done_count * 2 + engine.inflight  # how much was issued, and how much has ended
        if far < self._measured + _LONGER + len(self._lengths) // _PART:
            return
        found = self._lengths = lengths(engine, self.limits.seconds)
        self._measured = far
        buckets: set[Bucket] = set()
        for ticket, (node, _) in self._waiting.items():
            ticket.level = found.get(node, 0.0)
            if ticket.waits is not None:
                buckets.add(ticket.waits)
        self.limits.sort(self.party, list(buckets))


class SourcePlaces:
    """The places of a stream in a flow: for its first attempt it has them before it is opened."""

    def __init__(self, gate: Gate, source: Source) -> None:
        self.gate = gate
        self.source = source
        self._first = True

    async def enter(self) -> None:
        if self._first:
            self._first = False
        else:
            there = asyncio.Event()
            self.gate.admit(self.source, lambda _driver, _source: there.set())
            await there.wait()
        shut = self.gate.turned_away(self.source)
        if shut is not None:
            self.gate.gives_way(self.source)
            raise shut
        if self.gate.driver.engine.observing:
            self.gate.driver.engine.begun(self.source)
            if self.gate.driver.watch is not None:
                self.gate.driver.watch.inside(self.source)
        self.gate.begins(self.source)

    def leave(self, error: BaseException | None) -> None:
        if error is None:
            self.gate.returned(self.source, None)
        else:
            self.gate.raised(self.source, error)
        self.gate.gives_way(self.source)
