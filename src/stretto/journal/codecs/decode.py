"""Bytes to values. The format is in `wire`.

Bytes come from a disk that may have lost some, or from a journal that someone else wrote. So every size is
held against what is there before anything is allocated, nothing recurses, no class is made that the program
does not have, and no code runs that the bytes could choose: no `__init__`, no import, no pickle, unless the
caller allows it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ...errors import CorruptValue
from . import plain, wire
from .decoder import Decoder

__all__ = ["decode"]


def decode(
    data: bytes | bytearray | memoryview, *, pickle: bool = False, modules: Collection[str] = ()
) -> Any:
    """The value that `encode` made these bytes of.

    Args:
        data: what `encode` gave, or `join` made whole again.
        pickle: whether values that were pickled may be read, which runs code that the bytes choose.
        modules: names of modules that may be imported to find classes. Others must be loaded already.

    Raises:
        CorruptValue: these bytes are no value.
        NotDecodable: the value is of a class, library, codec or time zone that is not here; the message says
            what to import, install or declare.
    """
    if type(data) is not bytes:  # some drivers of databases give a memoryview
        data = bytes(data)
    size = len(data)
    if size < 2 or data[0] != wire.VERSION:
        raise _no_value(data)
    tag = data[1]
    try:
        if 0x40 <= tag < 0x80:
            if size != tag - 0x3E:
                raise CorruptValue("a recorded str is cut off, or something follows it")
            return str(data[2:], "utf-8", "surrogatepass")
        if tag < 0x40 and size == 2:
            return tag
        if tag == wire.JSON or tag == wire.STR:
            end, at = wire.read_count(data, 2)
            if at + end == size:
                return plain.load(data[at:]) if tag == wire.JSON else str(data[at:], "utf-8", "surrogatepass")
        decoder = Decoder(data, 1, pickle, modules)
        value = decoder.run()
        if decoder.at != size:
            raise CorruptValue(
                f"a recorded value ends at byte {decoder.at:,} of {size:,}: something follows it"
            )
    except IndexError:
        raise CorruptValue(f"a recorded value is cut off after {size:,} bytes") from None
    except UnicodeDecodeError as error:
        raise CorruptValue(f"a recorded str is no UTF-8: {error}") from None
    return value


def _no_value(data: bytes) -> CorruptValue:
    if len(data) < 2:
        return CorruptValue(f"a recorded value has at least 2 bytes, and these are {len(data)}")
    if wire.VERSION < data[0] < 16:
        return CorruptValue(
            f"a value was recorded in version {data[0]} of the format, and this Stretto reads version "
            f"{wire.VERSION}: use the newer Stretto that wrote it"
        )
    return CorruptValue(f"these bytes are no recorded value: they begin with {bytes(data[:8])!r}")
