"""Calls that take long are told of while they do, so that others can see what a run is doing.

A call that comes back soon costs nothing here; of one that has not after `SOON`, one event more is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .begun import Begun, Unnamed
from .events import now

if TYPE_CHECKING:
    from ..drivers.aio import AsyncioDriver
    from .recording import Recording

__all__ = ["SOON", "UnderWay"]

#: Seconds after which a call takes long.
SOON = 0.1

_MICROS = 1_000_000


class UnderWay:
    """The calls of one run that have begun and have not ended, as far as others are told of them.

    Attributes:
        watching: whether it is going to be looked whether any of them takes long.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.watching = False

    def watch(self, driver: AsyncioDriver) -> None:
        """A call begins."""
        self.watching = True
        driver.loop.call_later(SOON, driver.safely, self._look, driver)

    def _look(self, driver: AsyncioDriver) -> None:
        self.watching = False
        if driver.over:
            return
        due = now() - int(SOON * _MICROS)
        late: list[Begun | Unnamed] = []
        left: list[int] = []
        for those in self._begun():
            for begun in those:
                if begun.started > due:
                    left.append(begun.started)
                    break
                if not begun.told:
                    late.append(begun)
        if late:
            self._tell(late)
        if left:
            self.watching = True
            wait = (min(left) - due) / _MICROS
            # a wall clock may step, and the loop's does not
            driver.loop.call_later(min(max(wait, 0.001), SOON), driver.safely, self._look, driver)

    def _tell(self, late: list[Begun | Unnamed]) -> None:
        for begun in late:
            begun.told = True
        recording = self.recording
        recording.journal.append(recording.lease, [begun.named().under_way() for begun in late])

    def _begun(self) -> Iterator[Iterable[Begun | Unnamed]]:
        """Calls and streams, each in the order in which they have begun."""
        streams = self.recording.streams
        yield self.recording.begun.values()
        with streams.lock:
            kept = list(streams.kept.values())
        yield [stream.begun for stream in kept if stream.making]
