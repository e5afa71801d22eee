"""Program order: one list of everything unfinished.

Each point of issue (`Strand`) stands in the list as well; what it issues goes in right before it. So an
entry's place in the list is its place in the order in which the program, run line by line, would come to it.
The first entry is the oldest unfinished operation: the retire pointer.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Entry", "Order"]


class Entry:
    """Something in the list: an operation or a point of issue."""

    __slots__ = ("following", "preceding")

    def __init__(self) -> None:
        # entries, or nodes: a node is a slot, and cannot be derived from this as well
        self.following: Any = None
        self.preceding: Any = None


class Order:
    """A doubly linked list with a sentinel."""

    __slots__ = ("end",)

    def __init__(self) -> None:
        self.end = Entry()
        self.end.following = self.end.preceding = self.end

    @property
    def head(self) -> Any:
        """The oldest entry, or `end`."""
        return self.end.following

    def insert(self, entry: Entry, before: Entry) -> None:
        older = before.preceding
        entry.preceding = older
        entry.following = before
        older.following = entry
        before.preceding = entry

    def remove(self, entry: Entry) -> None:
        older, younger = entry.preceding, entry.following
        older.following = younger
        younger.preceding = older
        entry.preceding = entry.following = None
