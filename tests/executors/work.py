"""What the tests have done elsewhere. The calls at the end stand where users' calls stand: at the top of a
module, in the place of their functions."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import stretto
from stretto import call


def add(a: int, b: int = 2) -> int:
    return a + b


async def add_later(a: int, b: int = 2) -> int:
    await asyncio.sleep(0.001)
    return a + b


def process() -> int:
    return os.getpid()


def key() -> str:
    return stretto.current().key


class Odd(Exception):
    """An exception that pickle cannot build again: it keeps other arguments than it takes."""

    def __init__(self, code: int, *, hint: str) -> None:
        super().__init__(f"odd {code}")
        self.code = code
        self.hint = hint


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("it holds a lock")
        self.lock = threading.Lock()


def inner(text: str) -> int:
    return int(text)


def fail(kind: str) -> None:
    if kind == "odd":
        raise Odd(7, hint="a hint")
    if kind == "cause":
        try:
            inner("x")
        except ValueError as error:
            raise KeyError("k") from error
    if kind == "noted":
        error = ValueError("v")
        error.add_note("a note")
        raise error
    if kind == "group":
        raise ExceptionGroup("two", [ValueError("a"), Odd(8, hint="h")])
    if kind == "exit":
        sys.exit(3)
    raise Unpicklable


async def fail_later(kind: str) -> None:
    await asyncio.sleep(0)
    fail(kind)


def lock() -> object:
    return threading.Lock()


def beat(file: str, seconds: float = 60.0) -> int:
    """Write the number of this process again and again, for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with open(file, "a") as out:
            out.write(f"{os.getpid()}\n")
        time.sleep(0.005)
    return 1


async def beat_later(file: str, seconds: float = 60.0) -> int:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with open(file, "a") as out:
            out.write(f"{os.getpid()}\n")
        await asyncio.sleep(0.005)
    return 1


def die(number: int = signal.SIGKILL, once: str | None = None) -> str:
    """Be killed; with a file, only if that is not there yet."""
    if once is not None:
        if Path(once).exists():
            return "alive"
        Path(once).touch()
    os.kill(os.getpid(), number)
    time.sleep(60)
    return "never"


def leave() -> None:
    os._exit(3)


def alone(folder: str, seconds: float = 0.03) -> int:
    """How many of these run at this moment, as far as this one sees."""
    mark = Path(folder, f"{os.getpid()}-{time.monotonic_ns()}")
    mark.touch()
    time.sleep(seconds)
    found = len(list(Path(folder).iterdir()))
    mark.unlink()
    return found


def double(values: Any) -> Any:
    values *= 2  # its own: what it was given was sent by value
    return values + 0


def family(n: int) -> int:
    """Have a process of its own do it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(abs, (n,))


def environment(name: str) -> str | None:
    return os.environ.get(name)


@call.unordered(on="process")
def here() -> tuple[str, bool]:
    """Its name leads to a call, also in the worker."""
    return type(here).__name__, here.fn.__module__ == __name__


@call.unordered(on="process")
def countdown(n: int) -> int:
    return 0 if n == 0 else 1 + countdown.fn(n - 1)


class Desk:
    def __init__(self, name: str) -> None:
        self.name = name

    @call.unordered(on="process")
    def label(self, n: int) -> str:
        return f"{self.name} {n}"


def elsewhere(fn: Callable[..., Any], on: str | None, **options: Any) -> Any:
    """A function as a call without effects that runs there."""
    return call.unordered(on=on, **options)(fn)
