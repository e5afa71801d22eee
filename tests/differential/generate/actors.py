"""Objects of classes of the program's own, put to use in parts that are left behind."""

from __future__ import annotations

from .blocks import Blocks, Lines, indented

__all__ = ["Actors"]


class Actors(Blocks):
    """Writes methods, and what programs do with them."""

    #: The method that is named like one of a built-in type.
    named = "get"

    def members(self) -> list[Lines]:
        """Methods of a class that has no base: with calls, without, one named like a built-in one."""
        c = self.c
        named = c.pick(["get", "append", "update", "pop"])
        value = c.pick(["ask(x)", "ask(self.n)", "word(x) and x", "x"])
        found: list[Lines] = [
            ["peer = None"],
            ["ids = __import__('itertools').count(3)"],
            ["def remember(self, x):", "    self.xs.append(x)", f"    self.n {c.pick(['=', '+='])} x"],
            [
                "def between(self, x):",
                f"    self.last = {value}",
                "    self.xs.append(self.last)",
                f"    {c.pick(['self.remember(self.last)', 'self.n = ask(self.xs)', 'self.last = self.n'])}",
            ],
            [f"def {named}(self, x):", f"    self.n += {value}", "    return self.n"],
            [
                "def pass_on(self, x):",
                "    if self.peer is not None:",
                f"        self.peer.{c.pick(['between', 'remember', 'step', named])}(x)",
                f"    self.n += {c.pick(['1', value])}",
            ],
        ]
        self.named = named
        return [*found, *self.property(c.pick(self.looks))]

    #: What a property gives.
    looks = (
        "self.n",
        "self.n",
        "self.n + len(self.xs)",
        "ask(self.n)",
        "self.between(self.n) or self.n",
        "self.n if self.peer is None else self.peer.n",
        "self.xs[self.n]",
        "next(self.ids)",
    )

    def property(self, looks: str) -> list[Lines]:
        """A property, that may be set."""
        c = self.c
        found: list[Lines] = [["@property", "def half(self):", f"    return {looks}"]]
        if c.chance(85):
            value = c.pick(["x", "x", "ask(x)", "self.half + x", "word(x) and x"])
            then = c.pick(["self.last = x", "self.remember(x)", "if x > 5:\n        self.xs = [x]", "pass"])
            body = [f"    self.n = {value}", *indented(then.split("\n"))]
            found.append(["@half.setter", "def half(self, x):", *c.pick([body, body[1:] + body[:1]])])
        return found

    def halved(self, name: str) -> Lines:
        """A statement with a property in it."""
        c = self.c
        form = c.below(8)
        if form == 7:
            number = self.bind("int")
            return [
                f"if {name}.xs:",
                f"    {number} = {name}.xs.pop({c.pick(['', '0', '-1'])})",
                "else:",
                f"    {number} = 0",
            ]
        if form == 6:
            return [
                f"{name}.n = next({name}.ids)" if c.chance(50) else f"{self.bind('int')} = next({name}.ids)"
            ]
        if form <= 1:
            return [f"{name}.half = {self.int(1)}"]
        if form == 2:
            return [f"{name}.half += {self.int(1)}"]
        if form == 3:
            return [f"{name}.n, {name}.half = {self.int(1)}, {name}.half"]
        return [f"{self.bind('int')} = {name}.half"]

    def method_of(self) -> str:
        return self.c.pick(["step", "remember", "between", "between", "pass_on", self.named])

    def employed(self) -> Lines | None:
        """A statement with methods in it."""
        name = self.name("actor")
        if name is None:
            return None
        c = self.c
        call = f"{name}.{self.method_of()}({self.int(1)})"
        form = c.below(14)
        if form >= 12:
            return self.halved(name)
        if form == 11:
            return [
                "try:",
                *indented(self.halved(name)),
                *self.perhaps(name),
                "except Boom:",
                f"    {self.mended(name)}",
            ]
        if form == 10:
            return [f"if {self.condition(1)}:", *indented(self.halved(name))]
        if form <= 1:
            return ["try:", f"    {call}", *self.perhaps(name), "except Boom:", f"    {self.mended(name)}"]
        if form == 2:
            return [f"if {self.condition(1)}:", f"    {call}", "else:", f"    {self.mended(name)}"]
        if form == 3:
            return [f"if flag({self.int(0)}):", f"    {call}", f"    {self.mended(name)}"]
        if form == 4:
            return [f"{name}.peer = {self.leaf('actor')}"]
        if form == 5:
            other = c.pick(["step", "between", "remember"])  # none that calls one of another object
            return [f"{name}.{c.pick(['step', 'between'])} = {self.leaf('actor')}.{other}"]
        if form == 6:
            return [f"if flag({self.int(0)}):", f"    {name}.peer = {self.leaf('actor')}", f"    {call}"]
        if form == 7:
            return [f"{self.bind('int')} = {name}.n + len({name}.xs)"]
        names = [self.leaf("actor") for _ in range(2 + c.below(2))]
        each = self.scope.bind("actor", self.scope.prefix + "w")
        body = [f"{each}.{self.method_of()}({c.pick([f'{each}.n', f'{each}.half', self.int(1)])})"]
        if c.chance(20):
            body = self.halved(each)
        if c.chance(50):
            body = ["try:", *indented(body), *self.perhaps(each), "except Boom:", f"    {self.mended(each)}"]
        elif c.chance(50):
            body = [f"if flag({each}.n):", *indented(body)]
        return [f"for {each} in [{', '.join(names)}]:", *indented(body)]

    def perhaps(self, name: str) -> Lines:
        """Something after a call in a ``try``."""
        return self.c.pick(
            [[], [], [f"    if flag({name}.n):", f"        deny({name}.n)"], [f"    {name}.peer = None"]]
        )

    def mended(self, name: str) -> str:
        return self.c.pick(
            [
                f"{name}.n = -1",
                f"{name}.remember(7)",
                f"{name}.between(8)",
                f"{name}.xs = []",
                f"{name}.n += 1",
                f"{name}.half = 3",
            ]
        )
