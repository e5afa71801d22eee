"""Requests that begin alike, to a server that remembers how: each goes when the one before has come back.

llama.cpp's server keeps what it has worked out of a prompt in the *slot* that the prompt was in, and gives a
request the slot that knows most of its beginning. Eight requests that come at once go to eight slots, of
which none knows anything: the beginning is worked out eight times. One after the other they go to one slot,
and it is worked out once. What is lost is that their answers are not written side by side; so they wait for
each other only as long as an answer takes less time to write than the beginning takes to read, which the
server tells with each answer.

Other servers (vLLM, SGLang, and those of the providers) share what they know between all requests. For them
nothing is done.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from .answers import number

__all__ = ["LENGTH", "Prefixes", "beginning", "is_near"]

#: Requests begin alike if so many characters of them are the same: some 500 tokens.
LENGTH = 2000
#: How many beginnings are remembered.
_MOST = 256
#: What part of the time that a request may take it waits for others at the most.
_PATIENCE = 0.25
#: Seconds after which a server that does not say what it is is taken to be none that has slots.
_LOOKING = 10.0
#: So many tokens tell how long one takes to read.
_TELLING = 16

Send = Callable[[], Awaitable[dict[str, Any]]]


class Prefixes:
    """The requests to one server, by how they begin.

    Attributes:
        kept: whether the server keeps what it has worked out, each request for itself; None as long as nobody
            has looked.
    """

    def __init__(self, look: Callable[[], Awaitable[Any]], timeout: float | None) -> None:
        self.kept: bool | None = None
        self._look = look
        self._patience = None if timeout is None else timeout * _PATIENCE
        self._lanes: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lanes] = WeakKeyDictionary()

    async def send(self, body: dict[str, Any], send: Send) -> dict[str, Any]:
        """Send a request, when its turn has come."""
        begins = beginning(body)
        if begins is None or self.kept is False:
            return await send()
        loop = asyncio.get_running_loop()
        lanes = self._lanes.get(loop)
        if lanes is None:
            lanes = self._lanes[loop] = _Lanes()
        if self.kept is None:
            async with lanes.looking:
                if self.kept is None:
                    self.kept = await self._keeps()
            if not self.kept:
                return await send()
        lane = lanes.of(begins)
        if not await lane.enter(self._patience):
            return await send()
        try:
            raw = await send()
            if not lane.took(raw):
                self.kept = False
                lanes.open()
            return raw
        finally:
            lane.leave()

    async def _keeps(self) -> bool:
        try:
            async with asyncio.timeout(_LOOKING):
                found = await self._look()
            return any(one.get("owned_by") == "llamacpp" for one in found["data"])
        except Exception:  # whatever it is, it is none that says so
            return False


class _Lanes:
    """The beginnings that are known to one event loop."""

    def __init__(self) -> None:
        self.looking = asyncio.Lock()
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()

    def of(self, begins: str) -> _Lane:
        lane = self._lanes.get(begins)
        if lane is None:
            lane = self._lanes[begins] = _Lane()
            if len(self._lanes) > _MOST:
                self._lanes.popitem(last=False)
        self._lanes.move_to_end(begins)
        return lane

    def open(self) -> None:
        """Nobody waits for others any more."""
        for lane in self._lanes.values():
            lane.open()


class _Lane:
    """Requests that begin alike: one at a time, until it is known that this is no use."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._open = asyncio.Event()
        self._answers = 0
        self._reading = 0.0

    async def enter(self, patience: float | None) -> bool:
        """Wait for the turn; False if there is none to wait for, or it takes too long."""
        if self._open.is_set():
            return False
        turn = asyncio.ensure_future(self._turn.acquire())
        opened = asyncio.ensure_future(self._open.wait())
        try:
            await asyncio.wait((turn, opened), timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            if not turn.cancel() and not turn.cancelled():
                self.leave()
            raise
        finally:
            opened.cancel()
        if turn.done():
            return True
        turn.cancel()
        return False

    def leave(self) -> None:
        """The turn of the next."""
        self._turn.release()

    def open(self) -> None:
        self._open.set()

    def took(self, raw: dict[str, Any]) -> bool:
        """What one answer tells; False if the server has forgotten the beginning that it was told before."""
        said: Any = raw.get("timings")
        if not isinstance(said, dict):
            self.open()
            return True
        timings = cast("dict[str, Any]", said)
        told, known = number(timings, "prompt_n"), number(timings, "cache_n")
        if told >= _TELLING and self._reading == 0.0:
            self._reading = _milliseconds(timings, "prompt_ms") / told * (told + known)
        self._answers += 1
        if self._answers > 1 and known < (told + known) / 4:
            self.open()
            return False
        if _milliseconds(timings, "predicted_ms") > self._reading:
            self.open()
        return True


def _milliseconds(timings: dict[str, Any], name: str) -> float:
    found: Any = timings.get(name)
    return float(found) if isinstance(found, (int, float)) else 0.0


def beginning(body: dict[str, Any]) -> str | None:
    """How a request begins, as far as that is looked at; None if it is too short to matter."""
    said = [body.get("tools"), body.get("messages")]
    text = json.dumps(said, ensure_ascii=False)
    return text[:LENGTH] if len(text) > LENGTH else None


def is_near(base_url: str | None) -> bool:
    """Whether a server is one of one's own, as far as its address tells."""
    host = urlsplit(base_url or "").hostname
    if not host:
        return False
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan", ".localhost"))
