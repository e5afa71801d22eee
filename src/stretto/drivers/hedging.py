"""Making a call, and once more if it takes unusually long (see `stretto.limits.hedges`)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..limits.buckets import Party
from ..limits.hedges import Latencies
from .gate import limiter_here, ticket_of

if TYPE_CHECKING:
    from ..calls import Call
    from ..limits.buckets import Ticket

__all__ = ["hedged"]

_party = Party()


async def hedged(call: Call[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Any:
    """The first answer of one attempt or two; if both fail, the failure of the first."""
    loop = asyncio.get_running_loop()
    limits = limiter_here()
    latencies = limits.latencies.get(call)
    if latencies is None:
        assert call.hedge is not None
        latencies = limits.latencies[call] = Latencies(call.hedge)
    patience, began = latencies.patience(), loop.time()
    first = loop.create_task(call.once(*args, **kwargs))
    attempts = [first]
    ticket: Ticket | None = None
    try:
        if patience is not None:
            await asyncio.wait(attempts, timeout=patience)
            if not first.done() and latencies.spend():
                # it takes no place from anybody who waits, and waits for none itself
                ticket = ticket_of(limits, call, args, kwargs, _party, _never)
                ticket.forced = False  # the first attempt does not wait for it
                if limits.enter_now(ticket):
                    limits.starts(ticket)
                    attempts.append(loop.create_task(call.once(*args, **kwargs)))
        left = set(attempts)
        while left:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for attempt in attempts:  # in their order, if both have ended
                if attempt in done and not attempt.cancelled() and attempt.exception() is None:
                    latencies.took(loop.time() - began)
                    return attempt.result()
        return first.result()
    finally:
        try:
            await _ended(attempts)
        finally:  # it may be cancelled once more meanwhile
            if ticket is not None:
                limits.end(ticket)


async def _ended(attempts: list[asyncio.Task[Any]]) -> None:
    """Nothing of them runs on."""
    for attempt in attempts:
        attempt.cancel()
    if any(not attempt.done() for attempt in attempts):
        await asyncio.wait(attempts)
    for attempt in attempts:
        if not attempt.cancelled():
            attempt.exception()  # it has been looked at


def _never(ticket: Ticket) -> bool:
    raise AssertionError("it never waits")
