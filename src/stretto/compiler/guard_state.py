"""What one guarded execution knows, and how it stops.

An execution owns the objects that were made inside it ("fresh"): nobody else can see those, so
changing them is not an effect. Lazy iterators made inside it have two bodies: the native one, which
is what the program holds and what may leave, and a guarded twin over the same source, which is what
guarded code advances.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, Final, NoReturn
from weakref import WeakValueDictionary

import stretto.compiler

__all__ = [
    "FRAGMENTS", "HERE", "LONG", "Execution", "Lazy", "NeedsOrder", "current", "fresh", "keep", "stop",
    "turn",
]  # fmt: skip

# The package's own directory: frames in it are not the user's.
HERE: Final = os.path.dirname(os.path.dirname(os.path.abspath(stretto.compiler.__file__))) + os.sep


#: More turns than this are not taken under guard: a few milliseconds of native code, ten times that here.
LONG: Final = 20_000

#: The codes of compiled fragments, by id.
FRAGMENTS: Final[WeakValueDictionary[int, CodeType]] = WeakValueDictionary()


class NeedsOrder(BaseException):
    """An operation that is not known to be free of effects was about to happen, and has not.

    Attributes:
        reason: what it was, in a few words.
        lineno: the line of the fragment that was about to do it, itself or through a helper.
        filename: the file of that line.
        inner: the file and line of the operation itself, where that is in a helper.
        about: what is called, or the class and the name of what is looked up; None where it is neither.
    """

    about: Any = None

    def __init__(self, reason: str, lineno: int = 0, filename: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.lineno = lineno
        self.filename = filename
        self.inner = (filename, lineno)


class Lazy:
    """A lazy iterator that was made in guarded code, and its guarded twin.

    Attributes:
        native: what the program holds.
        twin: yields the same values, guarded.
        exact: whether the two share all their state, so that either may go on where the other
            stopped. If not, the twin may be used only where nobody can use the native one later.
        temporary: whether the native one is held by nobody but the operation that takes it.
        closes: whether the native one is finished when the twin is (a generator).
    """

    __slots__ = ("closes", "exact", "native", "temporary", "twin")

    def __init__(self, native: Any, twin: Any, exact: bool, closes: bool = False) -> None:
        self.native = native
        self.twin = _closing(native, twin) if closes else twin
        self.exact = exact
        self.temporary = False
        self.closes = closes


def _closing(native: Any, twin: Any) -> Iterator[Any]:
    # A generator that was exhausted or has failed stays so, whoever asks next.
    try:
        yield from twin
    except GeneratorExit:
        raise
    except BaseException:
        native.close()
        raise
    native.close()


class Execution:
    """One guarded execution."""

    __slots__ = ("adopt", "flagged", "fresh", "lazies", "stopped", "turns")

    def __init__(self) -> None:
        #: id -> object, of everything made here that can be changed.
        self.fresh: dict[int, object] = {}
        #: id of the native iterator -> both.
        self.lazies: dict[int, Lazy] = {}
        #: Set for good by the first operation that was not performed.
        self.stopped: NeedsOrder | None = None
        #: Set while a compiled fragment is about to take this execution as its own.
        self.adopt = False
        #: Iterators that only the call under way holds.
        self.flagged: list[Lazy] = []
        #: How often loops and functions were begun.
        self.turns = 0


class _Local(threading.local):
    execution: Execution | None = None


current: Final = _Local()


def keep(thing: Any) -> Any:
    """Note that `thing` was made in this execution, and return it."""
    execution = current.execution
    if execution is not None:
        execution.fresh[id(thing)] = thing
    return thing


def fresh(thing: object) -> bool:
    """Whether `thing` was made in this execution."""
    execution = current.execution
    return execution is not None and id(thing) in execution.fresh


def turn() -> None:
    """A loop goes round, or a function begins. Guarded code takes many times as long as native code, so what
    goes on for long is better run natively, in its turn."""
    execution = current.execution
    if execution is not None:
        execution.turns += 1
        if execution.turns > LONG:
            stop(f"going round loops more than {LONG:,} times")


def stop(reason: str, about: Any = None) -> NoReturn:
    """Raise `NeedsOrder` for the user's line that is being executed; see there for what it is `about`."""
    execution = current.execution
    if execution is not None and execution.stopped is not None:
        raise execution.stopped
    found = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(HERE):
            found = found or frame
            if id(frame.f_code) in FRAGMENTS:
                break
        frame = frame.f_back
    at = frame or found or sys._getframe(1)
    exc = NeedsOrder(reason, at.f_lineno, at.f_code.co_filename)
    exc.about = about
    if found is not None:
        exc.inner = (found.f_code.co_filename, found.f_lineno)
    if execution is not None:
        execution.stopped = exc
    try:
        raise exc
    finally:
        del exc  # its traceback holds this frame: what the frames hold would be freed late
