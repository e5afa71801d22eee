"""Chats that begin alike, to a server that says that it is llama.cpp's."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from stretto import flow, llm
from stretto.llm import prefixes
from stretto.llm.prefixes import LENGTH, beginning, is_near
from tests.llm.conftest import made
from tests.llm.serving import Handler, Server, openai_answer

ABOUT = "a long beginning " * 150


@pytest.mark.parametrize(
    ("known", "writing", "alone", "together"),
    [(1000, 5.0, 5, 1), (0, 5.0, 2, 3), (1000, 5000.0, 1, 4)],
    ids=["it-remembers", "it-forgets", "it-writes-at-length"],
)
def test_they_wait_as_long_as_it_is_of_use(
    server: Server, monkeypatch: pytest.MonkeyPatch, known: int, writing: float, alone: int, together: int
) -> None:
    gate = threading.Barrier(together)
    turns: list[int] = []

    def get(handler: Handler) -> None:
        handler.send(200, {"data": [{"id": "m", "owned_by": "llamacpp"}]})

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        turns.append(1)
        first = len(turns) == 1
        if len(turns) > alone:  # these come together, or not at all
            gate.wait(60)
        read = 0 if first else known
        timings = {"prompt_n": 1001 - read, "cache_n": read, "prompt_ms": 1000.0, "predicted_ms": writing}
        handler.send(200, {**openai_answer(body, "yes"), "timings": timings})

    monkeypatch.setattr(Handler, "do_GET", get, raising=False)
    monkeypatch.setattr(Handler, "answer", answer)
    model = made(server, "openai")

    @flow
    def ask(n: int) -> list[str]:
        return [model.chat(f"question {i}", system=ABOUT).text for i in range(n)]

    assert ask(5) == ["yes"] * 5
    assert server.most_at_once == together


def test_other_servers_are_let_be(server: Server) -> None:
    server.together = threading.Barrier(5)
    model = made(server, "openai")

    @flow
    def ask(n: int) -> list[str]:
        return [model.chat(f"question {i}", system=ABOUT).text for i in range(n)]

    assert len(ask(5)) == 5


def test_what_counts_as_a_beginning() -> None:
    def body(system: str, question: str) -> dict[str, Any]:
        return {"messages": [{"role": "system", "content": system}, {"role": "user", "content": question}]}

    assert beginning(body("short", "one")) is None
    assert beginning(body(ABOUT, "one")) == beginning(body(ABOUT, "two"))
    assert beginning(body(ABOUT, "one")) != beginning(body("other " * LENGTH, "one"))


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://127.0.0.1:8080/v1", True),
        ("http://192.168.1.7/v1", True),
        ("http://gpu-box:8000/v1", True),
        ("http://[::1]:80/v1", True),
        ("https://api.openai.com/v1", False),
        ("https://8.8.8.8/v1", False),
        (None, False),
    ],
)
def test_which_servers_are_near(url: str | None, near: bool) -> None:
    assert is_near(url) == near
    assert llm.Model  # is made with it


def test_a_server_that_is_silent_or_tells_no_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefixes, "_LOOKING", 0.05)

    async def silent() -> None:
        await asyncio.Event().wait()

    async def llamacpp() -> dict[str, Any]:
        return {"data": [{"owned_by": "llamacpp"}]}

    async def send() -> dict[str, Any]:
        return {"timings": {"prompt_n": 100, "prompt_ms": "long"}}

    async def ask(look: Any) -> bool | None:
        known = prefixes.Prefixes(look, None)
        await known.send({"messages": "x" * prefixes.LENGTH}, send)
        return known.kept

    assert asyncio.run(ask(silent)) is False
    assert asyncio.run(ask(llamacpp)) is True
