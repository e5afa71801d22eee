"""What the tests of language models share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stretto import llm
from tests.llm.serving import Server


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests to this computer stay on it, and nothing is taken from who runs the tests."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        yield found
        found.shutdown()


@pytest.fixture(params=["openai", "anthropic"])
def model(request: pytest.FixtureRequest, server: Server) -> llm.Model:
    """A model behind the server, of either protocol."""
    return made(server, request.param)


def made(server: Server, sdk: str, **options: Any) -> llm.Model:
    maker: Callable[..., llm.Model] = getattr(llm, sdk)
    path = "/v1" if sdk == "openai" else ""
    return maker("gpt-5-mini" if sdk == "openai" else "claude-sonnet-4-5", base_url=server.base_url + path,
                 api_key="very-secret-key", provider=sdk, **options)  # fmt: skip
