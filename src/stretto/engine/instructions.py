"""What the engine asks of its driver: what to do, and of which node."""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "AWAIT",
    "CANCEL",
    "CLOSE",
    "MORE",
    "NATIVE",
    "NEEDED",
    "OPEN",
    "START",
    "TIMER",
    "UNTIMED",
    "Instruction",
]

#: Start a declared call.
START: Final = "start"
#: Run other code in the user's own thread.
NATIVE: Final = "native"
#: Await something on the event loop.
AWAIT: Final = "await"
#: Cancel a call, and await its end.
CANCEL: Final = "cancel"
#: Start the clock of a flow that is called in a flow (see `stretto.engine.timers`).
TIMER: Final = "timer"
#: Stop that clock.
UNTIMED: Final = "untimed"
#: Start the source of a stream (see `stretto.engine.streams`).
OPEN: Final = "open"
#: Go on with a source: one more item is wanted.
MORE: Final = "more"
#: All else waits for a source that is held up (see `stretto.engine.streams.hold`).
NEEDED: Final = "needed"
#: End a source, and await its end.
CLOSE: Final = "close"

Instruction = tuple[str, Any]
