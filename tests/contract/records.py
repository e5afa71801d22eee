"""Events to append, and what is awaited of a commit."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hypothesis import strategies as st

from stretto.errors import JournalError
from stretto.journal import Journal, Lease
from stretto.journal.events import (
    CallFinished,
    CallIntended,
    CallSettled,
    CallStarted,
    Decision,
    Event,
    RunEnded,
    RunResumed,
    RunStarted,
    RunState,
    StreamReceived,
    now,
)
from tests.waiting import PATIENCE


def started(
    run: str = "r", *, flow: str = "m:f", time: int | None = None, owner: str = "someone"
) -> RunStarted:
    return RunStarted(run, flow, "source", b"arguments", owner, now() if time is None else time)


def finished(number: int, result: bytes | None = b"result") -> CallFinished:
    return CallFinished(
        f"f/for:{number}/g", "m:g", b"digest %d" % number, 1, result, None, number, number + 1, number + 2
    )


def ended(state: RunState = RunState.SUCCEEDED, *, time: int | None = None) -> RunEnded:
    return RunEnded(state, b"result", None, now() if time is None else time)


def commit(journal: Journal, lease: Lease, events: Sequence[Event]) -> None:
    """Append, wait until it is durable, and raise what went wrong."""
    waiting = Waiting()
    journal.commit(lease, events, waiting)
    waiting.result()


class Waiting:
    """A `done` that can be waited for."""

    def __init__(self) -> None:
        self._called = threading.Event()
        self.calls: list[JournalError | None] = []

    def __call__(self, error: JournalError | None) -> None:
        self.calls.append(error)
        self._called.set()

    def result(self) -> None:
        assert self._called.wait(PATIENCE), "nobody called"
        [error] = self.calls
        if error is not None:
            raise error


texts = st.text(st.characters(codec="utf-8"), max_size=30)
small = st.binary(max_size=40)
values = st.none() | small
times = st.integers(-(2**63), 2**63 - 1)
attempts = st.integers(1, 2**40)

call_events: st.SearchStrategy[Event] = st.one_of(
    st.builds(RunResumed, texts, texts, times),
    st.builds(CallIntended, texts, texts, small, small, texts, attempts, times),
    st.builds(
        CallFinished, texts, texts, small, attempts, values, values, times, times, times, texts, values
    ),
    st.builds(CallStarted, texts, texts, attempts, times, times, texts),
    st.builds(StreamReceived, texts, texts, small, attempts, small, times, times, times),
    st.builds(CallSettled, texts, texts, small, st.sampled_from(Decision), values, texts, times),
    st.builds(RunEnded, st.sampled_from(RunState), values, values, times),
)
