"""Parcels between two processes of one machine.

What is large goes through memory that has no name, of which only a handle is passed on: nothing of it is left
behind, whoever is killed. It is copied once, into that memory; who receives it reads it where it lies.
"""

from __future__ import annotations

import mmap
import os
import pickle
import socket
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from .parcels import Parcel

__all__ = ["receive", "send"]

#: From so many bytes on a parcel goes through shared memory.
LARGE = 1 << 18
_ALIGNED = 64
_SHARED = hasattr(os, "memfd_create") and hasattr(socket, "send_fds")


def send(wire: Connection, parcel: Parcel, label: Any = None) -> None:
    """Raises `MemoryError` before anything is sent; `OSError` if the other process is gone."""
    parts: list[Any] = [parcel.body, *parcel.buffers]
    sizes = [memoryview(part).nbytes for part in parts]
    if not _SHARED or sum(sizes) < LARGE:
        wire.send_bytes(pickle.dumps((label, [bytearray(part) for part in parts], None)))
        return
    handle = _written(parts, sizes)
    try:
        wire.send_bytes(pickle.dumps((label, None, sizes)))
        with socket.socket(fileno=os.dup(wire.fileno())) as line:
            socket.send_fds(line, [b"h"], [handle])
    finally:
        os.close(handle)


def receive(wire: Connection) -> tuple[Any, Parcel]:
    """A label, and a parcel. Raises `EOFError` or `OSError` if the other process is gone."""
    label, parts, sizes = pickle.loads(wire.recv_bytes())
    if parts is not None:
        return label, Parcel(parts[0], parts[1:])
    with socket.socket(fileno=os.dup(wire.fileno())) as line:
        _, handles, _, _ = socket.recv_fds(line, 1, 1)
    if not handles:
        raise EOFError
    starts = _starts(sizes)
    try:
        memory = memoryview(mmap.mmap(handles[0], starts[-1] + sizes[-1]))
    finally:
        os.close(handles[0])
    parts = [memory[at : at + size] for at, size in zip(starts, sizes, strict=True)]
    return label, Parcel(parts[0], parts[1:])


def _starts(sizes: Sequence[int]) -> list[int]:
    """Where in the memory the parts begin."""
    starts, at = [0] * len(sizes), 0
    for number, size in enumerate(sizes):
        starts[number] = at
        at += -(-size // _ALIGNED) * _ALIGNED
    return starts


def _written(parts: list[Any], sizes: Sequence[int]) -> int:
    starts = _starts(sizes)
    try:
        handle = os.memfd_create("stretto", os.MFD_CLOEXEC)
        try:
            os.ftruncate(handle, starts[-1] + sizes[-1])
            for part, start in zip(parts, starts, strict=True):
                left = memoryview(part).cast("B")
                while left:
                    written = os.pwrite(handle, left, start)
                    left, start = left[written:], start + written
        except BaseException:
            os.close(handle)
            raise
    except OSError as error:
        raise MemoryError(f"{sum(sizes)} bytes for another process: {error}") from None
    return handle
