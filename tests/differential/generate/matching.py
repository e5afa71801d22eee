"""``match``: a subject of a known type, patterns that fit it, guards and bodies with calls."""

from __future__ import annotations

from typing import ClassVar

from .blocks import Lines, indented
from .control import Control
from .scope import POOLS, Scope

__all__ = ["Matching"]

#: One that is not among the patterns of its kind now and then, so that nothing matches.
_STRAYS = ("None", "'other'", "[_, _, _, _, _]", "{'z': _}", "float()", "Box(n=-1)")


class Matching(Control):
    """Writes ``match`` statements."""

    SUBJECTS: ClassVar[list[tuple[int, str]]] = [
        (8, "int"), (6, "list"), (4, "dict"), (3, "str"), (3, "pair"), (2, "nest"), (2, "opt"), (2, "box"),
        (2, "bool"),
    ]  # fmt: skip

    def on_match(self) -> Lines:
        kind = self.c.weighted(self.SUBJECTS)
        lines = [f"match {self.expression(kind, 2)}:"]
        arms: list[Scope] = []
        for _ in range(1 + self.c.below(4)):
            lines += indented(self.case(kind, arms))
        if self.c.chance(60):
            with self.inner() as arm:
                capture = "_" if self.c.chance(50) or kind == "opt" else self.bind(kind)
                lines += indented([f"case {capture}:", *indented(self.body(2))])
            arms.append(arm)
        else:
            arms.append(self.scope.block())
        self.scope.after(arms)
        return lines

    def case(self, kind: str, arms: list[Scope]) -> Lines:
        with self.inner() as arm:
            self.captured: set[str] = set()
            whole = self.c.chance(15) and kind != "opt"
            pattern = self.capture(kind) if whole else self.pattern(kind)
            guard = f" if {self.condition(2)}" if pattern.isidentifier() or self.c.chance(35) else ""
            lines = [f"case {pattern}{guard}:", *indented(self.body(2))]
        arms.append(arm)
        return lines

    def capture(self, kind: str) -> str:
        """A name that the pattern has not bound yet, or the wildcard."""
        names = [n for n in POOLS[kind] if self.scope.prefix + n not in self.captured]
        if not names or self.c.chance(15):
            return "_"
        name = self.scope.bind(kind, self.scope.prefix + self.c.pick(names))
        self.captured.add(name)
        return name

    def pattern(self, kind: str) -> str:
        if self.c.chance(8):
            return self.c.pick(_STRAYS)
        text: str = getattr(self, f"pattern_{kind}")()
        if self.c.chance(12) and (name := self.capture(kind)) != "_" and kind != "opt":
            return f"({text}) as {name}"
        return text

    def numbers(self) -> str:
        return " | ".join(str(self.c.below(10)) for _ in range(1 + self.c.below(4)))

    def element(self) -> str:
        """A pattern for one number of several."""
        return f"({self.numbers()})" if self.c.chance(30) else self.capture("int")

    def pattern_int(self) -> str:
        return f"int({self.element()})" if self.c.chance(20) else self.numbers()

    def pattern_bool(self) -> str:
        return self.c.pick(["True", "False", "bool()", "0 | 1"])

    def pattern_str(self) -> str:
        return self.c.pick(["'w' | 'wx'", "''", "str()", "'a' | 'ab' | 'abc'"])

    def pattern_list(self) -> str:
        parts = [self.element() for _ in range(self.c.below(3))]
        if self.c.chance(60):
            parts.insert(self.c.below(len(parts) + 1), "*" + self.capture("list"))
        text = f"[{', '.join(parts)}]"
        return f"list({text})" if self.c.chance(10) else text

    def pattern_dict(self) -> str:
        keys = ["a", "b", "c", "d"][: self.c.below(3)]
        parts = [f"{key!r}: {self.element()}" for key in keys]
        if self.c.chance(40) and (rest := self.capture("dict")) != "_":
            parts.append("**" + rest)
        return f"{{{', '.join(parts)}}}"

    def pattern_pair(self) -> str:
        return f"({self.element()}, {self.element()})"

    def pattern_nest(self) -> str:
        return self.c.pick(["[]", f"[{self.capture('list')}, *_]", f"[{self.pattern_list()}, *_]", "[_, _]"])

    def pattern_opt(self) -> str:
        return self.c.pick(["None", f"int({self.capture('int')})", self.numbers()])

    def pattern_box(self) -> str:
        if self.c.chance(30):
            return f"Box(n={self.element()}, xs={self.capture('list')})"
        return f"Box(n={self.element()})"
