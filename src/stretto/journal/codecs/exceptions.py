"""Exceptions: their class, arguments, attributes, notes, cause and context. Not their traceback.

A failure must never be lost because of what hangs on it (a response, a client): an argument or attribute that
cannot be recorded becomes `Unrecorded`, which says what was there. What the C code of built-in exceptions
keeps outside of `__dict__` is recorded by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from ...errors import NotDecodable, RecordedError

__all__ = ["Unrecorded", "exception_items", "fill_exception", "make_exception"]


class Unrecorded:
    """Stands in a recorded exception where something was that cannot be recorded."""

    __slots__ = ("kind", "said")

    def __init__(self, kind: str, said: str) -> None:
        #: The class it was of: ``httpx.Response``.
        self.kind = kind
        #: Its repr, cut short.
        self.said = said

    def __repr__(self) -> str:
        return self.said

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unrecorded) and (self.kind, self.said) == (other.kind, other.said)

    def __hash__(self) -> int:
        return hash((self.kind, self.said))


def unrecorded(thing: object) -> Unrecorded:
    """The stand-in for `thing`."""
    try:
        said = repr(thing)
    except Exception:  # it is the user's code
        said = object.__repr__(thing)
    return Unrecorded(f"{type(thing).__module__}.{type(thing).__qualname__}", said[:200])


_POSITION = ("encoding", "object", "start", "end", "reason")
_SYNTAX = ("msg", "filename", "lineno", "offset", "text", "print_file_and_line", "end_lineno", "end_offset")
#: What built-in exceptions have that is neither in `args` nor in `__dict__`. `AttributeError.obj` is left
#: out: it is the object that lacked the attribute, and any could be that.
_MEMBERS: dict[type[BaseException], tuple[str, ...]] = {
    AttributeError: ("name",),
    ImportError: ("msg", "name", "path"),
    NameError: ("name",),
    OSError: ("errno", "strerror", "filename", "filename2"),
    StopIteration: ("value",),
    SyntaxError: _SYNTAX,
    SystemExit: ("code",),
    UnicodeDecodeError: _POSITION,
    UnicodeEncodeError: _POSITION,
    UnicodeTranslateError: _POSITION[1:],
}
#: Whether something can be recorded.
Check = Callable[[Any], bool]


def _members(cls: type[Any]) -> tuple[str, ...]:
    for base in cls.__mro__:
        if base in _MEMBERS:
            return _MEMBERS[base]
    return ()


def exception_items(error: BaseException, recordable: Check) -> list[Any]:
    """What an exception is made of: arguments, attributes, members, cause, context, and whether the context
    is hidden. None in place of nothing; what is None at the end is left out."""

    def safe(thing: object) -> object:
        return thing if recordable(thing) else unrecorded(thing)

    kind: type[Any] = type(error)
    arguments: tuple[Any, ...] = error.args
    if isinstance(error, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", error)
        args: tuple[Any, ...] = (inner.message, list(inner.exceptions))
    else:
        args = tuple(map(safe, arguments))
    state = {name: safe(thing) for name, thing in error.__dict__.items()}
    if isinstance(error, RecordedError):
        state.pop("module", None)
        state.pop("qualname", None)
    members: dict[str, Any] = {}
    for name in _members(kind):
        thing: Any = getattr(cast("Any", error), name, None)
        if thing is not None:
            members[name] = safe(thing)
    hidden = True if error.__suppress_context__ else None
    items: list[Any] = [args, state or None, members or None, error.__cause__, error.__context__, hidden]
    while items[-1] is None:
        items.pop()
    return items


def make_exception(cls: type[Any]) -> BaseException:
    """An exception of a class, its own `__new__` and `__init__` not run."""
    for base in cls.__mro__:
        if not base.__flags__ & 1 << 9:  # made in C: the one that lays the object out
            error: Any = cast("Any", base).__new__(cls)
            return cast("BaseException", error)
    raise NotDecodable(f"{cls} is not an exception")


def make_group(cls: type[Any], items: Sequence[Any]) -> BaseException:
    """An exception group, which must have its exceptions from the start."""
    message, inner = items[0]
    base: Any = ExceptionGroup if issubclass(cls, ExceptionGroup) else BaseExceptionGroup
    return cast("BaseException", base.__new__(cls, message, inner))


def fill_exception(error: BaseException, items: Sequence[Any]) -> None:
    """Give an exception what `exception_items` told."""
    filled: list[Any] = [*items, *[None] * (6 - len(items))]
    args, state, members, cause, context, hidden = filled
    kind: type[Any] = type(error)
    if not isinstance(error, BaseExceptionGroup):
        error.args = tuple(args)
    if members is not None:
        known = _members(kind)
        for name, thing in members.items():
            if name in known:
                setattr(cast("Any", error), name, thing)
    if state is not None:
        error.__dict__.update(state)
    error.__cause__ = cause
    error.__context__ = context
    error.__suppress_context__ = hidden is True
