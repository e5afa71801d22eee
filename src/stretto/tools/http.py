"""Requests as calls. GET and HEAD read their host, ``web:HOST``; the others write to it.

The catalogue has ``web`` for requests of other libraries, and that covers all hosts. PUT and DELETE are
idempotent by the word of HTTP. A redirect to another host is not followed: that is another resource.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from ..calls import Call, call
from ..errors import DeclarationError, OutcomeUnknown, ToolError, ToolServerError
from .loop import at_end, do

if TYPE_CHECKING:
    import httpx

__all__ = ["Response", "delete", "get", "head", "patch", "post", "put"]

_SAFE = ("GET", "HEAD", "OPTIONS")
#: Types of content that are text, besides those that say so.
_TEXTS = ("json", "xml", "yaml", "javascript", "x-www-form-urlencoded", "x-ndjson")
#: What can be sent as a form.
FORM_HAS = "a form has texts, numbers, True, False, None, lists of these"
_QUOTED = 500
_MOST_REDIRECTS = 10


@dataclass
class Response:
    """What a server has answered.

    Attributes:
        status: the status, such as 200.
        headers: by name, in small letters.
        text: what it holds, if that is text.
        binary: what it holds, if it is not.
    """

    status: int
    headers: dict[str, str]
    text: str
    binary: bytes


def host_of(url: str) -> str:
    """What a host is called as a resource, below ``web:``, whatever the port."""
    try:
        host = urlsplit(url).hostname
    except ValueError:  # what is no URL is told where it is sent
        host = None
    return (host or "").rstrip(".").replace(":", "%3A")


async def send(
    method: str,
    url: str,
    *,
    timeout: float | None,
    again: bool,
    **about: Any,
) -> Response:
    """Send a request; `ToolServerError` if it has certainly changed nothing, and else `OutcomeUnknown`.

    Args:
        method: in capital letters.
        url: where to.
        timeout: seconds without any answer.
        again: whether it may be sent twice.
        about: what goes along, as httpx calls it: ``params``, ``headers``, ``json``, ``data``, ``content``.
    """
    import httpx

    if not host_of(url):
        raise ToolError(f"{method} {url!r}: this is no URL; expected one such as 'https://example.org/page'")
    safe = method in _SAFE
    about["timeout"] = timeout
    try:
        try:
            found = await do(_sent(method, url, **about))
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if not (safe or again):
                raise
            found = await do(_sent(method, url, **about))  # the server had closed a connection that was kept
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
        raise ToolServerError(f"{method} {url}: the server cannot be reached: {error}") from None
    except httpx.HTTPError as error:
        why = f"{method} {url}: {type(error).__name__}: {error}".rstrip(": ")
        if safe or again:
            raise ToolServerError(why) from None
        raise OutcomeUnknown(f"{why}. Nobody knows whether it has happened") from None
    kind = found.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    is_text = (
        kind.startswith("text/") or kind.rpartition("+")[2] in _TEXTS or kind.rpartition("/")[2] in _TEXTS
    )
    text, binary = (found.text, b"") if is_text else ("", found.content)
    return Response(found.status_code, dict(found.headers), text, binary)


async def _sent(method: str, url: str, **about: Any) -> httpx.Response:
    """On the connections' loop."""
    import httpx

    host = host_of(url)
    about["timeout"] = httpx.Timeout(about["timeout"], connect=30.0)
    answer = await _client().send(_request(method, url, about))
    about["params"] = None  # they are in the URL that is told
    for _ in range(_MOST_REDIRECTS):
        following = answer.next_request
        if following is None or method not in _SAFE or host_of(str(following.url)) != host:
            return answer
        answer = await _client().send(_request(method, str(following.url), about))
    raise httpx.TooManyRedirects(f"more than {_MOST_REDIRECTS} redirects", request=answer.request)


def unfit(form: Mapping[str, Any]) -> str | None:
    """The field of a form that has what no form can have."""
    for field, part in form.items():
        parts = cast("list[Any]", part) if isinstance(part, (list, tuple)) else [part]
        if any(isinstance(item, (dict, list, tuple)) for item in parts):
            return field
    return None


def _request(method: str, url: str, about: Mapping[str, Any]) -> httpx.Request:
    """What is sent, as bytes. `ToolError` for what cannot be."""
    import httpx

    field = unfit(about.get("data") or {})
    if field is not None:
        raise ToolError(f"{method} {url!r} was not sent: data[{field!r}]: {FORM_HAS}")
    try:
        return _client().build_request(method, url, **about)
    except (httpx.InvalidURL, ValueError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ToolError(f"{method} {url!r} cannot be sent as it stands, and was not: {why}") from None


_clients: list[tuple[int, httpx.AsyncClient]] = []


def _client() -> httpx.AsyncClient:
    """The client of all requests, which keeps connections open."""
    import httpx

    if not _clients or _clients[0][0] != os.getpid():  # the connections of a parent are its own
        made = httpx.AsyncClient(limits=httpx.Limits(max_connections=None, max_keepalive_connections=100))
        _clients[:] = [(os.getpid(), made)]
        at_end(made.aclose)
    return _clients[0][1]


def checked(method: str, url: str, answer: Response) -> Response:
    """The response, unless it says that the request has failed: a `ToolError` then."""
    if answer.status < 300:
        return answer
    what = f"it has failed with status {answer.status}"
    if answer.status < 400:
        what = f"it is redirected to {answer.headers.get('location', 'nowhere')}, which is not followed"
    said = answer.text.strip()[:_QUOTED]
    raise ToolError(
        f"{method} {url}: {what}{f': {said}' if said else ''}",
        tool=method, server=host_of(url), text=answer.text, status=answer.status,
    )  # fmt: skip


def _declared(method: str) -> Call[..., Response]:
    again = method in ("PUT", "DELETE")

    async def request(
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Mapping[str, Any] | None = None,
        content: str | bytes | None = None,
        timeout: float | None = 60.0,
        check: bool = True,
    ) -> Response:
        needs_httpx()
        answer = await send(
            method, url, params=params, headers=headers, json=json, data=data, content=content,
            timeout=timeout, again=again,
        )  # fmt: skip
        return checked(method, url, answer) if check else answer

    request.__doc__ = f"""Send a {method} request, and wait for the response.

    Args:
        url: where to.
        params: what goes behind the question mark.
        headers: what goes along.
        json: what is sent, as JSON.
        data: what is sent, as a form.
        content: what is sent, as it is.
        timeout: seconds without any answer after which it has failed; None for no end.
        check: whether a status from 300 on is a `ToolError`.
    """
    request.__name__ = request.__qualname__ = method.lower()
    declare = call.reads if method in _SAFE else call.writes
    options = {"idempotent": True} if again else {}
    made: Call[..., Response] = declare("web:{url}", name=f"http.{method.lower()}", **options)(request)
    made.named_after = lambda arguments: {"url": host_of(str(arguments["url"]))}
    return made


def needs_httpx() -> None:
    """Raise `DeclarationError` if there is no client."""
    if importlib.util.find_spec("httpx") is None:
        raise DeclarationError("requests need the package httpx: pip install 'stretto[http]'")


get = _declared("GET")
head = _declared("HEAD")
post = _declared("POST")
put = _declared("PUT")
patch = _declared("PATCH")
delete = _declared("DELETE")
