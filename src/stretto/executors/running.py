"""One attempt of a call that runs in another process, from its beginning to its end."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..drivers.ambient import CLOCK, CURRENT, current, settle, timed_out
from ..errors import NotSendable
from .needs import Needs
from .parcels import lost, pack
from .worker import Request

if TYPE_CHECKING:
    from ..calls import Call

__all__ = ["named", "request_of", "run"]


async def run(call: Call[..., Any], needs: Needs, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    clock = CLOCK.get()
    if clock is not None:
        return await _here(call, clock, args, kwargs)
    if call.on == "ray":
        from .on_ray import run_on_ray

        return await run_on_ray(call, needs, args, kwargs)
    from .processes import run_in_process

    return await run_in_process(call, needs, args, kwargs)


async def _here(call: Call[..., Any], clock: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Under a virtual clock everything runs in this very thread, as sync calls do."""
    if call.awaited:
        limit = asyncio.timeout(call.timeout)
        try:
            async with limit:
                return await call.fn(*args, **kwargs)
        except TimeoutError:
            if limit.expired():
                raise timed_out(call) from None
            raise
    loop = asyncio.get_running_loop()
    if loop is not clock.loop:  # the one that runs inside it, for code that waits for this
        return call.fn(*args, **kwargs)
    done: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def carry_out() -> None:
        if done.cancelled():  # before its turn came
            return
        settle(done, lambda: context.run(call.fn, *args, **kwargs))

    clock.outside(carry_out)
    return await done


def named(call: Call[..., Any]) -> str:
    """A call in messages, with the place where it is written."""
    from ..calls import where

    return f"{where(call.fn)}: {call.name}"


def request_of(call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request:
    """What another process needs to make a call."""
    try:
        function = pack(call.fn)
        body = cast("bytes", function.body)
        if function.buffers:
            raise TypeError("it holds arrays")
    except Exception as error:
        raise NotSendable(
            f"{named(call)} cannot be sent to another process ({lost(error)}). Define it at the top of a "
            "module, and have it use nothing that cannot be pickled"
        ) from None
    try:
        arguments = pack((args, dict(kwargs)))
    except Exception as error:
        raise NotSendable(
            f"{named(call)} is given {_culprit(call, args, kwargs)} that cannot be sent to another process "
            f"({lost(error)}). Give it what can be pickled: plain values, dataclasses, arrays, paths; or run "
            "it in a thread"
        ) from None
    return Request(body, arguments, _current(), tuple(sys.path))


def _current() -> Any:
    return None if CURRENT.get() is None else current()


def _culprit(call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Which argument it is."""
    try:
        given = dict(inspect.signature(call.fn).bind(*args, **kwargs).arguments)
    except (TypeError, ValueError):
        given = {**{f"{number + 1}": value for number, value in enumerate(args)}, **kwargs}
    for name, value in given.items():
        try:
            pack(value)
        except Exception:  # whatever it is, the whole has failed by it, and says so
            return f"an argument {name}, a {type(value).__qualname__},"
    return "arguments"
