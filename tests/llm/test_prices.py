"""What calls cost, by a price list that is on this machine; and that nothing is guessed."""

from __future__ import annotations

import sys

import pytest

from stretto import llm
from stretto.llm import Usage
from stretto.llm.prices import at_most, cost, provider_at


def test_the_price_of_what_was_used() -> None:
    plain = cost("gpt-5-mini", Usage(1000, 100), "openai")
    cached = cost("gpt-5-mini", Usage(1000, 100, cache_read_tokens=800), "openai")
    assert plain is not None and cached is not None and 0 < cached < plain
    assert cost("openai:gpt-5-mini", Usage(1000, 100), None) == plain
    assert at_most("gpt-5-mini", 1000, 100, "openai") == plain


def test_what_is_written_to_a_cache_may_be_dearer() -> None:
    most = at_most("claude-sonnet-4-5", 1000, 100, "anthropic")
    for usage in (Usage(1000, 100), Usage(1000, 100, 500, 500), Usage(1000, 100, 0, 1000)):
        found = cost("claude-sonnet-4-5", usage, "anthropic")
        assert found is not None and most is not None and found <= most


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-5-mini", None),
        ("smollm2", "openai"),
        ("gpt-5-mini", "nobody"),
        ("qwen:7b", None),
        ("", "openai"),
    ],
)
def test_what_nobody_knows_is_none(model: str, provider: str | None) -> None:
    assert cost(model, Usage(1000, 100), provider) is None
    assert at_most(model, 1000, 100, provider) is None


def test_without_the_package_no_price_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    monkeypatch.setitem(sys.modules, "genai_prices.data_snapshot", None)
    assert cost("gpt-5-mini", Usage(1000, 100), "openai") is None
    assert provider_at("https://api.openai.com/v1") is None


def test_who_serves_at_an_address() -> None:
    assert provider_at("https://api.openai.com/v1") == "openai"
    assert provider_at("http://127.0.0.1:8080/v1") is None
    assert llm.openai("m", base_url="http://127.0.0.1:8080/v1").provider is None


def test_what_a_model_is_told_by_default_counts_for_what_a_call_costs_at_most() -> None:
    calls = [
        llm.anthropic("claude-sonnet-4-5", api_key="k", **said).chat
        for said in ({}, {"max_tokens": 8192}, {"max_tokens": 100})
    ]
    plain, long, short = (call.usd("hello") for call in calls)  # type: ignore[attr-defined]
    assert short < plain < long
    assert calls[1].usd("hello", max_tokens=100) == short  # type: ignore[attr-defined]
