"""Rates: so much in so long, and never more than that in any window of that length."""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass, field

from ..amounts import is_count
from ..errors import DeclarationError

__all__ = ["Rate", "Taken", "Window", "is_rate", "times_of"]

_UNITS = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "day": 86400.0,
}
_TEXT = re.compile(r"\s*([0-9][0-9_,]*)\s*(?:/|per\s)\s*([0-9.]*)\s*([a-z]+)\s*")

#: A window is taken to be longer by this part of it: calls that left further apart than it is long may arrive
#: closer together, as no two take the same time on their way; by so many seconds at least, as threads take
#: turns, but of a short window by no more than that part.
_MARGIN, _TURNS, _AT_MOST = 0.01, 0.01, 0.1

#: So many entries a window keeps apart. Beyond them, what is taken within that part of it is one entry.
_APART = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many (of calls, of tokens) in so many seconds."""

    count: int
    seconds: float
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: object) -> Rate:
        """Read ``"600/min"``, ``"90_000/min"``, ``"5/s"``, ``"100/15min"``; else `DeclarationError`."""
        found = times_of(_TEXT, text)
        if found is None:
            raise DeclarationError(
                f"a rate is a number and a time, as in '600/min', '5/s' or '90_000/day'; found {text!r}"
            )
        return cls(*found)

    def __str__(self) -> str:
        return self.text


def times_of(pattern: re.Pattern[str], text: object) -> tuple[int, float, str] | None:
    """How often, in how many seconds, and what says so; None if a text of that pattern says no such thing."""
    found = pattern.fullmatch(text) if isinstance(text, str) else None
    seconds = None if found is None else _seconds_of(found[2], found[3])
    if found is None or seconds is None:
        return None
    try:
        count = int(found[1].replace(",", "").replace("_", ""))
    except ValueError:  # it has more digits than Python reads
        return None
    return (count, seconds, found[0].strip()) if is_count(count) else None


def _seconds_of(number: str, unit: str) -> float | None:
    """A time, as in ``15`` and ``min``; None if it is none."""
    found = _UNITS.get(unit.removesuffix("s") or "s")
    try:
        seconds = 0.0 if found is None else float(number or 1) * found
    except ValueError:
        return None
    return seconds if 0 < seconds < math.inf else None


def is_rate(text: object) -> bool:
    """Whether `Rate.parse` takes it."""
    try:
        Rate.parse(text)
    except DeclarationError:
        return False
    return True


class _Entry:
    """What was taken between two moments that are close together, or the same."""

    __slots__ = ("amount", "first", "last")

    def __init__(self, amount: float, now: float) -> None:
        self.amount = amount
        self.first = self.last = now


class Taken:
    """So much of a window, which is told by it how much it turned out to be."""

    __slots__ = ("amount", "entry")

    def __init__(self, amount: float, entry: _Entry) -> None:
        self.amount = amount
        self.entry = entry


class Window:
    """What was taken of a rate, and when: a sliding log, by which no window ever holds more than the rate.

    An entry goes when its time has come. There are never many more than twice `_APART`, whatever the rate
    allows: where they are many, what is taken close together is counted as one entry, and all of it until the
    last of it has left the window. What is reserved counts as well, and its time begins when it is taken.
    """

    __slots__ = ("_log", "_reserved", "_taken", "rate", "span")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        seconds = rate.seconds
        self.span = seconds + max(seconds * _MARGIN, min(_TURNS, seconds * _AT_MOST))
        self._log: deque[_Entry] = deque()
        self._taken = 0.0
        #: How many have reserved something, which is part of what is taken.
        self._reserved = 0

    def _forget(self, now: float) -> None:
        log, span = self._log, self.span
        while log and log[0].last + span <= now:
            self._taken -= log.popleft().amount
        if not (log or self._reserved):
            self._taken = 0.0  # whatever fractions that were added and taken away have left

    def room(self, amount: float, now: float) -> bool:
        """Whether so much may be taken now. What is more than the whole rate allows waits for all of it."""
        log, count = self._log, self.rate.count
        if not log or log[0].last + self.span <= now:
            self._forget(now)
        return self._taken + (amount if amount < count else count) <= count

    def due(self, amount: float, now: float) -> float:
        """When there may be room for so much, if nobody takes it before; infinite while that hangs on what
        is reserved."""
        self._forget(now)
        over = self._taken + min(amount, self.rate.count) - self.rate.count
        for entry in self._log:
            if over <= 0:
                break
            over -= entry.amount
            now = entry.last + self.span
        return math.inf if over > 0 and self._reserved else now

    def reserve(self, amount: float) -> None:
        """So much is going to be taken."""
        self._reserved += 1
        self._taken += amount

    def release(self, amount: float) -> None:
        """What was reserved is not."""
        self._reserved -= 1
        self._taken -= amount

    def take(self, amount: float, now: float, reserved: bool = False) -> Taken:
        """Take so much, which is what was `reserved` or comes on top of that; gives what `settle` is told it
        by."""
        log = self._log
        entry = log[-1] if len(log) >= _APART else None
        if entry is not None and now - entry.first < self.span / _APART:
            entry.last = max(entry.last, now)
            entry.amount += amount
        else:
            entry = _Entry(amount, now)
            log.append(entry)
        if reserved:
            self._reserved -= 1
        else:
            self._taken += amount
        return Taken(amount, entry)

    def settle(self, taken: Taken, amount: float, now: float) -> None:
        """It turned out to be so much."""
        self._forget(now)
        if taken.entry.last + self.span > now:
            more = amount - taken.amount
            self._taken += more
            taken.entry.amount += more
            taken.amount = amount

    def idle(self, now: float) -> bool:
        """Whether all that was taken is forgotten."""
        self._forget(now)
        return not self._log
