"""Calls in processes of this machine (``on="process"``)."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..drivers.ambient import timed_out
from ..errors import NotSendable, WorkerDied
from .needs import Needs
from .outcomes import Opened
from .pool import Died, Worker, put_back, worker_for
from .resources import Grant, machine
from .running import named, request_of
from .worker import Request

if TYPE_CHECKING:
    from ..calls import Call

__all__ = ["run_in_process"]

#: How many processes may die before the call has begun in one.
_TRIES = 3
#: Seconds after which it is told that somebody has killed a process. Who stops a machine or a container kills
#: all of its processes at once, and this one, if it comes last, must not take that for the end of a call.
_ALL_AT_ONCE = 0.25
_BY_OTHERS = (-9, -15)


async def run_in_process(
    call: Call[..., Any], needs: Needs, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    resources = machine()
    grant = await resources.take(needs, lambda: named(call))
    try:
        found = await _attempts(call, grant, args, kwargs)
    finally:
        resources.give(grant)
    if isinstance(found, Opened):
        if found.error is not None:
            raise found.error
        return found.value
    if found.exitcode in _BY_OTHERS:
        await asyncio.sleep(_ALL_AT_ONCE)
    if found.begun:
        raise WorkerDied(f"{named(call)}: the process that it ran in has died{_how(found.exitcode)}")
    raise NotSendable(
        f"{named(call)} cannot be read by the process that it is to run in: that has died "
        f"{_TRIES} times{_how(found.exitcode)}"
    )


async def _attempts(
    call: Call[..., Any], grant: Grant, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Opened | Died:
    """One attempt in which the call begins."""
    for _ in range(_TRIES - 1):
        found = await _attempt(call, grant, args, kwargs)
        if isinstance(found, Opened) or found.begun:
            return found
    return await _attempt(call, grant, args, kwargs)


async def _attempt(
    call: Call[..., Any], grant: Grant, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Opened | Died:
    worker = await worker_for(grant)
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    limit = asyncio.timeout(None)

    def request() -> Request:
        return context.run(request_of, call, args, kwargs)

    def begins() -> None:
        if call.timeout is not None:
            loop.call_soon_threadsafe(_begins, limit, loop.time() + call.timeout)

    try:
        async with limit:
            found = await _ended(
                worker, asyncio.wrap_future(worker.call(request, begins, lambda: named(call)))
            )
    except TimeoutError:
        raise timed_out(call) from None
    if isinstance(found, Opened):
        put_back(worker)
    return found


def _begins(limit: asyncio.Timeout, end: float) -> None:
    with contextlib.suppress(RuntimeError):  # it is over already
        limit.reschedule(end)


async def _ended(worker: Worker, done: asyncio.Future[Opened | Died]) -> Opened | Died:
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        worker.kill()
        while not done.done():
            with contextlib.suppress(asyncio.CancelledError):  # nobody is told before it is gone
                await asyncio.wait([done])
        worker.release()  # its call may have ended just before
        raise


_CRASHES = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT")


def _how(code: int | None) -> str:
    if code is None or code >= 0:
        return (
            f": it ended by itself, with exit code {code}. Nothing else was harmed. Something in the "
            "call has ended it, such as os._exit(); raise an exception instead"
        )
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name in _CRASHES:
        return (
            f" of {name}. Nothing else was harmed. C code that it calls has crashed; where that was "
            "stands in what the process has printed. retries= makes the call again"
        )
    return (
        f": it was killed ({name}), by somebody, or as the machine had no memory left. Nothing else "
        "was harmed. If it was memory, memory= keeps too many calls from running at once; retries= makes the "
        "call again"
    )
