"""A stand-in for a model server, so that all but one of these tests need no model."""

from __future__ import annotations

import itertools
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))  # they import each other as programs beside each other do


class PretendModel(ThreadingHTTPServer):
    """Answers each chat with the first sentence of its prompt.

    Attributes:
        moody: never answers twice the same.
        seconds: what each answer takes; it works on one at a time.
        before: called before each answer.
        holding: a lock; whoever has it lets no answer come.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base_url = f"http://127.0.0.1:{self.server_port}/v1"
        self.moody = False
        self.seconds = 0.0
        self.before: Callable[[], None] = lambda: None
        self.count = itertools.count()
        self.holding = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def answer(self, question: dict[str, Any]) -> str:
        with self.holding:
            self.before()
            time.sleep(self.seconds)
        prompt = question["messages"][0]["content"]
        if "response_format" in question:
            words = question["response_format"]["json_schema"]["schema"]["properties"]["terms"]["items"][
                "enum"
            ]
            return json.dumps({"terms": words[:3]})
        said = prompt.split(". ")[0].splitlines()[-1] + "."
        return f"{next(self.count)} {said}" if self.moody else said


class _Handler(BaseHTTPRequestHandler):
    server: PretendModel

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if question.get("stream"):
            return self._word_by_word(self.server.answer(question))
        message = {"role": "assistant", "content": self.server.answer(question)}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        reply = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def _word_by_word(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for word in [*re.findall(r"\S+\s*", text), None]:
            choice = {
                "index": 0,
                "delta": {"content": word} if word else {},
                "finish_reason": None if word else "stop",
            }
            piece = {
                "id": "1",
                "object": "chat.completion.chunk",
                "created": 0,
                "model": "m",
                "choices": [choice],
            }
            self.wfile.write(b"data: " + json.dumps(piece).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def pretend_model() -> Iterator[PretendModel]:
    with PretendModel() as server:
        yield server
        server.shutdown()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Three notes, two of them on one subject, and two files that are none."""
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("tides.md", "moon-origin.md", "sourdough.md", "ideas.md", "menu.txt"):
        (folder / name).write_bytes((EXAMPLES / "notes" / name).read_bytes())
    return folder
