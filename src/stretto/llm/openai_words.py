"""What OpenAI's servers are asked, and what they answer; and all servers that speak as they do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .answers import Answer, ToolCall, ToolResult, Usage, number
from .asked import Asked, Message, Reply
from .schemas import strict

__all__ = ["EMBEDDINGS", "PATH", "OpenAIWords"]

PATH = "/chat/completions"
EMBEDDINGS = "/embeddings"
_FINISHED = {"tool_calls": "tools", "function_call": "tools", "content_filter": "filter"}
#: Under what names they take the number of tokens that an answer may have: the newer models of OpenAI's own
#: take the second only, and most other servers know the first only.
_MOST, _MOST_OF_OPENAI = "max_tokens", "max_completion_tokens"


class OpenAIWords:
    """The requests and answers of ``/chat/completions``."""

    path = PATH

    def __init__(self, *, hosted: bool) -> None:
        #: Whether it is OpenAI's own server.
        self.hosted = hosted

    def body(self, asked: Asked) -> dict[str, Any]:
        """The request."""
        messages = [_message(message) for message in asked.messages]
        if asked.system is not None:
            messages.insert(0, {"role": "system", "content": asked.system})
        body: dict[str, Any] = {"model": asked.model, "messages": messages, **asked.options}
        if self.hosted and _MOST in body:
            body[_MOST_OF_OPENAI] = body.pop(_MOST)
        if asked.tools:
            body["tools"] = [_tool(tool) for tool in asked.tools]
        if asked.form is not None:
            schema = strict(asked.form)
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": "answer",
                    "schema": asked.form if schema is None else schema,
                    "strict": schema is not None,
                },
            }
        return body

    def streamed(self, body: dict[str, Any]) -> dict[str, Any]:
        """The request for an answer in pieces."""
        return {"stream_options": {"include_usage": True}, **body, "stream": True}

    def reply(self, raw: dict[str, Any]) -> Reply:
        """What an answer says. KeyError, IndexError or TypeError if it is none."""
        choice = raw["choices"][0]
        message = choice["message"]
        calls = tuple(
            ToolCall(call.get("id") or f"call_{at}", call["function"]["name"], _arguments(call["function"]))
            for at, call in enumerate(message.get("tool_calls") or ())
        )
        text = message.get("content") or message.get("refusal") or ""
        reason = choice.get("finish_reason") or "stop"
        return Reply(
            text, None if calls else text, calls, usage_of(raw.get("usage")), raw.get("model") or "",
            "tools" if calls and reason == "stop" else _FINISHED.get(reason, reason), raw,
        )  # fmt: skip

    def repair(self, reply: Reply, wrong: str) -> list[Message]:
        """What is said to have an answer corrected."""
        return [{"role": "assistant", "content": reply.text}, wrong]

    def events(self) -> OpenAIEvents:
        """What makes one answer of the pieces of it."""
        return OpenAIEvents()


class OpenAIEvents:
    """The events of one streamed answer."""

    def __init__(self) -> None:
        self._message: dict[str, Any] = {"role": "assistant", "content": ""}
        self._calls: dict[int, dict[str, Any]] = {}
        self._choice: dict[str, Any] = {"index": 0, "message": self._message, "finish_reason": None}
        self.raw: dict[str, Any] = {"object": "chat.completion", "choices": [self._choice]}
        self.done = False

    def take(self, event: dict[str, Any]) -> str:
        """The text that comes with one more event."""
        for name in ("id", "model", "created", "usage"):
            if event.get(name) is not None:
                self.raw[name] = event[name]
        text = ""
        for choice in event.get("choices") or ():
            if choice.get("index"):
                continue
            delta: dict[str, Any] = choice.get("delta") or {}
            text += delta.get("content") or ""
            for call in delta.get("tool_calls") or ():
                self._call(call)
            if choice.get("finish_reason"):
                self._choice["finish_reason"] = choice["finish_reason"]
                self.done = True
        self._message["content"] += text
        return text

    def _call(self, part: dict[str, Any]) -> None:
        at = part.get("index") or 0
        call = self._calls.get(at)
        if call is None:
            call = self._calls[at] = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
            self._message["tool_calls"] = list(self._calls.values())
        call["id"] = part.get("id") or call["id"]
        function: dict[str, Any] = part.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""


def usage_of(said: Any) -> Usage:
    """The tokens that an answer says it has used."""
    return Usage(
        number(said, "prompt_tokens"),
        number(said, "completion_tokens"),
        number(said, "prompt_tokens_details", "cached_tokens"),
        number(said, "prompt_tokens_details", "cache_write_tokens"),
        number(said, "completion_tokens_details", "reasoning_tokens"),
    )


def _message(message: Message) -> dict[str, Any]:
    if isinstance(message, str):
        return {"role": "user", "content": message}
    if isinstance(message, ToolResult):
        return {"role": "tool", "tool_call_id": message.id, "content": message.content}
    if isinstance(message, Answer):
        if not message.tool_calls:
            return {"role": "assistant", "content": message.text}
        calls = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in message.tool_calls
        ]
        return {"role": "assistant", "content": message.text or None, "tool_calls": calls}
    return dict(message)


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if "type" in tool or "parameters" not in tool:
        return dict(tool)
    return {"type": "function", "function": dict(tool)}


def _arguments(function: Mapping[str, Any]) -> str:
    said = function.get("arguments")
    return said if isinstance(said, str) else json.dumps(said or {})
