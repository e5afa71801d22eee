"""Walking a compiled flow without running it: what `explain` finds on the way.

The walk knows of each name what the engine would know when it comes there: the type, where it is certain, and
whether the value may still be under way (*late*). Code that cannot be known to be free of effects stops the
overlap where it works on something late, or stands behind a decision that is late.
"""

from __future__ import annotations

import ast
import typing
from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

from ..calls import BoundCall, Call
from ..declarations.suggest import method_named, named
from ..effects import Kind
from ..engine.printed import is_of_stream
from ..marks import PURSE_MAKERS
from . import ir, known
from .coroutines import awaited_target
from .explain_awaits import Awaits
from .explain_model import Info, Section, Span, Trip, joined, merged
from .explain_words import DECLARE, effect_words, fragment_text, place_of, unknown_remedy
from .semaphores import is_kind, is_semaphore, together
from .source import dotted
from .summary_views import resolved
from .texts import has_text, stream_of
from .types import STREAMS, T, of_annotation, of_value
from .verdicts import function_verdict

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["Walk", "walk"]

_BOOL = of_value(True)
#: So many calls of helpers are looked into.
_ENOUGH = 2000
#: Methods that a statement calls.
_LOOKED_UP = ("__enter__", "__exit__", "__aenter__", "__aexit__", "__aiter__", "__anext__")


def walk(form: Compiled, fn: Any) -> tuple[Section, Trip]:
    """Everything that a flow may do, in program order."""
    trip = Trip()
    hints = _hints(fn)
    params: dict[str, Info] = {}
    for name in form.params:
        kind = None if name in form.packed else of_annotation(hints[name]) if name in hints else None
        fix = f"annotate the parameter: `{name}: {{}}`" if name not in form.packed else ""
        gate = together() and is_kind(hints.get(name))
        params[name] = Info(kind, origin=(f"the type of `{name}` is not declared", fix), gate=gate)
    section = Section(form)
    Walk(trip, section, params, ()).block(form.body)
    trip.judge()
    return section, trip


