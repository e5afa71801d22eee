"""A call that is under way, as the journal knows it: its name, its key, and its arguments."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..calls import Call
from ..effects import Kind
from ..errors import NotRecordable
from .codecs import digest, encode, encode_call
from .codecs.classes import look_up, main_name
from .events import CallFinished, CallIntended, StreamReceived, now
from .secrets import masked
from .waits import wait_text

if TYPE_CHECKING:
    from ..engine.causes import Cause

__all__ = ["Begun", "arguments_of", "call_name", "commutes", "key_of"]


class Begun:
    """A call that is under way."""

    __slots__ = ("arguments", "attempt", "call", "digest", "key", "known", "place", "started", "waited")

    def __init__(
        self, place: str, call: str, digest: bytes, attempt: int, key: str, arguments: bytes
    ) -> None:
        self.place = place
        self.call = call
        self.digest = digest
        self.attempt = attempt
        self.key = key
        self.arguments = arguments
        #: An intent of it is recorded already: it is no new write.
        self.known = False
        self.started = now()
        #: What the engine knows of what it waited for: the call, where it stands, the cause.
        self.waited: tuple[Call[..., Any], Any, Cause] | None = None

    def intent(self) -> CallIntended:
        return CallIntended(
            self.place, self.call, self.digest, self.arguments, self.key, self.attempt, self.started
        )

    def finished(self, result: bytes | None, error: bytes | None, ended: int) -> CallFinished:
        ready, waited_for = self.started, ""
        if self.waited is not None:
            waited_for = wait_text(*self.waited)
            ready = self.waited[2][3] or ready
        return CallFinished(
            self.place, self.call, self.digest, self.attempt, result, error, ready, self.started, ended,
            waited_for,
        )  # fmt: skip

    def received(self, items: bytes, first: int, count: int) -> StreamReceived:
        return StreamReceived(self.place, self.call, self.digest, self.attempt, items, first, count, now())

    def again(self) -> Begun:
        """The next attempt."""
        begun = Begun(self.place, self.call, self.digest, self.attempt + 1, self.key, self.arguments)
        begun.known = bool(self.key)
        begun.waited = self.waited
        return begun


def commutes(name: str) -> bool:
    """Whether the recorded function of that name is declared so now."""
    found = look_up(*name.split(":", 1))
    return isinstance(found, Call) and cast("Call[..., Any]", found).effects.kind is Kind.COMMUTES


def call_name(fn: Any) -> str:
    """How a journal names a function. A script is not ``__main__`` to the process that resumes its runs."""
    owner: Any = getattr(fn, "__self__", None)
    module = getattr(fn, "__module__", None) or owner.__class__.__module__
    if module == "__main__":
        module = main_name()
    return f"{module}:{getattr(fn, '__qualname__', None) or type(fn).__qualname__}"


def key_of(run: str, place: str, mark: bytes) -> str:
    """The same for every attempt of a call, and for no other call."""
    return hashlib.blake2b(f"{run}\n{place}\n".encode() + mark, digest_size=16).hexdigest()


def arguments_of(
    call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[bytes, bytes]:
    """The arguments for people to read, and their digest. A client or a `self` is told by its class."""
    shown, shown_by_name = masked(call.secret, args, kwargs)
    try:
        encoded, found = encode_call(shown, shown_by_name)
    except NotRecordable:
        told = tuple(map(_told, shown)), {name: _told(value) for name, value in shown_by_name.items()}
        return encode(told).data, digest(args, kwargs).value
    return encoded.data, found.value if call.secret is None else digest(args, kwargs).value


def _told(value: Any) -> Any:
    try:
        encode(value)
    except NotRecordable:
        return f"<{call_name(type(value))}>"
    return value
