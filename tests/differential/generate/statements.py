"""Statements, as lines of text: failures, and whole idioms, on top of all others."""

from __future__ import annotations

from .actors import Actors
from .agents import Agents
from .answers import Answers
from .blocks import Lines, indented
from .generators import Generators
from .scope import Scope

__all__ = ["Statements", "indented"]

FAILURES = ("Boom", "ValueError", "Halt", "KeyError", "RuntimeError")
CAUGHT = (
    "Exception", "Boom", "Halt", "ValueError", "KeyError", "(ValueError, KeyError)", "ZeroDivisionError",
    "IndexError", "TypeError", "LookupError", "NameError", "(Boom, ArithmeticError, RuntimeError)",
    "UnboundLocalError",
)  # fmt: skip


class Statements(Actors, Agents, Answers, Generators):
    """Writes every statement."""

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

    # What is printed.

    def on_print(self) -> Lines:
        form = self.c.below(12)
        if form <= 2:
            return [f"print({self.expression(self.any_kind(), 2)})"]
        if form <= 4:
            return [f"print({self.str(1)}, {self.int(2)}, {self.expression(self.any_kind(), 1)})"]
        if form == 5:
            return [f"print(f'{{{self.name('int') or 1}}} {{{self.name('str') or 1}!r}}', flush=True)"]
        if form == 6:
            return [f"print(*{self.list(1)}, sep={self.c.pick(['None', repr('-'), self.str(1), '1'])})"]
        if form == 7:
            file = self.c.pick(["sys.stderr", "sys.stdout", "None"])
            return [f"print({self.int(1)}, end='.\\n', file={file})"]
        if form == 8:
            return [f"sys.{self.c.pick(['stdout', 'stderr'])}.write(str({self.int(2)}) + '\\n')"]
        name = self.name(self.c.pick(["list", "dict", "box", "error", "answer", "nest", "agent", "opt"]))
        if name is None or form == 9:
            return [f"print({self.expression('int', 3)})"]
        if form == 10:
            return [f"print('of', len(repr({name})), {self.int(1)})"]
        return [f"print({name}, {name} is None)"] if "r" not in name else [f"print({name}.n)"]

    def on_redirect(self) -> Lines:
        """What is printed goes into an object of the program's."""
        self.counters += 1
        name = f"{self.scope.prefix}out{self.counters}"
        with self.inner() as body:
            lines = self.body(3) + self.on_print()
        self.scope.after([body, self.scope.block()])
        head = f"with contextlib.redirect_stdout({self.c.pick([name, f'Told({name})'])}):"
        after = [f"{self.bind('int')} = len({name}.getvalue())"] if self.c.chance(80) else []
        return [f"{name} = io.StringIO()", head, *indented(lines), *after]

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
