"""Whole programs: module-level objects, helper functions, the flow, its arguments."""

from __future__ import annotations

from ..harness import Program
from .choices import Choices, Random
from .classes import Classes
from .profiles import Profile
from .scope import POOLS, Helper, Scope
from .statements import indented

__all__ = ["generate"]


#: What `GLOBALS` are bound to.
MODULE = "a, b, xs, s, d, o = 4, 5, [3, 4], 'st', {'a': 2, 'c': 6}, Box(5)"
PARAMETERS = (
    ("int", "n"), ("list", "xs"), ("list", "ys"), ("dict", "d"), ("nest", "m"), ("box", "o"), ("str", "s"),
    ("agent", "r"),
)  # fmt: skip


def generate(source: Random, profile: Profile) -> Program:
    """The program that these choices make."""
    return _Programs(Choices(source), profile).program()


class _Programs(Classes):
    def program(self) -> Program:
        lines: list[str] = [
            "import contextlib, io, itertools, sys"
            if "print" in self.profile.statements
            else "import itertools",
            "G = [1, 2]",
            "T = {'a': 1}",
            "B = Box(3)",
            "A = Agent(1, G)",
            MODULE,
            "",
        ]
        for number in range(self.c.below(self.profile.helpers + 1)):
            lines += [*self.helper(number), ""]
        while len(self.classes) < 3 and self.c.chance(self.profile.classes):
            lines += [*self.klass(), ""]
        while len(self.generators) < 3 and self.c.chance(self.profile.generators):
            lines += [*self.generating(), ""]
        main, arguments = self.main()
        return Program(
            "\n".join([*lines, *main]) + "\n",
            arguments,
            salt=self.c.below(1000),
            rate=self.c.pick(self.profile.rate),
        )

    def main(self) -> tuple[list[str], str]:
        self.scope = Scope(gives="all")
        self.fuel = self.profile.fuel
        self.level = 0
        parameters: list[str] = []
        arguments: list[str] = []
        for kind, name in PARAMETERS:
            if not self.c.chance(70 if kind in ("int", "list") else 25):
                continue
            parameters.append(self.scope.bind(kind, name))
            arguments.append(self.argument(kind, arguments))
        lines = self.globals_declared(parameters)
        for _ in range(2 + self.c.below(6)):
            lines += self.statement()
        lines.append(f"return {self.everything()}")
        head = ["@flow", f"def main({', '.join(parameters)}):"]
        return [*head, *indented(lines)], f"({', '.join(arguments)}{',' if arguments else ''})"

    def argument(self, kind: str, before: list[str]) -> str:
        shared = any(":=" in text for text in before)
        if kind == "list":
            if shared and self.c.chance(30):
                return "same"
            if self.c.chance(8):
                return "G"
            text = self.literal(kind)
            return text if shared else f"(same := {text})"
        if kind == "nest" and shared and self.c.chance(60):
            return self.c.pick(["[same]", "[same, [1]]", "[same, same]"])
        if kind == "agent":
            return "Agent(2, same, Slotted(3, same))" if shared and self.c.chance(50) else "Agent(1, [1])"
        if kind == "box":
            return "Box(2, same)" if shared and self.c.chance(50) else "Box(1)"
        return self.literal(kind)

    def helper(self, number: int) -> list[str]:
        form = self.c.weighted([(10, "plain"), (3, "rec"), (2, "flow"), (2, "quiet")])
        kinds_given = [(8, "int"), (5, "list"), (2, "str"), (1, "dict"), (1, "nest")]
        gives = "int" if form == "rec" else self.c.weighted(kinds_given)
        self.scope = Scope(gives=gives)
        self.fuel = self.profile.fuel // 2
        self.level = 0
        name = f"{form}{number}"
        kinds: list[str] = []
        written: list[str] = []
        if form == "rec":
            kinds.append("int")
            written.append(self.scope.bind("int", "k0"))
        for kind, names in (
            ("int", POOLS["int"][:2]),
            ("list", POOLS["list"]),
            ("str", POOLS["str"]),
            ("agent", POOLS["agent"]),
        ):
            for word in names[: self.c.below(3)]:
                kinds.append(kind)
                written.append(self.scope.bind(kind, word))
        lines = self.globals_declared(written)
        defaults = self.c.below(len(kinds)) if kinds and self.c.chance(40) else 0
        for at in range(len(kinds) - defaults, len(kinds)):
            written[at] += "=" + self.literal(kinds[at])
        star, keywords = self.c.chance(20), self.c.chance(15)
        if star:
            written.append("*rest")
            lines.append(f"{self.bind('list')} = list(rest)")
        if keywords:
            written.append("**named")
            if self.c.chance(50):
                lines.append("note(sorted(named))")
            else:
                lines.append(f"{self.bind('int')} = named.get('tag', 0)")
        keep = self.profile
        if form == "quiet":
            # A helper without calls: it stays native.
            self.profile = Profile("quiet", calls=0, effects=0)
        if form == "rec":
            lines += ["if k0 <= 0:", f"    return {self.int(1)}"]
        for _ in range(1 + self.c.below(3)):
            lines += self.statement()
        if form == "rec":
            again = ", ".join(["k0 - 1", *(self.expression(kind, 1) for kind in kinds[1:])])
            lines.append(f"return {self.int(1)} + {name}({again})")
        elif self.c.chance(90):
            lines.append(f"return {self.expression(gives, 2)}")
        self.profile = keep
        optional = 0 if form == "rec" else defaults
        self.helpers.append(Helper(name, tuple(kinds), optional, star, keywords, gives))
        head = [f"def {name}({', '.join(written)}):"]
        if form == "flow":
            head.insert(0, "@flow")
        return [*head, *indented(lines)]
