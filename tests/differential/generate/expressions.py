"""Expressions by type, as text: a method named after a type writes an expression that gives that type."""

from __future__ import annotations

from .containers import Containers
from .scope import Helper

__all__ = ["Expressions"]


class Expressions(Containers):
    """Writes every expression; here, functions and calls of helpers."""

    def func(self, depth: int) -> str:
        if depth <= 0 or self.c.chance(25):
            return self.leaf("func")
        return self.function(depth)

    def function(self, depth: int) -> str:
        """A lambda from int to int."""
        if self.c.chance(15) and (name := self.name("func")):
            return name
        variable = self.variable()
        default = f"={self.int(0)}" if self.c.chance(10) else ""
        with self.within("lambda"), self.bound("int", variable):
            return f"(lambda {variable}{default}: {self.int(depth - 1)})"

    def helped(self, kind: str, depth: int) -> str | None:
        """A call of a helper function that gives this type."""
        helpers = [h for h in self.helpers if h.gives == kind]
        if not helpers:
            return None
        return self.helper_call(self.c.pick(helpers), depth)

    def helper_call(self, helper: Helper, depth: int) -> str:
        given = len(helper.parameters) - self.c.below(helper.defaults + 1)
        parts = [self.expression(kind, min(depth, 1)) for kind in helper.parameters[:given]]
        if helper.parameters and helper.parameters[0] == "int" and helper.name.startswith("rec"):
            parts[0] = str(self.c.below(4))
        if helper.star and given == len(helper.parameters):
            if self.c.chance(40):
                parts.append(self.int(depth))
            if self.c.chance(30):
                parts.append(f"*{self.list(0)}")
        if helper.keywords and self.c.chance(50):
            parts.append(f"tag={self.expression(self.c.pick(['int', 'str']), depth)}")
        return f"{helper.name}({', '.join(parts)})"
