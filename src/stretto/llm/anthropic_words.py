"""What Anthropic's servers are asked, and what they answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from .answers import Answer, ToolCall, ToolResult, Usage, number
from .asked import Asked, Message, Reply

__all__ = ["MOST_TOKENS", "PATH", "AnthropicWords"]

PATH = "/v1/messages"
#: How many tokens an answer may have where nobody says: the server wants to be told.
MOST_TOKENS = 4096
#: The tool that is called with the answer, where it is to have a form. Every model knows tools.
_ANSWER = "answer"
_FINISHED = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tools",
    "refusal": "filter",
}


class AnthropicWords:
    """The requests and answers of ``/v1/messages``."""

    path = PATH

    def body(self, asked: Asked) -> dict[str, Any]:
        """The request."""
        system: list[Any] = [] if asked.system is None else [{"type": "text", "text": asked.system}]
        messages: list[dict[str, Any]] = []
        for message in asked.messages:
            if isinstance(message, Mapping) and message.get("role") in ("system", "developer"):
                system += _blocks(message.get("content"))
            else:
                _add(messages, *_message(message))
        options = dict(asked.options)
        body: dict[str, Any] = {
            "model": asked.model,
            "max_tokens": options.pop("max_tokens", MOST_TOKENS),
            "messages": messages,
        }
        if system:
            only: dict[str, Any] = system[0] if len(system) == 1 else {}
            body["system"] = only["text"] if only.keys() == {"type", "text"} else system
        tools = [_tool(tool) for tool in asked.tools]
        if asked.form is not None:
            about = "Give the answer to the user in this form. Call it once, when you know the answer."
            tools.append({"name": _ANSWER, "description": about, "input_schema": asked.form})
            if "tool_choice" not in options and "thinking" not in options:
                # a model that thinks may not be told what to call
                options["tool_choice"] = {"type": "any"} if asked.tools else {"type": "tool", "name": _ANSWER}
        if tools:
            body["tools"] = tools
        return {**body, **options}

    def streamed(self, body: dict[str, Any]) -> dict[str, Any]:
        """The request for an answer in pieces."""
        return {**body, "stream": True}

    def reply(self, raw: dict[str, Any]) -> Reply:
        """What an answer says. KeyError, IndexError or TypeError if it is none."""
        blocks: list[dict[str, Any]] = raw["content"]
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        used = [block for block in blocks if block["type"] == "tool_use"]
        calls = tuple(
            ToolCall(block["id"], block["name"], json.dumps(block["input"], ensure_ascii=False))
            for block in used
            if block["name"] != _ANSWER
        )
        given = [json.dumps(b["input"], ensure_ascii=False) for b in used if b["name"] == _ANSWER]
        said = None if calls else given[0] if given else text
        reason = raw.get("stop_reason") or "end_turn"
        finished = _FINISHED.get(reason, reason)
        return Reply(
            given[0] if given and not text else text, said, calls, usage_of(raw.get("usage")),
            raw.get("model") or "", "stop" if given and not calls and finished == "tools" else finished, raw,
        )  # fmt: skip

    def repair(self, reply: Reply, wrong: str) -> list[Message]:
        """What is said to have an answer corrected."""
        before: Message = {"role": "assistant", "content": reply.raw["content"] or reply.text}
        given = [b["id"] for b in reply.raw["content"] if b["type"] == "tool_use"]
        if given:
            return [before, *(ToolResult(call, wrong, failed=True) for call in given)]
        return [before, wrong]

    def events(self) -> AnthropicEvents:
        """What makes one answer of the pieces of it."""
        return AnthropicEvents()


class AnthropicEvents:
    """The events of one streamed answer."""

    def __init__(self) -> None:
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}
        self.raw: dict[str, Any] = {"type": "message", "content": []}
        self.done = False

    def take(self, event: dict[str, Any]) -> str:
        """The text that comes with one more event."""
        kind = event.get("type")
        if kind == "message_start":
            self.raw = {**event["message"], "content": []}
        elif kind == "content_block_start":
            self._blocks[event["index"]] = dict(event["content_block"])
            self.raw["content"] = list(self._blocks.values())
        elif kind == "content_block_delta":
            return self._delta(event["index"], event["delta"])
        elif kind == "content_block_stop" and event["index"] in self._inputs:
            said = self._inputs.pop(event["index"])
            self._blocks[event["index"]]["input"] = json.loads(said) if said else {}
        elif kind == "message_delta":
            self.raw.update(event["delta"])
            self.raw["usage"] = {**(self.raw.get("usage") or {}), **(event.get("usage") or {})}
        elif kind == "message_stop":
            self.done = True
        return ""

    def _delta(self, at: int, delta: dict[str, Any]) -> str:
        block, kind = self._blocks[at], delta["type"]
        if kind == "text_delta":
            block["text"] = block.get("text", "") + delta["text"]
            return cast("str", delta["text"])
        if kind == "input_json_delta":
            self._inputs[at] = self._inputs.get(at, "") + delta["partial_json"]
        elif kind == "thinking_delta":
            block["thinking"] = block.get("thinking", "") + delta["thinking"]
        elif kind == "signature_delta":
            block["signature"] = delta["signature"]
        return ""


def usage_of(said: Any) -> Usage:
    """The tokens that an answer says it has used; what came from a cache is not counted twice."""
    read, written = number(said, "cache_read_input_tokens"), number(said, "cache_creation_input_tokens")
    return Usage(
        number(said, "input_tokens") + read + written,
        number(said, "output_tokens"),
        read,
        written,
        number(said, "output_tokens_details", "thinking_tokens"),
    )


def _message(message: Message) -> tuple[str, Any]:
    """Who says it, and what."""
    if isinstance(message, str):
        return "user", message
    if isinstance(message, ToolResult):
        return "user", [_result(message.id, message.content, message.failed)]
    if isinstance(message, Answer):
        raw = message.raw
        if raw.get("type") == "message" and raw.get("content"):
            # with what it thought, which it wants to see again; a call that gave the answer is an answer
            return "assistant", [_as_text(b) if b.get("name") == _ANSWER else b for b in raw["content"]]
        return "assistant", _said(message.text, message.tool_calls)
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        return "user", [_result(message["tool_call_id"], content, False)]
    if role == "assistant" and message.get("tool_calls"):
        calls = [
            ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
            for call in message["tool_calls"]
        ]
        return role, _said(content or "", tuple(calls))
    return str(role), content


def _as_text(block: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "text", "text": json.dumps(block["input"], ensure_ascii=False)}


def _said(text: str, calls: tuple[ToolCall, ...]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    for call in calls:
        try:
            given = json.loads(call.arguments or "{}")
        except ValueError:
            given = {"malformed": call.arguments}
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": given})
    return blocks or [{"type": "text", "text": "(nothing)"}]


def _result(id: str, content: Any, failed: bool) -> dict[str, Any]:
    found = {"type": "tool_result", "tool_use_id": id, "content": content}
    return {**found, "is_error": True} if failed else found


def _add(messages: list[dict[str, Any]], role: str, content: Any) -> None:
    """One more message. What the same one says next is part of it: results of tools must come at once."""
    if messages and messages[-1]["role"] == role:
        messages[-1]["content"] = _blocks(messages[-1]["content"]) + _blocks(content)
    else:
        messages.append({"role": role, "content": content})


def _blocks(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content or ())


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if "parameters" not in tool:
        return dict(tool)
    return {
        "name": tool["name"],
        "description": tool.get("description", ""),
        "input_schema": tool["parameters"],
    }
