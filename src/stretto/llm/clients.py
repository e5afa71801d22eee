"""The clients of the providers' own packages: one for each event loop, and no attempts of their own.

What is sent and what comes back is JSON as it stands: so whatever a server takes can be sent, and whatever it
says can be read, whether the package knows of it or not. What goes wrong is said in the words of
`stretto.llm.errors`.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from threading import Lock
from typing import Any, Literal, Protocol, cast
from weakref import WeakKeyDictionary, finalize, ref

from .errors import ModelError, Unavailable
from .extras import needs

__all__ = ["SDK", "Client", "Way"]

SDK = Literal["openai", "anthropic"]
#: The class of the client, and the variable that has its key.
_CLASSES = {"openai": "AsyncOpenAI", "anthropic": "AsyncAnthropic"}
#: These may be answered otherwise later; and everything from 500.
_PASSING = frozenset({408, 409, 425, 429})
#: But these say that the server cannot do it at all.
_NOT_THERE = frozenset({501, 505})
#: Refusals for which there is no use in coming back.
_FINAL = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_error"})
#: Of what a stream may say that it is broken: these are passing.
_PASSING_KINDS = frozenset(
    {"overloaded_error", "rate_limit_error", "api_error", "timeout_error", "server_error"}
)
#: The status that such a thing has where it is said at once.
_STATUS = {"overloaded_error": 529, "rate_limit_error": 429}
_TOLD = ("retry-after", "retry-after-ms")


class Way(Protocol):
    """How requests go to a server, and answers come back."""

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request; what comes back."""
        ...

    def events(self, path: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Send a request; what comes back, event by event."""
        ...


class Client:
    """The way to one server."""

    def __init__(self, sdk: SDK, options: Mapping[str, Any]) -> None:
        self._sdk: SDK = sdk
        self._options = dict(options)
        self._of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, Any]] = WeakKeyDictionary()
        self._lock = Lock()

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        client = await self._client()
        async with self._translated():
            found = await client.post(path, body=body, cast_to=object)
        if not isinstance(found, dict):
            raise Unavailable(f"the server has answered with what is no JSON object: {found!r:.200}")
        return cast("dict[str, Any]", found)

    async def get(self, path: str) -> Any:
        """What is at a path; what goes wrong is raised as it is."""
        client = await self._client()
        return await client.get(path, cast_to=object)

    async def events(self, path: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        client = await self._client()
        module = importlib.import_module(self._sdk)
        async with self._translated():
            stream = await client.post(
                path, body=body, cast_to=object, stream=True, stream_cls=module.AsyncStream[object]
            )
        try:
            while True:
                async with self._translated():
                    event = await anext(stream, None)
                if event is None:
                    return
                if not isinstance(event, dict):
                    raise Unavailable(f"the server has sent what is no JSON object: {event!r:.200}")
                yield cast("dict[str, Any]", event)
        finally:
            await stream.close()

    async def _client(self) -> Any:
        """The client of this loop: its connections belong to it."""
        loop = asyncio.get_running_loop()
        found = self._of_loops.get(loop)
        if found is None:
            with needs(self._sdk):
                module = await asyncio.to_thread(importlib.import_module, self._sdk)  # it takes a while
            found = self._of_loops.get(loop)  # another call may have made it meanwhile
            if found is not None:
                return found[0]
            try:
                client = getattr(module, _CLASSES[self._sdk])(max_retries=0, **self._options)
            except getattr(module, f"{_CLASSES[self._sdk].removeprefix('Async')}Error") as error:
                raise ModelError(f"{error} Or say api_key= where the model is made.") from None
            # held until it is closed: as garbage, together with its connections, it could not close them
            keeper = finalize(self, _close, ref(loop), client)
            keeper.atexit = False
            holder = _held(client, keeper)
            with self._lock:
                self._of_loops[loop] = client, holder
            await anext(holder)
            return client
        return found[0]

    @asynccontextmanager
    async def _translated(self) -> AsyncGenerator[None]:
        """Around what a package does: what it raises, in words that are the same for all."""
        try:
            yield
        except Exception as error:
            found = self._failure(error)
            if found is None:
                raise
            raise found from None

    def _failure(self, error: Exception) -> ModelError | None:
        module = importlib.import_module(self._sdk)
        said = self._without_key(f"{error}")
        if isinstance(error, module.APIStatusError):
            return _refused(error, said)
        if isinstance(error, module.APIConnectionError):
            why = error.__cause__
            told = f"{said} ({type(why).__name__}: {self._without_key(str(why))})" if why else said
            return Unavailable(f"the server could not be reached: {told}")
        if isinstance(error, module.APIError):
            body: Any = getattr(error, "body", None)
            passing = _said(body).get("type") in _PASSING_KINDS
            return (Unavailable if passing else ModelError)(f"the server has broken off: {said}", body=body)
        if isinstance(error, ValueError) and not isinstance(
            error, (json.JSONDecodeError, UnicodeDecodeError)
        ):
            return ModelError(f"the request cannot be sent, as it is no JSON or no UTF-8: {said}")
        if isinstance(error, ValueError):
            return Unavailable(f"the server has answered with what is no JSON: {said}")
        if type(error).__module__.partition(".")[0].startswith(("httpx", "httpcore", "h11")):
            return Unavailable(f"the connection was lost: {type(error).__name__}: {said}")
        return None

    def _without_key(self, text: str) -> str:
        key = self._options.get("api_key")
        return text.replace(key, "...") if isinstance(key, str) and len(key) > 7 else text


async def _held(client: Any, keeper: finalize[Any, Any]) -> AsyncGenerator[None, None]:
    """Closes a client when its loop ends (`loop.shutdown_asyncgens`), which nothing else would tell."""
    try:
        yield
    finally:
        keeper.detach()
        await client.close()


def _close(there: ref[asyncio.AbstractEventLoop], client: Any) -> None:
    """The model is gone: close its client on its loop. From any thread."""
    loop = there()
    if loop is None or not loop.is_running():
        return

    def begin() -> None:
        task = loop.create_task(client.close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)

    with suppress(RuntimeError):  # the loop has just been closed
        loop.call_soon_threadsafe(begin)


#: What closes clients: nothing else holds it.
_closing: set[asyncio.Task[Any]] = set()


def _said(body: Any) -> Mapping[str, Any]:
    """What a server says of an error."""
    inner: Any = cast("dict[str, Any]", body).get("error", body) if isinstance(body, dict) else {}
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}


def _refused(error: Any, said: str) -> ModelError:
    """A server has answered, and not with 200."""
    status: int | None = error.status_code
    headers = {name: error.response.headers[name] for name in _TOLD if name in error.response.headers}
    body: Any = error.body
    kinds = {_said(body).get("code"), _said(body).get("type")}
    if status == 200:  # it has begun to answer, and then thought better of it
        status = next(
            (_STATUS[kind] for kind in kinds if kind in _STATUS), 500 if kinds & _PASSING_KINDS else None
        )
    again = error.response.headers.get("x-should-retry")
    passing = status is not None and (status in _PASSING or (status >= 500 and status not in _NOT_THERE))
    passing = passing and not kinds & _FINAL
    if again in ("true", "false"):
        passing = again == "true"
    kind = Unavailable if passing else ModelError
    return kind(f"the server has refused: {said}", status_code=status, headers=headers, body=body)
