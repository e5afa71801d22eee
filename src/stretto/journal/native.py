"""Calls made by code that runs as a whole: a lambda, a generator, a method that nobody has compiled.

The engine does not see them, so they are recorded where they are made. Such code runs in program order, one
piece at a time; so a call in it is known by where that code stands and by the how-manieth it is in there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..calls import Call, Done
from ..drivers.ambient import CURRENT, Current, Piece, Stopped
from ..errors import InDoubt, JournalError, Orphaned
from .doubts import in_doubt
from .history import PastState

if TYPE_CHECKING:
    from .recording import Recording

__all__ = ["Scope"]


def _never() -> bool:
    return False


class Scope(Piece):
    """One piece of code that runs as a whole, in a run that is recorded."""

    records = True

    def __init__(
        self,
        recording: Recording,
        place: str,
        wanted: Callable[[], bool],
        stop: Callable[[BaseException], None],
    ) -> None:
        super().__init__(wanted)
        self.recording = recording
        self.place = place
        self.stop = stop
        self._count = 0

    def invoke(
        self, call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], run: Callable[[], Any]
    ) -> Any:
        """Make a call, or answer it."""
        self.check()
        self._count += 1
        try:
            return self._invoke(call, f"{self.place}/{call.name}:{self._count}", args, kwargs, run)
        except (InDoubt, Orphaned, JournalError) as error:
            self._wanted = _never
            self.stop(error)
            raise Stopped(str(error)) from None

    def _invoke(
        self, call: Call[..., Any], place: str, args: tuple[Any, ...], kwargs: Mapping[str, Any],
        run: Callable[[], Any],
    ) -> Any:  # fmt: skip
        recording = self.recording
        begun, past = recording.met(call, place, args, kwargs)
        if past is not None and past.ended:
            value = recording.recorded(past, call)
            if past.state is PastState.RAISED:
                raise value
            return value
        if past is not None and past.state is PastState.INTENDED and not call.idempotent:
            try:
                answer = self._ask(call, place, args, kwargs)
            except (InDoubt, JournalError):
                raise
            except Exception as error:
                recording.went_wrong(call.name, begun, error, call.secret)
                raise
            if answer is not False:
                value = answer.result if isinstance(answer, Done) else None
                recording.came_back(call, begun, value)
                return value
        if call.changes:
            recording.check_orphans(begun)
            recording.journal.commit_here(recording.lease, [begun.intent()])
        token = CURRENT.set(Current(recording.lease.run, place, begun.key, begun.attempt))
        try:
            value = run()
        except Exception as error:
            recording.went_wrong(call.name, begun, error, call.secret)
            raise
        finally:
            CURRENT.reset(token)
        recording.came_back(call, begun, value)
        return value

    def _ask(self, call: Call[..., Any], place: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if call.check is None:
            raise in_doubt(self.recording.lease.run, call, place, args, kwargs)
        answer = call.check(*args, **kwargs)
        if inspect.iscoroutine(answer):
            from ..drivers.background import background

            answer = background().run(answer)
        return answer
