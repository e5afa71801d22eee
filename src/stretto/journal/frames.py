"""Events as bytes: how a batch of them is laid out on disk.

A batch is one row of a database. Rows of many events are what makes journalling cheap in Python: each
row that `sqlite3` inserts lets go of the interpreter lock, and a thread that computes beside it gives the
lock back only after 5 ms, so a row per event would take milliseconds per event just when the program is
busy. They are also smaller, and leave room for a checksum, which SQLite's pages do not have.

A batch body is: one byte for the format (1 plain, 2 deflated), the CRC-32 (little-endian) of the batch's
frames and salt, and the frames. The salt names the run and the batch's place in it, so that a batch found
in the wrong place is as corrupt as one with a flipped bit. A frame is: the kind of event (one byte), two
bits per data field (0 data, 1 None, 2 reference to a blob), the data fields' lengths, the numbers, the
data. What a frame holds changes only together with the schema's version, so that an older Stretto refuses
the journal instead of taking it for damaged.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from .events import (
    BlobRef,
    CallFinished,
    CallIntended,
    CallSettled,
    CallStarted,
    Decision,
    Event,
    RunEnded,
    RunResumed,
    RunStarted,
    RunState,
    StreamReceived,
    fields_of,
)

__all__ = ["DamagedBatch", "Encoded", "encode", "refs", "unpack", "values_of"]

PLAIN, DEFLATED = 1, 2
#: Below this many bytes a batch shares its page with others, and deflating it saves nothing.
DEFLATE_OVER = 1024

_BODY = struct.Struct("<BI")
_REF = struct.Struct("<32sQ")
_DATA, _NONE, _BLOB = 0, 1, 2


class DamagedBatch(Exception):
    """The bytes are not those of a batch in this place."""


def _raw(data: bytes) -> bytes:
    return data


class _Layout:
    """How the fields of one kind of event are laid out.

    Args:
        kind: the byte that tells it, never used for anything else again.
        event: the class.
        data: for each field that is text or bytes, in order, what makes it from bytes. All other
            fields are numbers (64 bits, signed).
        lacking: the last fields of the class, if it had none of these yet.
    """

    def __init__(
        self, kind: int, event: type[Any], *, lacking: tuple[str, ...] = (), **data: Callable[[bytes], Any]
    ) -> None:
        names = [name for name in fields_of(event) if name not in lacking]
        numbers = [name for name in names if name not in data]
        self.kind = kind
        self.event = event
        self.makers = tuple(data.values())
        self.data_of: Callable[[Any], tuple[Any, ...]] = _tuple_of(list(data))
        self.numbers_of: Callable[[Any], tuple[int, ...]] = _tuple_of(numbers)
        self.head = struct.Struct(f"<BI{len(data)}I{len(numbers)}q")
        # Where the constructor takes what is stored: data first, numbers after.
        self.order = tuple(names.index(name) for name in [*data, *numbers])

    def encode(self, event: Any, out: list[bytes]) -> None:
        tags = 0
        shift = 0
        datas: list[bytes] = []
        for item in self.data_of(event):
            if isinstance(item, str):
                datas.append(item.encode())
            elif item is None:
                tags |= _NONE << shift
                datas.append(b"")
            elif isinstance(item, BlobRef):
                tags |= _BLOB << shift
                datas.append(_REF.pack(item.digest, item.size))
            else:
                datas.append(item)
            shift += 2
        out.append(self.head.pack(self.kind, tags, *map(len, datas), *self.numbers_of(event)))
        out += datas

    def decode(self, frames: bytes, at: int) -> tuple[Event, int]:
        """The event whose frame starts at `at`, and where the next one starts."""
        head = self.head.unpack_from(frames, at)
        at += self.head.size
        tags = head[1]
        values: list[Any] = [None] * len(self.order)
        for maker, index, length in zip(self.makers, self.order, head[2:], strict=False):
            data = frames[at : at + length]
            at += length
            tag = tags & 3
            tags >>= 2
            if tag == _DATA:
                values[index] = maker(data)
            elif tag == _BLOB:
                values[index] = BlobRef(*_REF.unpack(data))
        if at > len(frames):
            raise DamagedBatch("a frame is cut short")
        for index, number in zip(self.order[len(self.makers) :], head[2 + len(self.makers) :], strict=True):
            values[index] = number
        return self.event(*values), at


def _tuple_of(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    getter: Callable[[Any], Any] = attrgetter(*names)
    if len(names) == 1:
        return lambda event: (getter(event),)
    return getter


_TEXT = bytes.decode


def _state(data: bytes) -> RunState:
    return RunState(data.decode())


def _decision(data: bytes) -> Decision:
    return Decision(data.decode())


#: Most events of a run are of this kind, with these tags: it has returned, with or without its arguments.
#: They are decoded apart (`_events`), since somebody may wait while 100,000 of them are read.
_FINISHED = 9
_RETURNED = _NONE << 8
_UNGIVEN = _RETURNED | _NONE << 12

_LAYOUTS = (
    _Layout(
        1, RunStarted, run=_TEXT, flow=_TEXT, source=_TEXT, arguments=_raw, owner=_TEXT,
        forked_from=_TEXT, forked_before=_TEXT,
    ),
    _Layout(2, RunResumed, owner=_TEXT, source=_TEXT),
    _Layout(3, CallIntended, place=_TEXT, call=_TEXT, digest=_raw, arguments=_raw, key=_TEXT),
    _Layout(
        4, CallFinished, place=_TEXT, call=_TEXT, digest=_raw, result=_raw, error=_raw, waited_for=_TEXT,
        lacking=("arguments",),
    ),
    _Layout(5, CallSettled, place=_TEXT, call=_TEXT, digest=_raw, decision=_decision, value=_raw, by=_TEXT),
    _Layout(6, RunEnded, state=_state, result=_raw, error=_raw),
    _Layout(7, StreamReceived, place=_TEXT, call=_TEXT, digest=_raw, items=_raw),
    _Layout(8, CallStarted, place=_TEXT, call=_TEXT, waited_for=_TEXT),
    # of each class, the last one is what is written
    _Layout(
        _FINISHED, CallFinished, place=_TEXT, call=_TEXT, digest=_raw, result=_raw, error=_raw,
        waited_for=_TEXT, arguments=_raw,
    ),
)  # fmt: skip
_BY_CLASS = {layout.event: layout for layout in _LAYOUTS}
_BY_KIND = {layout.kind: layout for layout in _LAYOUTS}

#: The fields of each kind of event that hold an encoded value, which may be stored as a blob.
_VALUES: dict[type[Any], tuple[str, ...]] = {
    RunStarted: ("arguments",),
    RunResumed: (),
    CallIntended: ("arguments",),
    CallFinished: ("result", "error", "arguments"),
    CallSettled: ("value",),
    CallStarted: (),
    RunEnded: ("result", "error"),
    StreamReceived: ("items",),
}


def values_of(event: Event) -> Iterator[tuple[str, bytes | BlobRef]]:
    """The fields of an event that hold an encoded value, with the value."""
    for name in _VALUES[type(event)]:
        value = getattr(event, name)
        if value is not None:
            yield name, value


def refs(events: Iterable[Event]) -> Iterator[BlobRef]:
    """The blobs that events refer to."""
    for event in events:
        for _, value in values_of(event):
            if isinstance(value, BlobRef):
                yield value


@dataclass(slots=True)
class Encoded:
    """A batch that does not know its place yet; so it can be made before a transaction begins."""

    count: int
    crc: int
    format: int
    frames: bytes

    def seal(self, salt: bytes) -> bytes:
        """The body of the batch in the place that `salt` names: `unpack` takes the same only."""
        return _BODY.pack(self.format, zlib.crc32(salt, self.crc)) + self.frames


def encode(events: Sequence[Event]) -> Encoded:
    """Events as a batch. Raises whatever comes of events that are none."""
    out: list[bytes] = []
    for event in events:
        _BY_CLASS[type(event)].encode(event, out)
    frames = b"".join(out)
    crc = zlib.crc32(frames)
    if len(frames) > DEFLATE_OVER:
        return Encoded(len(events), crc, DEFLATED, zlib.compress(frames, 1))
    return Encoded(len(events), crc, PLAIN, frames)


def unpack(salt: bytes, count: int, body: bytes) -> list[Event]:
    """The `count` events of a batch. Raises `DamagedBatch` for anything but what was sealed so."""
    try:
        version, crc = _BODY.unpack_from(body)
        frames = body[_BODY.size :]
        if version == DEFLATED:
            frames = zlib.decompress(frames)
        elif version != PLAIN:
            raise DamagedBatch(f"its format is {version}, and only {PLAIN} and {DEFLATED} are known")
        if zlib.crc32(salt, zlib.crc32(frames)) != crc:
            raise DamagedBatch("its checksum is wrong")
        events = _events(frames)
    except (struct.error, zlib.error, KeyError, ValueError) as error:
        raise DamagedBatch(f"it cannot be read ({type(error).__name__}: {error})") from None
    if len(events) != count:
        raise DamagedBatch(f"it holds {len(events)} events and should hold {count}")
    return events


def _events(frames: bytes) -> list[Event]:
    """The events of frames whose checksum is right."""
    events: list[Event] = []
    end = len(frames)
    layout = _BY_KIND[_FINISHED]
    unpack_from, size = layout.head.unpack_from, layout.head.size
    calls: dict[bytes, str] = {}
    at = 0
    while at < end:
        event: Event
        if frames[at] != _FINISHED:
            event, at = _BY_KIND[frames[at]].decode(frames, at)
            events.append(event)
            continue
        (
            _, tags, to_place, to_call, to_digest, to_result, to_error, to_waited, to_arguments,
            attempt, ready, started, ended,
        ) = unpack_from(frames, at)  # fmt: skip
        if tags != _RETURNED and tags != _UNGIVEN:
            event, at = layout.decode(frames, at)
            events.append(event)
            continue
        at += size
        to_place += at
        to_call += to_place
        to_digest += to_call
        to_result += to_digest
        to_error += to_result
        to_waited += to_error
        name = frames[to_place:to_call]
        call = calls.get(name)
        if call is None:
            call = calls[name] = name.decode()
        to_arguments += to_waited
        place = frames[at:to_place].decode()
        at = to_arguments
        if at > end:
            raise DamagedBatch("a frame is cut short")
        events.append(
            CallFinished(
                place,
                call,
                frames[to_call:to_digest],
                attempt,
                frames[to_digest:to_result],
                None,
                ready,
                started,
                ended,
                frames[to_error:to_waited].decode(),
                frames[to_waited:to_arguments] if tags == _RETURNED else None,
            )
        )
    return events
