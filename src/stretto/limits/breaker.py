"""Circuit breakers: what has failed so often in a row that asking again is no use is left alone for a while.

After so many failures in a row the circuit is *open*: no attempt is made. When its time has come it is *half
open*: one attempt is let through, and how that ends decides (Nygard, "Release It!", 2007, chapter 5; Fowler,
"CircuitBreaker", 2014).

Failures in a row, and not a share of those in a window: a server that is down fails them all, at any rate of
calls. One that fails some is a matter of making calls again; to turn its other callers away would make more
fail than it does itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..amounts import is_count
from ..errors import CircuitOpen, DeclarationError, StrettoError
from .overload import refusal, status
from .rates import times_of

__all__ = ["Breaker", "Shut", "Threshold", "Verdict", "blames", "is_threshold"]

#: Seconds for which nothing is tried, where that is not said.
_REST = 30.0
#: Seconds after which failures are forgotten that nothing came after.
_OLD = 600.0
#: Seconds by which a time is waited for longer, so that it has come whatever is rounded.
_AFTER = 1e-6
_TEXT = re.compile(r"\s*([0-9]+)\s*/\s*([0-9.]*)\s*([a-z]+)\s*")

#: What Python raises for a value or a program that is wrong: the server has nothing to do with it.
_OWN_FAULTS = (
    ValueError, TypeError, LookupError, ArithmeticError, AttributeError, NameError, AssertionError,
)  # fmt: skip
#: Of the statuses that say the request is wrong, those that do not: too slow, too early, too many.
_NOT_THE_REQUEST = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Threshold:
    """After how many failures in a row nothing is tried, and for how long."""

    failures: int
    seconds: float
    text: str = field(compare=False)

    @classmethod
    def parse(cls, said: object) -> Threshold:
        """Read ``5``, or ``"5/30s"``: five in a row, then nothing for 30 seconds; else `DeclarationError`."""
        if is_count(said):
            return cls(said, _REST, str(said))
        found = times_of(_TEXT, said)
        if found is None:
            raise DeclarationError(
                "a breaker is a number of failures in a row, and for how long nothing is tried after them, "
                f"as in '5/30s' or 5; found {said!r}"
            )
        return cls(*found)

    def __str__(self) -> str:
        return self.text


def is_threshold(said: object) -> bool:
    """Whether `Threshold.parse` takes it."""
    try:
        Threshold.parse(said)
    except DeclarationError:
        return False
    return True


class Shut(NamedTuple):
    """Why an attempt is not made.

    Attributes:
        name: what is counted together.
        failures: how many failed in a row.
        failed: the last of them.
        since: seconds since the first of them.
        retry_after: seconds until one is tried; None if that is being done.
    """

    name: str
    failures: int
    failed: str
    since: float
    retry_after: float | None

    def error(self, call: str) -> CircuitOpen:
        of = "" if self.name == call else f" (counted per {self.name})"
        when = (
            "it is being tried now"
            if self.retry_after is None
            else f"tried again in {self.retry_after:.3g} s"
        )
        ago = f"{self.since:.3g} s ago"
        what = (
            f"one has failed {ago}, with"
            if self.failures == 1
            else (f"{self.failures} in a row have failed, the first of them {ago}, the last with")
        )
        return CircuitOpen(
            f"{call}{of} is not called: {what} {self.failed}; {when}",
            call=call, failed=self.failed, since=self.since, retry_after=self.retry_after or 0.0,
        )  # fmt: skip


class Breaker:
    """The state of one circuit; whoever asks tells the time, and keeps others out meanwhile."""

    __slots__ = ("_failed", "_failures", "_first", "_last", "_trial", "_until", "name", "threshold")

    def __init__(self, name: str, threshold: Threshold) -> None:
        self.name = name
        self.threshold = threshold
        self._failures = 0
        self._failed = ""
        self._first = self._last = 0.0
        #: When one is tried; None while the circuit is closed.
        self._until: float | None = None
        #: Whoever tries.
        self._trial: Any = None

    @property
    def closed(self) -> bool:
        return self._until is None

    def shut(self, now: float, nested: bool = False) -> Shut | None:
        """Why no attempt is made now, if so. One that is nested in another may be part of the trial."""
        until = self._until
        if until is None or (now >= until and (self._trial is None or nested)):
            return None
        after = until - now + _AFTER if now < until else None
        return Shut(self.name, self._failures, self._failed, now - self._first, after)

    def take(self, who: Any) -> None:
        """An attempt is made."""
        if self._until is not None and self._trial is None:
            self._trial = who

    def leave(self, who: Any) -> None:
        """It has ended, or is not going to be made."""
        if self._trial is who:
            self._trial = None

    def heard(self, who: Any, verdict: Verdict, now: float) -> None:
        """An attempt has returned, or has raised."""
        if verdict.works is None or (self._until is not None and self._trial is not who):
            return  # that says nothing, or it was under way when the circuit was opened
        if verdict.works:
            self._failures, self._until, self._trial = 0, None, None
            return
        if not self._failures:
            self._first = now
        self._failures += 1
        self._failed, self._last = verdict.failed, now
        if self._trial is who or self._failures >= self.threshold.failures:
            self._until = now + max(self.threshold.seconds, verdict.rest)
        self.leave(who)

    def unused(self, now: float) -> bool:
        """Whether it may be forgotten."""
        if self._trial is not None:
            return False
        return not self._failures or now > max(self._last + _OLD, self._until or 0.0)


class Verdict(NamedTuple):
    """What the end of an attempt says of whoever was asked.

    Attributes:
        works: whether it works; None if that is not said.
        failed: how the attempt has failed, for people.
        rest: seconds for which it asks to be left alone.
    """

    works: bool | None
    failed: str = ""
    rest: float = 0.0

    @classmethod
    def of(cls, call: Any, error: BaseException | None) -> Verdict:
        """Of a call that has returned, or has raised this."""
        blamed = False if error is None else blames(call, error)
        if error is None or not blamed:
            return _WORKS if blamed is False else _SILENT
        name = type(error).__name__
        said = "" if call.secret is not None else str(error)[:200]
        found = refusal(error)
        rest = 0.0 if found is None else found.retry_after or 0.0
        return cls(False, f"{name}: {said}" if said else name, rest)


_WORKS, _SILENT = Verdict(True), Verdict(None)


def blames(call: Any, error: BaseException) -> bool | None:
    """Whether it says that whoever was asked does not work; None if it says nothing of that.

    Timeouts do, and what the call is made again after (``retry_on=``); where that is not said, every
    exception but those that Python raises for wrong values and programs. A server that has answered that the
    request is wrong works.
    """
    if isinstance(error, StrettoError) or not isinstance(error, Exception):
        return None
    if isinstance(error, TimeoutError):
        return True
    said = status(error)
    if said is not None and 400 <= said < 500 and said not in _NOT_THE_REQUEST:
        return False
    if call.retry_on is Exception:
        return not isinstance(error, _OWN_FAULTS)
    return isinstance(error, call.retry_on)
