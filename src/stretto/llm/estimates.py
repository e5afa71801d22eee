"""How many tokens a request is going to use, about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..limits.tokens import estimate as of_arguments
from .asked import plain, sequence
from .schemas import form_of
from .tools import spec_of

__all__ = ["estimate"]


def estimate(
    messages: Any, *, into: Any = None, tools: Iterable[Any] = (), system: str | None = None,
    attempts: int = 1, **options: Any,
) -> float:  # fmt: skip
    """The tokens of a request and its answer: one for every four characters of what is sent, and as many as
    ``max_tokens`` allows. The arguments are those of ``model.chat``, or of ``model.embed``."""
    said = [plain(message) for message in sequence(messages)]
    told = [spec_of(tool) for tool in tools]
    form = None if into is None else form_of(into).schema
    return of_arguments([said, told, form, system], options)
