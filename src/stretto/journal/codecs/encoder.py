"""The loop that writes values which have parts. It keeps its own stack: they may be nested ever so deep."""

from __future__ import annotations

import pickle as pickling
from collections.abc import Iterator
from itertools import chain
from typing import Any, cast

from ...errors import RecordedError
from . import plain, wire
from .classes import Shape, shape_for, shape_of, shape_of_class, shapes
from .extensions import extension_of
from .objects import MISSING, Unfit, items
from .wire import (
    CONSTANT_TYPES,
    CONSTANTS,
    HEAD,
    SEQUENCES,
    SHARED_KINDS,
    SHARED_SIZE,
    SPAN_SIZE,
    STRS,
    class_of,
    count,
    integer,
    pack_float,
    text,
    utf8,
)

__all__ = ["Aliased", "Encoder", "Refused"]

#: What can be referred to at any time.
_WHOLE = frozenset((str, bytes, bytearray, list, dict, set))
#: How long a search for plain trees may have been in vain, in containers, before it is given up.
_PATIENCE = 2_000
#: Values that are nested deeper are read once, to see that they can be.
DEEP = 900


class Refused(Exception):
    """Something cannot be recorded."""

    def __init__(self, thing: object, reason: str) -> None:
        self.thing = thing
        self.reason = reason


class Aliased(Exception):
    """Something inside of a tree that was written as JSON is met again: JSON was the wrong choice."""


