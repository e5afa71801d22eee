"""How many tokens a request is going to use, about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import UnknownPrice
from ..limits.tokens import MOST_SAID
from ..limits.tokens import estimate as of_arguments
from .asked import plain, sequence
from .prices import at_most
from .schemas import form_of
from .tools import spec_of

__all__ = ["estimate", "most"]


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


def most(name: str, provider: str | None, messages: Any, *, attempts: int = 3, **options: Any) -> float:
    """What a request costs at most, in US dollars, as many attempts at a valid answer included.

    Raises:
        UnknownPrice: where nobody knows, since the price list lacks the model, or as long an answer may come
            as the server likes.
    """
    output = next((n for key in MOST_SAID if isinstance(n := options.get(key), int) and n >= 0), None)
    if output is None:
        raise UnknownPrice(
            f"a call of {name} does not say how long its answer may be, so nobody knows what it costs at "
            "most. Say max_tokens, with the call or for all calls of the model"
        )
    tokens = round(estimate(messages, **options))
    found = at_most(name, max(tokens - output, 1), output, provider)
    if found is None:
        raise UnknownPrice(
            f"nobody knows what a call of {name} costs: "
            + (
                f"the price list has no such model of {provider}"
                if provider
                else "nor whose prices hold there"
            )
            + ". Say what it costs at most: usd=0 for a server of your own; or whose model it is: provider="
        )
    return found * (attempts if options.get("into") is not None else 1)
