"""The budget that each run has: it is configured, and no line of the program speaks of it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from typing import Any, cast

from ..configuration import held
from ..configuration.settings import SETTINGS
from .budget import ENTERED, Budget, Entered, clock

__all__ = ["of_run", "read", "within"]

#: What may be said, and how it is read where it stands in a text.
_PARTS = {"usd": float, "tokens": int, "seconds": float}


def read(said: Any) -> dict[str, Any]:
    """What is configured: a table, or a text such as ``usd=0.50, tokens=200_000``.

    Raises ValueError, TypeError, or `DeclarationError` for amounts that are none.
    """
    parts: dict[str, Any]
    if isinstance(said, str):
        words = [word.partition("=") for word in said.replace(",", " ").split()]
        parts = {name: _PARTS[name](value) for name, _, value in words if _known(name)}
    elif isinstance(said, Mapping):
        parts = dict(cast("Mapping[str, Any]", said))
    else:
        raise TypeError
    if not parts or not all(map(_known, parts)):
        raise ValueError
    Budget(**parts)
    return parts


def _known(name: str) -> bool:
    if name not in _PARTS:
        raise ValueError
    return True


def of_run() -> tuple[Entered, ...]:
    """The budget of a run that begins now, if it is to have one. Raises `ConfigurationError`."""
    found = held(SETTINGS["budget"])
    if found.value is None:
        return ()
    budget = Budget(**found.value)
    budget.said_by = found.where
    return (Entered(budget, None if budget.seconds is None else clock() + budget.seconds),)


@contextlib.contextmanager
def within(entered: tuple[Entered, ...]) -> Generator[None]:
    """Inside the ``with``, plain code is in these blocks too. Those that it enters itself there, and does not
    leave, it is in afterwards."""
    if entered:
        ENTERED.set((*entered, *ENTERED.get()))
    try:
        yield
    finally:
        if entered:
            ENTERED.set(tuple(one for one in ENTERED.get() if one not in entered))
