"""Branches, loops, exits, and functions inside functions."""

from __future__ import annotations

import re
from typing import ClassVar

from .blocks import Lines, indented
from .changes import Changes
from .scope import GLOBALS, Scope

__all__ = ["Control"]


class Control(Changes):
    """Writes statements that decide what runs."""

    # Control.

    def on_if(self) -> Lines:
        return self.branch(self.condition(2))

    def branch(self, condition: str) -> Lines:
        arms: list[Scope] = []
        with self.inner() as arm:
            lines = [f"if {condition}:", *indented(self.body(3))]
        arms.append(arm)
        while self.c.chance(15):
            test = self.condition(2)
            with self.inner() as arm:
                lines += [f"elif {test}:", *indented(self.body(2))]
            arms.append(arm)
        if self.c.chance(40):
            with self.inner() as arm:
                lines += ["else:", *indented(self.body(3))]
            arms.append(arm)
        else:
            arms.append(self.scope.block())
        self.scope.after(arms)
        return lines

    WALKED: ClassVar[list[tuple[int, str]]] = [
        (9, "list"), (5, "range"), (2, "enumerate"), (2, "zip"), (3, "items"), (1, "nest"), (1, "pair"),
        (2, "display"), (1, "dict"), (4, "stream"), (3, "passed"), (1, "numbered"),
    ]  # fmt: skip

    def on_for(self) -> Lines:
        walked: frozenset[str] = self.scope.walked
        form = self.c.weighted(self.WALKED)
        if form == "list":
            source = self.list(2)
            walked |= {source}
            target = lambda: self.bind("int")  # noqa: E731
        elif form == "range":
            source = f"range({self.c.pick(['2', '3', f'{self.int(1)} % 4', '1, 4'])})"
            target = lambda: self.bind("int")  # noqa: E731
        elif form == "enumerate":
            start = self.c.pick(["", "", "", ", 2", ", start=1"])
            source = f"enumerate({self.list(1)}{start})"
            target = lambda: f"{self.bind('int')}, {self.bind('int')}"  # noqa: E731
        elif form == "zip":
            strict = self.c.pick(["", "", "", ", strict=True", ", strict=False"])
            source = f"zip({self.list(1)}, {self.list(1)}{strict})"
            target = lambda: f"{self.bind('int')}, {self.bind('int')}"  # noqa: E731
        elif form == "passed":
            source = self.passed(1)
            if not source.startswith("reversed("):
                walked |= frozenset(re.findall(r"[\w.]+", source))
            target = lambda: self.bind("int")  # noqa: E731
        elif form == "numbered":
            source = f"enumerate({self.passed(1)})"
            walked |= frozenset(re.findall(r"[\w.]+", source))
            target = lambda: f"{self.bind('int')}, {self.bind('int')}"  # noqa: E731
        elif form == "items":
            source = f"{self.dict(2)}.items()"
            target = lambda: f"{self.bind('str')}, {self.bind('int')}"  # noqa: E731
        elif form == "nest":
            source = self.nest(2)
            walked |= {source}
            target = lambda: self.bind("list")  # noqa: E731
        elif form == "pair":
            source = self.pair(2)
            target = lambda: self.bind("int")  # noqa: E731
        elif form == "stream":
            source = self.stream()
            target = lambda: self.bind("int")  # noqa: E731
        elif form == "dict":
            source = self.dict(1)
            target = lambda: self.bind("str")  # noqa: E731
        else:
            source = f"({self.int(2)}, {self.int(1)}, {self.int(1)})"
            target = lambda: self.bind("int")  # noqa: E731
        with self.inner(loops=self.scope.loops + 1, walked=walked, final=False) as body:
            head = f"for {target()} in {source}:"
            lines = [head, *indented(self.body(3))]
        self.scope.after([body, self.scope.block()])
        return lines + self.loop_else()

    def stream(self) -> str:
        """A call that gives numbers one by one."""
        forms = ("chunks(I)", "rows(K)", "bits(I)", "chunks(A)", "lines()", "dial(I)", "feed(I)", "acts(I)")
        return self.fill(forms[min(self.c.below(len(forms)), self.c.below(len(forms)))], 1)

    def loop_else(self) -> Lines:
        if not self.c.chance(15):
            return []
        with self.inner() as body:
            lines = ["else:", *indented(self.body(2))]
        self.scope.after([body, self.scope.block()])
        return lines

    def on_while(self) -> Lines:
        self.counters += 1
        counter = f"{self.scope.prefix}k{self.counters}"
        most = 1 + self.c.below(4)
        form = self.c.below(4)
        first: Lines = [f"{counter} += 1"]
        if form == 0:
            head = f"while {counter} < {most} and {self.condition(2)}:"
        elif form == 1:
            head = "while True:"
            first = [f"if {counter} >= {most}:", "    break", f"{counter} += 1"]
        elif form == 2 and (name := self.name("list")):
            head = f"while {name} and {counter} < {most}:"
            first.append(f"{name}.pop()")
        else:
            value = self.int(1)
            head = f"while ({self.bind('int')} := {value}) > {self.c.below(4)} and {counter} < {most}:"
        with self.inner(loops=self.scope.loops + 1, final=False) as body:
            lines = [f"{counter} = 0", head, *indented(first + self.body(3))]
        self.scope.after([body, self.scope.block()])
        return lines + self.loop_else()

    def on_break(self) -> Lines | None:
        if not self.scope.loops:
            return None
        word = self.c.pick(["break", "continue"])
        if self.c.chance(75):
            return [f"if {self.condition(2)}:", f"    {word}"]
        return [word]

    def on_return(self) -> Lines | None:
        if self.level == 0 or (self.scope.final and self.c.chance(70)):
            return None
        return [self.returned()]

    def returned(self) -> str:
        if self.scope.gives == "all":
            return f"return {self.everything()}"
        if self.c.chance(4):
            return "return"
        return f"return {self.expression(self.scope.gives, 2)}"

    def everything(self) -> str:
        """A result in which much can be seen."""
        kinds = ("int", "list", "dict", "str", "nest", "box", "pair", "bool", "agent")
        chosen = [name for kind in kinds for name in self.scope.names(kind)]
        if self.profile.members:
            chosen += [f"{name}.{what}" for name in self.scope.names("actor") for what in ("n", "xs")]
        shown = chosen if self.c.chance(60) else [self.c.pick(chosen) for _ in range(2)] if chosen else []
        parts = [*shown, self.expression(self.any_kind(), 2)]
        if self.c.chance(15):
            return parts[0]
        return f"[{', '.join(parts)}]"

    def on_actor(self) -> Lines | None:
        """An object of a class of the program's own is made, shared or put to use."""
        if not self.classes:
            return None
        if self.profile.members and self.c.chance(75) and (lines := self.employed()) is not None:
            return lines
        form = self.c.below(4)
        if form == 0 and (name := self.name("actor")):
            return [f"{self.bind('actor')} = {name}"]
        if form == 1 and (name := self.name("actor")):
            return [f"{name}.n = {self.int(2)}"]
        if form == 2:
            return [f"{self.bind('int')} = {self.leaf('actor')}.step({self.int(1)})"]
        return [f"{self.bind('actor')} = {self.c.pick(self.classes)}({self.int(2)})"]

    def on_pass(self) -> Lines:
        return ["pass"]

    # Functions inside functions, and names of others.

    def globals_declared(self, taken: list[str]) -> Lines:
        """Some of the names that the module binds, for a function whose parameters are these."""
        free = [(kind, name) for kind, name in GLOBALS if name not in taken]
        if not free or not self.c.chance(self.profile.shared):
            return []
        chosen = {self.c.pick(free) for _ in range(1 + self.c.below(3))}
        for kind, name in chosen:
            self.scope.bind(kind, name)
        names = sorted(name for _, name in chosen)
        self.scope.global_names = frozenset(names)
        return [f"global {', '.join(names)}"]

    def outer_declared(self) -> Lines:
        """Names of the function around a nested one, which it may bind again."""
        free = [(kind, name) for kind, _ in GLOBALS for name in self.scope.names(kind)]
        if not free or not self.c.chance(2 * self.profile.shared):
            return []
        self.scope.shared = frozenset({self.c.pick(free) for _ in range(1 + self.c.below(3))})
        lines: Lines = []
        for word, outside in (("global", True), ("nonlocal", False)):
            names = sorted(n for _, n in self.scope.shared if (n in self.scope.global_names) is outside)
            lines += [f"{word} {', '.join(names)}"] if names else []
        return lines

    def on_def(self) -> Lines | None:
        if len(self.scope.prefix) > 1:
            return None
        variable = self.variable()
        head = f"{variable}={self.int(0)}" if self.c.chance(20) else variable
        keep, self.fuel = self.fuel, min(self.fuel, 4)
        own = {"prefix": self.scope.prefix + "v", "gives": "int", "shared": frozenset(), "yields": False}
        with self.inner(**own, loops=0, final=False, handling=False, inside=()) as block:
            lines = self.outer_declared()
            block.bind("int", variable)
            if self.c.chance(15):
                head += ", *more"
                lines += [f"{self.bind('list')} = list(more)"]
            if self.c.chance(60):
                lines += self.body(3)
            lines.append(f"return {self.int(2)}")
        self.fuel = keep - 2
        name = self.bind("func")
        return [f"def {name}({head}):", *indented(lines), *self.used(name)]

    def used(self, name: str) -> Lines:
        """What a function is made for: often at once, else perhaps later."""
        if self.c.chance(35):
            return []
        again = self.on_assign() if self.c.chance(40) else []
        form = self.c.below(4)
        if form == 0:
            return [*again, f"note({name}({self.int(1)}))"]
        if form == 1:
            value = self.list(1)
            return [*again, f"{self.bind('list')} = [{name}(x) for x in {value}]"]
        if form == 2:
            value = self.list(1)
            return [*again, f"for {self.bind_later('int')} in {value}:", f"    note({name}({self.int(0)}))"]
        value = self.int(1)
        return [*again, f"{self.bind('int')} = {name}({value})"]
