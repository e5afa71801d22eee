"""Times as people write and read them. Inside they are microseconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from .load import UsageError

__all__ = ["ago", "exact", "iso", "lasted", "since"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)", re.ASCII)


def since(option: str, text: str, now: int) -> int:
    """The time that a date, a time or an age names.

    Raises `UsageError`."""
    text = text.strip()
    age = _AGE.fullmatch(text)
    try:
        if age:
            return now - round(float(age[1]) * _SECONDS[age[2]] * 1_000_000)
        # Without a zone, it is the time that the clock on the user's wall showed.
        return (datetime.fromisoformat(text).astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{option} takes a date (2026-03-31), a date and time (2026-03-31T18:00) "
            f"or an age (90s, 15m, 2h, 3d, 4w), and found {text!r}"
        ) from None


def iso(time: int | None) -> str | None:
    """For programs: in UTC, to the microsecond."""
    if time is None:
        return None
    try:
        return (_EPOCH + timedelta(microseconds=time)).isoformat(timespec="microseconds")[:-6] + "Z"
    except OverflowError:
        return None


def exact(time: int) -> str:
    """For people: in their own zone, to the second."""
    try:
        return (_EPOCH + timedelta(microseconds=time)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{time} µs since 1970"


def ago(time: int, now: int) -> str:
    """For people: how long since, or the date where that is long."""
    seconds = (now - time) / 1_000_000
    if not 0 <= seconds < 7 * 86400:  # also where the clock was set back
        return exact(time)[:16]
    if seconds < 1:
        return "just now"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def lasted(micros: int) -> str:
    """A duration, for people."""
    seconds = max(0, micros) / 1_000_000
    if seconds < 0.001:
        return f"{max(0, micros)} µs"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
