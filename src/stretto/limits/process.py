"""The one limiter of this process, on its real clock."""

from __future__ import annotations

import os
import time

from .limiter import Limiter

__all__ = ["limiter"]

_limiter: list[Limiter] = []


if hasattr(os, "register_at_fork"):
    # what runs in the parent, and waits there, does not end in the child
    os.register_at_fork(after_in_child=_limiter.clear)


def limiter() -> Limiter:
    """What all runs of this process share."""
    if not _limiter:
        _limiter.append(Limiter(time.monotonic))
    return _limiter[0]
