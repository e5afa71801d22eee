"""Digests of arguments: whether a call is made with what it was made with before.

A digest is taken of a *canonical* encoding. It is that of the journal but for these differences:

- Sets are written in the order of their elements' encodings, since their own order is an accident of hashing.
- Dicts keep their order: whoever gets one can see it, and ``", ".join(d)`` depends on it. Keyword arguments
  are written in the order of their names: a call that names them in another order is the same call.
- Sharing does not count: ``f(a, a)`` and ``f(a, list(a))`` are the same, because two results that are one
  object in one run may be two equal ones in the next. Only in values with cycles references are numbered.
- ``1``, ``1.0`` and ``True`` differ, as do ``0.0`` and ``-0.0``, ``[1]`` and ``(1,)``: a callee can tell them
  apart.
- What is long is replaced by its hash, so that a part that is met often is worked out once.
- What cannot be encoded is replaced by its class, a function by its name; the digest says so.

It depends on nothing but the values: not on the process, the hash seed or the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import blake2b
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any, NamedTuple, cast

from ...errors import RecordedError
from . import plain, wire
from .classes import look_up, names, shape_for, shape_of, shape_of_class
from .extensions import extension_of
from .objects import items
from .wire import CONSTANT_TYPES, HEAD, SEQUENCES, class_of, count, leaf, text

__all__ = ["Digest", "canonical", "digest"]

#: Encodings of parts that are longer than this are replaced by their hash.
_LONG = 512
#: Larger trees are gone into. With 200 lists, each of which holds the next one twice, nothing less would do.
_MOST = 2_000
_HASH, _OPAQUE, _NAME, _UP = b"\xa0", b"\xa1", b"\xa2", b"\xa3"


class Digest(NamedTuple):
    """A digest, and whether it tells everything.

    Attributes:
        value: 16 bytes of BLAKE2b.
        opaque: the classes of what is in the digest by its class or name only. Two calls of equal digest may
            still differ in these.
    """

    value: bytes
    opaque: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether equal digests mean equal arguments."""
        return not self.opaque


