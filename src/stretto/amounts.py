"""What a number may be that somebody has set: a count, or an amount such as seconds or dollars.

Python's integers have no end, and what is computed with them has: they are added to floats and times, and
told to people.
"""

from __future__ import annotations

import sys
from typing import TypeGuard

__all__ = ["is_amount", "is_count"]


def is_count(value: object, least: int = 1) -> TypeGuard[int]:
    """Whether this is a whole number from the least on, of things that there may be so many of."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= sys.maxsize


def is_amount(value: object) -> TypeGuard[float]:
    """Whether this is a number from 0 on that a float can be; infinity is none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return 0 <= value <= sys.float_info.max
