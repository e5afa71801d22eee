"""Who may ask the server of `stretto ui`, and what a browser is told not to do with what it is given.

The page of somebody else, open in the same browser, can send requests to this machine. It must neither learn
nor change anything:

- it may have its own name point here (DNS rebinding): so requests are answered only under the names that the
  server knows as its own;
- it may send requests that change something without seeing the answers: so these must come from the server's
  own page, as the browser says in `Origin`;
- it may have its user click through a frame: so nobody may put the page into one.

A server that others than this machine can reach asks for a token as well, which is made anew each time.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["POLICY", "Guard", "is_loopback"]

#: What the page may do: nothing but what comes from this server, and no script that stands in the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)

_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Lets requests through to the app that are in order.

    Args:
        host: where the server listens.
        token: what every request has to bring, or None where it need not.
    """

    def __init__(self, app: ASGIApp, *, host: str, port: int, token: str | None = None) -> None:
        self._app = app
        self._port = port
        self._token = token
        self._cookie = f"stretto-{port}"  # cookies of all ports of a host lie together
        self._names = _LOOPBACK | {host}
        #: Listening everywhere, it has names that it cannot know. A rebound name is never a bare address.
        self._any_address = token is not None and host in ("0.0.0.0", "::")
        if self._any_address:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # there are no web sockets
        answer = self._refused(scope)
        if answer is None:
            await self._app(scope, receive, _hardened(send))
        else:
            await answer(scope, receive, _hardened(send))

    def _refused(self, scope: Scope) -> Response | None:
        """The answer to a request that is not let through."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._own(host):
            return PlainTextResponse(f"this server is not called {host[:100]!r}", 403)
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return PlainTextResponse("only the server's own page may ask", 403)
        changes = scope["method"] not in ("GET", "HEAD")
        if changes and origin is None:
            return PlainTextResponse("a request that changes something says where it comes from", 403)
        if changes and not headers.get("content-type", "").startswith("application/json"):
            return PlainTextResponse("what is asked for comes as JSON", 403)
        site = headers.get("sec-fetch-site", "none")
        # To follow a link to the page is no harm.
        if site not in ("same-origin", "none") and (changes or scope["path"] != "/"):
            return PlainTextResponse("only the server's own page may ask", 403)
        return self._without_token(scope, headers)

    def _own(self, host: str) -> bool:
        name, _, port = host.rpartition(":")
        if not name or port.endswith("]"):
            name, port = host, "80"
        name = name.strip("[]").lower()
        if port != str(self._port):
            return False
        return name in self._names or (self._any_address and _is_address(name))

    def _without_token(self, scope: Scope, headers: Headers) -> Response | None:
        if self._token is None:
            return None
        if scope["path"] == "/" and scope["method"] == "GET":
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[-1]
            if given and self._is_token(given):
                answer = RedirectResponse("/", 303)  # so that it does not stay in the address
                answer.set_cookie(self._cookie, given, httponly=True, samesite="strict")
                return answer
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            given = _cookie(headers, self._cookie)
        if self._is_token(given):
            return None
        return PlainTextResponse("open the address that `stretto ui` printed: it has the token in it", 401)

    def _is_token(self, given: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(given.encode(), self._token.encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _hardened(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return with_headers
