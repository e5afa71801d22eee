"""What is recorded of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Items"]


@dataclass(frozen=True, slots=True)
class Items:
    """What a stream gave.

    Attributes:
        items: the items, as received.
        left: whether its loop left it before it had ended: there may be more.
    """

    items: list[Any]
    left: bool = False
