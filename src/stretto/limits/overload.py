"""Whether an exception says that a server is asked for too much, and when it may be asked again."""

from __future__ import annotations

import math
import time
from collections.abc import Container
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["Refusal", "refusal", "status"]

#: Too many requests; not available; overloaded (as some models' servers say).
_STATUS = frozenset({429, 503, 529})
_ANY = range(100, 600)


class Refusal:
    """A server has refused a call.

    Attributes:
        retry_after: how many seconds it asks to be left alone; None if it does not say.
    """

    __slots__ = ("retry_after",)

    def __init__(self, retry_after: float | None) -> None:
        self.retry_after = retry_after


def refusal(error: BaseException) -> Refusal | None:
    """What the exception of a HTTP client says; None if it is no refusal.

    httpx, requests, openai and anthropic keep the response; aiohttp and urllib the status and the headers.
    """
    found = _status(error, _STATUS)
    if found is None:
        return None
    owner, _ = found
    headers: Any = _of(owner, "headers") or _of(_of(error, "response"), "headers")
    return Refusal(_retry_after(headers))


def status(error: BaseException) -> int | None:
    """The status of HTTP that a server has answered with; None if the exception tells none."""
    found = _status(error, _ANY)
    return None if found is None else found[1]


def _status(error: BaseException, wanted: Container[int]) -> tuple[Any, int] | None:
    """What tells one of these, and which."""
    for owner in (error, _of(error, "response")):
        for name in ("status_code", "status", "code"):
            said: Any = _of(owner, name)
            if isinstance(said, int) and said in wanted:
                return owner, said
    return None


def _of(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name, None)
    except Exception:  # httpx raises where an error has no response
        return None


def _retry_after(headers: Any) -> float | None:
    try:
        millis = headers.get("retry-after-ms")
        if millis is not None:
            return _seconds(float(millis) / 1000)
        said = headers.get("retry-after") or headers.get("Retry-After")
        if said is None:
            return None
        try:
            return _seconds(float(said))
        except ValueError:
            return _seconds(parsedate_to_datetime(said).timestamp() - time.time())
    except (AttributeError, TypeError, ValueError):  # no headers, or none that can be read
        return None


def _seconds(said: float) -> float | None:
    """None of what is no time: whoever waited for it would wait for ever."""
    return max(said, 0.0) if math.isfinite(said) else None
