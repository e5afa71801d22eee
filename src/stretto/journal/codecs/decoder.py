"""The loop that reads values which have parts. It keeps its own stack; what hashing does is bounded, too."""

from __future__ import annotations

import pickle as pickling
from collections.abc import Collection
from functools import partial
from struct import unpack_from
from typing import Any

from ...errors import CorruptValue, NotDecodable
from . import plain, wire
from .classes import Shape, known_definition, resolve
from .extensions import extension_numbered
from .frame import Frame
from .objects import MISSING, PENDING, fill, make
from .wire import DICT, EXT, FROZENSET, LIST, OBJECT, SET, SHARED_KINDS, SHARED_SIZE, TUPLE

__all__ = ["Decoder"]

_CONSTANTS = (None, False, True, ...)
#: How deep a key of a dict or an element of a set may be nested: hashing it recurses in C.
_HASH_DEPTH = 1_000
#: How many parts may be looked at for hashing, beyond 16 for each byte: shared parts are hashed each time.
_HASH_WORK = 1_000_000


class Decoder:
    """One value on its way from bytes."""

    def __init__(self, data: bytes, at: int, pickle: bool, modules: Collection[str]) -> None:
        self.data = data
        self.at = at
        self.pickle = pickle
        self.modules = modules
        self.shared: list[Any] = []
        #: The work and depth of hashing shared things, and who waits for those that are not made yet.
        self.efforts: dict[int, tuple[int, int]] = {}
        self.waiting: dict[int, list[tuple[Frame, int]]] = {}
        self.classes: list[tuple[Shape, tuple[str, ...]]] = []
        #: Sets and dicts with keys that are not complete yet: they are filled at the end.
        self.late: list[Frame] = []
        self.stack: list[Frame] = []
        #: The numbers of shared things that are not whole yet, and the sets and dicts that are being read.
        self.opened: set[int] = set()
        self.hashing: list[Frame] = []

    def count(self) -> int:
        """A count."""
        byte = self.data[self.at]
        self.at += 1
        if byte < 128:
            return byte
        n, self.at = wire.read_count(self.data, self.at - 1)
        return n

    def raw(self) -> bytes:
        """A count and that many bytes."""
        size = self.count()
        start = self.at
        self.at = end = start + size
        if end > len(self.data):
            raise IndexError
        return self.data[start:end]

    def things(self, per: int = 1) -> int:
        """A count of things, each of which takes a byte or more."""
        n = self.count() * per
        if n > len(self.data) - self.at:
            raise IndexError
        return n

    def run(self) -> Any:
        """The value."""
        data, size, at = self.data, len(self.data), self.at
        stack = self.stack
        frame = Frame(wire.LIST, 1, None, None, [])  # what the value itself is handed to
        parts, left = frame.parts, 1
        while True:
            while left:
                tag = data[at]
                at += 1
                if tag < 0x40:
                    parts.append(tag)
                elif tag < 0x80:
                    end = at + tag - 0x40
                    if end > size:
                        raise IndexError
                    parts.append(str(data[at:end], "utf-8", "surrogatepass"))
                    at = end
                elif tag <= wire.ELLIPSIS:
                    parts.append(_CONSTANTS[tag - 0x80])
                elif tag == wire.FLOAT:
                    if at + 8 > size:
                        raise IndexError
                    parts += unpack_from("<d", data, at)
                    at += 8
                else:
                    self.at = at
                    if tag <= wire.JSON or tag == wire.PICKLE:
                        parts.append(self.leaf(tag, frame))
                    elif tag == wire.REF:
                        parts.append(self.refer(frame))
                    else:
                        frame.left = left - 1
                        stack.append(frame)
                        frame = self.begin(tag)
                        parts, left, at = frame.parts, frame.left, self.at
                        continue
                    at = self.at
                left -= 1
            if not stack:
                break
            value = self.finish(frame)
            holder = stack.pop()
            if holder.tag != DICT or not len(holder.parts) & 1:
                holder.work += frame.work
                holder.depth = max(holder.depth, frame.depth + 1)
            frame, parts, left = holder, holder.parts, holder.left
            parts.append(value)
        self.at = at
        for late in self.late:
            self.fill_hashed(late)
        return parts[0]

    def leaf(self, tag: int, holder: Frame) -> Any:
        """A value without parts that is not short."""
        if tag == wire.MISSING:
            if holder.tag != OBJECT:
                raise CorruptValue("a recorded value is missing where there must be one")
            holder.gaps = True
            return MISSING
        pickled = self.text() if tag == wire.PICKLE else ""
        raw = self.raw()
        if tag == wire.INT:
            return int.from_bytes(raw, "little", signed=True)
        if tag == wire.JSON:
            return plain.load(raw)
        value: Any = raw
        if tag == wire.STR:
            value = str(raw, "utf-8", "surrogatepass")
        elif tag == wire.BYTEARRAY:
            value = bytearray(raw)
        elif tag == wire.PICKLE:
            value = self.unpickle(pickled, raw)
        if tag >= wire.BYTEARRAY or len(raw) > SHARED_SIZE:
            self.shared.append(value)
        return value

    def unpickle(self, kind: str, raw: bytes) -> Any:
        """A pickled value of a class of that name, if such may be read."""
        if not self.pickle:
            raise NotDecodable(
                f"a value was pickled (it says that it is a {kind}), and to read it runs code that the bytes "
                "choose. If you trust whoever could write to the journal, declare the call pickle=True (or "
                "pass it to `decode`)"
            )
        try:
            return pickling.loads(raw)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            raise NotDecodable(f"a pickled {kind} cannot be read: {problem}") from error

    def refer(self, holder: Frame) -> Any:
        """What a reference in `holder` refers to."""
        number = self.count()
        value: Any = self.shared[number]
        key = holder.tag != DICT or not len(holder.parts) & 1
        if value is PENDING:
            if (
                holder.thing is PENDING
                or (holder.tag == DICT and key)
                or holder.tag not in (LIST, OBJECT, DICT)
            ):
                raise CorruptValue("a recorded value refers to itself where it cannot")
            self.waiting.setdefault(number, []).append((holder, len(holder.parts)))
        elif key and number in self.efforts:
            work, depth = self.efforts[number]
            holder.work += work
            holder.depth = max(holder.depth, depth + 1)
        if number in self.opened and self.hashing and type(value) not in (list, dict, set):
            for frame in reversed(self.hashing):  # its hash may not be known yet
                if frame.late:
                    break
                frame.late = True
                self.late.append(frame)
        return value

    def begin(self, tag: int) -> Frame:
        """A thing that has parts."""
        number: int | None = len(self.shared)
        if tag == LIST:
            parts: list[Any] = []
            frame = Frame(tag, self.things(), number, parts, parts)
        elif tag in (TUPLE, FROZENSET):
            frame = Frame(tag, self.things(), number, PENDING, [])
        elif tag == DICT:
            frame = Frame(tag, self.things(2), number, {}, [])
        elif tag == SET:
            frame = Frame(tag, self.things(), number, set(), [])
        elif tag == OBJECT:
            shape, fields = self.shape()
            frame = Frame(tag, self.things(), number if shape.kind in SHARED_KINDS else None, PENDING, [])
            frame.shape, frame.fields = shape, fields
            frame.thing = make(shape)
        elif tag == EXT:
            extension = extension_numbered(self.count())
            frame = Frame(tag, self.things(), number if extension.shared else None, PENDING, [])
            frame.extension = extension
            if extension.make is not None:
                frame.thing = extension.make()
        elif tag == wire.SPLIT and self.at == 2:
            raise CorruptValue("parts of this value are stored as blobs: `join` them first")
        else:
            raise CorruptValue(f"unknown tag {tag:#x} in a recorded value")
        if frame.number is not None:
            self.shared.append(frame.thing)
            self.opened.add(frame.number)
        if tag in (DICT, SET):
            self.hashing.append(frame)
        return frame

    def shape(self) -> tuple[Shape, tuple[str, ...]]:
        """A class, and the fields that it had."""
        number = self.count()
        if number < len(self.classes):
            return self.classes[number]
        if number > len(self.classes):
            raise CorruptValue("a recorded value is of a class that was not told")
        raw = self.raw()
        shape = known_definition(raw)
        if shape is None:
            return self.define(Decoder(raw, 0, False, ()))
        self.classes.append((shape, shape.fields))
        return shape, shape.fields

    def define(self, definition: Decoder) -> tuple[Shape, tuple[str, ...]]:
        """A class that was not met before in this process, and the fields that it had."""
        kind = definition.data[0]
        definition.at = 1
        if kind not in wire.KINDS:
            raise CorruptValue(f"unknown kind of class {kind:#x} in a recorded value")
        module, qualname = definition.text(), definition.text()
        fields = tuple(definition.text() for _ in range(definition.things()))
        if definition.at != len(definition.data):
            raise CorruptValue("the definition of a class in a recorded value is longer than it should be")
        shape = resolve(kind, module, qualname, self.modules)
        if fields == shape.fields:
            fields = shape.fields
        self.classes.append((shape, fields))
        return shape, fields

    def text(self) -> str:
        """A str item that is part of another item."""
        tag = self.data[self.at]
        self.at += 1
        if tag == wire.STR:
            raw = self.raw()
        elif 0x40 <= tag < 0x80:
            self.at += tag - 0x40
            raw = self.data[self.at - tag + 0x40 : self.at]
        else:
            raise CorruptValue("a class in a recorded value has no name")
        return str(raw, "utf-8", "surrogatepass")

    def finish(self, frame: Frame) -> Any:
        """A thing whose parts are all there."""
        tag, thing = frame.tag, frame.thing
        frame.done = True
        if tag == LIST:
            frame.work = frame.depth = 0
        elif tag == TUPLE:
            thing = tuple(frame.parts)
        elif tag in (DICT, SET):
            self.hashing.pop()
            if not frame.late:
                self.fill_hashed(frame)
            frame.work = frame.depth = 0
        elif tag == FROZENSET:
            thing = self.hashed(frame, frozenset)
        else:
            shape = frame.shape
            if shape is not None and shape.direct and frame.fields is shape.fields and not frame.gaps:
                if len(frame.parts) == len(
                    shape.fields
                ):  # the most common by far: a dataclass as it is today
                    thing.__dict__.update(zip(shape.fields, frame.parts, strict=True))
                else:
                    thing = self.build(frame)
            else:
                thing = self.build(frame)
        number = frame.number
        if number is not None:
            self.opened.discard(number)
            self.shared[number] = thing
            if frame.work:
                self.efforts[number] = frame.work, frame.depth
            if number in self.waiting:
                self.made(number, thing)
        return thing

    def build(self, frame: Frame) -> Any:
        """An object or a value of a built-in codec."""
        try:
            if frame.extension is not None:
                parts = frame.parts
                if frame.extension.make is not None:
                    parts = [frame.thing, *parts]
                return frame.extension.build(*parts)
            assert frame.shape is not None
            return fill(frame.shape, frame.fields, frame.thing, frame.parts)
        except (CorruptValue, NotDecodable):
            raise
        except Exception as error:
            what = frame.extension.cls.__name__ if frame.extension else frame.shape and frame.shape.qualname
            failure = CorruptValue if frame.extension else NotDecodable
            raise failure(
                f"a recorded {what} cannot be made again: {type(error).__name__}: {error}"
            ) from error

    def made(self, number: int, thing: Any) -> None:
        """Tell those who wait for a shared thing."""
        for holder, at in self.waiting.pop(number):
            if holder.tag == DICT and not holder.late and holder.done:
                holder.thing[holder.parts[at - 1]] = thing
            holder.parts[at] = thing
            if holder.tag == OBJECT and holder.done:
                self.build(holder)

    def hashed(self, frame: Frame, kind: Any) -> Any:
        """A set of the parts of a frame, if they can be hashed in time."""
        if frame.depth > _HASH_DEPTH:
            raise CorruptValue(f"a key or element of a recorded value is nested deeper than {_HASH_DEPTH:,}")
        if frame.work > _HASH_WORK + 16 * len(self.data):
            raise CorruptValue("the keys or elements of a recorded value cannot be hashed in time")
        try:
            return kind(frame.parts)
        except Exception as error:
            raise CorruptValue(f"a recorded value has a key that cannot be one: {error}") from error

    def fill_hashed(self, frame: Frame) -> None:
        """Put what was read into a set or dict."""
        if frame.tag == SET:
            frame.thing.update(self.hashed(frame, set))
        else:
            self.hashed(frame, partial(_fill_dict, frame.thing))


def _fill_dict(made: dict[Any, Any], flat: list[Any]) -> None:
    made.update(zip(flat[::2], flat[1::2], strict=True))
