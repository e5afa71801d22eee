"""A dict for what can be worked out again: it forgets the oldest when it is full."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["Bounded"]

K = TypeVar("K")
V = TypeVar("V")


class Bounded(dict[K, V]):
    """At most `most` entries. Programs have few functions; a notebook, a server that loads code, or a test of
    many programs would else keep every one it ever had."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __setitem__(self, key: K, value: V) -> None:
        if len(self) >= self.most and key not in self:
            for old in list(self)[: self.most // 16 + 1]:
                self.pop(old, None)
        super().__setitem__(key, value)
