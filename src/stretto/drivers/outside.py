"""The places of calls that no engine runs: those made outside of flows, and in code that runs as a whole."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from ..calls import Call
from ..limits.buckets import Bucket, Party, Ticket
from ..limits.limiter import Limiter
from ..limits.overload import refusal
from ..limits.tokens import used
from .ambient import CLOCK, needs_place
from .gate import HELD, limiter_here, ticket_of

__all__ = ["StreamPlaces", "in_its_place"]

#: Those on one loop share as the calls of one run do.
_parties: WeakKeyDictionary[asyncio.AbstractEventLoop, Party] = WeakKeyDictionary()
#: The places of streams that are open: what waits for a place may be what goes over one of them.
_open: set[Ticket] = set()

#: Seconds until it is looked again whether those who hold the places have come to wait for this.
_LOOK_AGAIN = 0.1
#: So many look so often; if there are more, each does so less often.
_MANY = 50
#: Those who wait.
_looking: set[Ticket] = set()


async def in_its_place(
    call: Call[..., Any], args: Any, kwargs: Mapping[str, Any],
    work: Callable[[Callable[[], None]], Awaitable[Any]],
) -> Any:  # fmt: skip
    """Make one attempt of a call, on the running loop, once it has its places; `work` is given what it has to
    call when it starts."""
    limits = limiter_here()
    ticket = await _granted(limits, call, args, kwargs)
    if ticket.shut is not None:
        raise ticket.shut.error(call.name)
    around = HELD.get()
    token = HELD.set(lambda: around() | frozenset(ticket.buckets))
    try:
        value = await work(lambda: limits.starts(ticket) if ticket.timed else None)
        ticket.well, ticket.used = True, used(value) if ticket.entries else None
        limits.heard(ticket, None)
        return value
    except Exception as error:
        ticket.refused = refusal(error)
        limits.heard(ticket, error)
        raise
    finally:
        limits.end(ticket)
        with suppress(ValueError):  # its loop has gone, and this is where it is closed: another context
            HELD.reset(token)


class StreamPlaces:
    """The places of a stream that code goes over by itself: one for each attempt."""

    def __init__(self, call: Call[..., Any], args: Any, kwargs: Mapping[str, Any]) -> None:
        self.call = call
        self.args, self.kwargs = args, kwargs
        self._ticket: Ticket | None = None

    async def enter(self) -> None:
        if needs_place(self.call):
            self._limits = limits = limiter_here()
            ticket = await _granted(limits, self.call, self.args, self.kwargs)
            if ticket.shut is not None:
                raise ticket.shut.error(self.call.name)
            self._ticket = ticket
            _open.add(ticket)
            limits.starts(ticket)

    def leave(self, error: BaseException | None) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            _open.discard(ticket)
            ticket.well = error is None
            ticket.refused = None if error is None else refusal(error)
            self._limits.heard(ticket, error)
            self._limits.end(ticket)


def _held() -> frozenset[Bucket]:
    """Where those have places who may wait for what is called here."""
    held = HELD.get()()
    return held.union(*[ticket.buckets for ticket in tuple(_open)])


def _gone(there: weakref.ref[asyncio.AbstractEventLoop]) -> bool:
    loop = there()
    return loop is None or loop.is_closed()


async def _granted(limits: Limiter, call: Call[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Ticket:
    loop = asyncio.get_running_loop()
    there = asyncio.Event()

    def wake(_: Ticket) -> bool:
        try:
            loop.call_soon_threadsafe(there.set)
        except RuntimeError:  # the loop is closed, and nobody waits there any more
            return False
        return True

    party = _parties.get(loop)
    if party is None:
        party = _parties[loop] = Party(partial(_gone, weakref.ref(loop)))
    ticket = ticket_of(limits, call, args, kwargs, party, wake)
    if limits.enter(ticket):
        return ticket
    _looking.add(ticket)
    try:
        while not there.is_set():
            if not ticket.forced and not _held().isdisjoint(ticket.buckets):
                limits.force(ticket)
            seconds = _LOOK_AGAIN * (1 + len(_looking) // _MANY)
            if CLOCK.get() is not None and (due := limits.due(ticket)) is not None:
                seconds = min(seconds, due)  # the clock's own loop stands still while one runs inside it
            try:
                async with asyncio.timeout(seconds):
                    await there.wait()
            except TimeoutError:
                limits.poll(ticket.buckets)
    except BaseException:
        limits.withdraw(ticket)
        raise
    finally:
        _looking.discard(ticket)
    return ticket
