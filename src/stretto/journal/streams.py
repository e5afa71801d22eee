"""Streams in a run that is recorded.

The items of a stream are kept until it has ended, or until its loop has left it; then they are put on record,
all in one. Before a write is about to start, the items that the program has been given so far of streams
that go on are put on record, too, since it may depend on them. A stream that was cut off is made again, and
what is on record of it has to come again: so the program never sees the beginning of one making, and the rest
of another.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..calls import Call, where
from ..drivers.ambient import CURRENT, Current
from ..drivers.gate import SourcePlaces
from ..drivers.pumps import Pump
from ..engine import streams
from ..engine.instructions import CLOSE, NEEDED, OPEN
from ..engine.nodes import RUNNING
from ..errors import InternalError, NotDecodable, NotRecordable
from .codecs import decode, digest
from .doubts import other_items
from .events import StreamReceived, now
from .items import Items

if TYPE_CHECKING:
    from ..drivers.aio import AsyncioDriver
    from ..engine.streams import Source
    from .begun import Begun
    from .history import Past
    from .recording import Recording

__all__ = ["Recalled", "StreamRecords"]

_NEVER_CHANGE = frozenset({str, int, float, bool, bytes, type(None)})


class Recalled:
    """Stands in for the iterator of a call that is not made, since its items are on record."""

    def __init__(self, begun: Begun | None, past: Past) -> None:
        self.begun = begun
        self.past = past

    def __iter__(self) -> Recalled:
        return self

    def __next__(self) -> Any:
        raise InternalError(f"{self.past.place}: a stream that is on record was asked for an item")


class StreamRecords:
    """The streams of one run."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.kept: dict[Source, Kept] = {}
        #: Those that have given items which are not on record.
        self.fresh: dict[Kept, None] = {}
        #: Code that runs as a whole makes calls, and so writes, in a thread of its own.
        self.lock = threading.Lock()

    def carry_out(self, driver: AsyncioDriver, kind: str, source: Source) -> None:
        """What the engine says of a source."""
        kept = self.kept.get(source)
        if kind is OPEN:
            source.held = False
            self._open(driver, source)
        elif kept is not None:
            kept.carry_out(kind)
        elif kind is NEEDED:
            self.recording.goes_on(driver, source)
        elif kind is CLOSE:
            self.recording.forgets(driver, source)
            if source in driver.engine.sources:
                streams.stopped(driver.engine, source)

    def _open(self, driver: AsyncioDriver, source: Source) -> None:
        opened = source.stream.opened
        if isinstance(opened, Recalled):
            assert opened.begun is not None
            source.stream.opened = None  # whoever makes it again, calls it
            self.begin(driver, source, opened.begun, opened.past)
        else:
            self.recording.begin(driver, source)

    def begin(self, driver: AsyncioDriver, source: Source, begun: Begun, past: Past | None) -> None:
        """Give what is on record of a stream, and make what is not. Raises `JournalError`."""
        recording = self.recording
        begun.waited = source.call, source.trace, source.why
        if past is None and recording.comes_too_late(source):
            recording.withhold(driver, source)
            return
        kept = Kept(self, driver, source, begun)
        if past is not None:
            kept.recall(past)
        with self.lock:
            self.kept[source] = kept
        kept.begin()

    @property
    def going_on(self) -> int:
        """How many there are, each of which gives what it has as soon as it is wanted."""
        return len(self.kept)

    def put_on_record(self) -> None:
        """Before a write: what it may depend on."""
        if not self.fresh:
            return
        with self.lock:
            events: list[StreamReceived] = []
            for kept in list(self.fresh):
                self.fresh.pop(kept, None)  # before it is looked at: it may give one more meanwhile
                event = kept.news()
                if event is not None:
                    events.append(event)
                if not kept.done and kept.told < len(kept.items):
                    self.fresh[kept] = None
            if events:
                self.recording.journal.append(self.recording.lease, events)