def digest(args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> Digest:
    """The digest of a call's arguments. Never fails."""
    out: list[bytes] = [HEAD + b"\x8c\x02\x8c" + count(len(args))]
    opaque: tuple[str, ...] = ()
    for argument in args:
        encoding = leaf(argument, class_of(argument))
        if encoding is None:
            encoding, unclear = _canonical(argument)
            opaque += unclear
        out.append(encoding)
    names = sorted(kwargs or ())
    out.append(b"\x8d" + count(len(names)))
    for name in names:
        assert kwargs is not None
        encoding, unclear = _canonical(kwargs[name])
        out += (text(name), encoding)
        opaque += unclear
    return Digest(blake2b(b"".join(out), digest_size=16).digest(), opaque)


def canonical(value: Any) -> Digest:
    """The digest of one value. Never fails."""
    encoding, opaque = _canonical(value)
    return Digest(blake2b(encoding, digest_size=16).digest(), opaque)


def _canonical(value: Any) -> tuple[bytes, tuple[str, ...]]:
    """The canonical encoding of one value, and what is not told in it."""
    encoding = _whole(value, type(value))
    if encoding is not None:
        return encoding, ()
    try:
        walk = Walk()
        return walk.run(value), tuple(walk.opaque)
    except Cyclic:
        walk = Walk(numbered=True)
        return walk.run(value), tuple(walk.opaque)


class Cyclic(Exception):
    """A value holds itself."""


def _whole(value: Any, kind: Any) -> bytes | None:
    """The encoding of what is written at once: scalars, bytes and plain trees. None for others."""
    if kind is list or kind is dict:
        # Whether a tree is plain depends on what is in it and not on what is shared, or digests would, too.
        if plain.containers(value, _MOST) is not None:
            tree = plain.dump(value)
            if tree is not None:
                return b"\x8a" + count(len(tree)) + tree
        return None
    if kind is bytes:
        raw: bytes = value
        return b"\x88" + count(len(raw)) + raw
    if kind is bytearray:
        return b"\x89" + count(len(value)) + bytes(value)
    return leaf(value, kind)


def _short(encoding: bytes) -> bytes:
    """An encoding, or its hash where it is long."""
    if len(encoding) <= _LONG:
        return encoding
    return _HASH + blake2b(encoding, digest_size=16).digest()


class Level:
    """A thing whose parts are being encoded."""

    __slots__ = ("head", "parts", "rest", "sort", "thing")

    def __init__(self, thing: Any, head: bytes, rest: Iterator[Any], sort: bool) -> None:
        self.thing = thing
        self.head = head
        self.rest = rest
        self.sort = sort
        self.parts: list[bytes] = []


class Walk:
    """The canonical encoding of a value with parts."""

    def __init__(self, *, numbered: bool = False) -> None:
        self.opaque: list[str] = []
        #: Encodings by identity, or, in a value with cycles, the numbers of things in the order of their
        #: first being met.
        self.known: dict[int, bytes] = {}
        self.numbered = numbered
        self.keep: list[Any] = []
        self.open: set[int] = set()

    def run(self, value: Any) -> bytes:
        """The encoding of `value`."""
        levels: list[Level] = []
        level = Level(None, b"", iter((value,)), False)
        while True:
            for thing in level.rest:
                kind = class_of(thing)
                raw = None
                if not self.numbered or (kind is not list and kind is not dict):
                    raw = _whole(thing, kind)
                    if raw is not None and len(raw) > _LONG:
                        raw = _short(raw)
                if raw is None:
                    raw = self.known.get(id(thing))
                if raw is None:
                    if id(thing) in self.open:
                        raise Cyclic
                    inner = self.begin(thing, kind)
                    if isinstance(inner, Level):
                        levels.append(level)
                        level = inner
                        break
                    raw = inner
                level.parts.append(raw)
            else:
                if level.sort:
                    level.parts.sort()
                encoding = level.head + b"".join(level.parts)
                if not levels:
                    return encoding
                encoding = _short(encoding)
                if not self.numbered:
                    self.open.discard(id(level.thing))
                    self.known[id(level.thing)] = encoding
                level = levels.pop()
                level.parts.append(encoding)

    def level(self, thing: Any, head: bytes, parts: list[Any], sort: bool = False) -> Level:
        """A thing to go into."""
        self.keep.append((thing, parts))
        if self.numbered:
            self.known[id(thing)] = _UP + count(len(self.known))
            if sort and any(type(part) not in LEAVES for part in parts):
                # The numbers would depend on the order of the set, and the order on the numbers.
                self.opaque.append(f"elements of a {type(thing).__name__} in a value that holds itself")
                head += _OPAQUE
                parts = [part if type(part) in LEAVES else None for part in parts]
        else:
            self.open.add(id(thing))
        return Level(thing, head + count(len(parts)), iter(parts), sort)

    def begin(self, thing: Any, kind: Any) -> Level | bytes:
        """The way into a thing with parts, or the encoding of what is told by its class or name."""
        if kind is dict:
            return self.level(thing, b"\x8d", [part for pair in thing.items() for part in pair])
        if kind in SEQUENCES:
            return self.level(thing, SEQUENCES[kind], list(thing), kind in (set, frozenset))
        try:
            return self.object(thing, kind)
        except Exception:  # the user's code: a property, a codec, a class that is not as it says
            return self.unclear(thing, _OPAQUE, *names(kind))

    def object(self, thing: Any, kind: Any) -> Level | bytes:
        """The way into an object."""
        extension = extension_of(kind)
        if extension is not None:
            parts = (extension.canonical or extension.items)(thing)
            return self.level(thing, b"\x92" + count(extension.number), parts)
        shape = shape_of_class(thing) if issubclass(kind, type) else shape_of(kind)
        if kind is RecordedError:
            shape = shape_for(wire.EXCEPTION, thing.module, thing.qualname, ())
        if not isinstance(shape, str):
            return self.level(thing, b"\x91" + shape.definition, items(shape, thing, lambda _: True))
        if kind is partial:
            return self.level(thing, _NAME, [thing.func, thing.args, sorted(thing.keywords.items())])
        if kind is MethodType or (kind is BuiltinMethodType and not isinstance(thing.__self__, type(wire))):
            return self.level(thing, _NAME, [thing.__name__, thing.__self__])
        if kind in (FunctionType, BuiltinMethodType, type(len)) or callable(
            getattr(thing, "__wrapped__", None)
        ):
            module, qualname = names(thing)
            if look_up(module, qualname) is thing:  # as exact as the name of the call itself
                return _NAME + text(module) + text(qualname)
            return self.unclear(thing, _NAME, module, qualname)
        return self.unclear(thing, _OPAQUE, *names(cast("Any", thing) if isinstance(thing, type) else kind))

    def unclear(self, thing: Any, tag: bytes, module: str, qualname: str) -> bytes:
        """A thing of which only a name is told."""
        self.opaque.append(f"{module}.{qualname}")
        return tag + text(module) + text(qualname)


#: What can be told apart without going into it.
LEAVES = frozenset((str, int, float, bytes, *CONSTANT_TYPES))
