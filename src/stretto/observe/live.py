"""Listening to runs while they go on."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..drivers.ambient import Piece
from ..engine import observed
from ..engine.nodes import RUNNING, Node
from ..engine.places import path
from ..engine.streams import Source
from ..errors import Cancelled, InDoubt, JournalError
from ..journal.begun import call_name
from ..journal.events import now
from ..journal.native import Places
from ..journal.waits import declared, near
from ..runs import handlers
from . import events
from .events import Event
from .inside import Inside, Natives, usage

if TYPE_CHECKING:
    from ..calls import Call
    from ..flows import Flow
    from ..journal.recording import Recording

__all__ = ["Handler", "Watch", "listening"]

#: Behind these nothing is told of a call. Nothing of that sort is told of the loops over streams.
_LAST = (observed.RETIRED, observed.DISCARDED, observed.CANCELLED)

Handler: TypeAlias = Callable[[Event], None]
"""Is given each event, in the thread of the run's event loop, which waits for it: it must return at once.

It may have a method ``inside(run, place)``, too. That is called in the context of each call that is about to
be made, behind the event that tells of its start: what context variables are set to there, they are in the
call. So it is with what a handler does when it is told that a run begins: all calls of the run see that.
"""


class Watch:
    """Tells handlers of one run.

    What a handler raises is shown as what a thread raises, and it is told nothing more of the run: a run goes
    on as if nobody listened.
    """

    def __init__(self, run: str, flow: Flow[..., Any], handlers: Sequence[Handler]) -> None:
        self.run = run
        self.handlers = list(handlers)
        self._flow = call_name(flow.fn)
        self._latest = 0
        self._natives: Natives | None = None
        self._pieces = Places()
        self._places: dict[Any, str] = {}
        #: Those that are made, and for which time.
        self._attempts: dict[str, int] = {}

    def moment(self, time: int) -> int:
        """A time by the wall clock, which may be set back meanwhile; what is told does not go back."""
        self._latest = max(self._latest, time)
        return self._latest

    def _now(self) -> int:
        return self.moment(now())

    def on_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """The run begins, on this loop, in this thread."""
        self._natives = Natives(self, loop)

    def listened(
        self, node: Node, recording: Recording | None, stop: Callable[[BaseException], None]
    ) -> Piece:
        """What the calls in a piece of code that runs as a whole go through."""
        assert self._natives is not None

        def wanted() -> bool:
            return node.state == RUNNING

        if recording is None:
            piece = Piece(wanted, self._pieces.of(node))
        else:
            piece = recording.scope(node, stop)
        at = ("", 0) if node.trace is None else (node.trace[0].filename, node.trace[1])
        piece.telling = Inside(self._natives, at, wanted)
        return piece

    def began(self) -> None:
        self.say(events.RunBegan(self.run, self._now(), self._flow))

    def ended(self, error: BaseException | None) -> None:
        if self._natives is not None:
            self._natives.end()
        name = "" if error is None else _class_of(error)
        self.say(events.RunEnded(self.run, self._now(), _state(error), name))

    def inside(self, node: Any) -> None:
        """In the context of a call that is about to be made."""
        for handler in list(self.handlers):
            enter = getattr(handler, "inside", None)
            if enter is not None:
                self._guarded(handler, enter, self.run, self._place_of(node))

    def tell(self, kind: str, node: Any, detail: Any) -> None:
        """What the engine tells."""
        run, time, place = self.run, self._now(), self._place(node)
        if kind is observed.ISSUED:
            call: Call[..., Any] = node.call
            form, line, *_ = node.trace
            name, file = call_name(call.fn), near(form.filename)
            self.say(events.Issued(run, time, place, name, file, line, declared(call), call.streams))
        elif kind is observed.WAITS:
            way, missing = detail
            on = tuple(self._place_of(slot) for slot in missing if isinstance(slot, Node) and slot.place)
            self.say(events.Waiting(run, time, place, way, on))
        elif kind is observed.BEGUN:
            self._started(time, place, node)
        elif kind is observed.FIRST:
            self.say(events.FirstItem(run, time, place))
        elif kind is observed.ATTEMPTED:
            attempt = self._attempts.get(place, 1)
            self.say(events.Attempted(run, time, place, attempt, _class_of(detail)))
            self._attempts[place] = attempt + 1
        elif kind is observed.ENDED:
            made = self._attempts.pop(place, 0)
            self.say(events.Finished(run, time, place, not made, *usage(detail)))
        elif kind is observed.RAISED:
            made = self._attempts.pop(place, 0)
            self.say(events.Failed(run, time, place, _class_of(detail), not made))
        elif kind is observed.CANCELLED:
            self._attempts.pop(place, None)
            self.say(events.Cancelled(run, time, place))
        elif kind is observed.DISCARDED:
            self.say(events.Discarded(run, time, place))
        else:
            self.say(events.Retired(run, time, place))
        if kind in _LAST or (type(node) is Source and kind in (observed.ENDED, observed.RAISED)):
            self._places.pop(node, None)

    def _started(self, time: int, place: str, node: Any) -> None:
        attempt = self._attempts.setdefault(place, 1)
        kind, last, needs, _ = node.why
        text = "" if last is None else str(last)
        self.say(
            events.Started(self.run, time, place, attempt, kind, text, tuple(str(need) for need in needs))
        )

    def _place(self, node: Any) -> str:
        place = self._places.get(node)
        if place is None:
            place = self._places[node] = path(node.place, node.site)
        return place

    def _place_of(self, node: Any) -> str:
        """The place of what may be no call, or one that is over: nothing tells when to forget that."""
        return self._places.get(node) or path(node.place, node.site)

    def say(self, event: Event) -> None:
        for handler in list(self.handlers):
            self._guarded(handler, handler, event)

    def _guarded(self, handler: Handler, work: Callable[..., None], *args: Any) -> None:
        try:
            work(*args)
        except Exception:
            self.handlers.remove(handler)
            threading.excepthook(threading.ExceptHookArgs([*sys.exc_info(), threading.current_thread()]))


def _class_of(error: BaseException) -> str:
    return type(error).__qualname__


def _state(error: BaseException | None) -> str:
    if error is None:
        return "succeeded"
    if isinstance(error, InDoubt):
        return "in doubt"
    if isinstance(error, (Cancelled, GeneratorExit)):
        return "cancelled"
    interrupted = isinstance(error, (KeyboardInterrupt, asyncio.CancelledError, JournalError))
    return "interrupted" if interrupted else "failed"


@contextlib.contextmanager
def listening(handler: Handler) -> Generator[None]:
    """Inside the ``with``, `handler` is told what happens in the runs that begin in this process."""
    handlers.append(handler)
    try:
        yield
    finally:
        handlers.remove(handler)
