"""What a call says it takes: cores, graphics processors and memory."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Needs", "bytes_of", "gigabytes"]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIZE = re.compile(r"\s*(\d[\d_]*(?:\.\d+)?)\s*([kmgt]?)(i?)b\s*", re.IGNORECASE)


def bytes_of(size: object) -> int | None:
    """``"2GB"`` or ``"512MiB"`` in bytes; None of what is no such size."""
    if not isinstance(size, str) or (found := _SIZE.fullmatch(size)) is None:
        return None
    number, unit, binary = found.groups()
    found_bytes = float(number.replace("_", "")) * (_BINARY if binary else _UNITS)[unit.lower()]
    return round(found_bytes) or None if math.isfinite(found_bytes) else None


def gigabytes(size: int) -> str:
    return f"'{size / 1e9:.3g}GB'"


class Needs(NamedTuple):
    """What one call takes: cores, graphics processors and bytes."""

    cpus: float = 1
    gpus: float = 0
    memory: int = 0

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Needs:
        cpus, gpus = options.get("cpus"), options.get("gpus")
        return cls(1 if cpus is None else cpus, gpus or 0, bytes_of(options.get("memory")) or 0)

    def __str__(self) -> str:
        said = [f"cpus={self.cpus:g}"]
        if self.gpus:
            said.append(f"gpus={self.gpus:g}")
        if self.memory:
            said.append(f"memory={gigabytes(self.memory)}")
        return ", ".join(said)
