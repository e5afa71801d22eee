"""Second attempts of calls that take unusually long, where making a call twice does not matter.

The slowest of a thousand calls make a program slow, and mostly for reasons of their own: a lost packet, a
machine that was busy. So a call that has not come back when most such calls have is made once more, and the
first answer counts ("hedged requests": Dean and Barroso, "The Tail at Scale", 2013). No more of them are made
than are to be expected of calls as they usually are; a server that is slow as a whole is not asked twice.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

__all__ = ["Latencies"]

#: How many calls are remembered, and how many there must be before any is made twice.
_KEPT, _ENOUGH = 256, 16
#: So many more than expected may be made twice; and how many that may be at once.
_MORE, _AT_ONCE = 1.15, 8.0


class Latencies:
    """How long the calls of one kind took, of late.

    Args:
        quantile: the part of calls that come back without being made twice.
    """

    def __init__(self, quantile: float) -> None:
        self.quantile = quantile
        self._order: deque[float] = deque()
        self._sorted: list[float] = []
        self._credit = 0.0

    def took(self, seconds: float) -> None:
        """A call has come back after so long, or longer."""
        if len(self._order) >= _KEPT:
            del self._sorted[bisect_left(self._sorted, self._order.popleft())]
        self._order.append(seconds)
        insort(self._sorted, seconds)

    def patience(self) -> float | None:
        """After how many seconds the call that begins now may be made again; None if not at all."""
        self._credit = min(self._credit + (1 - self.quantile) * _MORE, _AT_ONCE)
        if len(self._order) < _ENOUGH:
            return None
        return self._sorted[min(int(len(self._sorted) * self.quantile), len(self._sorted) - 1)]

    def spend(self) -> bool:
        """Whether one may be made again now."""
        if self._credit < 1:
            return False
        self._credit -= 1
        return True
