"""Journals as released versions of Stretto wrote them, each by the schema version in its name.

``python -m tests.contract.stored`` writes those of this version, when its schema is new. Those that
are there are never written again: what they hold is what users have.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from stretto.journal.events import (
    BlobRef,
    CallFinished,
    CallIntended,
    CallSettled,
    Decision,
    Event,
    RunEnded,
    RunResumed,
    RunStarted,
    RunState,
)

FOLDER = Path(__file__).parent

LARGE = b"0123456789" * 10_000
PART = b"part of a value"

EVENTS: list[Event] = [
    RunStarted("stored", "module:flow", "5eed", b"arguments", "1/2/boot/host", 1_000_000, "other", "flow/a"),
    CallFinished("flow/a", "module:a", b"\0\1", 1, b"result", None, 1, 2, 3, "flow/b"),
    CallFinished("flow/b", "module:b", b"\0\2", 2, LARGE, None, 4, 5, 6),
    CallFinished("flow/c", "module:ü", b"", 3, None, b"error", -7, 8, 9),
    CallIntended("flow/d", "module:d", b"\0\3", b"arguments", "key", 1, 10),
    RunEnded(RunState.IN_DOUBT, None, b"doubt", 11),
    RunResumed("someone", "5eed2", 12),
    CallSettled("flow/d", "module:d", b"\0\3", Decision.DONE, b"value", "ann", 13),
    *(CallFinished(f"flow/for:{n}/e", "module:e", b"e", 1, b"%d" % n, None, n, n, n) for n in range(300)),
    RunEnded(RunState.SUCCEEDED, b"end", None, 14),
]


def read_back() -> list[Event]:
    """The events as a journal gives them."""
    ref = BlobRef(sha256(LARGE).digest(), len(LARGE))
    events = list(EVENTS)
    events[2] = CallFinished("flow/b", "module:b", b"\0\2", 2, ref, None, 4, 5, 6)
    return events
