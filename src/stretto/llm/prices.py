"""What calls of models cost, by the price list of the package `genai-prices`.

The list comes with the package, and nothing is ever downloaded. A price that is not in it is not known: None,
and no guess.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["at_most", "cost", "provider_at"]


class Used(Protocol):
    """Tokens that were used; `stretto.llm.Usage` is one."""

    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def cache_read_tokens(self) -> int: ...
    @property
    def cache_write_tokens(self) -> int: ...


def cost(model: str, usage: Used, provider: str | None) -> float | None:
    """What the tokens have cost, in US dollars.

    Args:
        model: as the provider calls it; ``"openai:gpt-5-mini"`` names the provider as well.
        usage: the tokens.
        provider: who serves it: "openai", "anthropic", "groq", ...; None if nobody knows.

    Returns:
        None where the price is not known.
    """
    return _price(
        model, provider,
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens, cache_write_tokens=usage.cache_write_tokens,
    )  # fmt: skip


def at_most(model: str, input_tokens: int, output_tokens: int, provider: str | None) -> float | None:
    """What a call costs at most that sends so many tokens, and is answered by so many; None where the price
    is not known. Nothing is taken to be in a cache, and all of the input to be written to one if that is
    dearer."""
    plain = _price(model, provider, input_tokens=input_tokens, output_tokens=output_tokens)
    kept = _price(
        model, provider,
        input_tokens=input_tokens, output_tokens=output_tokens, cache_write_tokens=input_tokens,
    )  # fmt: skip
    return plain if plain is None or kept is None else max(plain, kept)


def provider_at(base_url: str) -> str | None:
    """Who serves models at an address; None if that is nobody whose prices are known."""
    try:
        from genai_prices.data_snapshot import get_snapshot
    except ImportError:
        return None
    try:
        found = get_snapshot().find_provider(None, None, base_url)
    except LookupError:
        return None
    return str(found.id)


def _price(model: str, provider: str | None, **tokens: int) -> float | None:
    if provider is None:
        provider, _, model = model.rpartition(":")
    if not provider or not model:
        return None
    try:
        from genai_prices import Usage, calc_price
    except ImportError:  # the extra `prices` is not installed
        return None
    try:
        found = calc_price(Usage(**tokens), model, provider_id=provider)
    except (LookupError, ValueError):  # nobody knows it; or the tokens contradict each other
        return None
    return float(found.total_price)
