"""Program order: one linked list of everything unfinished, closed by an entry of its own (`Engine.end`).

Each point of issue (`Strand`) stands in the list as well; what it issues goes in right before it. So an
entry's place in the list is its place in the order in which the program, run line by line, would come to it.
The first entry is the oldest unfinished operation: the retire pointer.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Entry"]


class Entry:
    """Something in the list: an operation or a point of issue."""

    __slots__ = ("following", "preceding")

    def __init__(self) -> None:
        # entries, or nodes: a node is a slot, and cannot be derived from this as well
        self.following: Any = None
        self.preceding: Any = None
