"""The end of a run: recorded, and its lease given back."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from ..drivers.aio import threads
from ..engine.machine import Outcome
from ..errors import Cancelled, InDoubt, JournalError, NotDecodable, NotRecordable, Orphaned
from .doubts import orphaned
from .events import RunEnded, RunState, now

if TYPE_CHECKING:
    from ..secrecy import Secrecy
    from .recording import Recording

__all__ = ["releasing", "settled"]

#: Runs of this process that have ended, and whose leases are being given back.
releasing: dict[str, Future[None]] = {}
_releases = threading.Lock()

#: After these a run has not ended, and can be taken up: it was interrupted, its journal failed, or what was
#: recorded does not go with the program, which a person can change.
_NO_ENDS = (KeyboardInterrupt, asyncio.CancelledError, JournalError, Orphaned, NotDecodable)


def settled(recording: Recording, outcome: Outcome, secrecy: Secrecy | None) -> Outcome:
    """The run has ended: record how, and let go of it. Gives its outcome, which may be another one.

    `secrecy` is that of the flow.
    """
    try:
        error = _ended(recording, outcome.value, outcome.error, secrecy)
    except Exception as trouble:  # its end could not be recorded: it has not ended, for the journal
        error = outcome.error or trouble
    run = recording.lease.run
    try:
        ending = recording.releasing = threads().submit(_release, recording)
    except RuntimeError:  # the interpreter is shutting down
        _release(recording)
    else:
        with _releases:
            releasing[run] = ending
        ending.add_done_callback(partial(_released, run))
    return outcome if error is outcome.error else Outcome(None, error)


def _ended(
    recording: Recording, value: Any, error: BaseException | None, secrecy: Secrecy | None
) -> BaseException | None:
    run, history = recording.lease.run, recording.history
    if error is None and history is not None and history.writes:
        error = orphaned(run, history)
    if error is None and recording.ancestor is not None:
        error = recording.ancestor.problem(run)
    if isinstance(error, Exception) and not isinstance(error, (*_NO_ENDS, Cancelled, InDoubt)):
        # an edit may have broken the program: it is mended, and the run goes on
        if history is not None and history.edited and history.writes:
            stopped = orphaned(run, history)
            stopped.__cause__ = error
            error = stopped
    result = problem = None
    if error is None:
        try:
            result = recording.secrets.outcome(secrecy, value)
        except NotRecordable:
            pass  # nothing hangs on it: the run has succeeded, and whoever called it has its result
    if error is not None:
        problem = recording.secrets.failure(secrecy, error)
    if not isinstance(error, _NO_ENDS):
        recording.journal.append(recording.lease, [RunEnded(_state(error), result, problem, now())])
    return error


def _release(recording: Recording) -> None:
    try:
        recording.journal.release(recording.lease)
    except JournalError:
        pass  # the lease is lost, or the journal broken, which the run has been told


def _released(run: str, ending: Future[None]) -> None:
    """The run is free; by now it may have been taken up, and have ended again, which is being seen to."""
    with _releases:
        if releasing.get(run) is ending:
            del releasing[run]


def _state(error: BaseException | None) -> RunState:
    if error is None:
        return RunState.SUCCEEDED
    if isinstance(error, InDoubt):
        return RunState.IN_DOUBT
    # a flow that yields is closed by whoever goes over it, who has had enough
    return RunState.CANCELLED if isinstance(error, (Cancelled, GeneratorExit)) else RunState.FAILED
