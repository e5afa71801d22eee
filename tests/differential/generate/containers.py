"""Containers, and what walks over them."""

from __future__ import annotations

from typing import ClassVar

from .scalars import Scalars

__all__ = ["Containers"]


class Containers(Scalars):
    """Writes expressions that give containers and objects; comprehensions and generators."""

    # list

    LIST: ClassVar[list[tuple[int, str]]] = [
        (12, "_leaf_list"), (10, "_display"), (10, "_comprehended"), (4, "_sorted"), (4, "_added"),
        (4, "_sliced"), (3, "_listed"), (3, "_helped_list"), (3, "_from_dict"), (3, "_from_nest"),
        (2, "_mapped"), (2, "_box_list"), (2, "_agent_list"), (2, "_copied"), (1, "_ranged"),
    ]  # fmt: skip

    def list(self, depth: int) -> str:
        return self.choose(self.LIST, "list", depth)

    def _leaf_list(self, depth: int) -> str:
        return self.leaf("list")

    def _display(self, depth: int) -> str:
        parts = [self.int(depth) for _ in range(self.c.below(4))]
        if self.c.chance(30):
            parts.append("*" + self.list(depth))
        return "[" + ", ".join(parts) + "]"

    def _comprehended(self, depth: int) -> str:
        return f"[{self.generator('int', depth, bare=True)}]"

    def _sorted(self, depth: int) -> str:
        if self.c.chance(25):
            return f"sorted({self.list(depth)}, key={self.function(depth)})"
        if self.c.chance(40):
            return f"sorted({self.generator('int', depth)})"
        return f"sorted({self.list(depth)}, reverse=True)"

    def _added(self, depth: int) -> str:
        return f"({self.list(depth)} + {self.list(depth)})[:9]"

    def _sliced(self, depth: int) -> str:
        return f"{self.list(depth)}[{self.c.pick(['1:', ':2', ':', '::-1', ':-1'])}]"

    def _listed(self, depth: int) -> str:
        kind = self.c.pick(["list", "pair", "set"])
        text = self.expression(kind, depth)
        return f"sorted({text})" if kind == "set" else f"list({text})"

    def _helped_list(self, depth: int) -> str | None:
        return self.helped("list", depth)

    def _from_dict(self, depth: int) -> str:
        return f"list({self.dict(depth)}.values())"

    def _from_nest(self, depth: int) -> str:
        return f"{self.nest(depth)}[{self.c.pick(['0', '-1'])}]"

    def _mapped(self, depth: int) -> str:
        return f"list(map({self.function(depth)}, {self.list(depth)}))"

    def _box_list(self, depth: int) -> str | None:
        name = self.name("box")
        return f"{name}.xs" if name else None

    def _copied(self, depth: int) -> str:
        return f"{self.leaf('list')}.copy()"

    def _ranged(self, depth: int) -> str:
        return f"list(range({self.int(0)} % 4))"

    # The rest.

    DICT: ClassVar[list[tuple[int, str]]] = [
        (8, "_leaf_dict"), (5, "_dict_display"), (4, "_dict_comprehended"), (2, "_zipped"),
        (1, "_copied_dict"),
    ]  # fmt: skip

    def dict(self, depth: int) -> str:
        return self.choose(self.DICT, "dict", depth)

    def _leaf_dict(self, depth: int) -> str:
        return self.leaf("dict")

    def _dict_display(self, depth: int) -> str:
        parts = [f"{self.key(depth)}: {self.int(depth)}" for _ in range(self.c.below(3))]
        if self.c.chance(30):
            parts.append(f"**{self.dict(depth)}")
        return "{" + ", ".join(parts) + "}"

    def _dict_comprehended(self, depth: int) -> str:
        return "{" + self.generator("item", depth, bare=True) + "}"

    def _zipped(self, depth: int) -> str:
        return f"dict(zip({self.str(0)}, {self.list(depth)}))"

    def _copied_dict(self, depth: int) -> str:
        return f"dict({self.leaf('dict')}, a={self.int(depth)})"

    def set(self, depth: int) -> str:
        if depth <= 0 or self.c.chance(40):
            return self.leaf("set")
        if self.c.chance(60):
            return "{" + self.generator("int", depth - 1, bare=True) + "}"
        return f"({self.set(depth - 1)} {self.c.pick(['|', '&', '-'])} {self.set(depth - 1)})"

    def pair(self, depth: int) -> str:
        ways = [(4, "_leaf_pair"), (6, "_tuple"), (2, "_divided"), (1, "_tupled")]
        return self.choose(ways, "pair", depth)

    def _leaf_pair(self, depth: int) -> str:
        return self.leaf("pair")

    def _tuple(self, depth: int) -> str:
        return f"({self.int(depth)}, {self.int(depth)})"

    def _divided(self, depth: int) -> str:
        return f"divmod({self.int(depth)}, {1 + self.c.below(3)})"

    def _tupled(self, depth: int) -> str:
        return f"tuple([{self.int(depth)}, {self.int(depth)}])"

    def nest(self, depth: int) -> str:
        if depth <= 0 or self.c.chance(30):
            return self.leaf("nest")
        if self.c.chance(70):
            return "[" + ", ".join(self.list(depth - 1) for _ in range(1 + self.c.below(3))) + "]"
        variable = self.variable()
        with self.within("comprehension"):
            source = self.list(depth - 1)
        with self.within("comprehension"), self.bound("int", variable):
            return f"[{self.list(depth - 1)} for {variable} in {source}]"

    def box(self, depth: int) -> str:
        if self.c.chance(60):
            return self.leaf("box")
        if self.c.chance(40):
            return f"make({self.int(depth - 1)})"
        shared = f", {self.leaf('list')}" if self.c.chance(50) else ""
        return f"Box({self.int(depth - 1)}{shared})"

    def opt(self, depth: int) -> str:
        return self.choose([(3, "_leaf_opt"), (1, "_got")], "opt", depth)

    def _leaf_opt(self, depth: int) -> str:
        return self.leaf("opt")

    def _got(self, depth: int) -> str:
        return f"{self.dict(depth)}.get({self.key(depth)})"

    # What walks over a container.

    def generator(self, gives: str, depth: int, *, bare: bool = False) -> str:
        """``e for x in xs if p``, in parentheses unless it is bare (then the caller has its own)."""
        variable = self.variable()
        inner: list[str] = []
        bound = [("int", variable)]
        with self.within("comprehension"):
            source, targets = self.iterable(variable, depth)
            bound = targets
            scopes = [self.bound(kind, name) for kind, name in bound]
            for scope in scopes:
                scope.__enter__()
            if self.c.chance(35):
                inner.append(f" if {self.condition(depth)}")
            if self.c.chance(12):
                second = self.variable()
                inner.append(f" for {second} in {self.list(0)}[:3]")
                extra = self.bound("int", second)
                extra.__enter__()
                scopes.append(extra)
            if gives == "item":
                element = f"{self.key(depth)}: {self.int(depth)}"
            else:
                element = self.expression(gives, depth)
            for scope in reversed(scopes):
                scope.__exit__()
        text = f"{element} for {source}{''.join(inner)}"
        return text if bare else f"({text})"

    SOURCES: ClassVar[list[tuple[int, str]]] = [
        (10, "list"), (4, "range"), (2, "enumerate"), (2, "zip"), (2, "items"), (1, "keys"), (1, "pair"),
        (1, "nest"), (3, "passed"),
    ]  # fmt: skip

    def passed(self, depth: int) -> str:
        """What only passes on numbers that are in containers."""
        form = self.c.pick(["reversed", "reversed", "chain", "islice", "islice", "mixed"])
        if form == "reversed":
            return f"reversed({self.list(depth)})"
        if form == "chain":
            return f"itertools.chain({self.list(depth)}, {self.list(0)})"
        if form == "islice":
            ends = self.c.pick(["2", "1, None", f"{self.int(0)} % 4", "0, None, 2", "None", self.int(0)])
            return f"itertools.islice({self.list(depth)}, {ends})"
        return self.c.pick([
            f"itertools.islice(reversed({self.list(depth)}), 3)",
            f"itertools.chain(reversed({self.list(depth)}), range(2), {self.list(0)})",
            f"itertools.chain({self.list(depth)}, itertools.islice({self.list(0)}, 1, 3))",
        ])  # fmt: skip

    def iterable(self, variable: str, depth: int) -> tuple[str, list[tuple[str, str]]]:
        """``x in xs`` and what it binds."""
        other = variable + "2"
        form = self.c.weighted(self.SOURCES)
        if form == "range":
            end = self.c.pick(["2", "3", f"{self.int(depth)} % 4"])
            return f"{variable} in range({end})", [("int", variable)]
        if form in ("enumerate", "zip"):
            lists = [self.list(depth) for _ in range(2 if form == "zip" else 1)]
            option = "" if self.c.chance(0.8) else ", strict=True" if form == "zip" else ", 3"
            source = f"{variable}, {other} in {form}({', '.join(lists)}{option})"
            return source, [("int", variable), ("int", other)]
        if form == "passed":
            if self.c.chance(25):
                source = f"zip({self.passed(depth)}, {self.list(depth)})"
                return f"{variable}, {other} in {source}", [("int", variable), ("int", other)]
            return f"{variable} in {self.passed(depth)}", [("int", variable)]
        if form == "items":
            return f"{variable}, {other} in {self.dict(depth)}.items()", [("str", variable), ("int", other)]
        if form == "keys":
            return f"{variable} in {self.dict(depth)}", [("str", variable)]
        if form == "nest":
            return f"{variable} in {self.nest(depth)}", [("list", variable)]
        return f"{variable} in {self.expression(form, depth)}", [("int", variable)]
