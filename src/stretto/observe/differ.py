"""Where two runs part: the first operation, in program order, that is not the same in both.

The events of both are gone through side by side, and what is the same in both is forgotten at once; so what
is held in memory is what differs, and what one of them has come to before the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import zip_longest
from typing import NamedTuple, cast

from ..errors import StrettoError
from ..journal.codecs import Sealed, encode
from ..journal.codecs.view import view
from ..journal.events import (
    BlobRef,
    CallFinished,
    CallIntended,
    CallSettled,
    CallStarted,
    Decision,
    Event,
    Recorded,
    RunEnded,
    RunResumed,
    RunStarted,
    Value,
)
from ..journal.history import ANY_ARGUMENTS
from .paths import positions

__all__ = ["ARGUMENTS", "CALL", "ENDED", "ERROR", "ONLY", "RESULT", "Difference", "Differences", "Side"]

#: How an operation differs: what is called there, its arguments, its result, how it failed; whether it has
#: ended; whether it was made at all.
CALL, ARGUMENTS, RESULT, ERROR, ENDED, ONLY = "call", "arguments", "result", "error", "ended", "only"

#: What a secret begins with: it is encrypted, and so has other bytes each time.
_SEALED = encode(Sealed(b"", b"")).data[1:4]

#: Of so many large results it is looked whether they differ in secrets alone.
_LARGE = 100


class _Known(NamedTuple):
    """What is kept of an operation that has ended."""

    call: str
    digest: bytes
    failed: bool
    outcome: bytes | BlobRef
    at: str
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """An operation that is not the same in both runs.

    Attributes:
        place: where it stands.
        how: one of the words above.
        call: the name of the function.
        line: the file and the line; an empty name where they are not recorded.
        numbers: in each of the two runs, those of its last events: that it begins, and that it ended; 0 for
            what is not there.
    """

    place: str
    how: str
    call: str
    line: tuple[str, int]
    numbers: tuple[tuple[int, int], tuple[int, int]]

    @property
    def only(self) -> int:
        """In which run it is alone: 1 or 2; 0 if it is in both."""
        first, second = (any(numbers) for numbers in self.numbers)
        return 0 if first and second else 1 if first else 2


class Side:
    """One of the two runs, as far as it has been read.

    Attributes:
        started, ended: its first event, and its last end.
        calls: how many operations it has that ended.
        intended: by place, the numbers of the events that tell that an operation begins.
    """

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.ended: RunEnded | None = None
        self.known: dict[str, _Known] = {}
        self.intended: dict[str, int] = {}
        self.begun: dict[str, tuple[str, int]] = {}
        self.edited = False

    def take(self, number: int, event: Event) -> str:
        """Take note of an event; the place of the operation that has ended, if that is what it tells."""
        if isinstance(event, CallFinished):
            outcome = event.result if event.error is None else event.error
            at = event.waited_for.split("\n", 2)[1] if "\n" in event.waited_for else ""
            failed = event.error is not None
            self.known[event.place] = _Known(event.call, event.digest, failed, _mark(outcome), at, number)
            self.begun.pop(event.place, None)
            return event.place
        if isinstance(event, CallIntended):
            self.intended[event.place] = number
            self.begun[event.place] = event.call, number
        elif isinstance(event, CallStarted):
            self.begun.setdefault(event.place, (event.call, number))
        elif isinstance(event, CallSettled):
            self.begun.pop(event.place, None)
            if event.decision is Decision.DONE:
                mark = _mark(event.value)
                self.known[event.place] = _Known(event.call, event.digest, False, mark, "", number)
                return event.place
        elif isinstance(event, RunStarted):
            self.started = event
        elif isinstance(event, RunResumed):
            self.ended = None
            self.edited = self.edited or (self.started is not None and event.source != self.started.source)
        elif isinstance(event, RunEnded):
            self.ended = event
        return ""

    def forget(self, place: str) -> None:
        del self.known[place]
        self.intended.pop(place, None)


class Differences:
    """How two runs differ.

    Attributes:
        sides: the two runs.
        same: how many operations are the same in both.
        found: those that are not, in program order.
        flow, arguments, outcome: whether they are the same in both.

    Args:
        events: gives the events of the first or of the second run, 0 or 1, from the beginning.
        blob: reads what is stored apart, of the first run or of the second. It may raise `StrettoError`.
    """

    def __init__(
        self, events: Callable[[int], Iterator[Recorded]], blob: Callable[[int, bytes], bytes]
    ) -> None:
        self._blob = blob
        # what an edit has moved may be recorded twice, and is told by its last time
        if not self._compared(events, forget=True):
            self._compared(events, forget=False)
        first, second = (side.started for side in self.sides)
        assert first is not None and second is not None
        self.flow = first.flow == second.flow
        self.arguments = self._equal(first.arguments, second.arguments)
        ends = [side.ended for side in self.sides]
        self.outcome = _state(ends[0]) == _state(ends[1]) and all(
            self._equal(*(None if end is None else getattr(end, name) for end in ends))
            for name in ("result", "error")
        )

    @property
    def equal(self) -> bool:
        return self.flow and self.arguments and self.outcome and not self.found

    def counts(self) -> dict[str, int]:
        """How many operations are the same, differ, and are in one of the runs only."""
        alone = [each.only for each in self.found]
        return {
            "same": self.same, "different": alone.count(0),
            "only_first": alone.count(1), "only_second": alone.count(2),
        }  # fmt: skip

    def _compared(self, events: Callable[[int], Iterator[Recorded]], *, forget: bool) -> bool:
        self.sides = one, two = Side(), Side()
        self.same = 0
        for pair in zip_longest(events(0), events(1)):
            for side, recorded in zip(self.sides, cast("tuple[Recorded | None, ...]", pair), strict=True):
                if recorded is None:
                    continue
                place = side.take(recorded.seq, recorded.event)
                if not forget:
                    continue
                if side.edited:
                    return False
                first, second = one.known.get(place), two.known.get(place)
                # one that has failed may be made again
                if first and second and not first.failed and not second.failed and not _how(first, second):
                    one.forget(place)
                    two.forget(place)
                    self.same += 1
        self.found = self._left()
        return True

    def _left(self) -> list[Difference]:
        """What differs."""
        one, two = self.sides
        found: list[Difference] = []
        tried = 0
        places = [*one.known, *one.begun, *two.known, *two.begun]
        for place in dict.fromkeys(places):
            first, second = one.known.get(place), two.known.get(place)
            numbers = tuple(
                (
                    side.intended.get(place, 0) or side.begun.get(place, ("", 0))[1],
                    0 if known is None else known.number,
                )
                for side, known in ((one, first), (two, second))
            )
            if first is not None and second is not None:
                how = _how(first, second)
                large = isinstance(first.outcome, BlobRef) and isinstance(second.outcome, BlobRef)
                if how in (RESULT, ERROR) and large and tried < _LARGE:
                    tried += 1
                    how = "" if self._equal(first.outcome, second.outcome) else how
                if not how:
                    self.same += 1
                    continue
            elif first is None and second is None and place in one.begun and place in two.begun:
                self.same += 1  # in neither it has ended
                continue
            else:
                how = ENDED if all(any(each) for each in numbers) else ONLY
            known = first or second
            call = known.call if known is not None else (one.begun.get(place) or two.begun[place])[0]
            at = next((each.at for each in (first, second) if each is not None and each.at), "")
            found.append(Difference(place, how, call, _line(at), (numbers[0], numbers[1])))
        position = positions(found)
        return sorted(found, key=position.__getitem__)

    def _equal(self, first: Value | None, second: Value | None) -> bool:
        """Whether two values are the same, as far as can be told without a key."""
        if first == second:
            return True
        if first is None or second is None:
            return False
        whole: list[bytes] = []
        for number, value in enumerate((first, second)):
            if isinstance(value, BlobRef):
                try:
                    value = self._blob(number, value.digest)
                except StrettoError:
                    return False
            whole.append(value)
        return _mark(whole[0]) == _mark(whole[1])


def _how(first: _Known, second: _Known) -> str:
    """How two operations at one place differ; nothing if they do not."""
    if first.call != second.call:
        return CALL
    if first.digest != second.digest and ANY_ARGUMENTS not in (first.digest, second.digest):
        return ARGUMENTS
    if first.failed == second.failed and first.outcome == second.outcome:
        return ""
    return ERROR if first.failed or second.failed else RESULT


def _mark(value: Value | None) -> bytes | BlobRef:
    """The same for values that are the same, and for no others."""
    if value is None or isinstance(value, BlobRef):
        return value or b""
    if _SEALED in value:
        try:
            value = repr(view(value)).encode(errors="replace")
        except Exception:  # it is no value, or one that is deeper than this goes
            return value
    return value if len(value) <= 32 else blake2b(value, digest_size=24).digest()


def _line(at: str) -> tuple[str, int]:
    file, _, line = at.rpartition(":")
    return (file, int(line)) if line.isdecimal() else ("", 0)


def _state(end: RunEnded | None) -> str:
    return "" if end is None else end.state.value
