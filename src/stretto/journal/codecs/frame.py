"""A thing that is being read."""

from __future__ import annotations

from typing import Any

from .classes import Shape
from .extensions import Extension

__all__ = ["Frame"]


class Frame:
    """A thing whose parts are being read."""

    shape: Shape | None = None
    fields: tuple[str, ...] = ()
    extension: Extension | None = None
    #: What hashing it would look at, and how deep.
    work = 1
    depth = 1
    #: Whether the thing was made, and whether it is filled only at the end.
    done = False
    late = False
    #: Whether a field has no value.
    gaps = False

    def __init__(self, tag: int, left: int, number: int | None, thing: Any, parts: list[Any]) -> None:
        self.tag = tag
        #: How many parts are still to come.
        self.left = left
        #: Its number among the shared things.
        self.number = number
        self.thing = thing
        self.parts = parts
