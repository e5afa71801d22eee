"""Generator functions of the program's own: loops that yield, ``finally`` around them, pipelines of them."""

from __future__ import annotations

from .blocks import Lines, indented
from .matching import Matching
from .scope import Scope

__all__ = ["Generators"]


class Generators(Matching):
    """Writes generator functions, and what is done with what they make, which is of type ``gen``."""

    def generating(self) -> Lines:
        """A generator function, of what gives numbers."""
        self.scope = Scope(gives="int", yields=True)
        self.fuel = self.profile.fuel // 2
        self.level = 0
        lines = sum([self.statement() for _ in range(self.c.below(2))], Lines())
        with self.inner(loops=1) as turn:
            turn.bind("int", "n")
            body = self.body(2) if self.c.chance(60) else []
            body.append(f"yield {self.int(2)}")
            body += self.body(1) if self.c.chance(30) else []
        loop = ["for n in source:", *indented(body)]
        form = self.c.below(10) if self.profile.closes else 0
        if form >= 6:
            with self.inner(final=True):
                loop = ["try:", *indented(loop), "finally:", *indented(self.body(1))]
        elif form >= 4:
            caught = self.c.pick(["Boom", "Exception", "ValueError"])
            with self.inner(handling=True):
                loop = ["try:", *indented(loop), f"except {caught}:", *indented(self.body(2))]
        lines += loop
        if self.c.chance(30):
            lines.append(f"yield from {self.generated() if self.generators else self.list(1)}")
        if self.c.chance(20):
            lines.append(f"return {self.int(1)}")
        self.generators.append(f"gen{len(self.generators)}")
        return [f"def {self.generators[-1]}(source):", *indented(lines)]

    def generated(self) -> str:
        """What makes a generator, or a name of one."""
        if self.c.chance(30) and (name := self.name("gen")):
            return name
        made = f"{self.list(0)}[:4]" if self.c.chance(60) else f"range({self.c.below(4)})"
        for _ in range(1 + self.c.weighted([(6, 0), (3, 1), (1, 2)])):
            made = f"{self.c.pick(self.generators)}({made})"
        return made

    def on_yield(self) -> Lines | None:
        if not self.scope.yields or self.scope.final or not self.profile.closes:
            return None
        value = self.int(2)
        return [f"{self.bind('str')} = str((yield {value}))" if self.c.chance(15) else f"yield {value}"]

    def on_generated(self) -> Lines | None:
        """A generator is kept, used up natively, or gone over as far as something holds."""
        if not self.generators:
            return None
        form = self.c.below(7)
        source = self.generated()
        if form == 0:
            return [f"{self.bind('gen')} = {source}"]
        if form == 1:
            call = self.c.pick(["sum({})", "next({}, 7)", "max({}, default=1)", "len([*{}])"])
            return [f"{self.bind('int')} = {call.format(source)}"]
        if form == 2:
            call = self.c.pick(["list({})", "[*{}]", "sorted({})"])
            return [f"{self.bind('list')} = {call.format(source)}"]
        variable = self.variable()
        if form == 3:
            with self.within("comprehension"), self.bound("int", variable):
                value = self.int(1)
            return [f"{self.bind('list')} = [{value} for {variable} in {source}]"]
        with self.inner(loops=self.scope.loops + 1, final=False) as turn:
            head = f"for {turn.bind('int', 'n')} in {source}:"
            if form == 4:
                head = f"for n, {self.bind('int')} in zip({source}, {self.generated()}):"
            lines = self.body(2)
            if form >= 5:
                lines = [f"if {self.condition(2)}:", "    break", *lines]
        self.scope.after([turn, self.scope.block()])
        return [head, *indented(lines), *self.loop_else()]
