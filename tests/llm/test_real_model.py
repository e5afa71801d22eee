"""A real model, small, on this computer: chat, streams, forms, an agent, and chats that begin alike."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from stretto import flow, llm

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from model_server import MODEL, ModelServer  # noqa: E402

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ModelServer(remembers=True) as server:
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


def test_an_agent_is_given_what_it_asks_for(small: llm.Model) -> None:
    """It is told to call the tool, again and again: it is too small to know when to stop."""
    added: list[tuple[int, int]] = []

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        added.append((a, b))
        return a + b

    asked: dict[str, Any] = {"tool_choice": "required", "max_tokens": 80}
    with pytest.raises(llm.StepsExceeded) as raised:
        llm.agent("Add 2 and 3.", [add], small, steps=2, **asked)
    assert added
    (wanted, *_) = raised.value.answer.tool_calls
    assert wanted.name == "add"


def test_what_begins_alike_is_read_once(small: llm.Model) -> None:
    about = "The tide comes and goes as moon and sun pull on the water of the sea. " * 30

    @flow
    def ask() -> list[int]:
        return [
            small.chat(f"Question {i}?", system=about, max_tokens=2).usage.cache_read_tokens for i in range(3)
        ]

    first, *others = ask()
    assert first < 100 and all(read > 300 for read in others)
