"""Values that stand for something that is none, and are told by identity."""

from __future__ import annotations

__all__ = ["Mark"]


class Mark:
    """One of them, with the name that it is shown by."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name
