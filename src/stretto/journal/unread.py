"""Calls that wait until enough of the history has been read to tell whether they are recorded."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from ..drivers.aio import threads
from ..engine.nodes import RUNNING
from .begun import call_name
from .codecs import digest
from .history import READ, History
from .secrets import check_key

if TYPE_CHECKING:
    from ..drivers.aio import AsyncioDriver
    from ..engine.nodes import CallNode
    from ..engine.streams import Source
    from .recording import Recording

__all__ = ["Unread"]


class Unread:
    """The calls of one run that wait for its history, which is read as it is needed."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._waiting: dict[CallNode | Source, str] = {}
        self._reading = False

    def __len__(self) -> int:
        return len(self._waiting)

    def known(self, history: History, node: CallNode | Source, place: str) -> bool:
        """Whether what has been read of the history tells all of a call."""
        if history.whole:
            return True
        if history.recorded(place) is None:
            return False
        mark = self._recording.mark(node.call, place, digest(tuple(node.args), node.kwargs).value)
        return history.certain(place, call_name(node.call.fn), mark)

    def wait(self, driver: AsyncioDriver, history: History, node: CallNode | Source, place: str) -> None:
        """Have a call wait until it is known."""
        self._waiting[node] = place
        self._read_on(driver, history)

    def forget(self, node: CallNode | Source) -> bool:
        """A call is no longer wanted: whether it waited here."""
        return self._waiting.pop(node, None) is not None

    def _read_on(self, driver: AsyncioDriver, history: History) -> None:
        """Read more of what is recorded, off the loop."""
        if self._reading:
            return
        self._reading = True
        read = driver.from_outside(partial(self._has_read, driver, history))
        threads().submit(history.read, READ).add_done_callback(read)

    def _has_read(self, driver: AsyncioDriver, history: History, future: Future[None]) -> None:
        self._reading = False
        future.result()  # raises what is wrong with the journal
        check_key(self._recording.lease.run, (past.digest for past in history.left()))
        for node, place in list(self._waiting.items()):
            # one that is cancelled meanwhile stays, and is given up when the driver is told so
            if node.state == RUNNING and self.known(history, node, place):
                del self._waiting[node]
                self._recording.go_on(driver, node, place)
        if self._waiting:
            self._read_on(driver, history)
        driver.kick()
