"""How a call has fared of late, for those who may make another one in its place.

Nothing here keeps a call from being made: it tells which of several to make first.
"""

from __future__ import annotations

import threading
from typing import Any

from .breaker import Breaker, Threshold, Verdict

__all__ = ["Health"]

#: After so many failures in a row it comes after those that are well, but for one attempt every so often.
_THRESHOLD = Threshold.parse("3/30s")


class Health:
    """Of the calls that are counted together. From any thread."""

    def __init__(self, name: str) -> None:
        self._lock = threading.Lock()
        self._breaker = Breaker(name, _THRESHOLD)
        self._rests = float("-inf")

    def rests(self, now: float) -> float:
        """Seconds for which its server asks to be left alone."""
        return max(self._rests - now, 0.0)

    def well(self, now: float) -> bool:
        """Whether it may be made as if nothing had happened."""
        with self._lock:
            return self._breaker.shut(now) is None

    def begins(self, who: Any) -> None:
        """It is made."""
        with self._lock:
            self._breaker.take(who)

    def ends(self, who: Any, call: Any, error: BaseException | None, now: float) -> None:
        """It has ended."""
        verdict = Verdict.of(call, error)
        with self._lock:
            if verdict.rest:
                self._rests = max(self._rests, now + verdict.rest)
            self._breaker.heard(who, verdict, now)
            self._breaker.leave(who)
