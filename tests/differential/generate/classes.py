"""Classes of the program's own: methods that hold calls, state in attributes, inheritance, `super`."""

from __future__ import annotations

from .scope import Scope
from .statements import Lines, Statements, indented

__all__ = ["Classes"]


class Classes(Statements):
    """Writes classes. Their objects are of type ``actor``."""

    def klass(self) -> Lines:
        name = f"K{len(self.classes)}"
        parent = self.classes[-1] if self.classes and self.c.chance(60) else None
        lines = [f"class {name}({parent}):" if parent else f"class {name}:"]
        if not parent or self.c.chance(60):
            lines += indented(self.maker(parent is not None))
        self.classes.append(name)
        lines += indented(self.method("step", parent is not None))
        if not parent or self.c.chance(30):
            text = "self.step(x)" if self.c.chance(50) else f"{self.plain_int('x')} + self.n"
            lines += indented(["def __call__(self, x):", f"    return {text}"])
        if not parent or self.c.chance(30):
            gives = self.plain_int("cls.shared")
            lines += indented(["@classmethod", "def at(cls, x):", f"    return cls({gives} + x).n"])
        if not parent:
            lines += ["    shared = 2"]
            for member in self.members() if self.profile.members else ():
                lines += indented(member)
        elif self.profile.members and self.c.chance(40):
            looks = self.c.pick(["super().half + 1", "super().half", *self.looks])
            for member in self.property(looks):
                lines += indented(member)
        return lines

    def plain_int(self, extra: str) -> str:
        """An int outside of any block, that may be a call."""
        return self.c.pick([extra, f"ask({extra})", f"get({extra})", f"put(1, {extra})"])

    def maker(self, inherits: bool) -> Lines:
        parts = self.fresh_body("x")
        parts += [[f"self.n = {self.int(2)}"], [f"self.xs = {self.list(1)}"]]
        if self.profile.members and self.c.chance(40):
            parts.append(["self.id = next(self.ids)"])
        if inherits:
            self.into(parts, "super().__init__(x)")
        return ["def __init__(self, x):", *indented(sum(parts, []))]

    def method(self, name: str, inherits: bool) -> Lines:
        parts = self.fresh_body("x")
        for _ in range(1 + self.c.below(3)):
            value = self.int(1)
            change = [f"self.n += {value}", f"self.xs.append({value})", f"self.n = {value}"]
            self.into(parts, self.c.pick(change))
        before = f"super().{name}(x) + " if inherits and self.c.chance(60) else ""
        parts.append([f"return {before}{self.int(2)} + self.n"])
        return [f"def {name}(self, x):", *indented(sum(parts, []))]

    def into(self, parts: list[Lines], line: str) -> None:
        """Put a statement between others."""
        parts.insert(self.c.below(len(parts) + 1), [line])

    def fresh_body(self, parameter: str) -> list[Lines]:
        """A few statements of a method."""
        self.scope = Scope(gives="int")
        self.fuel = self.profile.fuel // 3
        self.level = 0
        self.scope.bind("int", parameter)
        return [self.statement() for _ in range(self.c.below(3))]
