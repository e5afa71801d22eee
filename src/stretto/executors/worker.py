"""The process that calls run in: one call after the other, as long as its parent lives."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import inspect
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import process
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, cast

from ..drivers.ambient import CURRENT, Current
from .outcomes import Outcome, failed, returned, unread
from .parcels import Parcel, received, unpack
from .wires import receive, send

__all__ = ["BEGUN", "Request", "carry_out", "serve"]

BEGUN = b"begun"
_NOTHING = Parcel(b"", ())
_OWN = os.path.dirname(__file__)
_ASYNCIO = os.path.dirname(asyncio.__file__)
#: What was sent as a function, and is likely to be sent again. (So what it keeps in its globals stays.)
_functions: dict[bytes, Any] = {}
_MOST = 64


class Request(NamedTuple):
    """What is to be called.

    Attributes:
        function: pickled.
        arguments: those by place, and those by name, pickled.
        current: what `stretto.current()` is to give.
        path: where modules are looked for.
    """

    function: bytes
    arguments: Parcel
    current: Current | None
    path: tuple[str, ...] | None


def carry_out(request: Request) -> Iterator[Outcome | None]:
    """Make a call in this process: None when what it takes has been read and it begins, then what has become
    of it."""
    try:
        fn, args, kwargs = _read(request)
    except Exception as problem:
        yield unread(problem)
        return
    yield None
    token = CURRENT.set(request.current)
    try:
        value = fn(*args, **kwargs)
        if inspect.isawaitable(value):
            value = asyncio.run(_awaited(value))
        outcome = returned(value)
    except BaseException as error:
        outcome = failed(error, _is_own)
    finally:
        CURRENT.reset(token)
        _flush()
    del fn, args, kwargs
    yield outcome


async def _awaited(value: Any) -> Any:
    return await value


def _is_own(file: str) -> bool:
    return file.startswith((_OWN, _ASYNCIO))


def _read(request: Request) -> Any:
    if request.path is not None:
        sys.path[:] = request.path
    fn = _functions.get(request.function)
    if fn is None:
        fn = unpack(Parcel(request.function, ()))
        while len(_functions) >= _MOST:
            del _functions[next(iter(_functions))]
        _functions[request.function] = fn
    args, kwargs = unpack(request.arguments)
    received()
    return fn, args, kwargs


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the call may have closed it, or put anything in its place
            stream.flush()


def serve(wire: Connection, parent: int) -> None:
    """Answer requests until the parent is gone, or wants no more."""
    _alone(parent)
    send(wire, _NOTHING, b"ready")
    try:
        while True:
            _answer(wire)
    except (EOFError, OSError):
        return


def _answer(wire: Connection) -> None:
    """One call; nothing of it is held when the next one is waited for."""
    head, arguments = receive(wire)
    function, current, path = cast("tuple[bytes, Current | None, tuple[str, ...] | None]", head)
    request = Request(function, arguments, current, path)
    del head, arguments
    steps = carry_out(request)
    del request
    for outcome in steps:
        if outcome is None:
            send(wire, _NOTHING, BEGUN)
            continue
        try:
            send(wire, outcome.parcel, outcome.kind)
        except MemoryError as error:
            outcome = failed(error, _is_own)
            send(wire, outcome.parcel, outcome.kind)


def _alone(parent: int) -> None:
    """Whoever stops the program stops the parent, which then stops this; and this ends if the parent does."""
    here = cast("Any", process.current_process())
    here._config["daemon"] = False  # calls may start processes of their own,
    multiprocessing.set_start_method(cast("Any", None), force=True)  # in the way in which the parent does
    if os.name == "posix":
        os.setsid()  # Ctrl-C in the terminal is for the parent; what a call starts can be killed with it
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with contextlib.suppress(Exception):
        faulthandler.enable()
    stdout: Any = sys.stdout
    with contextlib.suppress(Exception):
        stdout.reconfigure(line_buffering=True)  # what is printed comes out also if this is killed
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(Exception):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    threading.Thread(target=_watch, args=(parent,), name="stretto-parent", daemon=True).start()


def _watch(parent: int) -> None:
    """Where the kernel does not see to it, or has not been asked in time."""
    if os.name != "posix":
        return
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)
