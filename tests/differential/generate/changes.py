"""Statements that bind names, change objects, or have an effect."""

from __future__ import annotations

from typing import ClassVar

from .blocks import Blocks, Lines
from .scope import POOLS

__all__ = ["Changes"]


class Changes(Blocks):
    """Writes assignments, mutations and effects."""

    # Assignments.

    ASSIGNED: ClassVar[list[tuple[int, str]]] = [
        (10, "int"), (5, "list"), (3, "str"), (3, "bool"), (3, "dict"), (2, "pair"), (2, "opt"), (1, "set"),
        (1, "box"), (1, "nest"),
    ]  # fmt: skip

    def on_assign(self) -> Lines:
        return self.assigned(self.c.weighted(self.ASSIGNED))

    def assigned(self, kind: str) -> Lines:
        value = self.expression(kind, 3)
        return [f"{self.bind(kind)} = {value}"]

    def on_list(self) -> Lines:
        return self.assigned("list")

    def on_dict(self) -> Lines:
        return self.assigned("dict")

    def on_nest(self) -> Lines:
        return self.assigned("nest")

    def on_box(self) -> Lines:
        return self.assigned("box")

    def on_lambda(self) -> Lines:
        value = self.function(2)
        name = self.bind("func")
        return [f"{name} = {value}", *self.used(name)]

    def on_annotated(self) -> Lines:
        kind, written = self.c.pick([("int", "int"), ("list", "list[int]"), ("str", "'str'")])
        value = self.expression(kind, 2)
        return [f"{self.bind(kind)}: {written} = {value}"]

    def on_alias(self) -> Lines | None:
        """Two ways to one object."""
        form = self.c.below(7)
        name = self.name("list")
        if not name:
            return None
        if form <= 1:
            return [f"{self.bind('list')} = {name}"]
        if form == 2:
            value = self.list(2)
            first, second = self.bind("list"), self.bind("list")
            return [f"{first} = {second} = {value}"]
        if form == 3:
            value = self.list(1)
            return [f"{self.bind('nest')} = [{name}, {value}, {name}]"]
        if form == 4 and (nest := self.name("nest")):
            return [f"{nest}.append({name})"]
        if form == 5 and (box := self.name("box")):
            return [f"{box}.xs = {name}"]
        if form == 6 and (table := self.name("dict")):
            return [f"{self.bind('dict')} = {table}"]
        return [f"{self.bind('box')} = Box({self.int(0)}, {name})"]

    def on_unpack(self) -> Lines:
        form = self.c.below(8)
        if form == 0:
            value = self.pair(2)
            return [f"{self.bind('int')}, {self.bind('int')} = {value}"]
        if form == 1:
            value = self.filled()
            return [f"{self.bind('int')}, *{self.bind('list')} = {value}"]
        if form == 2:
            value = self.filled()
            return [f"*{self.bind('list')}, {self.bind('int')} = {value}"]
        if form == 3 and len(names := self.scope.names("int")) > 1:
            return [f"{names[0]}, {names[1]} = {names[1]}, {names[0]}"]
        if form == 4:
            value, second = self.pair(1), self.int(1)
            return [f"({self.bind('int')}, {self.bind('int')}), {self.bind('int')} = {value}, {second}"]
        if form == 5:
            first, second = self.list(2), self.dict(1)
            return [f"{self.bind('list')}, {self.bind('dict')} = {first}, {second}"]
        if form == 6 and (name := self.name("list")):
            value = self.pair(1)
            return [f"if {name}:", f"    {self.bind_later('int')}, {name}[0] = {value}"]
        value = self.list(2)
        if self.c.chance(80):
            value = f"[*{value}, 0, 1][:2]"
        return [f"[{self.bind('int')}, {self.bind('int')}] = {value}"]

    def filled(self) -> str:
        """A list that mostly has something in it."""
        text = self.list(2)
        return f"({text} or [{self.c.below(4)}])" if self.c.chance(80) else text

    def on_augment(self) -> Lines | None:
        form = self.c.below(9)
        if form <= 2 and (name := self.own("int")):
            return [f"{name} {self.c.pick(['+=', '-=', '+=', '%=', '//='])} {self.int(2)}"]
        if form <= 4 and (name := self.own("list", grows=True)):
            return [f"{name} += {self.list(2)}[:4]"]
        if form == 5 and (name := self.own("str")):
            return [f"{name} += {self.str(1)}"]
        if form == 6 and (name := self.name("dict")):
            key = self.key(1)
            return [*self.guarded(f"{key} in {name}", f"{name}[{key}] += {self.int(1)}")]
        if form == 7 and (name := self.name("list")):
            return self.guarded(name, f"{name}[0] += {self.int(2)}")
        if form == 8 and (name := self.name("box")):
            return [f"{name}.n += {self.int(2)}"]
        return None

    def guarded(self, condition: str, line: str) -> Lines:
        """A line that fails without the condition; mostly it is asked for."""
        return [f"if {condition}:", "    " + line] if self.c.chance(75) else [line]

    def own(self, kind: str, *, grows: bool = False) -> str | None:
        """A name that this function binds, so that it can be bound again."""
        prefix = self.scope.prefix
        names = [name for name in self.scope.names(kind) if name in {prefix + word for word in POOLS[kind]}]
        if grows:
            names = [name for name in names if name not in self.scope.walked]
        return self.c.pick(names) if names else None

    def on_walrus(self) -> Lines:
        value = self.expression("list", 2)
        condition = f"({self.bind('list')} := {value})"
        return self.branch(f"len({condition}) > {self.c.below(3)}" if self.c.chance(60) else condition)

    # Changes to objects.

    def on_mutate(self) -> Lines | None:
        kind = self.c.weighted([(12, "list"), (5, "dict"), (2, "set"), (3, "nest"), (3, "box")])
        name = self.name(kind)
        if not name:
            return None
        if name in self.scope.walked:
            # What a loop walks over may change, but not grow without end.
            if self.c.chance(50):
                return [f"if len({name}) < 6:", f"    {name}.append({self.int(1)})"]
            return self.guarded(name, f"{name}[-1] = {self.int(1)}")
        line: str = getattr(self, "_change_" + kind)(name)
        if line.startswith(("del ", f"{name}[0]", f"{name}[-1]", f"{name}.pop()")) and kind != "dict":
            return self.guarded(name, line)
        return [line]

    def _change_list(self, name: str) -> str:
        form = self.c.below(16)
        if form <= 6:
            return f"{name}.append({self.int(2)})"
        if form <= 8:
            return f"{name}.extend({self.list(2)}[:4])"
        if form == 9:
            return f"{name}.insert({self.index(1)}, {self.int(1)})"
        if form == 10:
            return f"{name}[{self.c.pick(['0', '-1'])}] = {self.int(2)}"
        if form == 11:
            return f"del {name}[{self.c.pick(['0', '-1'])}]"
        if form == 12:
            return f"{name}.sort({self.c.pick(['', 'reverse=True'])})"
        if form == 13:
            return f"{name}.{self.c.pick(['pop()', 'reverse()', 'clear()', f'remove({self.int(0)})'])}"
        if form == 14:
            return f"{name}[:] = {self.list(1)}"
        return f"{name}[1:2] = {self.list(1)}"

    def _change_dict(self, name: str) -> str:
        form = self.c.below(8)
        if form <= 3:
            return f"{name}[{self.key(1)}] = {self.int(2)}"
        if form == 4:
            return f"{name}.update({self.dict(1)})"
        if form == 5:
            return f"{name}.setdefault({self.key(0)}, {self.int(1)})"
        if form == 6:
            return f"{name}.pop({self.key(0)}, None)"
        return f"del {name}[next(iter({name}))]"

    def _change_set(self, name: str) -> str:
        method = self.c.pick(["add", "discard", "update"])
        return f"{name}.{method}({self.list(1) if method == 'update' else self.int(1)})"

    def _change_nest(self, name: str) -> str:
        form = self.c.below(4)
        if form <= 1:
            return f"{name}[{self.c.pick(['0', '-1'])}].append({self.int(1)})"
        if form == 2:
            return f"{name}.append({self.list(1)})"
        return f"{name}[0] = {self.list(1)}"

    def _change_box(self, name: str) -> str:
        form = self.c.below(4)
        if form <= 1:
            return f"{name}.n = {self.int(1)}"
        if form == 2:
            return f"{name}.add({self.int(1)})"
        return f"{name}.xs.append({self.int(1)})"

    def on_del(self) -> Lines | None:
        kind = self.c.pick(["int", "list", "str"])
        name = self.own(kind)
        if not name or name in self.scope.walked:
            return None
        self.scope.unbind(kind, name)
        return [f"del {name}"]

    # Effects.

    EFFECTS: ClassVar[tuple[str, ...]] = (
        "put(K, I)", "note(A)", "bump(K)", "put(K, L)", "put(K, A)", "tell(A)", "reset(I)", "record(A)",
        "tally(I)", "bump(K, I)", "note(I, L)", "put(K, v=I)", "print(I, S)", "act(I)", "note(stamp())",
        "record(*L)", "poke(L)", "tally(A)", "move(K, K)", "spoil(K)", "note(kept())", "keep(L)", "deny(A)",
        "ask(I)", "scan()",
        "apply(lambda x: I, I)", "note(len(items(I)))",
    )  # fmt: skip

    def on_effect(self) -> Lines:
        many = len(self.EFFECTS)
        at = min(self.c.below(many), self.c.below(many), self.c.below(many + 6))
        form = self.EFFECTS[at]
        if "lambda" in form:
            with self.within("lambda"):
                return [self.fill(form, 1)]
        return [self.fill(form, 1)]

    def on_expression(self) -> Lines:
        return [self.expression(self.any_kind(), 3)]

    def on_help(self) -> Lines | None:
        if not self.helpers:
            return None
        helper = self.c.pick(self.helpers)
        call = self.helper_call(helper, 2)
        if helper.gives in POOLS and self.c.chance(70):
            return [f"{self.bind(helper.gives)} = {call}"]
        return [call]
