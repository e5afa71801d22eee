"""Statements, as lists of lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from .choices import Choices
from .expressions import Expressions
from .profiles import Profile
from .scope import POOLS, Scope

__all__ = ["Statements", "indented"]

Lines = list[str]

FAILURES = ("Boom", "ValueError", "Halt", "KeyError", "RuntimeError")
CAUGHT = (
    "Exception", "Boom", "Halt", "ValueError", "KeyError", "(ValueError, KeyError)", "ZeroDivisionError",
    "IndexError", "TypeError", "LookupError", "NameError", "(Boom, ArithmeticError, RuntimeError)",
    "UnboundLocalError",
)  # fmt: skip


def indented(lines: Lines) -> Lines:
    return ["    " + line for line in lines]


class Statements(Expressions):
    """Writes statements; `fuel` is what is left for the function under way."""

    WEIGHTS: ClassVar[dict[str, int]] = {
        "assign": 20, "effect": 14, "mutate": 20, "idiom": 9, "if": 14, "for": 14, "augment": 7, "alias": 6,
        "unpack": 5, "try": 8, "with": 4, "while": 4, "break": 7, "return": 3, "list": 6, "dict": 4, "nest": 3, "box": 3,
        "def": 3, "lambda": 3, "help": 5, "raise": 2, "assert": 2, "del": 2, "annotated": 1, "expression": 3,
        "walrus": 2, "wrong": 1, "pass": 1,
    }  # fmt: skip

    def __init__(self, choices: Choices, profile: Profile) -> None:
        super().__init__(choices, profile)
        self.fuel = 0
        self.level = 0
        self.counters = 0
        weights = {**self.WEIGHTS, "effect": profile.effects, **profile.statements}
        self.table = [(weight, name) for name, weight in weights.items()]

    # Blocks.

    @contextmanager
    def inner(self, **changes: object) -> Iterator[Scope]:
        """A block of its own: what it binds is known inside only."""
        outer, self.scope = self.scope, self.scope.block(**changes)
        self.level += 1
        try:
            yield self.scope
        finally:
            self.scope = outer
            self.level -= 1

    def body(self, most: int = 4) -> Lines:
        """One to `most` statements."""
        lines: Lines = []
        for _ in range(1 + self.c.below(most)):
            lines += self.statement()
            if lines[-1].split(" ")[0] in ("return", "break", "continue", "raise"):
                break
        return lines

    def statement(self) -> Lines:
        self.fuel -= 1
        if self.fuel <= 0 or self.level > 4:
            return self.simple()
        found: Lines | None = getattr(self, "on_" + self.c.weighted(self.table))()
        return found or self.simple()

    def simple(self) -> Lines:
        return self.on_effect() if self.c.chance(50) else self.on_assign()

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
        (2, "display"), (1, "dict"),
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
            source = f"enumerate({self.list(1)})"
            target = lambda: f"{self.bind('int')}, {self.bind('int')}"  # noqa: E731
        elif form == "zip":
            source = f"zip({self.list(1)}, {self.list(1)})"
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
        kinds = ("int", "list", "dict", "str", "nest", "box", "pair", "bool")
        chosen = [name for kind in kinds for name in self.scope.names(kind)]
        shown = chosen if self.c.chance(60) else [self.c.pick(chosen) for _ in range(2)] if chosen else []
        parts = [*shown, self.expression(self.any_kind(), 2)]
        if self.c.chance(15):
            return parts[0]
        return f"[{', '.join(parts)}]"

    def on_pass(self) -> Lines:
        return ["pass"]

    def on_idiom(self) -> Lines:
        """What programs often do, whole."""
        form = self.c.below(7)
        variable = self.scope.prefix + "x"
        if form <= 1:
            source = self.list(1)
            name = self.bind("list")
            with self.bound("int", variable):
                line = f"{name}.append({self.int(2)})"
                guard = [f"if {self.condition(1)}:"] if self.c.chance(40) else []
            inner = [*guard, "    " + line] if guard else [line]
            return [f"{name} = []", f"for {variable} in {source}[:5]:", *indented(inner)]
        if form == 2 and (name := self.name("list")):
            value = self.bind("int")
            first, second = f"{value} = guess({name})", f"{name}.append({value})"
            return [first, second, f"{self.bind('int')} = {self.c.pick(['guess', 'ask', 'record'])}({name})"]
        if form == 3:
            attempt = self.int(2)
            self.counters += 1
            counter = f"{self.scope.prefix}k{self.counters}"
            body = ["try:", f"    {self.bind_later('int')} = {attempt}"]
            tried = [f"    if {self.condition(1)}:", "        break", "    raise ValueError('again')"]
            return [
                f"for {counter} in range(3):",
                *indented([*body, *(tried if self.c.chance(50) else ["    break"])]),
                *indented(
                    [f"except {self.c.pick(['Boom', 'ValueError', 'Exception'])}:", f"    note({counter})"]
                ),
            ]
        if form == 4:
            source = self.list(1)
            with self.bound("int", variable):
                body = (
                    [f"note({self.int(1)})"] if self.c.chance(50) else [f"put({variable} % 3, {self.int(1)})"]
                )
                stop = f"if {self.condition(1)}:"
            return [f"for {variable} in {source}[:5]:", *indented([stop, "    break", *body])]
        if form == 5:
            source = self.list(1)
            name = self.bind("nest")
            text = f"lambda: {variable}" if self.c.chance(50) else f"lambda: ask({variable})"
            made = [f"{name} = []", f"for {variable} in {source}[:4]:", f"    {name}.append({text})"]
            return [*made, f"{name} = [[h()] for h in {name}]"]
        value = self.int(2)
        name = self.bind("int")
        return [f"{name} = {value}", f"if {name} > {self.c.below(8)}:", *indented(self.body(2))]

    # Failures.

    def on_raise(self) -> Lines | None:
        form = self.c.below(6)
        kind = self.c.pick(FAILURES)
        line = f"raise {kind}({self.expression(self.any_kind(), 1)})"
        if form == 1:
            line = "raise" if self.scope.handling or self.c.chance(10) else f"raise {kind}"
        elif form == 2 and (errors := self.scope.names("error")):
            line = f"{line} from {self.c.pick([*errors, 'None'])}"
        elif form == 3 and (errors := self.scope.names("error")):
            line = f"raise {self.c.pick(errors)}"
        elif form == 4:
            line = f"{line} from {self.c.pick(['None', 'Boom(1)', 'KeyError'])}"
        if self.c.chance(80):
            return [f"if {self.condition(2)}:", "    " + line]
        return [line]

    def on_assert(self) -> Lines:
        message = f", {self.expression(self.c.pick(['str', 'list', 'int']), 1)}" if self.c.chance(50) else ""
        if self.c.chance(50):
            return [f"assert {self.condition(2)} or {self.condition(1)}{message}"]
        return [f"assert {self.condition(2)}{message}"]

    def on_wrong(self) -> Lines:
        """A mistake: an exception of Python's own."""
        form = self.c.below(7)
        value = self.int(1)
        line = (
            "nowhere", f"{value} + 'a'", f"[][{value}]", f"{{}}[{value}]", f"{value} // 0",
            f"({value}).nothing", f"ask({value}, 1, 2)",
        )[form]  # fmt: skip
        return [f"{self.bind('int')} = {line}" if self.c.chance(50) else line]

    def on_try(self) -> Lines:
        start = self.scope.block()
        with self.inner() as body:
            lines = ["try:", *indented(self.body(4))]
        ends = [body]
        self.scope.after([body, start])
        handlers = self.c.weighted([(10, 1), (3, 2), (2, 0)])
        for _ in range(handlers):
            lines += self.handler(ends)
        if handlers and self.c.chance(10):
            with self.inner(handling=True) as block:
                lines += ["except:", *indented(self.body(2))]
            ends.append(block)
        if handlers and self.c.chance(25):
            with self.inner() as block:
                block.sure = {kind: set(names) for kind, names in body.sure.items()}
                lines += ["else:", *indented(self.body(2))]
            ends[0] = block
        if not handlers or self.c.chance(30):
            with self.inner(final=True) as block:
                lines += ["finally:", *indented(self.body(2))]
            self.scope.after([block, self.scope.block()])
        self.scope.after(ends)
        return lines

    def handler(self, ends: list[Scope]) -> Lines:
        caught = CAUGHT[min(self.c.below(len(CAUGHT)), self.c.below(len(CAUGHT)))]
        with self.inner(handling=True) as block:
            if not self.c.chance(60):
                lines = [f"except {caught}:", *indented(self.body(3))]
            else:
                self.counters += 1
                name = f"{self.scope.prefix}err{self.counters}"
                block.bind("error", name)
                inner = self.error_used(name) + (self.body(2) if self.c.chance(60) else [])
                lines = [f"except {caught} as {name}:", *indented(inner)]
                block.unbind("error", name)
        if self.c.chance(12):
            lines += indented([f"if {self.condition(1)}:", "    raise"] if self.c.chance(60) else ["raise"])
        ends.append(block)
        return lines

    def error_used(self, name: str) -> Lines:
        form = self.c.below(5)
        if form == 0:
            return [f"note(str({name}))"]
        if form == 1:
            return [f"{self.bind('str')} = repr({name})"]
        if form == 2:
            return [f"{self.bind('int')} = len({name}.args)"]
        if form == 3:
            return [f"put(0, type({name}).__name__)"]
        names: list[str] = []
        for kind in ("int", "list", "str"):
            names += self.scope.names(kind) + self.scope.doubtful(kind)[:1]
        return [f"note(repr({name}), {', '.join(names[:4])})"]

    def on_with(self) -> Lines:
        form = self.c.below(6)
        value = self.int(1)
        manager = (
            f"Span({value})", f"Span({value})", f"Quiet({value})", f"scope({value})",
            f"Span({value}), Quiet()", "Quiet()",
        )[form]  # fmt: skip
        with self.inner() as body:
            if form in (0, 3) and self.c.chance(40):
                manager += f" as {self.bind('int')}"
            lines = [f"with {manager}:", *indented(self.body(3))]
        self.scope.after([body, self.scope.block()])
        return lines

    # Functions inside functions.

    def on_def(self) -> Lines | None:
        if len(self.scope.prefix) > 1:
            return None
        variable = self.variable()
        head = f"{variable}={self.int(0)}" if self.c.chance(20) else variable
        keep, self.fuel = self.fuel, min(self.fuel, 4)
        own = {"prefix": self.scope.prefix + "v", "gives": "int"}
        with self.inner(**own, loops=0, final=False, handling=False, inside=()) as block:
            block.bind("int", variable)
            if self.c.chance(15):
                head += ", *more"
                lines = [f"{self.bind('list')} = list(more)"]
            else:
                lines = []
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
