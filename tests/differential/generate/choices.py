"""Where a generated program's choices come from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Choices", "Random"]

T = TypeVar("T")


class Random:
    """Choices by a seeded random generator."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)

    def below(self, n: int) -> int:
        """A number from 0 to n - 1; smaller is simpler."""
        return int(self._random.random() * n)


class Choices:
    """The ways in which the generator chooses; the first of several things is the simplest."""

    def __init__(self, source: Random) -> None:
        self.below = source.below

    def chance(self, percent: int) -> bool:
        return self.below(100) >= 100 - percent

    def pick(self, things: Sequence[T]) -> T:
        return things[self.below(len(things))] if len(things) > 1 else things[0]

    def weighted(self, pairs: Sequence[tuple[int, T]]) -> T:
        left = self.below(sum(weight for weight, _ in pairs))
        for weight, thing in pairs:
            left -= weight
            if left < 0:
                return thing
        raise AssertionError("weights changed while choosing")