class Kept:
    """A stream that goes on, and what is kept of it; it is told what the call gives, where that is made.

    Attributes:
        begun: the call, as the journal knows it.
        recorded: the items that are on record.
        error: what it failed with after them.
        whole: whether nothing came after them.
        items: those that this making of the call has given, as received.
        handed: how many the engine has been given.
        told: how many the journal has been given.
        done: whether it is all on record.
    """

    def __init__(self, records: StreamRecords, driver: AsyncioDriver, source: Source, begun: Begun) -> None:
        self.records = records
        self.recording = records.recording
        self.driver = driver
        self.source = source
        self.begun = begun
        self.recorded: list[Any] = []
        self.error: BaseException | None = None
        self.whole = self.left = False
        self.items: list[Any] = []
        self.told = self.handed = 0
        self.done = self.making = False
        self.pump: Pump | None = None
        #: Why the run stops if more is needed.
        self.trouble: BaseException | None = None
        self.withheld = self.closed = False

    # -- what the engine wants ------------------------------------------------------------------------

    def recall(self, past: Past) -> None:
        """Take note of what is on record. Raises `JournalError`."""
        found, self.error = self.recording.secrets.items(self.recording.journal, past, self.source.call)
        self.recorded = found.items
        self.told = len(found.items)
        self.whole = self.done = not found.left
        self.left = past.ended and found.left
        self.recording.answered += past.ended
        self.withheld = found.left and self.recording.comes_too_late(self.source)

    def begin(self) -> None:
        if self.whole or self.left or self.withheld:
            self._give()
        else:
            self._make()

    def carry_out(self, kind: str) -> None:
        if kind is CLOSE:
            self._close()
        elif kind is NEEDED and self.trouble is not None:
            self.driver.engine.cancel(self.trouble)
        elif self.making:
            if self.pump is not None:
                self.pump.go_on()
        elif kind is NEEDED and self.handed == len(self.recorded):
            self._make()
        else:
            self._give()

    def _give(self) -> None:
        """Give what is on record, as far as it is wanted."""
        engine, source = self.driver.engine, self.source
        while self.handed < len(self.recorded):
            if source.state != RUNNING or not source.wants():
                return
            self.handed += 1
            streams.given(engine, source, self.recorded[self.handed - 1])
        if self.whole:
            streams.over(engine, source, self.error)
            self._stopped()
        elif self.withheld:
            self._forget()
            self.recording.withhold(self.driver, source)
        elif source.state == RUNNING:
            # it was left here: as long as the program is what it was, nobody needs more
            streams.hold(engine, source)

    def _make(self) -> None:
        """Make the call; what is on record has to come again."""
        self.making = True
        self.driver.gate.admit(self.source, self._start)

    def _start(self, driver: AsyncioDriver, source: Source) -> None:
        context = driver.gate.context_of(source)
        begun = self.begun
        current = Current(self.recording.lease.run, begun.place, begun.key, begun.attempt)
        context.run(CURRENT.set, current)
        if not self.recording.under_way.watching:
            self.recording.under_way.watch(driver)
        self.pump = Pump(source.stream, self, driver.sources.elsewhere, SourcePlaces(driver.gate, source))
        self.pump.start(driver.loop, context)

    def _close(self) -> None:
        """Nobody wants any more of it."""
        self.closed = True
        if self.driver.engine.outcome is None and self.trouble is None and self.items:
            self._safely(self._put_left)
        if self.pump is not None:
            self.pump.close()
        else:
            self._stopped()

    def _stopped(self) -> None:
        self._forget()
        streams.stopped(self.driver.engine, self.source)
        self.driver.kick()

    def _forget(self) -> None:
        with self.records.lock:
            self.records.kept.pop(self.source, None)
            self.records.fresh.pop(self, None)

    # -- what the call gives --------------------------------------------------------------------------

    def wants(self) -> bool:
        return len(self.items) < self.handed or self.source.wants()

    def item(self, item: Any) -> None:
        self._safely(self._item, item)

    def failed(self, error: BaseException) -> None:
        self._safely(self._failed, error)

    def ended(self) -> None:
        self._safely(self._ended)

    def _ended(self) -> None:
        if len(self.items) < len(self.recorded):
            self._differs("there is none, since it has ended")
            return
        self._put_whole(None)
        streams.over(self.driver.engine, self.source)

    def over(self) -> None:
        self.pump = None
        if self.trouble is None or self.closed:
            self._stopped()

    def _item(self, item: Any) -> None:
        number = len(self.items)
        try:
            kept = item if type(item) in _NEVER_CHANGE else self._copy(item, number)
        except NotRecordable as error:
            self._end_with(error)
            return
        if number < len(self.recorded) and _mark(kept) != _mark(self.recorded[number]):
            self._differs(self._shown(kept))
            return
        self.items.append(kept)
        if number >= len(self.recorded):
            self.records.fresh[self] = None
        if number >= self.handed:
            self.handed = number + 1
            streams.given(self.driver.engine, self.source, item)

    def _failed(self, error: BaseException) -> None:
        if len(self.items) < len(self.recorded):
            secret = self.source.call.secret is not None
            said = type(error).__name__ if secret else f"{type(error).__name__}: {error}"
            self._differs(f"there is none, since it failed with {said}")
            return
        if not isinstance(error, (asyncio.CancelledError, KeyboardInterrupt)):
            self._put_whole(error)
        streams.over(self.driver.engine, self.source, error)

    def _end_with(self, error: BaseException) -> None:
        """It cannot go on, though the call would."""
        self._failed(error)
        if self.pump is not None:
            self.pump.close()

    def _differs(self, found: str) -> None:
        """This is not the stream that the program has been given: nobody must see more of it."""
        number = len(self.items)
        expected = self._shown(self.recorded[number])
        self.trouble = other_items(
            self.recording.lease.run, self.source.call, self.begun.place, number, len(self.recorded),
            expected, found,
        )  # fmt: skip
        assert self.pump is not None
        self.pump.close()
        if self.source.state == RUNNING:
            streams.hold(self.driver.engine, self.source)

    def _copy(self, item: Any, number: int) -> Any:
        """An item as it is now. Raises `NotRecordable`."""
        call = self.source.call
        name = f"item {number + 1} of {call.name}"
        try:
            return decode(self.recording.secrets.item(call, item, name), pickle=call.pickle)
        except (NotRecordable, NotDecodable) as error:
            raise NotRecordable(
                getattr(error, "path", name),
                f"{where(call.fn)}: {call.name}: item {number + 1} cannot be recorded",
                f"give plain data, declare pickle=True, or run without a journal ({error})",
            ) from None

    def _shown(self, item: Any) -> str:
        return _shown(self.source.call, item)

    def _safely(self, work: Callable[..., None], *args: Any) -> None:
        """A fault here, or in the journal, ends the run; the call would not know what to do with it."""
        try:
            work(*args)
        except BaseException as error:
            self.driver.engine.cancel(error)
        self.driver.kick()

    # -- what is put on record ------------------------------------------------------------------------

    def news(self) -> StreamReceived | None:
        """What the program has been given since it was last asked. Under the lock."""
        source, first = self.source, self.told
        # what is made of the items on their way may need one more to give one less
        count = len(self.items) if source.stages else min(source.taken, len(self.items))
        if self.done or count <= first:
            return None
        self.told = count
        data = self.recording.secrets.result(
            source.call, self.begun.call, self.begun.digest, self.items[first:count]
        )
        return self.begun.received(data, first, count - first)

    def _put_whole(self, error: BaseException | None, *, left: bool = False) -> None:
        recording, begun, call = self.recording, self.begun, self.source.call
        problem = None
        if error is not None:
            problem = recording.secrets.exception(call.secret, begun.call, begun.digest, error, call.name)
        data = recording.secrets.result(call, begun.call, begun.digest, Items(self.items, left))
        with self.records.lock:
            self.done = True
            recording.journal.append(recording.lease, [begun.finished(data, problem, now())])

    def _put_left(self) -> None:
        if not self.done and len(self.items) >= len(self.recorded):
            self.recording.catch_up()  # what it was left for comes before
            self._put_whole(None, left=True)


def _mark(item: Any) -> bytes:
    return digest((item,), {}).value


def _shown(call: Call[..., Any], item: Any) -> str:
    secret = call.secret is not None and call.secret.result
    return "<secret>" if secret else f"{item!r:.80}"
