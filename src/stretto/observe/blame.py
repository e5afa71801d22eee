"""Where the failure of a run began, the values that led to it, and what was thrown away for it.

A run fails with the exception that leaves its flow. The calls that raised it, or what it was raised from or
while handling, are found by what is recorded of their exceptions; which of several that look the same is told
by what came after: a write behind a failure shows that the failure had been handled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from ..errors import StrettoError
from ..journal.codecs import Sealed
from ..journal.codecs.view import kind_and_message
from ..journal.events import (
    CallFinished,
    CallIntended,
    Event,
    Recorded,
    RunEnded,
    RunResumed,
    RunState,
    Value,
)
from ..journal.history import TIMEOUT
from .paths import positions
from .timeline import Call, Timeline

__all__ = ["Blame", "Given", "causes"]

#: So many calls whose results led to the failure are told.
_VALUES = 24


@dataclass(frozen=True, slots=True)
class Given:
    """A call whose result another one needed: how far that is from the failure, 1 for what it was given."""

    depth: int
    call: Call


class Blame:
    """Why a run failed.

    Attributes:
        timeline: its calls in time.
        error: the exception that it failed with, as it is recorded; None if it did not fail, or if that
            cannot be read.
        calls: the calls that raised it, or what it was raised from; the one where it began first. Empty
            where the code of the flow itself raised it.
        alike: how many other calls raised the same.
        values: the calls whose results led to it, the nearest first; `left_out` more are not told.
        handled: other calls that failed, in program order.
        cancelled: calls that had begun and have no end.
        for_nothing: calls that come later in the program and had ended.
        numbers: of each call, the numbers of its last events: when it was intended, and when it ended.

    Args:
        events: those of the run, with their numbers.
        read: reads a recorded value. It may raise `StrettoError`.
    """

    def __init__(self, events: Iterable[Recorded], read: Callable[[Value], Any]) -> None:
        self.numbers: dict[str, tuple[int, int]] = {}
        self._read = read
        self._errors: dict[str, Value] = {}
        self._ended: RunEnded | None = None
        self.timeline = timeline = Timeline(self._noted(events))
        self.failed = timeline.state is RunState.FAILED
        self.error: BaseException | Sealed | None = None
        self.calls: list[Call] = []
        self.alike = self.left_out = 0
        self.values: list[Given] = []
        self.handled: list[Call] = []
        self.cancelled: list[Call] = []
        self.for_nothing: list[Call] = []
        if self.failed:
            self._find()

    @property
    def outcome(self) -> Value | None:
        """The error of the run, as it is recorded."""
        return None if self._ended is None else self._ended.error

    def error_of(self, call: Call) -> Value | None:
        """What a call raised, as it is recorded."""
        return self._errors.get(call.place)

    def _noted(self, events: Iterable[Recorded]) -> Iterator[Event]:
        """The events, with what is needed of them kept."""
        for number, event in events:
            if isinstance(event, CallFinished):
                if event.call != TIMEOUT:
                    self.numbers[event.place] = self.numbers.get(event.place, (0, 0))[0], number
                    if event.error is None:
                        self._errors.pop(event.place, None)
                    else:
                        self._errors[event.place] = event.error
            elif isinstance(event, CallIntended):
                self.numbers[event.place] = number, self.numbers.get(event.place, (0, 0))[1]
            elif isinstance(event, RunEnded):
                self._ended = event
            elif isinstance(event, RunResumed):
                self._ended = None
            yield event

    def _find(self) -> None:
        timeline = self.timeline
        known = sorted([*timeline.calls, *timeline.running], key=lambda call: call.started)
        position = positions(known)
        failed = sorted((call for call in timeline.calls if call.failed), key=position.__getitem__)
        self.cancelled = list(timeline.running)
        self.error = self._of(self.outcome)
        if self.error is not None:
            by_error: dict[tuple[str, str], list[Call]] = {}
            for call in failed:
                found = self._of(self.error_of(call))
                if found is not None:
                    by_error.setdefault(kind_and_message(found), []).append(call)
            changing = [position[call] for call in known if call.changes]
            certain = max(changing, default=-1)
            for _, error in causes(self.error):
                those = by_error.get(kind_and_message(error), [])
                if those and those[0] not in self.calls:
                    open_ones = [call for call in those if position[call] >= certain]
                    self.calls.insert(0, open_ones[0] if open_ones else those[-1])
                    self.alike += len(those) - 1
        self.handled = [call for call in failed if call not in self.calls]
        if not self.calls:
            return
        self._trace(self.calls[0])
        last = max(position[call] for call in self.calls)
        led = {given.call for given in self.values}
        self.for_nothing = sorted(
            (c for c in timeline.calls if position[c] > last and c not in led and not c.changes),
            key=lambda call: -call.took,
        )

    def _of(self, value: Value | None) -> BaseException | Sealed | None:
        try:
            found = None if value is None else self._read(value)
        except StrettoError:
            return None
        return found if isinstance(found, (BaseException, Sealed)) else None

    def _trace(self, origin: Call) -> None:
        """Find the calls whose results led to a call, from the nearest on."""
        seen, level, depth = {origin}, [origin], 0
        while level:
            depth += 1
            following: list[Call] = []
            for call in level:
                for need in call.needs:
                    if need not in seen:
                        seen.add(need)
                        following.append(need)
                        if len(self.values) < _VALUES:
                            self.values.append(Given(depth, need))
                        else:
                            self.left_out += 1
            level = following


def causes(error: BaseException | Sealed) -> Iterator[tuple[str, BaseException | Sealed]]:
    """An exception and all that hangs on it, the outer first, each with how: ``from`` what it was raised,
    ``while`` handling what (even where ``from`` hides that), or ``in`` a group; the first with nothing."""
    seen: set[int] = set()
    left: list[tuple[str, BaseException | Sealed | None]] = [("", error)]
    while left:
        how, found = left.pop(0)
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield how, found
        if isinstance(found, BaseException):
            left += [("from", found.__cause__), ("while", found.__context__)]
            if isinstance(found, BaseExceptionGroup):
                left += [("in", e) for e in cast("BaseExceptionGroup[BaseException]", found).exceptions]
