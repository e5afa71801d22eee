"""Branches, loops and `try` in the walk of `explain`: what waits for a decision, and what goes on."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

from . import ir
from .emit import exits
from .explain_model import Info, Operation, Section, Span, Trip, joined
from .explain_words import Words
from .types import T, of_value
from .types_results import element

__all__ = ["Noting", "Regions"]

_LEAVES = {
    "break": "break",
    "continue": "continue",
    "return": "return",
    "assign": "set a variable of a nested function",
}


class Noting:
    """What a walk through one function knows, and how it notes what it finds."""

    def __init__(self, trip: Trip, section: Section, names: dict[str, Info], active: tuple[Any, ...]) -> None:
        self.trip = trip
        self.section = section
        self.form = section.form
        self.names = names
        self.active = (*active, section.form)
        self.words = Words(section.form, names)
        #: What the decision waits for, behind which the walk is.
        self.behind: str | None = None
        #: The decisions that led here.
        self.deciders: tuple[Info, ...] = ()
        #: Whether what is walked can be left behind, so that something goes on meanwhile.
        self.open: Span | None = None
        #: The same for the decision in `behind`.
        self.scope: Span | None = None
        self.returns: list[Info] = []
        self.left: str | None = None
        self.values_shown: set[str] = set()
        #: Attributes that were set, as text, with what is known of the value; and names that hold one.
        self.stored: dict[str, Info] = {}
        self.loaded: dict[str, str] = {}

    # -- noting -----------------------------------------------------------------------------------------

    def note(
        self, kind: str, line: int, name: str, says: str, mark: str, text: str = "", **more: Any
    ) -> Operation:
        trip = self.trip
        trip.clock += 1
        o = Operation(kind, name, text or name, says, self.form.filename, line, mark, **more)
        o.at, o.loops = trip.clock, trip.loops
        o.inputs += self.deciders
        if not trip.quiet:
            ops = self.section.lines.setdefault(line, [])
            if not ops or (ops[-1].kind, ops[-1].name) != (kind, name) or kind != "try":
                ops.append(o)
            trip.operations.append(o)
        else:
            trip.earlier.append(o)
        return o

    def info(self, source: Any) -> Info:
        if isinstance(source, str):
            return self.names.get(source) or Info(
                origin=(f"the type of `{self.words.name(source)}` is not known", "")
            )
        if isinstance(source, ir.Const):
            return Info(of_value(source.value))
        if isinstance(source, ir.Pairs):
            parts = [self.info(p) for p in source.parts]
            return Info(T(list), any(p.late for p in parts), needs=tuple(parts))
        return Info()

    def busy(self, args: Iterable[Info]) -> bool:
        return any(a.late for a in args)

    def block(self, block: ir.Block) -> None:
        """Walk some steps."""
        raise NotImplementedError


class Regions(Noting):
    """The part of a walk that knows regions."""

    # -- what is known when ------------------------------------------------------------------------------

    def settle(self, info: Info) -> None:
        """A decision has waited for this: it is there from here on, and all that it was made of."""
        stack, seen = [info], set[int]()
        while stack:
            found = stack.pop()
            if found.late:
                found.late = False
                self.trip.settled.append(found)
            if id(found) not in seen:
                seen.add(id(found))
                stack.extend(found.needs)

    @contextmanager
    def later(self, of: str) -> Generator[None, None, None]:
        """What is walked meanwhile comes after a decision, which what follows need not wait for."""
        mark, behind, left = len(self.trip.settled), self.behind, self.left
        deciders, opened, scope = self.deciders, self.open, self.scope
        self.open = self.scope = Span(self.trip.clock, self.trip.clock, loops=self.trip.loops)
        self.behind = of
        yield
        self.open.high = self.trip.clock
        self.scope = scope
        self.unsettle(mark)
        self.behind, self.left = behind, left
        self.deciders, self.open = deciders, opened

    def decided(self, of: str, info: Info) -> None:
        """What follows had to wait for a decision."""
        self.settle(info)
        self.deciders = (*self.deciders, info)
        self.left = of
        if self.open is not None:
            self.behind, self.scope = of, self.open

    def unsettle(self, mark: int) -> None:
        for info in self.trip.settled[mark:]:
            info.late = True
        del self.trip.settled[mark:]

    def leave(self, region: Any, what: str, of: str, *by: Info) -> None:
        """What a region that was left behind binds is a result still to come, of a type that nobody knows."""
        for name in region.binds:
            if name in self.names or not name.startswith("__"):
                shown = self.words.name(name)
                known = "its type" if name.startswith("__t") else f"the type of `{shown}`"
                origin = (f"{known} is known only after the {what} of line {region.lineno}", "")
                made = (*self.deciders, *by, *([self.names[name]] if name in self.names else []))
                self.names[name] = Info(None, True, origin, of=of, within=made)

    def merge(self, *ways: dict[str, Info]) -> None:
        """After one of several ways."""
        names = {name for way in ways for name in way}
        self.names.clear()
        for name in names:
            self.names[name] = joined([way[name] for way in ways if name in way])

    def arms(self, *blocks: ir.Block) -> None:
        before = dict(self.names)
        ways: list[dict[str, Info]] = []
        for block in blocks:
            self.restore(before)
            self.block(block)
            if not any(isinstance(i, (ir.Return, ir.Break, ir.Continue, ir.Reraise)) for i in block[-1:]):
                ways.append(dict(self.names))
        self.merge(*(ways or [before]))

    def restore(self, names: dict[str, Info]) -> None:
        self.names.clear()
        self.names.update(names)

    # -- branches ----------------------------------------------------------------------------------------

    def do_if(self, i: ir.If) -> None:
        if i.check is not None:
            self.block((i.check,))
        test = self.info(i.test)
        if not test.late:
            self.arms(i.then, i.orelse)
            return
        of = test.of or self.words.operand(i.test)
        ways = sorted(e for e in exits(i) if e in _LEAVES)
        o = self.note("branch", i.lineno, "if", "", "plain", self.words.operand(i.test), ordered_by=[of])
        if i.joinable:
            o.says = f"waits for {of}; what follows goes on"
            with self.later(of):
                self.settle(test)
                self.deciders = (*self.deciders, test)
                self.arms(i.then, i.orelse)
            self.leave(i, "branch", of, test)
            return
        word = " or ".join(_LEAVES[w] for w in ways)
        scope = (
            "the rest of the turn waits too; the next turn goes on"
            if ways == ["continue"]
            else "what follows waits too"
        )
        o.says = f"waits for {of}; it may {word}, so {scope}"
        o.mark = "ordered"
        self.decided(of, test)
        self.arms(i.then, i.orelse)

    # -- loops -------------------------------------------------------------------------------------------

    def do_for(self, i: ir.For) -> None:
        source = self.info(i.source)
        parts = self.parts(i.source)
        late = any(p.late and not p.value for p in parts)
        of = self.words.late(parts) or self.words.operand(i.source)
        if not late:
            self.turns(i, i.source)
            return
        unknown = [p for p in parts if p.late and p.type is None]
        text = "" if isinstance(i.source, ir.Pairs) else self.words.operand(i.source)
        o = self.note("loop", i.lineno, "for", "", "plain", text, ordered_by=[of])
        o.says = f"waits for {of}; " + (
            "what follows goes on" if i.joinable else "it may be left early, so what follows waits too"
        )
        if unknown and not unknown[0].blamed:
            reason, fix = unknown[0].origin or ("what it goes over is not known", "")
            o.kind, o.mark, o.suspect = "unknown", "ordered", True
            o.says = f"{reason}, so what follows waits until it has been gone through"
            o.result = source
            o.remedy = (
                fix.replace("{}", "list[str]") + ", or whatever it is"
                if fix
                else "go over a list whose type is known"
            )
        if i.joinable:
            with self.later(of):
                self.settle(source)
                self.deciders = (*self.deciders, source)
                self.turns(i, i.source)
            self.leave(i, "loop", of, source)
        else:
            self.decided(of, source)
            self.turns(i, i.source)

    def do_while(self, i: ir.While) -> None:
        self.turns(i, None)

    def parts(self, source: Any) -> list[Info]:
        if isinstance(source, ir.Pairs):
            return [leaf for part in source.parts for leaf in self.parts(part)]
        return [self.info(source)]

    def items(self, source: Any) -> list[Info]:
        """What a turn gets: one, or as many as the source is made of."""
        if not isinstance(source, ir.Pairs):
            held = self.info(source)
            text, fix = held.origin or ("", "")
            shown = self.words.operand(source)
            origin = (
                f"the type of what is in `{shown}` is not known",
                fix.replace("{}", "list[{}]") if text else "",
            )
            kind = (
                held.type.args[0]
                if held.type and held.type.cls is dict and held.type.args
                else element(held.type)
            )
            return [Info(kind, held.late and held.value, origin, of=held.of)]
        if source.kind == "enumerate":
            return [Info(T(int)), *self.items(source.parts[0])]
        if source.kind == "zip":
            return [self.items(p)[0] if len(self.items(p)) == 1 else Info() for p in source.parts]
        if source.passes:
            return self.passed(source)
        held = self.info(source.parts[0])
        args = (
            held.type.args
            if held.type and held.type.cls is dict and len(held.type.args) == 2
            else (None, None)
        )
        shown = self.words.operand(source.parts[0])
        origin = (f"the type of what is in `{shown}` is not known", "")
        key = Info(args[0], origin=origin)
        value = Info(args[1], held.late and held.value, origin, of=held.of)
        return {"items": [key, value], "keys": [key], "values": [value]}[source.kind]

    def passed(self, source: ir.Pairs) -> list[Info]:
        """What a turn gets of what only passes on the items of its parts."""
        first, *others = [self.items(p) for p in source.parts] or [[Info(T(int))]]
        if source.kind in ("reversed", "islice", "cycle", "count"):
            return first
        if source.kind == "pairwise":
            return [*first, *first] if len(first) == 1 else [Info(), Info()]
        alike = all([i.type for i in other] == [i.type for i in first] for other in others)
        if source.kind == "chain" and alike:
            return [
                next((row[at] for row in (first, *others) if row[at].late), i) for at, i in enumerate(first)
            ]
        return [self.info(source.given[0])] if source.kind == "repeat" else [Info()]

    def turns(self, i: ir.For | ir.While, source: Any) -> None:
        """The turns of a loop: once to see what a turn leaves to the next, and once more to tell."""
        trip = self.trip
        body = i.body.body
        around = trip.loops
        behind, left, deciders, opened = self.behind, self.left, self.deciders, self.open
        scope = self.scope
        self.left = None
        span = Span(trip.clock + 1, trip.clock + 1, line=i.lineno)
        trip.loops = (*around, span)
        if i.body.joinable:
            span.loops = trip.loops
        elif i.joinable:
            span.loops = around
        passes = (True, False) if trip.quiet < 6 else (False,)
        for quiet in passes:
            before = dict(self.names)
            mark = len(trip.settled)
            trip.quiet += quiet
            self.left = None
            self.behind, self.deciders = behind, deciders
            self.scope = scope
            self.open = span if i.joinable or i.body.joinable else opened
            self.turn(i, body, source)
            trip.quiet -= quiet
            if quiet:
                self.unsettle(mark)
                self.left = None
            self.merge(before, dict(self.names))
        span.high = trip.clock
        trip.loops = around
        of, after = self.left, self.deciders
        self.behind, self.left, self.deciders, self.open, self.scope = behind, left, deciders, opened, scope
        if of is not None:
            ways = exits(i.body) & {"break", "return", "assign"}
            if isinstance(i, ir.While) or ways:
                span.deciders = after
                what = "whether it goes on" if not ways or "break" in ways else "whether it returns"
                o = self.note(
                    "loop",
                    i.lineno,
                    "while" if isinstance(i, ir.While) else "for",
                    "",
                    "plain",
                    ordered_by=[of],
                )
                o.says = f"each turn begins when {of} of the turn before has decided {what}"
            if i.joinable:
                self.leave(i, "loop", of)
            elif ways:
                self.left, self.deciders = of, after
                if opened is not None:
                    self.behind, self.scope = of, opened
            else:
                self.leave(i.body, "loop", of)
        self.block(i.orelse)

    def turn(self, i: ir.For | ir.While, body: ir.Block, source: Any) -> None:
        if isinstance(i, ir.For):
            items = self.items(source)
            if i.unpack and len(items) == len(i.unpack) and len(items) > 1:
                self.names.update(zip(i.unpack, items, strict=True))
                self.names[i.item] = Info(T(tuple))
                body = body[1:]
            else:
                self.names[i.item] = (
                    joined(items) if len(items) == 1 else Info(None, any(x.late for x in items))
                )
        self.block(body)

    # -- try ---------------------------------------------------------------------------------------------

    def do_tryexcept(self, i: ir.TryExcept) -> None:
        self.guarded(i, lambda: self.attempt(i))

    def attempt(self, i: ir.TryExcept) -> None:
        before = dict(self.names)
        self.block(i.body)
        self.block(i.orelse)
        after = dict(self.names)
        self.merge(before, after)
        self.block(i.handlers)
        self.merge(after, dict(self.names))

    def do_match(self, i: ir.Match) -> None:
        if i.name:
            self.names[i.name] = Info()
        self.arms(i.body, ())

    def do_starmatch(self, i: ir.StarMatch) -> None:
        guarded = i.body[0]
        assert isinstance(guarded, ir.TryExcept)  # of our own making
        if i.name:
            self.names[i.name] = Info()
        self.arms(guarded.body, ())

    def do_tryfinally(self, i: ir.TryFinally) -> None:
        def steps() -> None:
            self.block(i.body)
            self.block(i.final)

        self.guarded(i, steps, "try" if i.leave is None else "with")

    def guarded(self, i: Any, steps: Any, word: str = "try") -> None:
        """What ends only when everything in it has ended."""
        if not any(isinstance(x, ir.Apply) for x in ir.instructions((i,))):
            steps()
            return
        o = self.note("try", i.lineno, word, "", "plain")
        of = f"the end of the `{word}` of line {i.lineno}"
        clock = self.trip.clock
        if i.joinable:
            with self.later(of):
                steps()
            o.says = "ends when all calls in it have; what follows goes on, where it uses nothing of it"
            o.shown = word == "try"
            if self.trip.clock > clock:
                self.leave(i, word, of)
            return
        ways = sorted(e for e in exits(i) if e in _LEAVES)
        word_of = " or ".join(_LEAVES[w] for w in ways)
        only = (
            "the rest of the turn waits; the next turn goes on"
            if ways == ["continue"]
            else "what follows waits"
        )
        o.says = f"ends when all calls in it have; it may {word_of}, so {only}"
        o.mark = "ordered"
        if self.open is not None:
            self.behind, self.scope = of, self.open
        steps()
        for name in i.binds:
            if name in self.names:
                self.settle(self.names[name])
        self.left = of
