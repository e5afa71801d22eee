"""What can be asked of the server of `stretto ui`.

    GET  /                            the page, and /page/FILE what belongs to it
    GET  /api/runs                    the newest runs
    GET  /api/runs/RUN/news           the run, told while it goes on (`news`)
    GET  /api/runs/RUN/call?seq=N     what is recorded of one call, by the numbers of its events
    GET  /api/runs/RUN/stop           what else would be stopped
    POST /api/runs/RUN/ACTION         stop, resume, fork, settle (`actions`)

Whoever asks has been looked at by `guard`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ..errors import RunNotFound, StrettoError
from . import actions
from .costs import Costs
from .guard import Guard
from .news import news
from .reading import WORDS, as_text, details, listed

if TYPE_CHECKING:
    from starlette.requests import Request

    from ..journal import Journal

__all__ = ["PAGE", "make_app"]

#: What the browser is given.
PAGE = Path(__file__).parent / "page"

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

#: So many runs are told, unless more are asked for.
_RUNS = 200
#: No request has a longer body: a value that settles a doubt.
_BODY = 1_000_000


def make_app(
    journal: Journal,
    url: str,
    *,
    host: str,
    port: int,
    token: str | None = None,
    closing: Callable[[], bool] = lambda: False,
) -> Starlette:
    """The server's app.

    Args:
        url: names the journal for commands that are started.
        host, port: where it listens.
        token: what every request has to bring, if anything.
        closing: whether it is about to end, so that nothing more is to be told.
    """
    asked = _Asked(journal, url, closing)
    routes = [
        Route("/", asked.index),
        Route("/page/{name}", _file),
        Route("/api/runs", _answered(asked.runs)),
        Route("/api/runs/{run}/news", asked.news),
        Route("/api/runs/{run}/call", _answered(asked.call)),
        Route("/api/runs/{run}/stop", _answered(asked.shared), methods=["GET"]),
        Route("/api/runs/{run}/{action}", asked.act, methods=["POST"]),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, host=host, port=port, token=token)])


async def _file(request: Request) -> Response:
    file = PAGE / request.path_params["name"]
    if file.parent != PAGE or file.suffix not in _TYPES or not file.is_file():
        return PlainTextResponse("there is no such file", 404)
    return FileResponse(file, media_type=_TYPES[file.suffix])


def _json(data: Any, code: int = 200) -> Response:
    return Response(as_text(data), code, media_type="application/json")


def _failed(error: Exception) -> Response:
    code = 404 if isinstance(error, RunNotFound) else 409 if isinstance(error, actions.Refused) else 400
    return _json({"error": str(error)}, code)


def _answered(ask: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """What waits for the disk is done in a thread, and answered as JSON."""

    async def answer(request: Request) -> Response:
        try:
            return _json(await run_in_threadpool(ask, request))
        except (StrettoError, ValueError) as error:
            return _failed(error)

    return answer


class _Asked:
    """The answers about one journal."""

    def __init__(self, journal: Journal, url: str, closing: Callable[[], bool]) -> None:
        self.journal = journal
        self.closing = closing
        self.url = url
        self.costs = Costs(journal)

    async def index(self, request: Request) -> Response:
        page = await run_in_threadpool((PAGE / "index.html").read_text)
        words = as_text({**WORDS, "journal": self.journal.where})
        return HTMLResponse(page.replace("{}", words, 1))

    def runs(self, request: Request) -> Any:
        limit = int(request.query_params.get("limit", _RUNS))
        return {"runs": listed(self.journal, max(1, limit), self.costs)}

    def call(self, request: Request) -> Any:
        numbers = {int(seq) for seq in request.query_params.getlist("seq")}
        return details(self.journal, request.path_params["run"], {n for n in numbers if n > 0})

    def shared(self, request: Request) -> Any:
        return {"shared": actions.shared_with(self.journal, self.journal.run(request.path_params["run"]))}

    async def news(self, request: Request) -> Response:
        run = request.path_params["run"]
        try:
            await run_in_threadpool(self.journal.run, run)
        except StrettoError as error:
            return _failed(error)
        return StreamingResponse(news(self.journal, run, self.closing), media_type="text/event-stream")

    async def act(self, request: Request) -> Response:
        body = b""
        async for some in request.stream():
            body += some
            if len(body) > _BODY:
                return _json({"error": "that is too long"}, 413)
        try:
            asked = json.loads(body or b"{}")
            if not isinstance(asked, dict):
                raise ValueError("what is asked for is a JSON object")
            run, action = request.path_params["run"], request.path_params["action"]
            return _json(await run_in_threadpool(self._do, run, action, cast("dict[str, Any]", asked)))
        except (StrettoError, ValueError) as error:
            return _failed(error)

    def _do(self, run: str, action: str, asked: dict[str, Any]) -> Any:
        record = self.journal.run(run)
        if action == "stop":
            return actions.stop(self.journal, record)
        if action == "resume":
            return actions.resume(self.url, run, accept=asked.get("accept") is True)
        if action == "fork":
            return actions.fork(self.url, run, _word(asked, "place"))
        if action == "settle":
            value = asked.get("value")
            if value is not None and not isinstance(value, str):
                raise ValueError("value is JSON, as text")
            return actions.settle(self.url, run, _word(asked, "place"), value, _word(asked, "by", empty=True))
        raise actions.Refused(f"there is no action {action!r}")


def _word(asked: dict[str, Any], name: str, *, empty: bool = False) -> str:
    found = asked.get(name, "")
    if not isinstance(found, str) or "\0" in found or not (found or empty):
        raise ValueError(f"{name} is a text")
    return found
