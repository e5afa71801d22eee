"""Values to bytes. The format is in `wire`.

Most values that calls take and return are short strings, numbers and plain trees; they have ways of their own
that cost about a microsecond. Everything else goes through `encoder`.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from ...errors import CorruptValue, NotRecordable
from . import plain
from .decode import decode
from .digest import Digest, digest
from .encoder import Aliased, Encoder, Refused
from .path import explain
from .wire import HEAD, INTS, SPAN_SIZE, STRS, class_of, count, leaf, text, utf8

__all__ = ["Encoded", "encode", "encode_call"]

_SHORT: list[bytes] = [HEAD + tag for tag in STRS]
_SMALL: list[bytes] = [HEAD + tag for tag in INTS]
#: What the arguments of a call begin with: a tuple of two, the first of them a tuple of so many.
_CALLS = [HEAD + b"\x8c\x02\x8c" + count(n) for n in range(16)]


class Encoded:
    """A value as bytes.

    Attributes:
        data: the whole of it.
        spans: where in `data` the large leaves are, as (start, end); `blobs.split` can store them elsewhere.
    """

    __slots__ = ("data", "spans")

    def __init__(self, data: bytes, spans: tuple[tuple[int, int], ...] = ()) -> None:
        self.data = data
        self.spans = spans

    def __len__(self) -> int:
        return len(self.data)

    def __bytes__(self) -> bytes:
        return self.data

    def __repr__(self) -> str:
        return f"<Encoded: {len(self.data):,} bytes>"


def encode(value: Any, *, pickle: bool = False, name: str = "result") -> Encoded:
    """The bytes of a value; `decode` gives it back.

    Types come back as they were, and what is one object in several places is one object again. (For strings,
    numbers and other unchangeable things without parts, that is not promised; nor is the order of a set,
    which is an accident of hashing, nor that two arrays which were views of one go on sharing their memory.)

    Args:
        value: what to record.
        pickle: whether what cannot be recorded otherwise is pickled. To read it runs code that the bytes
            choose, so whoever can write to the journal can run anything; `decode` must be told, too.
        name: what messages call the value.

    Raises:
        NotRecordable: something in it cannot be recorded; the message says what, where and what to do.
    """
    kind = class_of(value)
    if kind is str:
        raw: bytes = utf8(value)
        size = len(raw)
        if size < 64:
            return Encoded(_SHORT[size] + raw)
        return _whole(b"\x01\x87", raw)
    if kind is int and 0 <= value < 64:
        small: int = value
        return Encoded(_SMALL[small])
    item = leaf(value, kind)
    if item is not None:
        return Encoded(HEAD + item)
    if kind is dict or kind is list:
        ids = plain.containers(value)
        if ids is not None and (len(ids) == 1 or len(ids) == len(set(ids))):
            tree = plain.dump(value)
            if tree is not None:
                return _whole(b"\x01\x8a", tree)
    return _encode(value, pickle, {name: value})


def _whole(tag: bytes, raw: bytes) -> Encoded:
    """A value that is a single item."""
    size = len(raw)
    head = tag + count(size)
    return Encoded(head + raw, ((len(head), len(head) + size),) if size > SPAN_SIZE else ())


def _encode(value: Any, pickle: bool, places: Mapping[str, Any]) -> Encoded:
    """The bytes of a value with parts; messages speak of it by the names in `places`."""
    try:
        encoder = Encoder(pickle)
        try:
            encoder.run(value)
        except Aliased:
            encoder = Encoder(pickle, trees=False)
            encoder.run(value)
    except Refused as refused:
        raise explain(places, refused) from refused.__cause__
    encoded = Encoded(*encoder.result())
    if encoder.deep:
        try:
            decode(encoded.data, pickle=pickle)
        except CorruptValue as error:
            problem = f"it could not be read again: {error}"
            raise NotRecordable(next(iter(places)), problem, "record it less nested") from None
    return encoded


def encode_call(
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    pickle: bool = False,
) -> tuple[Encoded, Digest]:
    """The arguments of a call as bytes (`decode` gives ``(args, kwargs)``), and their digest.

    The same as `encode` and `digest` one after the other, in half the time where arguments are short.

    Args:
        args: the positional arguments.
        kwargs: the others.
        pickle: as for `encode`.

    Raises:
        NotRecordable: an argument cannot be recorded.
    """
    if len(args) < 16 and len(kwargs) < 64:
        out = [_CALLS[len(args)]]
        ids: list[int] = []
        for argument in args:
            item = leaf(argument, class_of(argument)) or _tree(argument, ids)
            if item is None or len(item) > SPAN_SIZE:
                break
            out.append(item)
        else:
            out.append(b"\x8d" + INTS[len(kwargs)])
            last = ""
            for key, argument in kwargs.items():
                item = leaf(argument, class_of(argument)) or _tree(argument, ids)
                if item is None or key < last or len(item) > SPAN_SIZE:
                    break
                last = key
                out += (text(key), item)
            else:
                if len(ids) < 2 or len(ids) == len(set(ids)):
                    data = b"".join(out)
                    return Encoded(data), Digest(blake2b(data, digest_size=16).digest())
    places = {"args": args, "kwargs": kwargs}
    return _encode((args, dict(kwargs)), pickle, places), digest(args, kwargs)


def _tree(value: Any, ids: list[int]) -> bytes | None:
    """A plain tree as an item, and the identities of what it consists of."""
    kind = class_of(value)
    if kind is dict or kind is list:
        found = plain.containers(value)
        if found is not None:
            tree = plain.dump(value)
            if tree is not None:
                ids += found
                return b"\x8a" + count(len(tree)) + tree
    return None
