"""What a ``with`` looks up, and what it says where that is missing.

CPython looks up ``__enter__`` and ``__exit__`` on the type of the context manager, past its metaclass and
past the object itself, and binds what it finds. No expression does quite that, so lowering calls these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from .known_objects import binds_quietly, class_attribute, class_module

__all__ = ["LOOKUPS", "entering", "leaving", "looks_quietly"]


def entering(manager: Any) -> Any:
    """The bound ``__enter__`` of a context manager."""
    return _bound(manager, "__enter__")


def leaving(manager: Any) -> Any:
    """The bound ``__exit__`` of a context manager."""
    return _bound(manager, "__exit__")


LOOKUPS: Final[dict[Callable[[Any], Any], str]] = {entering: "__enter__", leaving: "__exit__"}


def _bound(manager: Any, name: str) -> Any:
    cls = cast("type[Any]", type(manager))
    found = class_attribute(cls, name)
    if found is None:
        with manager:  # CPython says what is wrong with it
            raise AssertionError(f"{cls.__name__} has no {name}")
    raw = found[1]
    kind = cast("Any", type(raw))
    return raw if class_attribute(kind, "__get__") is None else kind.__get__(raw, manager, cls)


def looks_quietly(lookup: Callable[[Any], Any], manager: Any) -> bool:
    """Whether looking up runs no code of the user's."""
    found = class_attribute(cast("type[Any]", type(manager)), LOOKUPS[lookup])
    if found is None or binds_quietly(found[1]):
        return True
    return class_module(type(found[1])) in ("stretto.calls", "stretto.flows")
