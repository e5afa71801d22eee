"""Whether an exception says that a server is asked for too much, and when it may be asked again."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["Refusal", "refusal"]

#: Too many requests; not available; overloaded (as some models' servers say).
_STATUS = frozenset({429, 503, 529})


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
    response: Any = _of(error, "response")
    for owner in (error, response):
        for name in ("status_code", "status", "code"):
            if _of(owner, name) in _STATUS and isinstance(_of(owner, name), int):
                headers: Any = _of(owner, "headers") or _of(response, "headers")
                return Refusal(_retry_after(headers))
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
            return max(float(millis) / 1000, 0.0)
        said = headers.get("retry-after") or headers.get("Retry-After")
        if said is None:
            return None
        try:
            return max(float(said), 0.0)
        except ValueError:
            return max(parsedate_to_datetime(said).timestamp() - time.time(), 0.0)
    except (AttributeError, TypeError, ValueError):  # no headers, or none that can be read
        return None