def _hints(fn: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(fn, include_extras=True)
    except Exception:  # whatever an annotation does when it is evaluated
        return {}


class Walk(Awaits):
    """One function, once."""

    # -- blocks -----------------------------------------------------------------------------------------

    def block(self, block: ir.Block) -> None:
        for at, instr in enumerate(block):
            if isinstance(instr, ir.Run) and isinstance(instr.fragment.expr, ast.Attribute):
                name = instr.fragment.binds[0]
                if name.startswith("__") and any(
                    isinstance(x, ir.Apply) and x.callee == name for x in block[at:]
                ):
                    self.looked_up(instr)  # the call that follows says it all
                    continue
            method = getattr(self, "do_" + type(instr).__name__.lower(), None)
            if method is not None:
                method(instr)

    def looked_up(self, i: ir.Run) -> None:
        name = i.fragment.binds[0]
        self.words.texts[name] = fragment_text(i.fragment, self.words)
        infos = tuple(self.info(n) for n in i.fragment.reads)
        self.names[name] = Info(None, self.busy(infos), needs=infos, of=self.words.late(infos))

    def do_move(self, i: ir.Move) -> None:
        self.words.texts[i.target] = self.words.operand(i.source)
        self.names[i.target] = self.info(i.source)

    def do_return(self, i: ir.Return) -> None:
        self.returns.append(self.info(i.source))

    def do_delete(self, i: ir.Delete) -> None:
        self.names.pop(i.target, None)

    def do_newvalue(self, i: ir.NewValue) -> None:
        parts = tuple(self.info(p) for p in (*i.items, *i.keys))
        self.names[i.target] = Info(
            of_value(i.kind()), self.busy(parts), None, parts, self.words.late(parts), True
        )
        if i.target.startswith("__"):
            self.words.texts[i.target] = "[...]"
        if (
            i.target in self.form.values
            and i.target not in self.values_shown
            and not i.target.startswith("__")
        ):
            self.values_shown.add(i.target)
            kind = i.kind.__name__
            self.note(
                "value",
                i.lineno,
                i.target,
                f"a {kind} kept as a value: takes results that are still to come",
                "plain",
            )

    def do_update(self, i: ir.Update) -> None:
        parts = tuple(self.info(a) for a in i.args)
        held = self.info(i.target)
        late = held.late or self.busy(parts)
        of = held.of or self.words.late(parts)
        self.names[i.target] = Info(held.type, late, held.origin, (held, *parts), of, held.value)

    def do_valueread(self, i: ir.ValueRead) -> None:
        if i.method == "touch":
            return
        held = self.info(i.source)
        self.words.texts[i.target] = (
            fragment_text(i.plain, self.words) if i.plain else self.words.name(i.source)
        )
        whole = i.method in ("len", "bool")
        if i.method != "copy" and i.plain is not None and i.source not in self.form.values:
            self.run(i.plain, i.lineno)
            return
        kind = (
            of_value(0)
            if i.method == "len"
            else _BOOL
            if i.method in ("bool", "in")
            else held.type
            if i.method == "copy"
            else None
        )
        late = held.late and not (whole and held.value)
        text = self.words.texts[i.target]
        needs = () if whole and held.value else (held,)
        self.names[i.target] = Info(kind, late, (f"the type of `{text}` is not known", ""), needs, held.of)

    def do_assign(self, i: ir.Assign) -> None:
        if i.target:
            says = "set in order, when everything before it is done: a nested function sees it"
            fix = f"give `{i.target}` to the nested function as an argument"
            self.note(
                "variable", i.lineno, i.target, says, "ordered", f"{i.target} = ...", suspect=True, remedy=fix
            )

    def do_run(self, i: ir.Run) -> None:
        self.run(i.fragment, i.lineno)

    def run(self, fragment: Any, line: int) -> None:
        """A fragment: how it may run, and what is known of what it binds."""
        if fragment.whole:
            self.whole(fragment, line)
            return
        infos = [self.info(n) for n in fragment.reads]
        result = Info(needs=tuple(infos))
        types = tuple(info.type for info in infos)
        verdict = fragment.verdict(types)
        late = [n for n, info in zip(fragment.reads, infos, strict=True) if info.late]
        text = fragment_text(fragment, self.words)
        expr = fragment.expr
        made = (
            "__failure" in fragment.reads
            or hasattr(expr, "looks_up")
            or (isinstance(expr, ast.Attribute) and expr.attr in _LOOKED_UP)
        )
        if fragment.opaque:
            says = "holds calls that run as a whole, in order, when everything before is done"
            self.note(
                "whole", line, "as a whole", says, "ordered", text, suspect=True,
                remedy="make it a `for` loop or a list, so that its calls are steps of the flow",
            )  # fmt: skip
        elif verdict.pure or made:
            self.note("plain", line, "plain", text, "plain", text, shown=False)
        elif fragment.plain_change(types):
            name = fragment.mutates
            reason = self.words.why_ordinary(name)
            says = f"changed in place, in order; what looks at it waits{reason}"
            self.note("change", line, self.words.name(name), says, "ordered", text, ordered_by=[name])
        elif not self.change_of(fragment, line):
            self.unknown(
                fragment, line, text, late, types, dict(zip(fragment.reads, infos, strict=True)), result
            )
        for name, kind in zip(fragment.binds, fragment.types_of(verdict), strict=True):
            if fragment.expr is not None:
                self.words.texts[name] = text
            origin = next((info.origin for info in infos if info.type is None and info.origin), None)
            if not fragment.trivial:
                origin = (
                    f"the type of `{text if name.startswith('__') else name}` is not known",
                    origin[1] if origin else "",
                )
            of = self.words.late(infos)
            gate = self.is_gate(expr, infos)
            self.names[name] = Info(
                kind, bool(late), origin, (result,), of, blamed=None if kind else result.blamed, gate=gate
            )

    def is_gate(self, expr: ast.expr | None, infos: list[Info]) -> bool:
        """Whether a name stands for a semaphore of asyncio, or it is a budget that is made here."""
        if isinstance(expr, ast.Call) and (path := dotted(expr.func)) is not None:
            made = resolved(self.form, path)
            return type(made) is FunctionType and made in PURSE_MAKERS
        if not isinstance(expr, ast.Name):
            return False
        if len(infos) == 1:
            return infos[0].gate
        try:
            return together() and is_semaphore(self.form.resolve(expr.id))
        except KeyError:
            return False

    def whole(self, fragment: Any, line: int) -> None:
        """A statement of a script that CPython runs as it stands."""
        text, names = fragment.text, ", ".join(f"`{name}`" for name in sorted(fragment.bound))
        if fragment.defines or not fragment.calls:
            self.note("plain", line, "plain", text, "plain", text, shown=False)
            return
        says = f"runs as a whole, in order: {names} is not the top level's alone"
        fix = f"put it into a function, or give {names} to the functions that read it as an argument"
        self.note("whole", line, "as a whole", says, "ordered", text, suspect=True, remedy=fix)

    def unknown(
        self, fragment: Any, line: int, text: str, late: list[str], types: Any, infos: Any, result: Info
    ) -> None:
        named = [x.blamed for x in infos.values() if x.blamed not in (None, fragment) and x.type is None]
        if named:
            result.blamed = named[0]
            self.note(
                "checked",
                line,
                "plain",
                f"depends on what was named above: {text}",
                "plain",
                text,
                shown=False,
            )
            return
        reason, remedy, sure = self.words.blame(fragment, types, infos)
        if not late and self.behind is None and not sure:
            self.note(
                "checked",
                line,
                "checked",
                f"runs at once, checked; in order if it has an effect: {text}",
                "plain",
                text,
                shown=False,
                about=method_named(self.form, fragment),
            )
            return
        result.blamed = fragment
        if sure:
            says = f"{reason}: in order, when everything before it is done"
        elif late:
            says = f"{reason}: until {self.words.there(late)}, what follows waits"
        else:
            says = f"{reason}: what follows waits until {self.behind} is known"
        self.note(
            "change" if sure else "unknown",
            line,
            "plain code",
            says,
            "ordered",
            text,
            suspect=True,
            remedy=remedy,
            result=result,
            scope=self.waits(sure or late),
            about=method_named(self.form, fragment),
        )

    def waits(self, at_once: Any) -> Span | None:
        """The region with which something waits that is held up by nothing else."""
        return None if at_once else self.scope

    # -- calls ------------------------------------------------------------------------------------------

    def do_emit(self, i: ir.Emit) -> None:
        origin = ("what is sent is not known", "")
        result = self.names[i.target] = Info(None, True, origin, (), "yield")
        self.words.texts[i.target] = "yield"
        says = "leaves in its turn; what may have effects, and looks at objects, waits until it has come back"
        self.note(
            "yield", i.lineno, "yield", says, "ordered", "yield", ordered_by=["everything before it"],
            result=result, inputs=(self.info(i.source),), scope=self.waits(True),
        )  # fmt: skip

    def do_apply(self, i: ir.Apply) -> None:
        args = [self.info(a) for _, a in i.args] + [self.info(a) for _, a in i.kwargs]
        text = self.words.call(i)
        result = self.apply(i, text, args)
        if i.target is not None:
            self.words.texts[i.target] = text
            self.names[i.target] = result

    def apply(self, i: ir.Apply, text: str, args: list[Info]) -> Info:
        from ..flows import Flow
        from .functions import form_of

        callee: Any = None
        if isinstance(i.callee, ir.Load):
            try:
                callee = self.form.resolve_dotted(i.callee.name)
            except KeyError:
                return self.unknown_call(i, text, args, None)
        callee = awaited_target(callee)
        if isinstance(callee, BoundCall):
            callee = callee.call
        stream = is_of_stream(callee)
        if isinstance(callee, Call) and callee.fn is print and callee.shows:
            stream = stream_of(i, lambda source: self.info(source).type)
            if stream is None:
                return self.unknown_call(i, text, args, print)
        if stream is not None:
            return self.shown(i, text, args, stream)
        if isinstance(callee, Call):
            return self.declared(i, text, args, cast("Call[..., Any]", callee))
        if isinstance(callee, FunctionType) and i.simple and known.recorded_resource(callee) is None:
            verdict = function_verdict(callee, tuple(info.type for info in args))
            if verdict.pure:
                return self.known_call(i, text, args, verdict.type)
        form = None
        if isinstance(callee, (Flow, FunctionType)):
            form = form_of(callee)
        if form is not None:
            return self.helper(i, text, args, form, isinstance(callee, Flow))
        resource = known.recorded_resource(callee) if callee is not None else None
        if resource == "random":
            says = "changes the random generator: in order with every other effect"
            fix = f"`{i.text.split('.')[-1]} = call.unordered({i.text})`, if their order does not matter"
            self.note(
                "recorded",
                i.lineno,
                i.text,
                says,
                "ordered",
                text,
                resources=(resource,),
                suspect=True,
                remedy=fix,
            )
            return Info(
                None, self.busy(args), (f"the type of what {i.text} returns is not known", ""), of=text
            )
        if resource is not None:
            word = {"clock": "reads the clock", "env": "reads the environment"}.get(
                resource, f"reads {resource}"
            )
            says = f"{word}; starts when its inputs are ready"
            self.note("recorded", i.lineno, i.text, says, "overlaps", text, resources=(resource,))
            return Info(
                None, self.busy(args), (f"the type of what {i.text} returns is not known", ""), of=text
            )
        return self.unknown_call(i, text, args, callee)

    def known_call(self, i: ir.Apply, text: str, args: list[Info], kind: T | None) -> Info:
        """A plain function that is known to have no effects, given arguments of these types."""
        args = [merged(info) if info.value else info for info in args]
        says = "no effects, judged by its source; runs when its inputs are ready"
        self.note("plain", i.lineno, i.text, says, "plain", text, shown=False)
        origin = (f"the type of what {i.text} returns is not known", "")
        return Info(kind, self.busy(args), origin, tuple(args), self.words.late(args))

    def declared(self, i: ir.Apply, text: str, args: list[Info], callee: Call[..., Any]) -> Info:
        effects = callee.effects
        kind = effects.kind
        touched = tuple(r.template for r in (*effects.reads, *effects.writes, *effects.commutes))
        says, free, remedy = effect_words(callee)
        checker = callee.checker if callee.told is None else callee.told(self.form.named(i))
        result = Info(checker.type, True, None, tuple(args), text)
        self.note(
            "call", i.lineno, i.text if isinstance(i.callee, ir.Load) else callee.name, says,
            "overlaps" if free else "ordered", text, effects=str(effects), resources=touched, call=callee,
            suspect=kind is Kind.PLAIN, remedy=remedy, ordered_by=[] if free else ["everything before it"],
            result=result, inputs=tuple(args),
        )  # fmt: skip
        origin = (
            f"what {callee.name} returns has no declared type",
            f"annotate what {callee.name} returns ({place_of(callee)}): `-> {{}}`",
        )
        if callee.streams and callee.changes:
            origin = (f"each item of {callee.name} is asked for in its turn", "")
        elif callee.streams:  # a loop goes on with each item as it comes, as it does over a list of results
            result.type = T(list, (callee.items.type,))
        elif callee.iterates is not None:  # a loop over it goes on as one over the argument does
            at = callee.iterates[1]
            result.type = args[at].type if at < len(args) else None
        result.origin = origin
        return result

    def shown(self, i: ir.Apply, text: str, args: list[Info], stream: str) -> Info:
        """What is printed."""
        result = Info(of_value(None), True, None, tuple(args), text)
        says, remedy = f"writes {stream}; starts when everything before it is done", ""
        unsure = [info for info in args if not has_text(info.type) and info.type not in STREAMS.values()]
        late = self.words.late(unsure)
        if late:
            says += (
                f". What sees effects waits until {late} is known, whose text may be made by code of yours"
            )
            fix = next((info.origin[1] for info in unsure if info.origin and info.origin[1]), "")
            remedy = fix and f"{fix.replace('{}', 'str')}, or whatever it is"
        self.note(
            "shown", i.lineno, i.text, says, "ordered", text, resources=(stream,), effects=f"writes {stream}",
            suspect=bool(late), remedy=remedy, ordered_by=["everything before it"], result=result,
            inputs=tuple(args), scope=self.waits(late),
        )  # fmt: skip
        return result

    def unknown_call(self, i: ir.Apply, text: str, args: list[Info], callee: Any) -> Info:
        late = self.words.late(args)
        nested = isinstance(i.callee, str) and i.callee in self.words.nested
        managed = i.text in _LOOKED_UP
        readable = callee is None or isinstance(callee, (FunctionType, type))
        name = "with" if managed else i.text if len(i.text) <= 18 else "..." + i.text[-15:]
        if managed and isinstance(i.callee, str) and self.info(i.callee).gate:
            if i.text == "__enter__":
                says = "bounds what is called in the block; each call starts when it fits in"
                self.note("plain", i.lineno, "with", says, "plain", text)
            return Info()
        if managed:
            says, remedy = "enters and leaves in order, when everything before is done", DECLARE
            if i.text == "__aenter__" and together():
                says += ", if it is no semaphore or lock of asyncio"
            if i.text not in ("__enter__", "__aenter__"):
                return Info()
        else:
            remedy = unknown_remedy(i, callee, nested)
            word = "a nested function" if nested else "unknown code"
            if readable and not late and self.behind is None:
                says = f"{word}: runs at once, checked; in order from its first effect"
                self.note("checked", i.lineno, name, says, "plain", text, about=named(self.form, i, callee))
                origin = (f"the type of what {i.text} returns is not known", "")
                gate = together() and is_kind(callee)
                return Info(None, False, origin, tuple(args), text, gate=gate)
            if readable:
                says = f"{word}: what follows waits until {late or self.behind} is known and this has run"
            else:
                says = f"{word}: in order with every other effect, when everything before it is done"
        origin = (f"the type of what {i.text} returns is not known", "")
        result = Info(None, True, origin, tuple(args), text, blamed=i)
        self.note(
            "unknown", i.lineno, name, says, "ordered", text, suspect=True, remedy=remedy,
            about=named(self.form, i, callee), ordered_by=["everything before it"], result=result,
            inputs=tuple(args), scope=self.waits(late or not readable or managed),
        )  # fmt: skip
        return result

    def helper(self, i: ir.Apply, text: str, args: list[Info], form: Compiled, is_flow: bool) -> Info:
        word = "a flow" if is_flow else "a helper"
        o = self.note("helper", i.lineno, i.text, f"{word}, compiled with this flow", "plain", text)
        origin = (f"the type of what {i.text} returns is not known", "")
        self.trip.walks += 1
        if form in self.active:
            o.says = f"{word}; it calls itself: shown once"
            return Info(None, True, origin, tuple(args), text)
        if len(self.active) > 12 or self.trip.walks > _ENOUGH:
            o.says = f"{word}; not followed any further"
            return Info(None, True, origin, tuple(args), text)
        if i.simple and len(args) == len(form.params) and not form.packed:
            given = dict(zip(form.params, args, strict=True))
        else:
            given = {
                n: Info(None, self.busy(args), (f"the type of `{n}` is not known here", ""))
                for n in form.params
            }
            for (name, _), info in zip(i.kwargs, args[len(i.args) :], strict=True):
                if name is not None and name in given:
                    given[name] = info
            if not any(star for star, _ in i.args):
                given.update(
                    zip([n for n in form.params if n not in form.packed], args[: len(i.args)], strict=False)
                )
        given = {n: merged(v) if v.value and n not in form.values else v for n, v in given.items()}
        if together():
            hints = _hints(form.fn)
            given.update({n: Info(gate=True) for n in given if is_kind(hints.get(n))})
        section = Section(form)
        inner = Walk(self.trip, section, given, self.active)
        inner.behind, inner.deciders, inner.scope = self.behind, self.deciders, self.scope
        inner.open = Span(o.at, o.at, loops=self.trip.loops)
        inner.block(form.body)
        inner.open.high = self.trip.clock
        o.inner = section
        if inner.left is not None:
            return Info(
                None,
                True,
                (f"what {i.text} returns is known only when {inner.left} is there", ""),
                tuple(args),
                inner.left,
            )
        return joined(inner.returns)
