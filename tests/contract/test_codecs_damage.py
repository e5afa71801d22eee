"""Bytes that are no recorded value: one clear error, whatever they are."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stretto import errors
from stretto.errors import CorruptValue, NotDecodable
from stretto.journal.codecs import decode, encode, join, references, wire
from tests.contract import samples

STORED = {
    name: bytes.fromhex(text)
    for name, text in json.loads((Path(__file__).parent / "stored" / "values_v1.json").read_text()).items()
}


def attempt(data: bytes) -> Any:
    """A value or one of the two errors; nothing else."""
    try:
        return decode(data)
    except (CorruptValue, NotDecodable):
        return None


@settings(max_examples=600, deadline=None)
@given(st.binary(max_size=60))
@example(b"\x01\x8b\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
@example(b"\x01\x88\xff\xff\xff\xff\x0f")
@example(b"\x01\x8a\x02[[")
def test_random_bytes(data: bytes) -> None:
    attempt(data)
    attempt(b"\x01" + data)
    attempt(b"\x01\x8b\x03" + data)
    attempt(b"\x01\x92" + data)


TAGS = st.sampled_from([bytes((tag,)) for tag in (*range(0x80, 0x96), 0, 1, 2, 3, 40, 41, 0x41, 0x61)])


@settings(max_examples=600, deadline=None)
@given(st.lists(TAGS, max_size=40).map(b"".join))
def test_random_tags(data: bytes) -> None:
    attempt(b"\x01" + data)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(sorted(STORED)), st.data())
def test_mutated_values(name: str, data: Any) -> None:
    raw = bytearray(STORED[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        how = data.draw(st.integers(0, 3))
        if how == 0:
            raw[at] = data.draw(st.integers(0, 255))
        elif how == 1:
            del raw[at : at + data.draw(st.integers(1, 5))]
        elif how == 2:
            raw[at:at] = data.draw(st.binary(max_size=4))
        else:
            raw[at] ^= 1 << data.draw(st.integers(0, 7))
        if not raw:
            return
    attempt(bytes(raw))


def test_every_cut_is_seen() -> None:
    for name, data in STORED.items():
        for size in range(len(data)):
            with pytest.raises((CorruptValue, NotDecodable)):
                decode(data[:size])
            if size > 300:
                break
        with pytest.raises(CorruptValue):
            decode(data + b"\x80")
        assert name


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "at least 2 bytes"),
        (b"\x02\x80", "version 2 of the format"),
        (b"{}", "no recorded value"),
        (b"\x01\xff", "unknown tag 0xff"),
        (b"\x01\x94\x01", "join"),
        (b"\x01\x84", "missing"),
        (b"\x01\x90\x00", "cut off"),
        (b"\x01\x41\xff", "no UTF-8"),
        (b"\x01\x8d\x01\x8b\x00\x80", "unhashable"),
        (b"\x01\x8a\x05[1, 2", "JSON"),
        (b"\x01\x8a\x06[1]  x", "JSON"),
        (b"\x01\x92\x63\x00", "built-in codec 99"),
        (b"\x01\x91\x05\x00", "class that was not told"),
        (b"\x01\x91\x00\x06zAaAb\x00\x00", "kind of class"),
        (b"\x01\x8b\x01\x8c\x01\x90\x01", "refers to itself"),
        (b"\x01\x92\x0a\x01\x43abc", "Decimal"),
        (b"\x01\x92\x0b\x02\x01\x00", "denominator"),
        (b"\x01\x88" + b"\xff" * 12, "out of all bounds"),
    ],
)
def test_what_is_said(data: bytes, said: str) -> None:
    with pytest.raises(CorruptValue, match=said):
        decode(data)


def test_sizes_are_checked_before_anything_is_allocated() -> None:
    huge = wire.count(2**62)
    for tag in (0x85, 0x87, 0x88, 0x89, 0x8A, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x93):
        with pytest.raises(CorruptValue):
            decode(bytes((1, tag)) + huge + b"abc")
    with pytest.raises(CorruptValue):
        decode(encode({1: (2,)}).data.replace(b"\x8d\x01", b"\x8d\xff\xff\xff\xff\x07"))


def test_depth_does_not_overflow() -> None:
    for tag in (b"\x8b\x01", b"\x8c\x01", b"\x8f\x01", b"\x92\x0e\x02\x80"):
        attempt(b"\x01" + tag * 30_000 + b"\x80")
    for inner in (b"\x8a\x02[]", b"\x8a\x08" + b"[" * 4 + b"]" * 4):
        attempt(b"\x01" + b"\x8b\x01" * 50_000 + inner)
    text = b"[" * 100_000 + b"]" * 100_000
    with pytest.raises(CorruptValue):
        decode(b"\x01\x8a" + wire.count(len(text)) + text)


def test_hashing_is_bounded() -> None:
    """A key of 2**60 parts takes 130 bytes to write, and for ever to hash."""
    levels = 60
    inner = b"\x8c\x01\x80"
    for level in range(levels):
        inner = b"\x8c\x02" + inner + b"\x90" + wire.count(levels - level)
    with pytest.raises(CorruptValue, match="in time"):
        decode(b"\x01\x8d\x01" + _numbered(levels) + b"\x80")
    assert decode(b"\x01" + _numbered(levels, first=0))  # as a value it is no more than its bytes


def _numbered(levels: int, first: int = 1) -> bytes:
    """A tuple of two, which are one, and are a tuple of two, which are one ..."""
    out = b""
    for _ in range(levels):
        out += b"\x8c\x02"
    out += b"\x8c\x00"
    for level in range(levels):
        out += b"\x90" + wire.count(first + levels - level)
    return out


def test_deep_keys_are_refused() -> None:
    for head in (b"\x8d\x01", b"\x8e\x01", b"\x8f\x01"):
        with pytest.raises(CorruptValue, match="deeper"):
            decode(b"\x01" + head + b"\x8c\x01" * 50_000 + b"\x80" + b"\x80")


def test_no_code_runs_that_the_bytes_choose() -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return exec, ("raise SystemExit('ran')",)

    raw = pickle.dumps(Bomb())
    with pytest.raises(NotDecodable, match="pickle=True"):
        decode(b"\x01\x93" + wire.text("m.Bomb") + wire.count(len(raw)) + raw)

    def claim(kind: str, module: str, name: str, *items: bytes) -> bytes:
        definition = kind.encode() + wire.text(module) + wire.text(name) + b"\x00"
        return (
            b"\x01\x91\x00"
            + wire.count(len(definition))
            + definition
            + wire.count(len(items))
            + b"".join(items)
        )

    for kind in "dnpxefr":
        for module, name in [
            ("os", "system"),
            ("builtins", "eval"),
            ("subprocess", "Popen"),
            ("antigravity", "x"),
            ("this", "s"),
        ]:
            value = attempt(claim(kind, module, name, b"\x42hi"))
            assert value is None or isinstance(value, errors.RecordedError)
    import sys

    assert not {"antigravity", "this"} & set(sys.modules)
    with pytest.raises(NotDecodable):
        decode(claim("c", "os", "environ.get"))


def test_a_lazy_module_gets_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    def lazy(name: str) -> Any:
        raise SystemExit(name)

    monkeypatch.setattr(samples, "__getattr__", lazy, raising=False)
    data = encode(samples.Plain("a")).data
    monkeypatch.delattr(samples, "Plain")
    with pytest.raises(NotDecodable, match="no such class"):
        decode(data)


def test_damaged_arrays_and_tables() -> None:
    for name in ("array", "structured", "table", "batch", "numpy scalars", "times"):
        data = STORED[name]
        for at in range(1, len(data), 1 if len(data) < 400 else 7):
            attempt(data[:at] + bytes((data[at] ^ 0x15,)) + data[at + 1 :])
    for dtype in (b"O", b"|O8", b"O,i4", b"f8,f8", b"", b"|V0", b"<U0"):
        said = b"\x92\x28\x04" + bytes((0x40 + len(dtype),)) + dtype + b"\x41C\x88\x00\x00"
        attempt(b"\x01" + said)


def test_damaged_pieces() -> None:
    for data in (
        b"",
        b"\x02\x94",
        b"\x01\x94",
        b"\x01\x94\x01\x00",
        b"\x01\x94\xff\xff",
        b"\x01\x94" + b"\xff" * 20,
    ):
        with pytest.raises(CorruptValue):
            references(data)
        with pytest.raises(CorruptValue):
            join(data, lambda name: b"")
    assert struct.calcsize("<d") == 8