class Encoder:
    """One value on its way to bytes."""

    def __init__(self, pickle: bool, *, trees: bool = True, verdicts: dict[int, bool] | None = None) -> None:
        self.pickle = pickle
        self.out: list[bytes] = [HEAD]
        #: The numbers of shared things, by identity.
        self.memo: dict[int, int] = {}
        #: What else must stay alive, so that no identity is given twice.
        self.keep: list[Any] = []
        #: Where the payloads of large leaves are in `out`.
        self.large: list[int] = []
        #: What an object of a class that was told begins with, by the definition of the class.
        self.heads: dict[bytes, bytes] = {}
        #: Whether trees are written as JSON, and what those trees consist of.
        self.patience = _PATIENCE if trees else 0
        self.sealed: set[int] = set()
        #: What is being written just now, outermost first.
        self.open: list[Any] = []
        self.deep = False
        #: Whether something can be recorded at all, by identity; asked for what hangs on exceptions.
        self.verdicts: dict[int, bool] = {} if verdicts is None else verdicts

    def result(self) -> tuple[bytes, tuple[tuple[int, int], ...]]:
        """What was written, and where in it the large leaves are."""
        data = b"".join(self.out)
        spans: list[tuple[int, int]] = []
        at = done = 0
        for index in self.large:
            at += sum(map(len, self.out[done:index]))
            done = index
            spans.append((at, at + len(self.out[index])))
        return data, tuple(spans)

    def run(self, value: Any) -> None:
        """Write `value`."""
        write = self.out.append
        stack: list[Iterator[Any]] = []
        outer = self.open
        things: Iterator[Any] = iter((value,))
        while True:
            for thing in things:
                kind = class_of(thing)
                if kind is str:
                    raw = utf8(thing)
                    size = len(raw)
                    if size < 64:
                        write(STRS[size] + raw)
                    else:
                        self.leaf(b"\x87", thing, raw)
                elif kind is int:
                    write(integer(thing))
                elif kind is float:
                    write(pack_float(0x86, thing))
                elif kind in CONSTANT_TYPES:
                    write(CONSTANTS[thing])
                else:
                    parts = self.begin(thing, kind)
                    if parts is not None:
                        stack.append(things)
                        outer.append(thing)
                        things = parts
                        break
            else:
                if not stack:
                    return
                self.deep = self.deep or len(stack) > DEEP
                things = stack.pop()
                outer.pop()

    def leaf(self, tag: bytes, thing: Any, raw: bytes) -> None:
        """Write a str or bytes that may be long; a longer one only once."""
        size = len(raw)
        if size > SHARED_SIZE or tag == b"\x89":
            if self.met(thing):
                return
        self.payload(tag, raw)

    def payload(self, head: bytes, raw: bytes) -> None:
        """Write bytes that may be many, after what they begin with."""
        self.out.append(head + count(len(raw)))
        if len(raw) > SPAN_SIZE:
            self.large.append(len(self.out))
        self.out.append(raw)

    def met(self, thing: Any) -> bool:
        """Whether a shared thing was met before; if so, the reference is written, else it gets its number."""
        memo = self.memo
        number = memo.get(id(thing))
        if number is not None:
            self.out.append(b"\x90" + count(number))
            self.check_cycle(thing)
            return True
        if id(thing) in self.sealed:
            raise Aliased
        memo[id(thing)] = len(memo)
        return False

    def check_cycle(self, thing: Any) -> None:
        """A cycle can be made again only if what refers back can be changed once the whole is there."""
        kind = class_of(thing)
        if kind in _WHOLE:
            return
        if prepared(kind):
            if kind.__hash__ not in (None, object.__hash__, BaseException.__hash__):
                self.check_hash(thing)
            return
        holder = class_of(self.open[-1])
        if not patchable(holder) and any(thing is outer for outer in self.open):
            raise Refused(
                thing, f"it holds itself by way of a {holder.__name__}, which cannot be put together again"
            )

    def check_hash(self, thing: Any) -> None:
        """A frozenset is made, and hashes its elements, before what it is part of is whole."""
        within: Any = None
        for outer in reversed(self.open):
            if outer is thing:
                if within is not None:
                    raise Refused(
                        within, "its elements lead back to what it is part of, and are hashed by value"
                    )
                return
            if type(outer) is frozenset:
                within = cast("Any", outer)

    def begin(self, thing: Any, kind: Any) -> Iterator[Any] | None:
        """Write a thing that has parts, up to the first part.

        Returns:
            Its parts, which are to follow; None where it has none.
        """
        tag = SEQUENCES.get(kind)
        if tag is not None:
            if kind is list and self.patience and self.tree(thing):
                return None
            if self.met(thing):
                return None
            parts = list(thing)
            self.out.append(tag + count(len(parts)))
            return iter(parts)
        if kind is dict:
            if self.patience and self.tree(thing):
                return None
            if self.met(thing):
                return None
            parts = list(chain.from_iterable(thing.items()))
            self.out.append(b"\x8d" + count(len(parts) >> 1))
            return iter(parts)
        if kind is bytes:
            self.leaf(b"\x88", thing, thing)
            return None
        if thing is MISSING:
            self.out.append(b"\x84")
            return None
        if kind is bytearray:
            self.leaf(b"\x89", thing, bytes(thing))
            return None
        extension = None if kind in shapes else extension_of(kind)
        if extension is not None:
            if extension.shared and self.met(thing):
                return None
            try:
                parts = extension.items(thing)
            except Unfit as unfit:
                self.refused(thing, str(unfit), numbered=extension.shared)
                return None
            self.keep.append(parts)
            self.out.append(b"\x92" + count(extension.number) + count(len(parts)))
            return iter(parts)
        return self.begin_object(thing, kind)

    def tree(self, thing: Any) -> bool:
        """Whether a list or dict was written as JSON."""
        ids = plain.containers(thing)
        if ids is None:
            self.patience = max(0, self.patience - len(thing) - 1)
            return False
        fresh = set(ids)
        if len(fresh) < len(ids) or not fresh.isdisjoint(self.memo) or not fresh.isdisjoint(self.sealed):
            return False
        tree = plain.dump(thing)
        if tree is None:
            return False
        self.sealed |= fresh
        self.payload(b"\x8a", tree)
        return True

    def begin_object(self, thing: Any, kind: Any) -> Iterator[Any] | None:
        """Write an object of a class that is recorded by name, up to its first part."""
        shape: Shape | str | None = shapes.get(kind)
        if shape is None:
            shape = shape_of_class(thing) if issubclass(kind, type) else shape_of(kind)
        if kind is RecordedError:
            shape = shape_for(wire.EXCEPTION, thing.module, thing.qualname)
        if isinstance(shape, str):
            self.refused(thing, shape)
            return None
        if shape.kind in SHARED_KINDS and self.met(thing):
            return None
        try:
            parts = items(shape, thing, self.recordable)
        except Unfit as unfit:
            self.refused(thing, str(unfit), numbered=shape.kind in SHARED_KINDS)
            return None
        except (Refused, Aliased):
            raise
        except Exception as error:  # a codec of the user's, or a property
            raise Refused(thing, f"taking it apart raised {type(error).__name__}: {error}") from error
        self.keep.append(parts)
        head = self.heads.get(shape.definition)
        if head is None:
            n = count(len(self.heads))
            self.heads[shape.definition] = b"\x91" + n
            head = b"\x91" + n + count(len(shape.definition)) + shape.definition
        self.out.append(head + count(len(parts)))
        return iter(parts)

    def refused(self, thing: Any, reason: str, *, numbered: bool = False) -> None:
        """Pickle what cannot be recorded otherwise, if that is wanted.

        Raises:
            Refused: it is not, or pickle cannot either.
        """
        if not self.pickle:
            raise Refused(thing, reason)
        try:
            raw = pickling.dumps(thing, protocol=5)
        except Exception as error:
            raise Refused(thing, f"it cannot be pickled either ({error})") from error
        if numbered or not self.met(thing):  # numbered: it has its number already
            kind = class_of(thing)
            self.payload(b"\x93" + text(f"{kind.__module__}.{kind.__qualname__}"), raw)

    def recordable(self, thing: Any) -> bool:
        """Whether something could be recorded; for exceptions, which are recorded without what cannot be."""
        parts: Any = thing
        kind = class_of(thing)
        if kind is str or kind is int or isinstance(thing, BaseException) or kind in CONSTANT_TYPES:
            return True
        if kind is list and all(isinstance(part, BaseException) for part in parts):
            return True
        verdict = self.verdicts.get(id(thing))
        if verdict is None:
            self.keep.append(thing)
            self.verdicts[id(thing)] = True  # while it is looked at: an exception within may refer back to it
            trial = Encoder(self.pickle, trees=False, verdicts=self.verdicts)
            try:
                trial.run(thing)
                verdict = True
            except (Refused, RecursionError):  # one exception holds another, which holds another ...
                verdict = False
            self.keep.append(trial.keep)
            self.verdicts[id(thing)] = verdict
        return verdict


def patchable(kind: type[Any]) -> bool:
    """Whether a reference in a thing of that class can be set after the thing was made."""
    if kind in (list, dict):
        return True
    shape = shape_of(kind)
    return not isinstance(shape, str) and shape.kind in (wire.DATACLASS, wire.PYDANTIC)


def prepared(kind: type[Any]) -> bool:
    """Whether a thing of that class can be referred to before its parts are known."""
    extension = extension_of(kind)
    if extension is not None:
        return extension.make is not None
    shape = shape_of(kind)
    if isinstance(shape, str):
        return False
    if shape.kind == wire.EXCEPTION:
        return not issubclass(kind, BaseExceptionGroup)
    return shape.kind in (wire.DATACLASS, wire.PYDANTIC)
