"""The sources of streams in one run: what the engine says of them is carried out, and what they give is
told."""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..calls import Call, where
from ..engine import streams
from ..engine.instructions import CLOSE, OPEN
from ..engine.streams import Source
from ..errors import NotRecordable
from .gate import SourcePlaces
from .pumps import Pump

if TYPE_CHECKING:
    from .aio import AsyncioDriver

__all__ = ["Sources", "not_recorded"]


class Sources:
    """The sources that run."""

    def __init__(self, driver: AsyncioDriver) -> None:
        self.driver = driver
        self._pumps: dict[Source, Pump] = {}

    def carry_out(self, kind: str, source: Source) -> None:
        """Start, go on with, or end a source."""
        pump = self._pumps.get(source)
        if self.driver.recording is not None:
            self.driver.recording.streams.carry_out(self.driver, kind, source)
        elif kind is OPEN:
            self.driver.gate.admit(source, self._open)
        elif pump is None:
            if kind is CLOSE and source in self.driver.engine.sources:  # it has never begun
                streams.stopped(self.driver.engine, source)
        elif kind is CLOSE:
            pump.close()
        else:
            pump.go_on()

    def _open(self, driver: AsyncioDriver, source: Source) -> None:
        pump = self._pumps[source] = Pump(
            source.stream, _Receiver(self, source), self.elsewhere, SourcePlaces(driver.gate, source)
        )
        pump.start(driver.loop, driver.gate.context_of(source))

    def over(self, source: Source) -> None:
        if self._pumps.pop(source, None) is not None:
            streams.stopped(self.driver.engine, source)
            self.driver.kick()

    def elsewhere(self, work: Callable[[], Any]) -> Awaitable[Any]:
        """Run sync code where it may take its time."""
        return self.driver.elsewhere(contextvars.copy_context(), work)


def not_recorded(call: Call[..., Any]) -> NotRecordable:
    """What a stream whose items code asks for by itself fails with in a run with a journal."""
    instead = f"have {where(call.fn)} return a list, or run without a journal"
    if call.changes:
        return NotRecordable(call.name, "is a stream with effects, whose items are not recorded", instead)
    return NotRecordable(
        call.name, "is a stream that is asked for its items one by one, and these are not recorded",
        f"loop over the call itself in the flow, {instead}",
    )  # fmt: skip


class _Receiver:
    """Tells the engine of one source."""

    def __init__(self, sources: Sources, source: Source) -> None:
        self.sources = sources
        self.source = source
        self.driver = sources.driver

    def wants(self) -> bool:
        return self.source.wants()

    def item(self, item: Any) -> None:
        streams.given(self.driver.engine, self.source, item)
        self.driver.kick()

    def failed(self, error: BaseException) -> None:
        streams.over(self.driver.engine, self.source, error)
        self.driver.kick()

    def ended(self) -> None:
        streams.over(self.driver.engine, self.source)
        self.driver.kick()

    def over(self) -> None:
        self.sources.over(self.source)
