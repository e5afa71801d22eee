"""A small HTTP server that stands in front of a model server and watches what passes.

It counts the requests and how many were under way at once, adds a delay as the way to a distant server
would, records the answers, and can give recorded answers instead of asking. The program that is watched
does not know of it: its base URL names the front instead of the server.
"""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: How answers are sent that come word by word.
_EVENTS = "text/event-stream"


@dataclass
class Traffic:
    """What passed during one run.

    Attributes:
        delay: seconds added to each request, half on its way there and half on its way back.
        replay: answers to give instead of asking the server, by the text of the request.
        within: seconds that such an answer takes at the most; each takes its own part of them.
        on_answer: called after each answer.
        requests: how many came.
        most_at_once: how many were under way at once at the most.
        answers: the first answer to each request.
    """

    delay: float = 0.0
    replay: dict[bytes, bytes] | None = None
    within: float = 0.05
    on_answer: Callable[[], None] = lambda: None
    requests: int = 0
    most_at_once: int = 0
    answers: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    _under_way: int = 0
    _lock: threading.Condition = field(default_factory=threading.Condition, repr=False)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Around one request."""
        with self._lock:
            self.requests += 1
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1
                self._lock.notify_all()
                self.on_answer()

    def wait_until_idle(self) -> None:
        """Wait until no request is under way any more."""
        with self._lock:
            self._lock.wait_for(lambda: not self._under_way)

    def keep(self, request: bytes, answer: bytes) -> bytes:
        """Record an answer. A question that is asked again gets its first answer, so that a run and
        its replay cannot differ over a server that answers the same question in two ways."""
        with self._lock:
            return self.answers.setdefault(request, answer)

    def said(self) -> dict[bytes, str]:
        """The text of each answer."""
        return {request: _text(answer) for request, answer in self.answers.items()}


class Front(ThreadingHTTPServer):
    """Stands in front of the server at `upstream`; `base_url` is its own address."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream.rstrip("/")
        self.base_url = f"http://127.0.0.1:{self.server_port}/v1"
        self.traffic = Traffic()
        threading.Thread(target=self.serve_forever, name="front", daemon=True).start()

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self.server_close()

    def watch(self, **options: Any) -> Traffic:
        """Begin anew: what passes from now on is another run's."""
        self.traffic = Traffic(**options)
        return self.traffic

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that has gone away is no news here."""


class _Handler(BaseHTTPRequestHandler):
    server: Front
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        traffic = self.server.traffic
        request = self.rfile.read(int(self.headers["Content-Length"]))
        with traffic.one():
            time.sleep(traffic.delay / 2)
            status, answer = self._answer(traffic, request)
            time.sleep(traffic.delay / 2)
        if answer is None:  # it went out as it came
            return
        self.send_response(status)
        self.send_header("Content-Type", _EVENTS if answer.startswith(b"data:") else "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _answer(self, traffic: Traffic, request: bytes) -> tuple[int, bytes | None]:
        """The status and the answer; None for one that has been passed on already, word by word."""
        if traffic.replay is not None:
            time.sleep(
                random.Random(request).uniform(0.0, traffic.within)
            )  # answers come in an order of their own
            if request in traffic.replay:
                return 200, traffic.keep(request, traffic.replay[request])
            return 400, _error("this was not asked in the run that was recorded")
        path = self.path.removeprefix("/v1")
        headers = {"Content-Type": "application/json"}
        if "Authorization" in self.headers:
            headers["Authorization"] = self.headers["Authorization"]
        try:
            question = urllib.request.Request(self.server.upstream + path, request, headers)
            with urllib.request.urlopen(question, timeout=600) as reply:
                if reply.headers.get_content_type() == _EVENTS:
                    traffic.keep(request, b"".join(self._passed_on(reply)))
                    return 200, None
                return reply.status, traffic.keep(request, reply.read())
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 502, _error(f"no answer from {self.server.upstream}: {error}")

    def _passed_on(self, reply: Iterable[bytes]) -> Iterator[bytes]:
        """The lines of an answer that comes word by word, each of them sent when it is there."""
        self.send_response(200)
        self.send_header("Content-Type", _EVENTS)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in reply:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
            yield line
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""


def _error(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "front"}}).encode()


def _text(answer: bytes) -> str:
    return json.loads(answer)["choices"][0]["message"]["content"] or ""
