"""The ground that expressions stand on: names, literals, calls of the vocabulary."""

from __future__ import annotations

from typing import ClassVar

from .choices import Choices
from .profiles import Profile
from .scope import POOLS, Helper, Scope

__all__ = ["Words"]

MODULE_NAMES = {"list": ["G"], "dict": ["T"], "box": ["B"], "agent": ["A"]}


class Words:
    """Writes what is simplest, for the names of `self.scope`."""

    def __init__(self, choices: Choices, profile: Profile) -> None:
        self.c = choices
        self.profile = profile
        self.scope = Scope()
        self.helpers: list[Helper] = []
        #: Classes of the program.
        self.classes: list[str] = []
        #: Generator functions of the program.
        self.generators: list[str] = []
        self.fresh = 0

    # Names.

    def name(self, kind: str) -> str | None:
        """A name that holds this type, now and then one that may not be bound."""
        doubtful = self.scope.doubtful(kind)
        if doubtful and self.c.chance(4):
            return self.c.pick(doubtful)
        names = self.scope.names(kind)
        if kind in MODULE_NAMES and (not names or self.c.chance(15)):
            names = names + MODULE_NAMES[kind]
        return self.c.pick(names) if names else None

    def bind(self, kind: str) -> str:
        """A name to bind to this type."""
        shared = sorted(name for of, name in self.scope.shared if of == kind)
        if shared and self.scope.prefix and self.c.chance(50):
            return self.scope.bind(kind, self.c.pick(shared))
        return self.scope.bind(kind, self.scope.prefix + self.c.pick(POOLS[kind]))

    def variable(self) -> str:
        """A name for a comprehension or a parameter."""
        self.fresh += 1
        return "xyzijk"[self.fresh % 6]

    def within(self, *what: str) -> Inside:
        return Inside(self, what)

    # Any type.

    def expression(self, kind: str, depth: int = 2) -> str:
        if depth > 0 and self.c.chance(4):
            return self.conditional(kind, depth - 1)
        found: str = getattr(self, kind)(depth)
        return found

    def leaf(self, kind: str) -> str:
        if self.c.chance(88) and (name := self.name(kind)):
            return name
        return self.literal(kind)

    def literal(self, kind: str) -> str:
        n = self.c.below(6)
        return {
            "int": str(n),
            "bool": ("False", "True")[n % 2],
            "str": repr("abcdef"[:n]),
            "list": ("[]", "[1]", "[1, 2]", "[3, 0, 2]", "[0]", "[5, 5]")[n],
            "dict": ("{}", "{'a': 1}", "{'a': 1, 'b': 2}", "{'c': 0}", "{'b': 3}", "dict(a=4)")[n],
            "set": ("set()", "{1}", "{1, 2}", "{0, 3}", "{4}", "{2, 5}")[n],
            "pair": f"({n}, {n + 1})",
            "nest": ("[]", "[[]]", "[[1], []]", "[[2, 3]]", "[[0]]", "[[], [4]]")[n],
            "box": f"Box({n})",
            "agent": f"Agent({n}, [{n}])",
            "opt": ("None", "1", "None", "2", "0", "3")[n],
            "func": "(lambda x: x + 1)",
            "answer": f"{('reply', 'sloppy')[n % 2]}({n})",
            "actor": f"{self.c.pick(self.classes)}({n})" if kind == "actor" else "",
        }[kind]

    def conditional(self, kind: str, depth: int) -> str:
        return (
            f"({self.expression(kind, depth)} if {self.condition(depth)} else {self.expression(kind, depth)})"
        )

    def choose(self, ways: list[tuple[int, str]], kind: str, depth: int) -> str:
        if depth <= 0:
            if self.c.chance(self.profile.calls // 2):
                return self.asked(kind, 0) or self.leaf(kind)
            return self.leaf(kind)
        if self.c.chance(self.profile.calls):
            found = self.asked(kind, depth - 1)
            if found:
                return found
        way = self.c.weighted(ways)
        found = getattr(self, way)(depth - 1)
        return found if found else self.leaf(kind)

    # Calls that give a type.

    ASKED: ClassVar[dict[str, tuple[str, ...]]] = {
        "int": (
            "ask(I)",
            "get(K)",
            "calc(I, I)",
            "guess(I)",
            "peek(K)",
            "guess(A, *L, tone=I)",
            "guess(L)",
            "ask(A)",
            "calc(y=I, x=K)",
            "put(K, A)",
            "get(*[K])",
            "ask(x=A)",
            "record(A)",
            "bump(K)",
            "act(A)",
            "move(K, K)",
            "tell(A)",
            "stamp()",
            "guess(*L)",
            "deny(I)",
            "spoil(K)",
            "calc(**{'x': I})",
            "sum(chunks(I))",
            "max(rows(K), default=I)",
            "next(bits(I), I)",
        ),  # fmt: skip
        "bool": ("flag(I)", "flag(A)", "flag(L)"),
        "str": ("word(I)", "look()", "word(A)", "look(I)", "word(S)", "''.join(words_of(I))"),
        "list": (
            "items(I)",
            "things(I)",
            "scan()",
            "items(A)",
            "poke(L)",
            "things(L)",
            "list(chunks(I))",
            "sorted(rows(K))",
            "[*feed(I)]",
            "[x for _, x in zip(L, chunks(I))]",
        ),
        "dict": ("pairs(I)", "pairs(A)"),
        "pair": ("duo(I)", "duo(A)"),
        "box": ("make(I)",),
        "opt": ("maybe(I)", "maybe(A)"),
    }

    def asked(self, kind: str, depth: int) -> str | None:
        """A call of the vocabulary that gives this type."""
        forms = self.ASKED.get(kind)
        if not forms:
            return None
        # The first forms are the free calls and reads; those further on are rarer.
        at = min(self.c.below(len(forms)), self.c.below(len(forms)), self.c.below(len(forms) + 4))
        return self.fill(forms[at], depth)

    def fill(self, form: str, depth: int) -> str:
        """A form with its places filled: K a key, I an int, L a list, S text, A anything."""
        out: list[str] = []
        for at, letter in enumerate(form):
            alone = not form[at - 1 : at].isalnum() and not form[at + 1 : at + 2].isalnum()
            if letter in "KILSA" and alone:
                out.append(self.place(letter, depth))
            else:
                out.append(letter)
        return "".join(out)

    def place(self, letter: str, depth: int) -> str:
        if letter == "K":
            if self.c.chance(60):
                return str(self.c.below(3))
            return f"{self.expression('int', min(depth, 1))} % 3"
        kind = {"I": "int", "L": "list", "S": "str"}.get(letter) or self.any_kind()
        return self.expression(kind, min(depth, 0 if self.c.chance(50) else 1))

    ANY: ClassVar[list[tuple[int, str]]] = [
        (6, "int"), (6, "list"), (3, "str"), (3, "dict"), (2, "bool"), (2, "pair"), (2, "nest"), (1, "box"),
        (1, "set"), (1, "opt"),
    ]  # fmt: skip

    def any_kind(self) -> str:
        return self.c.weighted(self.ANY)

    def bound(self, kind: str, name: str) -> Bound:
        return Bound(self.scope, kind, name)


class Inside:
    """The expression under way lies in something that walrus cannot bind through."""

    def __init__(self, writer: Words, what: tuple[str, ...]) -> None:
        self.writer = writer
        self.what = what

    def __enter__(self) -> None:
        self.before = self.writer.scope.inside
        self.writer.scope.inside += self.what

    def __exit__(self, *error: object) -> None:
        self.writer.scope.inside = self.before


class Bound:
    """A name is bound for the time of an expression."""

    def __init__(self, scope: Scope, kind: str, name: str) -> None:
        self.scope, self.kind, self.name = scope, kind, name

    def __enter__(self) -> None:
        self.new = self.name not in self.scope.sure.setdefault(self.kind, set())
        self.scope.sure[self.kind].add(self.name)

    def __exit__(self, *error: object) -> None:
        if self.new:
            self.scope.sure[self.kind].discard(self.name)
