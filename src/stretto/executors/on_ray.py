"""Calls on machines of a Ray cluster (``on="ray"``), or on a Ray of this machine, if no cluster is named."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import logging
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from ..drivers.ambient import Current, timed_out
from ..errors import NotSendable, WorkerDied
from .extras import extra
from .needs import Needs
from .outcomes import Opened, Outcome, opened
from .parcels import Parcel, lost
from .running import named, request_of
from .worker import Request, carry_out

if TYPE_CHECKING:
    from ..calls import Call

__all__ = ["run_on_ray"]

_lock = threading.Lock()


async def run_on_ray(
    call: Call[..., Any], needs: Needs, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    ray = await _ray()
    items = await _sent(call, needs, args, kwargs)
    limit = asyncio.timeout(None)
    loop = asyncio.get_running_loop()
    try:
        async with limit:
            try:
                told = await (await anext(items))
                if told is None:  # it has begun
                    if call.timeout is not None:
                        limit.reschedule(loop.time() + call.timeout)
                    told = await (await anext(items))
            except asyncio.CancelledError:
                await _stopped(ray, items)
                raise
    except TimeoutError:
        raise timed_out(call) from None
    except ray.exceptions.RayTaskError as error:  # not what the call has raised: that is a result
        raise NotSendable(f"{named(call)} cannot be made by Ray ({lost(error)})") from None
    except ray.exceptions.RayError as error:
        raise WorkerDied(
            f"{named(call)}: Ray has lost it ({lost(error)}). Nothing else was harmed. "
            "retries= makes the call again"
        ) from None
    kind, body, buffers = told
    found = await asyncio.to_thread(_opened, Outcome(Parcel(body, buffers), kind), lambda: named(call))
    if found.error is not None:
        raise found.error
    return found.value


async def _sent(call: Call[..., Any], needs: Needs, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Hand a call to Ray, in a thread: large values are copied into its store. What is handed over can be
    stopped."""
    work = asyncio.ensure_future(asyncio.to_thread(_submitted, call, needs, args, kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        if work.exception() is None:
            await _stopped(_module(), work.result())
        raise


def _submitted(call: Call[..., Any], needs: Needs, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    request = request_of(call, args, kwargs)
    options = {"num_cpus": needs.cpus, "num_gpus": needs.gpus, "memory": needs.memory or None}
    beside = [pickle.PickleBuffer(buffer) for buffer in request.arguments.buffers]
    return (
        _task()
        .options(**options, name=call.name)
        .remote(request.function, request.arguments.body, beside, request.current)
    )


def _opened(outcome: Outcome, name: Callable[[], str]) -> Opened:
    """What lies in Ray's store cannot be changed, and results of calls can."""
    parcel = outcome.parcel
    mine = Parcel(parcel.body, [bytearray(buffer) for buffer in parcel.buffers])
    return opened(Outcome(mine, outcome.kind), name)


async def _stopped(ray: Any, items: Any) -> None:
    """Kill the process that a call runs in, and wait for its end."""
    ray.cancel(items, force=True)
    ended = asyncio.ensure_future(_ended(items))
    while not ended.done():
        with contextlib.suppress(asyncio.CancelledError):  # nobody is told before it is gone
            await asyncio.wait([ended])


async def _ended(items: Any) -> None:
    with contextlib.suppress(Exception):  # it was killed, or has come to some end before
        await items.completed()


def _made(function: bytes, body: Any, buffers: list[Any], current: Current | None) -> Iterator[Any]:
    """What Ray runs."""
    for outcome in carry_out(Request(function, Parcel(body, buffers), current, None)):
        if outcome is None:
            yield None
        else:
            parcel = outcome.parcel
            yield outcome.kind, parcel.body, [pickle.PickleBuffer(buffer) for buffer in parcel.buffers]


@functools.cache
def _task() -> Any:
    return _module().remote(max_retries=0, num_returns="streaming")(_made)


def _module() -> Any:
    return extra("ray", "ray", "ray")


async def _ray() -> Any:
    """Ray, connected."""
    if "ray" in sys.modules and _module().is_initialized():
        return _module()
    done: Future[Any] = Future()

    def connect() -> None:
        try:
            started = _connected()
        except BaseException as error:
            done.set_exception(error)
            return
        done.set_result(_module())
        if started:
            threading.Event().wait()  # the kernel ends what was started with the thread that started it

    threading.Thread(target=connect, name="stretto-ray", daemon=True).start()
    return await asyncio.shield(asyncio.wrap_future(done))


def _connected() -> bool:
    """To what the program has chosen, or ``RAY_ADDRESS`` names; else to one that is started here, for this
    machine alone. Whether it was."""
    ray = _module()
    with _lock:
        if ray.is_initialized():
            return False
        # or Ray puts a function of its own in the place of `print`, for good
        os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")
        if os.environ.get("RAY_ADDRESS"):
            ray.init(logging_level=logging.ERROR)
            return False
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Its servers listen where other machines reach them, unless it takes this one for one of those on
        # which it has no clusters
        constants: Any = importlib.import_module("ray._private.ray_constants")
        clusters = getattr(constants, "ENABLE_RAY_CLUSTER", None)
        constants.ENABLE_RAY_CLUSTER = False
        try:
            ray.init(
                "local", include_dashboard=False, _node_ip_address="127.0.0.1", logging_level=logging.ERROR
            )
        finally:
            constants.ENABLE_RAY_CLUSTER = clusters
        return True
