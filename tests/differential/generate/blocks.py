"""Blocks of statements, and which statement comes next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from .choices import Choices
from .expressions import Expressions
from .profiles import Profile
from .scope import Scope

__all__ = ["Blocks", "Lines", "indented"]

Lines = list[str]


def indented(lines: Lines) -> Lines:
    return ["    " + line for line in lines]


class Blocks(Expressions):
    """Writes blocks; `fuel` is what is left for the function under way."""

    WEIGHTS: ClassVar[dict[str, int]] = {
        "assign": 20, "effect": 14, "mutate": 20, "idiom": 9, "if": 14, "for": 14, "augment": 7, "alias": 6,
        "unpack": 5, "try": 8, "with": 4, "match": 6, "while": 4, "break": 7, "return": 3, "list": 6,
        "dict": 4, "nest": 3, "box": 3, "agent": 5, "def": 3, "lambda": 3, "help": 5, "raise": 2, "assert": 2,
        "del": 2, "annotated": 1, "expression": 3, "walrus": 2, "wrong": 1, "pass": 1, "actor": 5,
        "generated": 0, "yield": 0, "print": 0, "redirect": 0,
    }  # fmt: skip

    def __init__(self, choices: Choices, profile: Profile) -> None:
        super().__init__(choices, profile)
        self.fuel = 0
        self.level = 0
        self.counters = 0
        weights = {**self.WEIGHTS, "effect": profile.effects, **profile.statements}
        self.table = [(weight, name) for name, weight in weights.items()]

    # Blocks.

    @contextmanager
    def inner(self, **changes: object) -> Iterator[Scope]:
        """A block of its own: what it binds is known inside only."""
        outer, self.scope = self.scope, self.scope.block(**changes)
        self.level += 1
        try:
            yield self.scope
        finally:
            self.scope = outer
            self.level -= 1

    def body(self, most: int = 4) -> Lines:
        """One to `most` statements."""
        lines: Lines = []
        for _ in range(1 + self.c.below(most)):
            lines += self.statement()
            if lines[-1].split(" ")[0] in ("return", "break", "continue", "raise"):
                break
        return lines

    def statement(self) -> Lines:
        self.fuel -= 1
        if self.fuel <= 0 or self.level > 4:
            return self.simple()
        found: Lines | None = getattr(self, "on_" + self.c.weighted(self.table))()
        return found or self.simple()

    def simple(self) -> Lines:
        return self.on_effect() if self.c.chance(50) else self.on_assign()
