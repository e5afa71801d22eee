"""How much is done, by counting: how long it takes depends on the machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def lines_run(work: Callable[[], Any]) -> int:
    """How many lines of Python are run, each turn of a comprehension being one."""
    total = 0

    def trace(frame: Any, event: str, arg: Any) -> Any:
        nonlocal total
        total += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return total
