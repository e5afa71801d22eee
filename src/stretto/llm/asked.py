"""What a model is asked, before it is put in the words of one server or another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .answers import Answer, ToolCall, ToolResult, Usage

__all__ = ["Asked", "Message", "Messages", "Reply", "plain", "sequence"]

#: One message: a text that the user says, an answer of a model, the result of a tool, or a dict as the server
#: takes it (``{"role": "user", "content": ...}``).
Message: TypeAlias = str | Answer[Any] | ToolResult | Mapping[str, Any]
Messages: TypeAlias = Message | Sequence[Message]


@dataclass
class Asked:
    """One request.

    Attributes:
        model: whom.
        messages: what was said so far.
        system: what it is told beforehand.
        tools: what it may call, each as `stretto.llm.tools.spec` gives it, or as the server takes it.
        form: the JSON schema that the answer is to have, if any.
        options: what else the server is told, as it takes it.
    """

    model: str
    messages: list[Message]
    system: str | None
    tools: list[dict[str, Any]]
    form: dict[str, Any] | None
    options: dict[str, Any]


@dataclass
class Reply:
    """What a server has answered, whatever it speaks.

    Attributes:
        said: the JSON text that `Asked.form` asked for; None if there is none.
    """

    text: str
    said: str | None
    tool_calls: tuple[ToolCall, ...]
    usage: Usage
    model: str
    finish_reason: str
    raw: dict[str, Any]


def sequence(messages: Messages) -> list[Message]:
    """Messages as a list."""
    if isinstance(messages, (str, Answer, ToolResult, Mapping)):
        return [messages]
    for message in messages:
        if not isinstance(message, (str, Answer, ToolResult, Mapping)):
            raise TypeError(
                f"a message is a text, a dict with a role and a content, an Answer or a ToolResult; found "
                f"{type(message).__name__}: {message!r:.80}"
            )
    return list(messages)


def plain(message: Message) -> Any:
    """A message as text, lists and dicts: what is read to tell how long it is, and where it begins alike."""
    if isinstance(message, Answer):
        return ["assistant", message.text, [[call.name, call.arguments] for call in message.tool_calls]]
    if isinstance(message, ToolResult):
        return ["tool", message.content]
    if isinstance(message, str):
        return ["user", message]
    return dict(message)
