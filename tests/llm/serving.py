"""A server on loopback that speaks as OpenAI's and Anthropic's do, and fails on command."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What to do with one request in the place of an answer; True if that was all.
Trouble = Callable[["Handler"], bool]


class Server(ThreadingHTTPServer):
    """Answers each request with what `says` makes of it.

    Attributes:
        says: a text, or a message as the protocol has it, for the body of a request.
        troubles: what happens to the next requests, one each.
        asked: the bodies of the requests so far.
        together: if not None, so many requests wait for each other before any is answered.
        silent: it says nothing of the tokens used, as some servers that speak as OpenAI's do.
        most_at_once: how many were under way at once at the most.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.says: Callable[[dict[str, Any]], Any] = lambda body: f"answer to {last(body)}"
        self.troubles: list[Trouble] = []
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.together: threading.Barrier | None = None
        self.silent = False
        self.most_at_once = 0
        self._under_way = 0
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def begin(self, body: dict[str, Any], headers: dict[str, str]) -> Trouble | None:
        with self._lock:
            self.asked.append(body)
            self.headers.append(headers)
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
            return self.troubles.pop(0) if self.troubles else None

    def end(self) -> None:
        with self._lock:
            self._under_way -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone away is no news here."""


def last(body: dict[str, Any]) -> str:
    """The last text of a request."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else str(content[-1].get("text", content[-1].get("content")))


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        trouble = self.server.begin(body, headers)
        try:
            if self.server.together is not None:
                self.server.together.wait(timeout=60)
            if trouble is None or not trouble(self):
                self.answer(body)
        finally:
            self.server.end()

    def answer(self, body: dict[str, Any]) -> None:
        if self.path.endswith("/embeddings"):
            rows = [{"index": i, "embedding": [float(len(t)), 0.5]} for i, t in enumerate(body["input"])]
            self.send(200, {"data": rows[::-1], "model": body["model"], "usage": {"prompt_tokens": 3}})
            return
        said = self.server.says(body)
        anthropic = self.path.endswith("/messages")
        make = anthropic_answer if anthropic else openai_answer
        raw = make(body, said)
        if self.server.silent:
            raw["usage"] = None
        if not body.get("stream"):
            self.send(200, raw)
            return
        self.begin_stream()
        for event in (anthropic_events if anthropic else openai_events)(raw):
            self.event(event)
        if not anthropic:
            self.wfile.write(b"data: [DONE]\n\n")

    def send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def event(self, event: dict[str, Any]) -> None:
        name = f"event: {event['type']}\n" if "type" in event else ""
        self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        pass


# -- answers -----------------------------------------------------------------------------------------------


def tool_call(name: str, arguments: Any, id: str = "t1") -> dict[str, Any]:
    """What `Server.says` gives to have a tool called."""
    return {"tool": name, "arguments": arguments, "id": id}


def openai_answer(body: dict[str, Any], said: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said if isinstance(said, str) else None}
    if not isinstance(said, str):
        message["tool_calls"] = [
            {
                "id": one["id"],
                "type": "function",
                "function": {"name": one["tool"], "arguments": text_of(one["arguments"])},
            }
            for one in said
        ]
    usage = {
        "prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25,
        "prompt_tokens_details": {"cached_tokens": 8},
    }  # fmt: skip
    reason = "stop" if isinstance(said, str) else "tool_calls"
    choice = {"index": 0, "finish_reason": reason, "message": message}
    return {
        "id": "1",
        "object": "chat.completion",
        "model": body["model"],
        "choices": [choice],
        "usage": usage,
    }


def anthropic_answer(body: dict[str, Any], said: Any) -> dict[str, Any]:
    if isinstance(said, str):
        blocks: list[dict[str, Any]] = [{"type": "text", "text": said}]
    else:
        blocks = [
            {"type": "tool_use", "id": one["id"], "name": one["tool"], "input": one["arguments"]}
            for one in said
        ]
    usage = {
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_read_input_tokens": 8,
        "cache_creation_input_tokens": 2,
    }
    return {
        "id": "m", "type": "message", "role": "assistant", "model": body["model"], "content": blocks,
        "stop_reason": "end_turn" if isinstance(said, str) else "tool_use", "usage": usage,
    }  # fmt: skip


def text_of(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def openai_events(raw: dict[str, Any]) -> list[dict[str, Any]]:
    message = raw["choices"][0]["message"]
    head = {"id": raw["id"], "object": "chat.completion.chunk", "model": raw["model"]}
    deltas: list[dict[str, Any]] = [{"content": word} for word in pieces(message["content"] or "")]
    for at, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        deltas.append(
            {"tool_calls": [{"index": at, "id": call["id"], "function": {"name": function["name"]}}]}
        )
        for part in pieces(function["arguments"]):
            deltas.append({"tool_calls": [{"index": at, "function": {"arguments": part}}]})
    events = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    reason = raw["choices"][0]["finish_reason"]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    return [*events, {**head, "choices": [], "usage": raw["usage"]}]


def anthropic_events(raw: dict[str, Any]) -> list[dict[str, Any]]:
    begun = {**raw, "content": [], "stop_reason": None, "usage": {**raw["usage"], "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for at, block in enumerate(raw["content"]):
        empty = {**block, "text": ""} if block["type"] == "text" else {**block, "input": {}}
        events.append({"type": "content_block_start", "index": at, "content_block": empty})
        for part in pieces(block.get("text") or json.dumps(block.get("input"))):
            kind = "text_delta" if block["type"] == "text" else "input_json_delta"
            delta = {"type": kind, "text" if block["type"] == "text" else "partial_json": part}
            events.append({"type": "content_block_delta", "index": at, "delta": delta})
        events.append({"type": "content_block_stop", "index": at})
    ended = {"stop_reason": raw["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": raw["usage"]["output_tokens"]}
    return [*events, {"type": "message_delta", "delta": ended, "usage": usage}, {"type": "message_stop"}]


def pieces(text: str) -> list[str]:
    return [text[i : i + 4] for i in range(0, len(text), 4)]


# -- troubles ----------------------------------------------------------------------------------------------


def refuses(status: int, error: dict[str, Any] | None = None, **headers: str) -> Trouble:
    def trouble(handler: Handler) -> bool:
        said = {"type": "error", "error": error or {"message": "not now", "type": "some_error"}}
        handler.send(status, said, {name.replace("_", "-"): value for name, value in headers.items()})
        return True

    return trouble


def malformed(handler: Handler) -> bool:
    handler.send(200, b'{"choices": [')
    return True


def no_answer(handler: Handler) -> bool:
    handler.send(200, {"hello": "world"})
    return True


def hangs_up(handler: Handler) -> bool:
    handler.close_connection = True
    handler.connection.close()
    return True


def breaks_off(handler: Handler) -> bool:
    """A stream that ends after its first piece, without a word."""
    handler.begin_stream()
    if handler.path.endswith("/messages"):
        for event in anthropic_events(anthropic_answer({"model": "m"}, "one two three"))[:5]:
            handler.event(event)
    else:
        for event in openai_events(openai_answer({"model": "m"}, "one two three"))[:2]:
            handler.event(event)
    return True


def fails_within(handler: Handler) -> bool:
    """A stream that says, after its first piece, that the server is overloaded."""
    handler.begin_stream()
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "too much"}}
    handler.wfile.write(f"event: error\ndata: {json.dumps(error)}\n\n".encode())
    return True


def waits_for(event: threading.Event) -> Trouble:
    def trouble(handler: Handler) -> bool:
        event.wait(60)
        return False

    return trouble
