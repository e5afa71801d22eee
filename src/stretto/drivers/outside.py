"""The places of calls that no engine runs: those made outside of flows, and in code that runs as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..calls import Call
from ..limits.limiter import Bucket, Limiter, Party, Ticket
from ..limits.overload import refusal
from ..limits.tokens import used
from .ambient import needs_place
from .gate import HELD, limiter_here, ticket_of

__all__ = ["StreamPlaces", "in_its_place"]

#: They share as the calls of one run do.
_party = Party()
#: The places of streams that are open: what waits for a place may be what goes over one of them.
_open: set[Ticket] = set()

#: Seconds until it is looked again whether those who hold the places have come to wait for this.
_LOOK_AGAIN = 0.1


async def in_its_place(
    call: Call[..., Any], args: Any, kwargs: Mapping[str, Any], work: Callable[[], Awaitable[Any]]
) -> Any:
    """Make one attempt of a call, on the running loop, once it has its places."""
    limits = limiter_here()
    ticket = await _granted(limits, call, args, kwargs)
    around = HELD.get()
    token = HELD.set(lambda: around() | frozenset(ticket.buckets))
    try:
        value = await work()
        ticket.well, ticket.used = True, used(value) if ticket.entries else None
        return value
    except Exception as error:
        ticket.refused = refusal(error)
        raise
    finally:
        limits.end(ticket)  # first: who is closed from elsewhere, as its loop has gone, is in another context
        HELD.reset(token)


class StreamPlaces:
    """The places of a stream that code goes over by itself: one for each attempt."""

    def __init__(self, call: Call[..., Any], args: Any, kwargs: Mapping[str, Any]) -> None:
        self.call = call
        self.args, self.kwargs = args, kwargs
        self._ticket: Ticket | None = None

    async def enter(self) -> None:
        if needs_place(self.call):
            self._ticket = await _granted(limiter_here(), self.call, self.args, self.kwargs)
            _open.add(self._ticket)

    def leave(self, error: BaseException | None) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            _open.discard(ticket)
            ticket.well = error is None
            ticket.refused = None if error is None else refusal(error)
            limiter_here().end(ticket)


def _held() -> frozenset[Bucket]:
    """Where those have places who may wait for what is called here."""
    held = HELD.get()()
    return held.union(*[ticket.buckets for ticket in tuple(_open)])


async def _granted(limits: Limiter, call: Call[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Ticket:
    loop = asyncio.get_running_loop()
    there = asyncio.Event()

    def wake(_: Ticket) -> None:
        try:
            loop.call_soon_threadsafe(there.set)
        except RuntimeError:  # the loop is closed, and nobody waits there any more
            limits.withdraw(ticket)

    def watch(_: Ticket) -> None:
        pass  # it is looked again below, often enough

    ticket = ticket_of(limits, call, args, kwargs, _party, wake, watch)
    if limits.enter(ticket):
        return ticket
    try:
        while not there.is_set():
            if not ticket.forced and not _held().isdisjoint(ticket.buckets):
                limits.force(ticket)
            due = limits.due(ticket)
            try:
                async with asyncio.timeout(_LOOK_AGAIN if due is None else min(due, _LOOK_AGAIN)):
                    await there.wait()
            except TimeoutError:
                limits.poll(ticket.buckets)
    except BaseException:
        limits.withdraw(ticket)
        raise
    return ticket
