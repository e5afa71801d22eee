"""Values that stand for something that is none, and are told by identity."""

from __future__ import annotations

__all__ = ["PURSES", "PURSE_MAKERS", "Mark"]

#: The classes of context managers whose blocks bound what is called in them (see
#: `stretto.engine.reservations`). They put themselves here: nothing inside imports what surrounds it.
PURSES: set[type] = set()
#: Functions that make them.
PURSE_MAKERS: dict[object, type] = {}


class Mark:
    """One of them, with the name that it is shown by."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name
