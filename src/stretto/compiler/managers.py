"""What a ``with`` or ``async with`` looks up, and what it says where that is missing.

CPython looks up ``__enter__`` and ``__exit__``, or ``__aenter__`` and ``__aexit__``, on the type of the
context manager, past its metaclass and past the object itself, and binds what it finds. No expression does
quite that, so lowering calls these.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import MethodType
from typing import Any, Final, cast

from ..marks import PURSES
from .known_objects import binds_quietly, class_attribute, class_module

__all__ = [
    "ASYNC_LOOKUPS",
    "LOOKUPS",
    "entering",
    "finds_quietly",
    "leaving",
    "looks_quietly",
    "manages_quietly",
]


def entering(manager: Any) -> Any:
    """The bound ``__enter__`` of a context manager."""
    return _bound(manager, "__enter__")


def leaving(manager: Any) -> Any:
    """The bound ``__exit__`` of a context manager."""
    return _bound(manager, "__exit__")


def async_entering(manager: Any) -> Any:
    """The bound ``__aenter__`` of an asynchronous context manager."""
    return _bound(manager, "__aenter__")


def async_leaving(manager: Any) -> Any:
    """The bound ``__aexit__`` of an asynchronous context manager."""
    return _bound(manager, "__aexit__")


#: What is looked up to enter and to leave, in this order.
LOOKUPS: Final[dict[Callable[[Any], Any], str]] = {entering: "__enter__", leaving: "__exit__"}
ASYNC_LOOKUPS: Final[dict[Callable[[Any], Any], str]] = {
    async_entering: "__aenter__", async_leaving: "__aexit__",
}  # fmt: skip


def _bound(manager: Any, name: str) -> Any:
    cls = cast("type[Any]", type(manager))
    found = class_attribute(cls, name)
    if found is None:  # CPython says what is wrong with it
        if name in ASYNC_LOOKUPS.values():
            _managed(manager).send(None)
        else:
            with manager:
                pass
        raise AssertionError(f"{cls.__name__} has no {name}")
    raw = found[1]
    kind = cast("Any", type(raw))
    return raw if class_attribute(kind, "__get__") is None else kind.__get__(raw, manager, cls)


async def _managed(manager: Any) -> None:
    async with manager:
        pass


#: Context managers of the standard library that look at nothing but what they are given.
_QUIET: Final = (contextlib.suppress, contextlib.nullcontext)


def manages_quietly(callee: Any) -> bool:
    """Whether a callee makes, enters or leaves a context manager that changes nothing."""
    if type(callee) is MethodType:
        kind = cast("Any", type(callee.__self__))
        if not any(kind is one for one in (*_QUIET, *PURSES)):
            return False
        return callee.__func__ is kind.__enter__ or callee.__func__ is kind.__exit__
    return any(callee is kind for kind in _QUIET)


def finds_quietly(lookup: Callable[[Any], Any], manager: Any) -> bool:
    """Whether looking up finds something, and runs no code of the user's."""
    name = (LOOKUPS | ASYNC_LOOKUPS)[lookup]
    return class_attribute(cast("type[Any]", type(manager)), name) is not None and looks_quietly(
        lookup, manager
    )


def looks_quietly(lookup: Callable[[Any], Any], manager: Any) -> bool:
    """Whether looking up runs no code of the user's."""
    found = class_attribute(cast("type[Any]", type(manager)), (LOOKUPS | ASYNC_LOOKUPS)[lookup])
    if found is None or binds_quietly(found[1]):
        return True
    return class_module(type(found[1])) in ("stretto.calls", "stretto.flows")
