"""A call that is under way, as the journal knows it: its name, its key, and its arguments."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..calls import Call
from ..drivers.ambient import Current
from ..effects import Kind
from ..engine.places import path
from ..errors import NotRecordable
from ..main_module import main_name
from .codecs import digest, encode, encode_call
from .codecs.classes import look_up
from .events import CallFinished, CallIntended, CallStarted, StreamReceived, now
from .secrets import masked
from .waits import wait_text

if TYPE_CHECKING:
    from ..engine.causes import Cause
    from ..engine.nodes import CallNode

__all__ = [
    "Begun",
    "Unnamed",
    "arguments_of",
    "call_name",
    "commutes",
    "key_of",
    "never_changes",
    "small_arguments",
]

#: Arguments of calls that change nothing are recorded up to so many bytes: nothing rests on them.
KEPT = 16 * 1024

_NEVER_CHANGE = frozenset({str, int, float, bool, bytes, type(None)})


class Begun:
    """A call that is under way."""

    __slots__ = (
        "arguments",
        "attempt",
        "call",
        "digest",
        "key",
        "known",
        "place",
        "started",
        "told",
        "waited",
        "way",
    )

    def __init__(
        self, place: str, call: str, digest: bytes, attempt: int, key: str, arguments: bytes, started: int = 0
    ) -> None:
        self.place = place
        self.call = call
        self.digest = digest
        self.attempt = attempt
        self.key = key
        self.arguments = arguments
        #: An intent of it is recorded already: it is no new write.
        self.known = False
        self.started = started or now()
        #: What the engine knows of what it waited for: the call, where it stands, the cause.
        self.waited: tuple[Call[..., Any], Any, Cause] | None = None
        #: Of a route, the name of the way that gave its result.
        self.way = ""
        #: Whether others have been told that it is under way.
        self.told = False

    def named(self) -> Begun:
        return self

    def intent(self) -> CallIntended:
        return CallIntended(
            self.place, self.call, self.digest, self.arguments, self.key, self.attempt, self.started
        )

    def under_way(self) -> CallStarted:
        return CallStarted(self.place, self.call, self.attempt, *self._waited())

    def _waited(self) -> tuple[int, int, str]:
        """When it could have started, when it did, and what it waited for."""
        if self.waited is None:
            return self.started, self.started, ""
        return self.waited[2][3] or self.started, self.started, wait_text(*self.waited, self.way)

    def finished(self, result: bytes | None, error: bytes | None, ended: int) -> CallFinished:
        ready, started, waited_for = self._waited()
        given = None if self.key else self.arguments or None
        return CallFinished(
            self.place, self.call, self.digest, self.attempt, result, error, ready, started, ended,
            waited_for, given,
        )  # fmt: skip

    def received(self, items: bytes, first: int, count: int) -> StreamReceived:
        return StreamReceived(self.place, self.call, self.digest, self.attempt, items, first, count, now())

    def again(self) -> Begun:
        """The next attempt."""
        begun = Begun(self.place, self.call, self.digest, self.attempt + 1, self.key, self.arguments)
        begun.known = bool(self.key)
        begun.waited = self.waited
        return begun


class Unnamed:
    """A call that is under way, of which nothing is worked out for the journal until it has ended: by then
    others run already. For calls that change nothing, given what never changes, in a run without a past."""

    __slots__ = ("_args", "_kwargs", "_named", "_place", "_run", "_site", "_waited", "started", "told")

    def __init__(self, node: CallNode, run: str) -> None:
        self._run = run
        self._place = node.place
        self._site = node.site
        self._args = node.args
        self._kwargs = node.kwargs
        self._waited: tuple[Call[..., Any], Any, Cause] = (node.call, node.trace, node.why)
        self.started = now()
        self._named: Begun | None = None
        self.told = False

    @staticmethod
    def suits(node: CallNode) -> bool:
        call = node.call
        if call.changes or call.streams or call.secret is not None:
            return False
        for value in node.args:
            if type(value) not in _NEVER_CHANGE:
                return False
        return not node.kwargs or all(map(never_changes, node.kwargs.values()))

    def named(self) -> Begun:
        begun = self._named
        if begun is None:
            arguments, mark = small_arguments(self._waited[0], tuple(self._args), self._kwargs)
            name = call_name(self._waited[0].fn)
            place = path(self._place, self._site)
            begun = self._named = Begun(place, name, mark, 1, "", arguments, self.started)
            begun.waited = self._waited
        return begun

    def current(self) -> Current:
        """What the call may know of itself."""
        begun = self.named()
        return Current(self._run, begun.place, begun.key, begun.attempt)


def never_changes(value: Any) -> bool:
    """Whether a value is of a type whose values never change."""
    return type(value) in _NEVER_CHANGE


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


def small_arguments(
    call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[bytes, bytes]:
    """As `arguments_of`, for a call that changes nothing: of large ones, nothing but the digest."""
    for value in args:
        if _large(value):
            return b"", digest(args, kwargs).value
    for value in kwargs.values():
        if _large(value):
            return b"", digest(args, kwargs).value
    encoded, mark = arguments_of(call, args, kwargs)
    return (encoded if len(encoded) <= KEPT else b""), mark


def _large(value: Any) -> bool:
    """Whether a value is plainly more than is kept: looked at before it is encoded."""
    if type(value) in (str, bytes):
        return len(value) > KEPT
    of_arrays = call_name(type(value)).startswith(("numpy", "pyarrow"))
    size = getattr(value, "nbytes", 0) if of_arrays else 0
    return isinstance(size, int) and size > KEPT


def _told(value: Any) -> Any:
    try:
        encode(value)
    except NotRecordable:
        return f"<{call_name(type(value))}>"
    return value
