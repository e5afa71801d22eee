"""Numbers, truth and text."""

from __future__ import annotations

from typing import ClassVar

from .scope import POOLS
from .words import Words

__all__ = ["Scalars"]


class Scalars(Words):
    """Writes expressions that give an int, a bool or a str."""

    # int

    INT: ClassVar[list[tuple[int, str]]] = [
        (12, "_leaf_int"), (14, "_sum_of_two"), (5, "_quotient"), (6, "_length"), (6, "_total"), (5, "_item"),
        (4, "_looked_up"), (4, "_aggregate"), (6, "_helped_int"), (4, "_applied"), (3, "_attribute"),
        (4, "_agent_int"),
        (3, "_walrus"), (2, "_popped"), (2, "_lambda_now"), (2, "_opened"), (2, "_best"), (2, "_counted"),
        (2, "_pair_item"), (1, "_operated"), (3, "_acted"), (1, "_short_int"), (1, "_reduced"),
    ]  # fmt: skip

    def int(self, depth: int) -> str:
        return self.choose(self.INT, "int", depth)

    def _leaf_int(self, depth: int) -> str:
        return self.leaf("int")

    def _sum_of_two(self, depth: int) -> str:
        operator = self.c.pick(["+", "-", "*", "+", "-"])
        text = f"({self.int(depth)} {operator} {self.int(depth)})"
        return f"({text} % 97)" if operator == "*" else text

    def _quotient(self, depth: int) -> str:
        right = self.int(depth) if self.c.chance(20) else str(1 + self.c.below(4))
        return f"({self.int(depth)} {self.c.pick(['//', '%'])} {right})"

    def _length(self, depth: int) -> str:
        return f"len({self.expression(self.c.pick(['list', 'str', 'dict', 'nest']), depth)})"

    def _total(self, depth: int) -> str:
        if self.c.chance(50):
            return f"sum({self.list(depth)})"
        return f"sum({self.generator('int', depth)})"

    def _item(self, depth: int) -> str:
        if self.c.chance(70):
            return f"({self.list(depth)} or [{self.c.below(4)}])[{self.c.pick(['0', '-1'])}]"
        return f"{self.list(depth)}[{self.index(depth)}]"

    def index(self, depth: int) -> str:
        if self.c.chance(60):
            return self.c.pick(["0", "-1", "1", "2"])
        return f"{self.int(0)} % 3"

    def _looked_up(self, depth: int) -> str:
        table = self.dict(depth)
        if self.c.chance(85):
            return f"{table}.get({self.key(depth)}, {self.int(0)})"
        return f"{table}[{self.key(depth)}]"

    def key(self, depth: int) -> str:
        if self.c.chance(75):
            return repr(self.c.pick(["a", "b", "c", "d"]))
        return self.str(min(depth, 1))

    def _aggregate(self, depth: int) -> str:
        function = self.c.pick(["max", "min"])
        if self.c.chance(60):
            return f"{function}({self.generator('int', depth)}, default={self.int(0)})"
        if self.c.chance(60):
            return f"{function}(0, *{self.list(depth)})"
        return f"{function}({self.list(depth)})"

    def _helped_int(self, depth: int) -> str | None:
        return self.helped("int", depth)

    def _applied(self, depth: int) -> str | None:
        name = self.name("func")
        return f"{name}({self.int(depth)})" if name else None

    def _attribute(self, depth: int) -> str | None:
        name = self.name("box")
        return f"{name}.{self.c.pick(['n', 'n', 'loud'])}" if name else None

    def _acted(self, depth: int) -> str | None:
        if not self.classes:
            return None
        actor = self.leaf("actor")
        given = self.int(depth)
        return self.c.pick(
            [
                f"{actor}.step({given})",
                f"{actor}({given})",
                f"{self.c.pick(self.classes)}.at({given})",
                f"{actor}.n",
            ]
        )

    def _walrus(self, depth: int) -> str | None:
        if self.scope.inside:
            return None
        value = self.int(depth)
        return f"({self.bind_later('int')} := {value})"

    def bind_later(self, kind: str) -> str:
        """A name bound within an expression: perhaps never, if the expression is not evaluated."""
        name = self.scope.prefix + self.c.pick(POOLS[kind])
        if name not in self.scope.sure.get(kind, ()):
            self.scope.maybe.setdefault(kind, set()).add(name)
        return name

    def _popped(self, depth: int) -> str | None:
        name = self.name("list")
        if not name:
            return None
        text = f"{name}.pop({self.c.pick(['', '0', ''])})"
        return f"({text} if {name} else {self.c.below(4)})" if self.c.chance(75) else text

    def _lambda_now(self, depth: int) -> str:
        return f"{self.function(depth)}({self.int(depth)})"

    def _opened(self, depth: int) -> str | None:
        name = self.name("opt")
        if not name:
            return None
        return f"({name} or 0)" if self.c.chance(50) else f"(0 if {name} is None else {name})"

    def _best(self, depth: int) -> str:
        return f"{self.c.pick(['max', 'min'])}({self.int(depth)}, {self.int(depth)})"

    def _counted(self, depth: int) -> str:
        return f"{self.list(depth)}.{self.c.weighted([(8, 'count'), (1, 'index')])}({self.int(0)})"

    def _pair_item(self, depth: int) -> str:
        return f"{self.pair(depth)}[{self.c.below(2)}]"

    def _operated(self, depth: int) -> str | None:
        name = self.name("box")
        return f"({name} + {self.int(depth)})" if name else None

    def _short_int(self, depth: int) -> str:
        return f"({self.int(depth)} {self.c.pick(['and', 'or'])} {self.int(depth)})"

    def _reduced(self, depth: int) -> str:
        if self.c.chance(50):
            return f"abs({self.int(depth)})"
        return f"round({self.int(depth)} / {1 + self.c.below(3)})"

    # bool

    BOOL: ClassVar[list[tuple[int, str]]] = [
        (14, "_compared"), (4, "_leaf_bool"), (5, "_all_any"), (4, "_member"), (5, "_both"), (4, "_not"),
        (3, "_chained"), (2, "_same"), (2, "_typed"), (3, "_equal"), (1, "_none"),
    ]  # fmt: skip

    def bool(self, depth: int) -> str:
        return self.choose(self.BOOL, "bool", depth)

    def condition(self, depth: int) -> str:
        """What a branch asks: a bool, or the truth of something else."""
        if self.c.chance(80):
            return self.bool(depth)
        kinds = [(3, "list"), (3, "int"), (2, "str"), (1, "dict"), (1, "box"), (2, "opt")]
        return self.expression(self.c.weighted(kinds), depth)

    def _leaf_bool(self, depth: int) -> str:
        return self.leaf("bool")

    def _compared(self, depth: int) -> str:
        return f"{self.int(depth)} {self.c.pick(['>', '<', '==', '>=', '!='])} {self.int(depth)}"

    def _chained(self, depth: int) -> str:
        return f"{self.int(depth)} < {self.int(depth)} <= {self.int(depth)}"

    def _all_any(self, depth: int) -> str:
        return f"{self.c.pick(['any', 'all'])}({self.generator('bool', depth)})"

    def _member(self, depth: int) -> str:
        kind = self.c.weighted([(5, "list"), (2, "set"), (2, "dict"), (1, "box")])
        item = self.key(depth) if kind == "dict" else self.int(depth)
        return f"{item} {self.c.pick(['in', 'in', 'not in'])} {self.expression(kind, depth)}"

    def _both(self, depth: int) -> str:
        return f"({self.bool(depth)} {self.c.pick(['and', 'or'])} {self.bool(depth)})"

    def _not(self, depth: int) -> str:
        return f"(not {self.condition(depth)})"

    def _same(self, depth: int) -> str:
        kind = self.c.pick(["list", "dict", "nest"])
        return f"{self.leaf(kind)} {self.c.pick(['is', 'is not', '=='])} {self.leaf(kind)}"

    def _typed(self, depth: int) -> str:
        return f"isinstance({self.expression(self.c.pick(['opt', 'int', 'list']), depth)}, int)"

    def _equal(self, depth: int) -> str:
        kind = self.c.pick(["str", "list", "pair"])
        return f"{self.expression(kind, depth)} {self.c.pick(['==', '<'])} {self.expression(kind, depth)}"

    def _none(self, depth: int) -> str:
        return f"{self.opt(depth)} {self.c.pick(['is None', 'is not None'])}"

    # str

    STR: ClassVar[list[tuple[int, str]]] = [
        (8, "_leaf_str"), (8, "_formatted"), (5, "_joined"), (4, "_concatenated"), (3, "_text_of"),
        (2, "_sliced_str"), (2, "_upper"), (2, "_helped_str"), (1, "_percent"),
    ]  # fmt: skip

    def str(self, depth: int) -> str:
        return self.choose(self.STR, "str", depth)

    def _leaf_str(self, depth: int) -> str:
        return self.leaf("str")

    def _formatted(self, depth: int) -> str:
        def part() -> str:
            with self.within("format"):
                text = self.expression(self.c.pick(["int", "str", "list"]), depth)
            # Before Python 3.12 an f-string cannot hold its own quotes, nor a backslash.
            return "0" if '"' in text or "\\" in text else text

        if self.c.chance(60):
            return f'f"<{{ {part()} }}>"'
        return f'f"{{ {part()} !r:>4}}-{{ {part()} }}"'

    def _joined(self, depth: int) -> str:
        return f"'-'.join({self.generator('str', depth)})"

    def _concatenated(self, depth: int) -> str:
        return f"({self.str(depth)} + {self.str(depth)})[-20:]"

    def _text_of(self, depth: int) -> str:
        return f"str({self.expression(self.c.pick(['int', 'list', 'dict', 'box']), depth)})"

    def _sliced_str(self, depth: int) -> str:
        return f"{self.str(depth)}[:{self.int(0)}]"

    def _upper(self, depth: int) -> str:
        return f"{self.str(depth)}.{self.c.pick(['upper()', 'strip()', 'replace(chr(97), chr(98))'])}"

    def _helped_str(self, depth: int) -> str | None:
        return self.helped("str", depth)

    def _percent(self, depth: int) -> str:
        if self.c.chance(50):
            return f"'%s' % {self.int(0)}"
        return f"'{{}} {{}}'.format({self.int(depth)}, {self.str(depth)})"
