"""What type checkers make of models. Checked by mypy and pyright, never run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_type

from stretto import flow, llm


@dataclass
class Invoice:
    customer: str
    total: int


model = llm.model("openai:gpt-5-mini", rate="500/min")
claude = llm.anthropic("claude-sonnet-4-5", max_tokens=100)


def add(a: int, b: int) -> int:
    return a + b


@flow
def asked(question: str) -> int:
    answer = model.chat(question)
    assert_type(answer, llm.Answer[str])
    assert_type(answer.value, str)
    assert_type(answer.usage.total_tokens, int)
    assert_type(answer.cost, float | None)
    more = claude.chat([question, answer, {"role": "user", "content": "more"}], system="brief", tools=[add])
    for wanted in more.tool_calls:
        assert_type(wanted, llm.ToolCall)
    invoice = model.chat(question, into=Invoice, temperature=0)
    assert_type(invoice, llm.Answer[Invoice])
    assert_type(invoice.value.total, int)
    assert_type(model.chat(question, into=list[Invoice]).value[0].customer, str)
    for piece in model.stream(question):
        assert_type(piece, str)
    for part in model.pieces([question, more]):
        assert_type(part.answer, llm.Answer[str] | None)
    assert_type(model.embed([question]).vectors[0], tuple[float, ...])
    assert_type(llm.agent(question, [add], model), llm.Answer[str])
    return invoice.value.total


async def outside() -> None:
    assert_type(await model.chat.aio("hello"), llm.Answer[str])
    assert_type(await model.chat.aio("hello", into=Invoice), llm.Answer[Invoice])


def wrong() -> None:
    model.chat(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    model.chat("hello").nothing  # type: ignore[attr-defined]  # pyright: ignore
    model.embed(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    llm.openai("m", rates="5/s").chat("x", into=Invoice).value.nothing  # type: ignore[attr-defined]  # pyright: ignore
