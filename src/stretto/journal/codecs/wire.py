"""The bytes of a recorded value, format version 1.

The first byte is the version. What follows is one *item*. An item begins with a tag, and says how long it is,
so that items follow each other without anything in between. Numbers of things are *counts*: seven bits a
byte, lowest first, the high bit set on all but the last.

| tag | item |
|---|---|
| `00` to `3f` | the int 0 to 63 |
| `40` to `7f` | a str of 0 to 63 bytes of UTF-8 (lone surrogates in the way of `surrogatepass`) |
| `80` to `84` | `None`, `False`, `True`, `...`, and a field that has no value |
| `85` INT | count, that many bytes: two's complement, lowest first |
| `86` FLOAT | eight bytes, IEEE 754, lowest first |
| `87` STR, `88` BYTES, `89` BYTEARRAY | count, that many bytes |
| `8a` JSON | count, that many bytes of UTF-8: a tree of dicts with str keys, lists and plain scalars |
| `8b` LIST, `8c` TUPLE, `8e` SET, `8f` FROZENSET | count, that many items |
| `8d` DICT | count, twice that many items: key, value, key, value |
| `90` REF | count: the n-th shared thing of this value, from 0 |
| `91` OBJECT | a class, count, that many items (what they are is up to the kind of class) |
| `92` EXT | count: which built-in codec (`extensions`), count, that many items |
| `93` PICKLE | the name of its class for people (a str item), count, that many bytes of pickle |
| `94` SPLIT | only at the start: some bytes lie elsewhere (`blobs`) |

*Shared things* are numbered as they begin: every BYTEARRAY, LIST, TUPLE, DICT, SET, FROZENSET, PICKLE, every
OBJECT of a kind in `SHARED_KINDS`, every EXT whose codec says so, and every STR or BYTES of more than
`SHARED_SIZE` bytes. A REF may stand inside of the thing it refers to: that is a cycle. What is inside of a
JSON item has no numbers; the encoder writes JSON only where nothing in it is met twice.

*Classes* are numbered as they are met. A class is its number as a count; the first time, its definition
follows, after the number of its bytes: one byte for the kind (`KINDS`), its module and its name within it
(two str items), and the names of its fields (a count and as many str items). So a hundred objects of one
class name it once.

Version 1 will be read for ever. A new tag, kind or built-in codec is an addition that older versions of
Stretto refuse with a clear error; a changed meaning is a new version.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from types import EllipsisType, NoneType
from typing import Any

from ...errors import CorruptValue

VERSION = 1
#: Tags, named as in the table above.
NONE, FALSE, TRUE, ELLIPSIS, MISSING = 0x80, 0x81, 0x82, 0x83, 0x84
INT, FLOAT, STR, BYTES, BYTEARRAY, JSON = 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A
LIST, TUPLE, DICT, SET, FROZENSET = 0x8B, 0x8C, 0x8D, 0x8E, 0x8F
REF, OBJECT, EXT, PICKLE, SPLIT = 0x90, 0x91, 0x92, 0x93, 0x94

#: Kinds of classes: what the items of an OBJECT are.
DATACLASS, NAMEDTUPLE, PYDANTIC, EXCEPTION, ENUM, FLAG, CLASS, REGISTERED = b"dnpxefcr"
KINDS = frozenset(b"dnpxefcr")
#: The kinds whose objects are numbered: it matters, or it saves something, that one thing stays one thing.
SHARED_KINDS = frozenset((DATACLASS, NAMEDTUPLE, PYDANTIC, EXCEPTION, REGISTERED))

#: A str or bytes of more bytes than this is written once, however often it is met.
SHARED_SIZE = 64
#: Leaves of more bytes than this are remembered as spans, which `blobs.split` can take out.
SPAN_SIZE = 1024

#: The version byte, and it with the tag of short strings and ints: what most results of calls begin with.
HEAD = bytes((VERSION,))
INTS: list[bytes] = [bytes((n,)) for n in range(64)]
STRS: list[bytes] = [bytes((0x40 + n,)) for n in range(64)]
_COUNTS = [bytes((n,)) for n in range(128)]


def count(n: int) -> bytes:
    """A count: `n`, at least 0, seven bits a byte."""
    if n < 128:
        return _COUNTS[n]
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def read_count(data: bytes, at: int) -> tuple[int, int]:
    """The count that begins at `at`, and where it ends.

    Raises:
        IndexError: the bytes end before it does.
        CorruptValue: it is larger than anything could be.
    """
    n = shift = 0
    while True:
        byte = data[at]
        at += 1
        n |= (byte & 127) << shift
        if byte < 128:
            return n, at
        shift += 7
        if shift > 63:
            raise CorruptValue("a count in a recorded value is out of all bounds")


def integer(n: int) -> bytes:
    """Any int as an item."""
    if 0 <= n < 64:
        return INTS[n]
    raw = n.to_bytes(n.bit_length() // 8 + 1, "little", signed=True)
    return b"\x85" + count(len(raw)) + raw


def utf8(text: str) -> bytes:
    """The bytes of a str, lone surrogates and all."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def text(value: str) -> bytes:
    """A str as an item."""
    raw = utf8(value)
    size = len(raw)
    return STRS[size] + raw if size < 64 else b"\x87" + count(size) + raw


CONSTANTS: dict[Any, bytes] = {None: b"\x80", False: b"\x81", True: b"\x82", Ellipsis: b"\x83"}
CONSTANT_TYPES = frozenset((NoneType, bool, EllipsisType))
SEQUENCES: dict[Any, bytes] = {list: b"\x8b", tuple: b"\x8c", set: b"\x8e", frozenset: b"\x8f"}
pack_float: Callable[[int, Any], bytes] = Struct("<Bd").pack
#: `type`, for values of which nothing is known.
class_of: Callable[[object], Any] = type


def leaf(value: Any, kind: Any) -> bytes | None:
    """A str, number or constant as an item; None for anything else."""
    if kind is str:
        return text(value)
    if kind is int:
        return integer(value)
    if kind is float:
        return pack_float(0x86, value)
    if kind in CONSTANT_TYPES:
        return CONSTANTS[value]
    return None
