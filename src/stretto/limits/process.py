"""The one limiter of this process, on its real clock."""

from __future__ import annotations

import time

from .limiter import Limiter

__all__ = ["limiter"]

_limiter: list[Limiter] = []


def limiter() -> Limiter:
    """What all runs of this process share."""
    if not _limiter:
        _limiter.append(Limiter(time.monotonic))
    return _limiter[0]
