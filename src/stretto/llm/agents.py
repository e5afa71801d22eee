"""An agent: a model that calls tools until it knows the answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..compiler.known import assume_pure
from ..flows import flow
from .answers import Answer, ToolCall, ToolResult
from .asked import Message, sequence
from .errors import StepsExceeded
from .models import Model
from .tools import Tools, chosen, complain, failure_of, result_of

__all__ = ["agent"]

assume_pure(Tools, chosen, complain, result_of, failure_of, sequence)


@flow
def agent(
    task: Any,
    tools: Iterable[Any],
    model: Model,
    *,
    system: str | None = None,
    steps: int = 20,
    **options: Any,
) -> Answer[str]:
    """Have a model work on a task with tools, until it answers without calling one.

    It is a flow, and a flow may call it. The tools that the model calls at once overlap as their effects
    allow. What a tool raises is told to the model.

    Args:
        task: what to do: a text, or messages.
        tools: functions, calls and flows, with annotations; their docstrings are what the model knows of
            them.
        model: which one.
        system: what it is told beforehand.
        steps: how many answers it may give.
        options: what else ``model.chat`` is told.

    Raises:
        StepsExceeded: it still calls tools after so many steps.
    """
    known = Tools(tools)
    messages: tuple[Message, ...] = tuple(sequence(task))
    answer: Answer[str] | None = None
    for _ in range(steps):
        answer = model.chat(messages, tools=known.specs, system=system, **options)
        if not answer.tool_calls:
            return answer
        results = [use(known, wanted) for wanted in answer.tool_calls]
        messages = (*messages, answer, *results)
    raise StepsExceeded(f"{model.name} has not come to an end within {steps} steps", answer=answer)


@flow
def use(known: Tools, wanted: ToolCall) -> ToolResult:
    """Call the tool that a model wants called."""
    fn, args, kwargs = chosen(known, wanted)
    try:
        result = result_of(wanted, fn(*args, **kwargs))
    except Exception as error:
        result = failure_of(wanted, error)
    return result
