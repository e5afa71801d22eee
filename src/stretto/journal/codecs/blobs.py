"""Large values in pieces, so that a journal can keep equal pieces once and outside of its events.

What `split` gives looks like this: the version byte, SPLIT, the number of blobs, and for each its place in
the whole, its length (counts) and its hash (32 bytes of BLAKE2b); then the bytes that are left, in their
order."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from ...errors import CorruptValue
from .encode import Encoded
from .wire import HEAD, SPLIT, VERSION, count, read_count

__all__ = ["Parts", "blob_name", "join", "references", "split"]

_NAME_SIZE = 32
_MARK = HEAD + bytes((SPLIT,))
LIMIT = 64 * 1024


class Parts(NamedTuple):
    """A value in pieces.

    Attributes:
        data: what goes into the event; it names the blobs.
        blobs: the blobs by their names.
    """

    data: bytes
    blobs: dict[bytes, bytes]


def blob_name(blob: bytes) -> bytes:
    """The name of a blob, which is a hash of what is in it: 32 bytes."""
    return blake2b(blob, digest_size=_NAME_SIZE).digest()


def split(encoded: Encoded, limit: int = LIMIT) -> Parts:
    """Take out what is large.

    Every str, bytes and array of more than `limit` bytes becomes a blob of its own, so that a document that
    is passed from call to call is kept once. If more than `limit` bytes are left, they become a blob, too.
    """
    data = encoded.data
    if len(data) <= limit:
        return Parts(data, {})
    spans = [(start, end) for start, end in encoded.spans if end - start > limit]
    left = len(data) - sum(end - start for start, end in spans)
    if left > limit:
        spans = [(0, len(data))] if not spans else _gaps(spans, len(data), limit)
    blobs: dict[bytes, bytes] = {}
    head = [_MARK, count(len(spans))]
    rest: list[bytes] = []
    done = 0
    for start, end in spans:
        blob = data[start:end]
        name = blob_name(blob)
        blobs[name] = blob
        head += (count(start), count(end - start), name)
        rest.append(data[done:start])
        done = end
    rest.append(data[done:])
    return Parts(b"".join(head + rest), blobs)


def _gaps(spans: list[tuple[int, int]], size: int, limit: int) -> list[tuple[int, int]]:
    """The spans, and what lies between them where it is much: what is left stays small enough."""
    full: list[tuple[int, int]] = []
    done = 0
    for start, end in [*spans, (size, size)]:
        if start - done > min(limit, 4096):
            full.append((done, start))
        if end > start:
            full.append((start, end))
        done = end
    return full


def references(data: bytes) -> list[bytes]:
    """The names of the blobs that a recorded value needs; empty for one that is whole.

    Raises:
        CorruptValue: the bytes are damaged.
    """
    return [name for _, _, name in _table(data)[0]]


def join(data: bytes, get_blob: Callable[[bytes], bytes]) -> bytes:
    """The whole value, for `decode`.

    Args:
        data: what `split` gave; a value that is whole comes back as it is.
        get_blob: gives the blob of a name.

    Raises:
        CorruptValue: the bytes are damaged, or a blob is not what its name says.
    """
    table, at = _table(data)
    if not table:
        return data
    out: list[bytes] = []
    done = 0
    for start, size, name in table:
        gap = start - done
        if gap < 0 or at + gap > len(data):
            raise CorruptValue("a recorded value that was split does not fit together again")
        blob = get_blob(name)
        if len(blob) != size or blob_name(blob) != name:
            raise CorruptValue(f"the blob {name.hex()[:16]} is damaged: its content does not match its name")
        out += (data[at : at + gap], blob)
        at += gap
        done = start + size
    out.append(data[at:])
    return b"".join(out)


def _table(data: bytes) -> tuple[list[tuple[int, int, bytes]], int]:
    """Where blobs belong (place, size, name), and where what is left begins."""
    if data[:2] != _MARK:
        if not data or data[0] != VERSION:
            raise CorruptValue("these bytes are no recorded value")
        return [], 0
    try:
        n, at = read_count(data, 2)
        table: list[tuple[int, int, bytes]] = []
        for _ in range(n):
            start, at = read_count(data, at)
            size, at = read_count(data, at)
            name = data[at : at + _NAME_SIZE]
            at += _NAME_SIZE
            if len(name) < _NAME_SIZE:
                raise IndexError
            table.append((start, size, name))
    except IndexError:
        raise CorruptValue("a recorded value that was split is cut off") from None
    return table, at
