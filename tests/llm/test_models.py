"""Chats, streams, structured answers, tools and embeddings, over the protocols as they are."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from stretto import budget, call, errors, explain, flow, llm
from stretto.llm import Answer, ToolCall, ToolResult, Usage, clients, models
from tests.llm.conftest import made
from tests.llm.serving import Server, last, tool_call
from tests.waiting import until


class Invoice(BaseModel):
    customer: str
    total: int = 0


@dataclass
class Point:
    x: int
    y: int


def test_an_answer_says_what_it_took(model: llm.Model) -> None:
    answer = model.chat("hello")
    assert answer.text == answer.value == str(answer) == "answer to hello"
    cached = Usage(20, 5, 8) if "gpt" in model.name else Usage(20, 5, 8, 2)
    assert answer.usage == cached and answer.usage.total_tokens == 25
    assert (answer.model, answer.finish_reason, answer.attempts) == (model.name, "stop", 1)
    assert answer.cost == pytest.approx(llm.cost(model.name, answer.usage, model.provider))
    assert answer.raw["model"] == model.name


def test_chats_in_a_loop_overlap(server: Server, model: llm.Model) -> None:
    server.together = threading.Barrier(5)  # none is answered before five are there

    @flow
    def ask(n: int) -> list[str]:
        return [model.chat(f"question {i}").text.upper() for i in range(n)]

    @flow
    def ask_of(some: llm.Model, n: int) -> list[str]:
        out = []
        for i in range(n):
            answer = some.chat([{"role": "user", "content": f"question {i}"}])
            out.append(answer.text.upper())
        return out

    wanted = [f"ANSWER TO QUESTION {i}" for i in range(5)]
    assert ask(5) == wanted
    assert ask_of(model, 5) == wanted
    assert server.most_at_once == 5
    assert "it may overlap" in str(explain(ask))


def test_a_conversation_goes_on(server: Server, model: llm.Model) -> None:
    first = model.chat("one", system="be brief")
    called = Answer("", "", (ToolCall("t1", "add", '{"x": 1}'),))
    model.chat(["one", first, "two", called, ToolResult("t1", "3"), ToolResult("t2", "4", failed=True)])
    opening, going_on = (body["messages"] for body in server.asked)
    if "gpt" in model.name:
        assert opening == [{"role": "system", "content": "be brief"}, {"role": "user", "content": "one"}]
        assert [m["role"] for m in going_on] == ["user", "assistant", "user", "assistant", "tool", "tool"]
        assert going_on[3]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"x": 1}'}
    else:
        assert server.asked[0]["system"] == "be brief"
        assert [m["role"] for m in going_on] == ["user", "assistant", "user", "assistant", "user"]
        assert going_on[3]["content"] == [{"type": "tool_use", "id": "t1", "name": "add", "input": {"x": 1}}]
        results = going_on[4]["content"]
        assert [r.get("is_error", False) for r in results] == [False, True]


def test_what_the_server_takes_is_passed_on(server: Server) -> None:
    model = made(server, "openai", temperature=0, max_tokens=9)
    model.chat("hello", prompt_cache_key="k", temperature=1)
    assert server.asked[0]["prompt_cache_key"] == "k"
    assert (server.asked[0]["temperature"], server.asked[0]["max_tokens"]) == (1, 9)
    claude = made(server, "anthropic")
    long = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
    claude.chat([{"role": "system", "content": [long]}, "hello"], max_tokens=7)
    assert server.asked[1]["system"] == [long]
    assert server.asked[1]["max_tokens"] == 7


def test_openais_own_server_is_told_the_tokens_under_another_name() -> None:
    from stretto.llm.asked import Asked
    from stretto.llm.openai_words import OpenAIWords

    asked = Asked("gpt-5-mini", ["hello"], None, [], None, {"max_tokens": 5})
    assert OpenAIWords(hosted=True).body(asked)["max_completion_tokens"] == 5
    assert OpenAIWords(hosted=False).body(asked)["max_tokens"] == 5


# -- structured answers ----------------------------------------------------------------------------------


def given(body: dict[str, Any], value: Any) -> Any:
    """How a server gives an answer of a form."""
    if "response_format" in body:
        return value if isinstance(value, str) else json.dumps(value)
    return [tool_call("answer", value)]


def test_an_answer_has_the_form_that_was_asked_for(server: Server, model: llm.Model) -> None:
    server.says = lambda body: given(body, {"customer": "Ann", "total": 3})
    answer = model.chat("read this", into=Invoice)
    assert answer.value == Invoice(customer="Ann", total=3)
    assert answer.tool_calls == () and json.loads(answer.text) == {"customer": "Ann", "total": 3}
    model.chat(["read this", answer, "and now?"])  # it can be gone on from
    if "gpt" in model.name:
        form = server.asked[0]["response_format"]["json_schema"]
        assert form["strict"] is True
        assert form["schema"]["required"] == ["customer", "total"]
        assert form["schema"]["additionalProperties"] is False
    else:
        assert server.asked[0]["tool_choice"] == {"type": "tool", "name": "answer"}
        assert [b["type"] for b in server.asked[1]["messages"][1]["content"]] == ["text"]


@pytest.mark.parametrize(
    ("into", "said", "value"),
    [
        (Point, {"x": 1, "y": 2}, Point(1, 2)),
        (list[Point], {"value": [{"x": 1, "y": 2}]}, [Point(1, 2)]),
        (int, {"value": 7}, 7),
        (dict[str, int], {"a": 1}, {"a": 1}),
    ],
)
def test_forms_of_all_kinds(server: Server, into: Any, said: Any, value: Any) -> None:
    server.says = lambda body: given(body, said)
    for sdk in ("openai", "anthropic"):
        assert made(server, sdk).chat("x", into=into).value == value


def test_an_answer_that_is_wrong_is_sent_back(server: Server, model: llm.Model) -> None:
    answers: list[Any] = [
        {"customer": 5},
        {"customer": "Ann", "total": "many"},
        {"customer": "Ann", "total": 2},
    ]
    server.says = lambda body: given(body, answers.pop(0))
    answer = model.chat("read this", into=Invoice)
    assert answer.value == Invoice(customer="Ann", total=2)
    assert answer.attempts == 3 and answer.usage.input_tokens == 60
    once = Usage(20, 5, 8) if "gpt" in model.name else Usage(20, 5, 8, 2)
    assert answer.cost == pytest.approx(3 * (llm.cost(model.name, once, model.provider) or 0))
    told = json.dumps(server.asked[1]["messages"][-1])
    assert "customer: Input should be a valid string" in told
    assert "total: Input should be a valid integer" in json.dumps(server.asked[2]["messages"][-1])


def test_what_a_server_does_not_tell_counts_as_what_was_asked_for(server: Server) -> None:
    server.silent = True
    model = made(server, "openai")
    with budget(usd=1, tokens=100_000) as spent:
        answer = model.chat("hello", max_tokens=1000)
        *_, end = model.pieces("hello", max_tokens=1000)
    for one in (answer, end.answer):
        assert one is not None and not one.usage.told and one.cost is None
    assert spent.spent.tokens > 1000 and spent.spent.usd > 0


def test_an_answer_that_stays_wrong_is_shown(server: Server) -> None:
    server.says = lambda body: "I would rather not"
    for sdk in ("openai", "anthropic"):
        with pytest.raises(llm.InvalidAnswer, match="asked 2 times") as raised:
            made(server, sdk).chat("read this", into=Invoice, attempts=2)
        assert "I would rather not" in str(raised.value) and "not valid JSON" in raised.value.wrong
        assert raised.value.answer.usage.input_tokens == 40


def test_json_in_a_fence_is_json(server: Server) -> None:
    server.says = lambda body: '```json\n{"customer": "Ann"}\n```'
    assert made(server, "openai").chat("x", into=Invoice).value == Invoice(customer="Ann")


# -- streams ---------------------------------------------------------------------------------------------


def test_an_answer_comes_in_pieces(server: Server, model: llm.Model) -> None:
    assert list(model.stream("hello")) == ["answ", "er t", "o he", "llo"]
    *texts, end = model.pieces("hello")
    assert "".join(piece.text for piece in texts) == "answer to hello"
    assert end.answer is not None and end.answer.text == "answer to hello"
    assert end.answer.usage.total_tokens == 25 and end.answer.cost is not None

    server.says = lambda body: [tool_call("add", {"x": 1}), tool_call("add", {"x": 2}, "t2")]
    *_, end = model.pieces("hello")
    assert end.answer is not None and end.answer.finish_reason == "tools"
    assert [json.loads(c.arguments) for c in end.answer.tool_calls] == [{"x": 1}, {"x": 2}]


def test_a_loop_over_a_stream_in_a_flow(server: Server, model: llm.Model) -> None:
    @flow
    def upper() -> list[str]:
        out = []
        for piece in model.stream("hello"):
            out.append(piece.upper())
        return out

    assert upper() == ["ANSW", "ER T", "O HE", "LLO"]

    async def there() -> list[str]:
        return [piece async for piece in model.stream("hello")]

    assert asyncio.run(there()) == ["answ", "er t", "o he", "llo"]


# -- embeddings ------------------------------------------------------------------------------------------


def test_texts_become_vectors(server: Server) -> None:
    found = made(server, "openai").embed(["one", "three"])
    assert found.vectors == ((3.0, 0.5), (5.0, 0.5))
    assert found.usage == Usage(3)
    with pytest.raises(llm.ModelError, match="no embeddings"):
        made(server, "anthropic").embed("one")


# -- what is said of a model -----------------------------------------------------------------------------


def test_a_model_by_its_name() -> None:
    assert llm.model("anthropic:claude-sonnet-4-5", api_key="k").provider == "anthropic"
    assert llm.model("openai:gpt-5-mini", api_key="k").provider == "openai"
    assert llm.model("openai:qwen", base_url="http://127.0.0.1:1/v1").provider is None
    assert llm.model("openai:qwen", base_url="https://api.groq.com/openai/v1").provider == "groq"
    with pytest.raises(errors.DeclarationError, match="'openai:NAME' or 'anthropic:NAME'; found 'gpt'"):
        llm.model("gpt")


def test_calls_of_a_model_share_its_limits(server: Server) -> None:
    model = made(server, "openai", limit=2)

    @flow
    def ask(n: int) -> list[str]:
        return [model.chat(str(i)).text + "".join(model.stream(str(i))) for i in range(n)]

    assert len(ask(5)) == 5
    assert server.most_at_once <= 2


def test_a_chat_that_takes_long_is_asked_once_more(server: Server) -> None:
    model = made(server, "openai", hedge=0.9, limit="adaptive", rate="1000/s", tokens="1_000_000/s")

    @flow
    def ask(n: int) -> int:
        return len([model.chat(str(i)).text for i in range(n)]) + len("".join(model.stream("x")))

    assert ask(20) == 20 + len("answer to x")
    assert 21 <= len(server.asked) <= 23


def test_tokens_are_estimated_before() -> None:
    assert llm.estimate("x" * 400) == 100 + 1  # and who says it
    assert llm.estimate(["x" * 400, Answer("y" * 40, "")], max_tokens=50) > 160
    assert llm.estimate("hello", into=Invoice) > llm.estimate("hello") + 10
    model = llm.openai("m", base_url="http://127.0.0.1:1/v1", tokens="90_000/min", max_tokens=70)
    assert model.chat.tokens_of("x" * 400) == 171  # type: ignore[attr-defined]


def test_a_chat_without_the_package_says_what_to_install(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(ImportError, match=r"pip install 'stretto\[openai\]'"):
        made(server, "openai").chat("hello")


def test_a_key_is_shown_to_the_server_and_to_nobody_else(server: Server, tmp_path: Path) -> None:
    model = made(server, "openai")
    journal = tmp_path / "runs.db"

    @flow
    def ask(some: llm.Model) -> str:
        return some.chat("hello").text

    ask.using(journal=str(journal))(model)
    assert server.headers[0]["authorization"] == "Bearer very-secret-key"
    for file in tmp_path.iterdir():
        assert b"very-secret-key" not in file.read_bytes()
    assert "very-secret-key" not in repr(model) + repr(vars(model))


# -- agents ----------------------------------------------------------------------------------------------


@call.reads("shelf")
async def look_up(word: str, most: int = 3) -> list[str]:
    """Look a word up.

    Args:
        word: which word,
            in lower case.
        most: how many meanings.
    """
    if word == "nothing":
        raise LookupError("no such word")
    return [word] * most


def test_a_tool_is_told_by_its_signature() -> None:
    from stretto.llm.tools import spec_of

    assert spec_of(look_up) == {
        "name": "look_up",
        "description": "Look a word up.",
        "parameters": {
            "type": "object",
            "additionalProperties": False,
            "required": ["word"],
            "properties": {
                "word": {"type": "string", "title": "Word", "description": "which word, in lower case."},
                "most": {
                    "type": "integer", "title": "Most", "description": "how many meanings.", "default": 3
                },
            },
        },
    }  # fmt: skip

    def loose(*words: str) -> None: ...

    with pytest.raises(errors.DeclarationError, match=r"loose takes \*words"):
        spec_of(loose)


def test_an_agent_calls_tools_until_it_knows(server: Server, model: llm.Model) -> None:
    def says(body: dict[str, Any]) -> Any:
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        if turn == 0:
            return [
                tool_call("look_up", {"word": "tide"}, "t1"),
                tool_call("look_up", {"word": "nothing"}, "t2"),
                tool_call("look_up", {"word": 5}, "t3"),
                tool_call("look_down", {}, "t4"),
            ]
        return "done"

    server.says = says

    @flow
    def work() -> str:
        return llm.agent("what is a tide?", [look_up], model, system="be brief").text

    for run in (work, work.sequential):
        assert run() == "done"
        said = json.dumps(server.asked[-1]["messages"][-4:])
        assert r"[\"tide\",\"tide\",\"tide\"]" in said
        assert "Error: LookupError: no such word" in said
        assert "word: Input should be a valid string" in said
        assert "There is no tool 'look_down'. There are: look_up" in said

    server.says = lambda body: [tool_call("look_up", {"word": "tide"})]
    with pytest.raises(llm.StepsExceeded, match="within 2 steps"):
        llm.agent("what is a tide?", [look_up], model, steps=2)


def test_the_tools_of_an_agent_overlap(server: Server, model: llm.Model) -> None:
    barrier = asyncio.Barrier(3)

    @call.unordered(timeout=60)
    async def meet(who: str) -> str:
        await barrier.wait()
        return who

    turns = iter([[tool_call("meet", {"who": w}, w) for w in "abc"], "done"])
    server.says = lambda body: next(turns)
    assert llm.agent("meet", [meet], model).text == "done"
    assert last(server.asked[-1])


def test_what_is_made_of_a_form_overlaps(server: Server, model: llm.Model) -> None:
    server.together = threading.Barrier(4)  # four readings at once, then four letters at once

    @flow
    def dun(letters: list[str]) -> list[str]:
        out = []
        for letter in letters:
            invoice = model.chat(letter, into=Invoice).value
            if invoice.total > 2:
                out.append(model.chat(f"Write to {invoice.customer.upper()}: {letter}").text)
        return out

    server.says = lambda body: (
        given(body, {"customer": "Ann", "total": 3})
        if "response_format" in body or "tools" in body
        else last(body)
    )
    assert dun(["a", "b", "c", "d"]) == [f"Write to ANN: {letter}" for letter in "abcd"]


def test_a_model_that_is_dropped_closes_its_connections(server: Server) -> None:
    """Else the collector warns of them, which is an error here."""
    model = made(server, "openai")
    assert model.chat("hello").text == "answer to hello"
    models._made.clear()
    del model
    gc.collect()
    until(lambda: not clients._closing)
    gc.collect()
