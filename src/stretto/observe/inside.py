"""Telling of calls that are made by code which runs as a whole.

The engine does not know of them, so they are told of where they are made: in the user's thread, most often.
What is told goes to the thread of the run's event loop, as all else does, before the end of that code does.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..errors import InDoubt, JournalError
from ..journal.begun import call_name
from ..journal.events import now
from ..journal.waits import declared, near
from ..limits.tokens import part
from . import events
from .kinds import INSIDE

if TYPE_CHECKING:
    import asyncio

    from ..calls import Call
    from .live import Watch

__all__ = ["Inside", "Made", "Natives", "usage"]

_OURS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


class Natives:
    """The calls of one run that other code makes, and that are under way: told on the loop of the run."""

    def __init__(self, watch: Watch, loop: asyncio.AbstractEventLoop) -> None:
        self.watch = watch
        self._loop = loop
        self._thread = threading.get_ident()
        self._lock = threading.RLock()  # a handler may make calls itself
        self._open: dict[str, None] = {}
        self._over = False

    def post(self, tell: Callable[[int, str], None], place: str, *, opens: bool = False) -> None:
        """Have something told of a call, in its turn: what has happened now, in any thread."""
        time = now()
        if threading.get_ident() == self._thread:
            self._tell(tell, time, place, opens)
            return
        try:
            self._loop.call_soon_threadsafe(self._tell, tell, time, place, opens)
        except RuntimeError:
            pass  # the loop is closed: the run is over

    def _tell(self, tell: Callable[[int, str], None], time: int, place: str, opens: bool) -> None:
        with self._lock:
            if self._over:
                return
            if opens:
                self._open[place] = None
            elif place not in self._open:
                return
            tell(self.watch.moment(time), place)

    def close(self, place: str) -> None:
        """Nothing more is told of it."""
        self._open.pop(place, None)

    def end(self) -> None:
        """The run is over: nobody wants what is still under way."""
        with self._lock:
            self._over = True
            left = list(self._open)
        for place in left:
            self.watch.say(events.Cancelled(self.watch.run, self.watch.moment(now()), place))


class Inside:
    """What tells of the calls in one piece of code.

    Args:
        at: the file and the line where the flow comes to that code.
        wanted: whether somebody wants what it does.
    """

    def __init__(self, natives: Natives, at: tuple[str, int], wanted: Callable[[], bool]) -> None:
        self.natives = natives
        self.at = at
        self.wanted = wanted

    def issued(self, call: Call[..., Any], place: str) -> Made:
        """The code comes to a call."""
        file, line = _caller() or self.at
        watch = self.natives.watch
        name, effects = call_name(call.fn), declared(call)
        self.natives.post(
            lambda time, place: watch.say(
                events.Issued(watch.run, time, place, name, near(file), line, effects, call.streams)
            ),
            place,
            opens=True,
        )
        return Made(self, place)


class Made:
    """A call in such code."""

    def __init__(self, inside: Inside, place: str) -> None:
        self.inside = inside
        self.place = place
        self.begun = False

    def begins(self) -> None:
        self.begun = True
        watch = self.inside.natives.watch
        self.inside.natives.post(
            lambda time, place: watch.say(events.Started(watch.run, time, place, 1, INSIDE)), self.place
        )

    def ended(self, value: Any) -> None:
        watch, told, recorded = self.inside.natives.watch, usage(value), not self.begun
        self._over(lambda time, place: watch.say(events.Finished(watch.run, time, place, recorded, *told)))

    def failed(self, error: BaseException) -> None:
        watch, name, recorded = self.inside.natives.watch, type(error).__qualname__, not self.begun
        if isinstance(error, Exception) and not isinstance(error, (InDoubt, JournalError)):
            self._over(lambda time, place: watch.say(events.Failed(watch.run, time, place, name, recorded)))
        else:
            self._cancelled()

    def _over(self, tell: Callable[[int, str], None]) -> None:
        """It came back. What is before that code has retired, so it retires at once."""
        if not self.inside.wanted():
            self._cancelled()
            return
        natives = self.inside.natives

        def over(time: int, place: str) -> None:
            natives.close(place)
            tell(time, place)
            natives.watch.say(events.Retired(natives.watch.run, time, place))

        natives.post(over, self.place)

    def _cancelled(self) -> None:
        natives = self.inside.natives

        def cancelled(time: int, place: str) -> None:
            natives.close(place)
            natives.watch.say(events.Cancelled(natives.watch.run, time, place))

        natives.post(cancelled, self.place)


def _caller() -> tuple[str, int] | None:
    """The line of the user's code that makes a call; None if there is none on this stack."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith((_OURS, "<")):
        frame = frame.f_back
    if frame is None or frame.f_globals.get("__name__", "").partition(".")[0] in ("asyncio", "concurrent"):
        return None
    return frame.f_code.co_filename, frame.f_lineno


def usage(result: Any) -> tuple[str | None, int | None, int | None, float | None]:
    """What a result says of the language model that it comes from."""
    usage = part(result, "usage")
    cost = part(result, "cost")
    usd = float(cost) if isinstance(cost, (int, float)) and not isinstance(cost, bool) else None
    if usage is None or part(usage, "told") is False:
        return None, None, None, usd
    model, given, said = part(result, "model"), part(usage, "input_tokens"), part(usage, "output_tokens")
    return (
        model if isinstance(model, str) else None,
        given if isinstance(given, int) else None,
        said if isinstance(said, int) else None,
        usd,
    )
