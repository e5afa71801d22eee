"""Recorded values, for people in a few words and for programs as JSON."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any, cast

from stretto.errors import StrettoError
from stretto.journal.codecs import Redacted, Sealed, join
from stretto.journal.codecs.view import kind_and_message, view
from stretto.journal.events import BlobRef, CallFinished, CallIntended, Value
from stretto.journal.items import Items
from stretto.limits.tokens import part

from .output import as_json

if TYPE_CHECKING:
    from stretto.journal import Journal
    from stretto.journal.events import Event

__all__ = ["Values", "clean", "dollars", "given_to", "said", "shorten"]

#: Values of more bytes than this are not shown to people, who could not read them.
_MOST = 256 * 1024


class Values:
    """The values of a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def read(self, value: Value) -> Any:
        """Raises `StrettoError` where the value cannot be had."""
        if isinstance(value, BlobRef):
            value = self._journal.get_blob(value.digest)
        return view(join(value, self._journal.get_blob))

    def cost(self, value: Value) -> float | None:
        """What a result says that it has cost, in US dollars; None if it says nothing."""
        if isinstance(value, BlobRef) and value.size > _MOST:
            return None
        try:
            told = part(self.read(value), "cost")
        except Exception:  # it cannot be read, which is told elsewhere, or it is the user's code
            return None
        return float(told) if isinstance(told, (int, float)) and not isinstance(told, bool) else None

    def text(self, value: Value) -> str:
        """In one line, however long."""
        if isinstance(value, BlobRef) and value.size > _MOST:
            return f"<{value.size / 1_000_000:.1f} MB>"
        try:
            found = self.read(value)
        except StrettoError as error:
            return clean(f"<cannot be read: {error}>")
        if isinstance(found, Items):
            count = len(found.items)
            left = ", and its loop left it there" if found.left else ""
            return clean(f"{count} {'item' if count == 1 else 'items'}: {_repr(found.items)}{left}")
        return said(found) if isinstance(found, BaseException) else clean(_repr(found))

    def arguments(self, value: Value) -> str:
        """The arguments of a call, as one would write them: ``('ann', limit=3)``."""
        try:
            call = _call(self.read(value))
        except StrettoError as error:
            return clean(f"(<cannot be read: {error}>)")
        if call is None:
            return f"({self.text(value)})"
        args, kwargs = call
        return clean(
            f"({', '.join([*map(_repr, args), *(f'{name}={_repr(v)}' for name, v in kwargs.items())])})"
        )

    def json(self, name: str, value: Value) -> dict[str, Any]:
        """As a field of that name, or as ``..._repr`` or ``..._unreadable`` where it cannot be one."""
        try:
            found = self.read(value)
        except StrettoError as error:
            return {f"{name}_unreadable": str(error)}
        if isinstance(found, BaseException):
            kind, message = kind_and_message(found)
            return {name: {"type": kind, "message": message}}
        if isinstance(found, Sealed) and found.kind:  # an exception
            return {name: {"type": found.kind, "message": str(Redacted())}}
        if isinstance(found, Items):
            found = {"items": found.items, "left": found.left}
        call = _call(found) if name == "arguments" else None
        if call is not None:
            found = {"args": list(call[0]), "kwargs": call[1]}
        try:
            text = as_json(found)
        except Exception:  # as below, the user's code
            text = None
        return {f"{name}_repr": _repr(found)} if text is None else {name: json.loads(text)}


def given_to(begun: Event | None, ended: Event | None) -> Value | None:
    """The arguments of a call, as events tell them of its begin and its end; None where they are not kept."""
    if isinstance(begun, CallIntended):
        return begun.arguments
    return ended.arguments if isinstance(ended, CallFinished) else None


def _call(value: Any) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The arguments of a call, if that is what it is."""
    if isinstance(value, tuple):
        parts = cast("tuple[Any, ...]", value)[:2]  # a flow's are followed by the file that it was in
        if len(parts) == 2 and isinstance(parts[0], tuple) and isinstance(parts[1], dict):
            return cast("tuple[Any, ...]", parts[0]), cast("dict[str, Any]", parts[1])
    return None


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # it is the user's code, or nested too deeply
        return f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"


def said(error: BaseException | Sealed) -> str:
    """An exception in one line."""
    kind, message = kind_and_message(error)
    return clean(f"{kind}: {message}" if message else kind)


def clean(text: str) -> str:
    """A text in one line, without what would make a terminal do things."""
    if text.isascii() and text.isprintable():
        return text
    text = " ".join(text.split())
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else "\ufffd" for c in text)


def shorten(text: str, width: int) -> str:
    """At most that many characters, at least a few."""
    width = max(width, 8)
    return text if len(text) <= width else text[: width - 1] + "…"


def dollars(usd: float) -> str:
    """An amount of money, with as many digits as tell something."""
    return f"${usd:.2f}" if usd >= 100 else f"${usd:.4f}"
