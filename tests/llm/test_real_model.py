"""A real model, small, on this computer: chat, streams, forms, an agent, and chats that begin alike."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel

from stretto import flow, llm
from stretto.llm import ToolCall, ToolResult
from stretto.llm.asked import Message

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from model_server import MODEL, ModelServer  # noqa: E402

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ModelServer(remembers=True, template=Path(__file__).with_name("tools.jinja")) as server:
        yield server.base_url


@pytest.fixture
def small(address: str) -> llm.Model:
    return llm.openai(MODEL, base_url=address, temperature=0, seed=1, max_tokens=16)


class Mood(BaseModel):
    mood: Literal["glad", "sad"]
    sure: bool


def test_it_answers(small: llm.Model) -> None:
    @flow
    def ask() -> tuple[list[llm.Answer[str]], str, llm.Answer[Mood]]:
        answers = [small.chat(f"Say the word {word}.") for word in ("tide", "moon")]
        words = "".join(small.stream(["Say hello.", answers[0], "And now say goodbye."]))
        mood = small.chat("I have won! Am I glad?", into=Mood, max_tokens=40)
        return answers, words, mood

    answers, words, mood = ask()
    for answer in answers:
        assert answer.text and answer.usage.input_tokens > 5
        assert 0 < answer.usage.output_tokens <= 16
        assert answer.model == MODEL and answer.cost is None
    assert words
    assert mood.value.mood in ("glad", "sad") and isinstance(mood.value.sure, bool)


def test_an_agent_calls_its_tool_and_reads_what_it_gives(small: llm.Model) -> None:
    """It is so small that it has to be shown twice how that is done."""
    added: list[tuple[int, int]] = []

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        added.append((a, b))
        return a + b

    def shown(a: int, b: int) -> list[Message]:
        wanted = ToolCall(f"{a}", "add", f'{{"a": {a}, "b": {b}}}')
        called = llm.Answer("", "", (wanted,))
        return [
            f"Add {a} and {b}.",
            called,
            ToolResult(f"{a}", f"{a + b}"),
            llm.Answer(f"The sum is {a + b}.", ""),
        ]

    task = [*shown(1, 4), *shown(7, 2), "Add 2 and 3."]
    answer = llm.agent(task, [add], small, steps=4, max_tokens=60)
    assert added == [(2, 3)]
    assert "5" in answer.text


def test_what_begins_alike_is_read_once(small: llm.Model) -> None:
    about = "The tide comes and goes as moon and sun pull on the water of the sea. " * 30

    @flow
    def ask() -> list[int]:
        return [
            small.chat(f"Question {i}?", system=about, max_tokens=2).usage.cache_read_tokens for i in range(3)
        ]

    first, *others = ask()
    assert first < 100 and all(read > 300 for read in others)
