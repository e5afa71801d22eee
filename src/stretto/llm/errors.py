"""What can go wrong with a language model, whoever serves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import StrettoError

__all__ = ["InvalidAnswer", "ModelError", "NotRecorded", "StepsExceeded", "Unavailable"]


class ModelError(StrettoError):
    """A server has not answered as it should: it refuses the request, or what it sends makes no sense.

    Attributes:
        status_code: the HTTP status; None where no answer came.
        headers: of the answer, those that say when to come back (``retry-after``, ``retry-after-ms``).
        body: what the server says, as JSON or text; None if nothing.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.headers: dict[str, str] = dict(headers or {})
        self.body = body


class Unavailable(ModelError):
    """The same request may be answered later: the server is busy, or broken, or could not be reached. After
    this a call is made again, as often as `retries=` says."""


class InvalidAnswer(ModelError):
    """The model was asked for JSON of a certain form, and has not given it, however often it was told.

    Attributes:
        answer: the last answer (`stretto.llm.Answer`, its value None).
        wrong: what is wrong with it.
    """

    def __init__(self, message: str, *, answer: Any, wrong: str) -> None:
        super().__init__(message)
        self.answer = answer
        self.wrong = wrong


class StepsExceeded(ModelError):
    """An agent has not come to an end within its steps.

    Attributes:
        answer: the model's last answer.
    """

    def __init__(self, message: str, *, answer: Any) -> None:
        super().__init__(message)
        self.answer = answer


class NotRecorded(StrettoError):
    """A request is made under `stretto.llm.replay`, and the recording has no answer to it."""
