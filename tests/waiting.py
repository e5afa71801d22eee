"""Waiting for what a test needs, however long a busy machine takes to come to it.

They wait for a condition, and never for a time: no sleep is long enough on a machine that stands still now
and then, and on one that does not, none is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stretto import Run

__all__ = ["PATIENCE", "time_is_up", "until"]

#: Seconds after which what should come at once is taken never to come. Tests that pass do not wait for it.
PATIENCE = 120.0


def until(holds: Callable[[], object], what: Callable[[], object] | object = "what was waited for") -> None:
    """Wait until this holds; `what` is told if it never does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {PATIENCE:g} s, still not: {what() if callable(what) else what}")
        time.sleep(0.001)


def time_is_up(run: Run[Any]) -> None:
    """Have all timeouts of a run that count now end now: of the flow, of flows in it, of calls in threads. A
    test can so have long ones, which no slow machine comes near, and need not wait for them."""
    driver = run.driver
    assert driver is not None

    def fire() -> None:
        for timer in [*driver.timers.values(), *run._timers]:
            timer._run()
            timer.cancel()

    driver.loop.call_soon_threadsafe(fire)
