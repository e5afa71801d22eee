"""What a region may still write, given what is known of the types of its names.

A region that is left behind gives every resource that it may write a token for what follows. The fewer, the
more overlaps: so this is worked out with the types that the names have when the region is left behind.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from ..calls import BoundCall, Call
from ..effects import Kind
from ..engine.containers import Versioned
from ..engine.slots import PENDING, Slot
from ..engine.tokens import EVERYTHING, HEAP
from ..flows import Flow
from . import ir, known
from .fragments import Fragment
from .functions import Compiled, compiled, helper
from .types import T, of_value
from .verdicts import function_verdict

__all__ = ["paths_of"]

_UNKNOWN = frozenset({EVERYTHING})
_BOOL = of_value(True)


def paths_of(region: Any, frame: Any, *, called: bool) -> frozenset[str]:
    """The resource paths that a region may write: ``""`` covers all."""
    form: Compiled = frame.form
    if called:
        types = {name: _type_of(frame.env.get(name)) for name in form.params}
        return _function(form, types, 0)
    names = region.reads
    types = {name: _type_of(frame.env.get(name)) for name in names if name in frame.env}
    key = (region, tuple(types.items()))
    found = form.summaries.get(key)
    if found is None:
        found = form.summaries[key] = frozenset(_Summary(form, dict(types), 0).instr(region))
        if len(form.summaries) > 4096:
            form.summaries.clear()
    return found


def _type_of(v: Any) -> T | None:
    if isinstance(v, Slot):
        if v.value is PENDING:
            found: T | None = v.type
            return found
        v = v.value
    if isinstance(v, Versioned):
        return of_value(v.kind())
    return of_value(v)


def _function(form: Compiled, types: dict[str, T | None], depth: int) -> frozenset[str]:
    key = ("function", tuple(types.items()))
    found = form.summaries.get(key)
    if found is None:
        form.summaries[key] = frozenset()  # recursion adds nothing of its own
        if depth > 20:
            found = _UNKNOWN
        else:
            found = frozenset(_Summary(form, dict(types), depth).block(form.body))
        form.summaries[key] = found
    return found


class _Summary:
    def __init__(self, form: Compiled, types: dict[str, T | None], depth: int) -> None:
        self.form = form
        self.types = types
        self.depth = depth

    def block(self, block: ir.Block) -> set[str]:
        paths: set[str] = set()
        for instr in block:
            paths |= self.instr(instr)
        return paths

    def instr(self, instr: Any) -> set[str]:
        if isinstance(instr, ir.Run):
            return self.run(instr.fragment)
        if isinstance(instr, ir.Move):
            self.types[instr.target] = self.operand(instr.source)
            return set()
        if isinstance(instr, ir.Apply):
            return self.apply(instr)
        if isinstance(instr, ir.ValueRead):
            self.types[instr.target] = (
                of_value(0) if instr.method == "len" else _BOOL if instr.method in ("bool", "in") else None
            )
            held = self.form.values.get(instr.source)
            if held is not None or instr.method == "copy" or instr.plain is None:
                return set()
            return self.run(instr.plain)
        if isinstance(instr, ir.NewValue):
            self.types[instr.target] = of_value(instr.kind())
            return set()
        if isinstance(instr, ir.Assign):
            return {EVERYTHING}
        if isinstance(instr, (ir.For, ir.While, ir.Iteration)):
            return self.loop(instr)
        if isinstance(instr, ir.If):
            before = dict(self.types)
            paths = self.block(instr.then)
            after, self.types = self.types, before
            paths |= self.block(instr.orelse)
            self.types = {n: t for n, t in self.types.items() if after.get(n) == t}
            return paths
        if isinstance(instr, (ir.TryExcept, ir.TryFinally)):
            self.forget(instr)
            paths = {path for block in ir.blocks(instr) for path in self.block(block)}
            self.forget(instr)
            return paths
        if isinstance(instr, ir.Match):
            if instr.name:
                self.types[instr.name] = None
            return self.block(instr.body)
        return set()

    def loop(self, instr: ir.For | ir.While | ir.Iteration) -> set[str]:
        self.forget(instr)
        paths: set[str] = set()
        if isinstance(instr, ir.For):
            if not isinstance(instr.source, ir.Pairs):
                source = self.operand(instr.source)
                held = isinstance(instr.source, str) and instr.source in self.form.values
                if source is None and not held:
                    paths.add(EVERYTHING)
                elif source is not None and source.args and not instr.unpack and source.cls is not dict:
                    self.types[instr.item] = source.args[0]
                elif source is not None and source.cls is range:
                    self.types[instr.item] = of_value(0)
                elif source is not None and source.cls is str:
                    self.types[instr.item] = of_value("")
        for block in ir.blocks(instr):
            paths |= self.block(block)
        self.forget(instr)
        return paths

    def forget(self, region: ir.Region) -> None:
        for name in region.binds:
            self.types[name] = None

    def operand(self, source: ir.Operand) -> T | None:
        if isinstance(source, str):
            return self.types.get(source)
        if isinstance(source, ir.Const):
            return of_value(source.value)
        return None

    def run(self, fragment: Fragment) -> set[str]:
        types = tuple([self.types.get(n) for n in fragment.reads])
        verdict = fragment.verdict(types)
        for name in fragment.binds:
            self.types[name] = None
        if verdict.pure:
            if len(fragment.binds) == 1:
                self.types[fragment.binds[0]] = verdict.type
            return set()
        return {HEAP} if fragment.plain_change(types) else {EVERYTHING}

    def apply(self, instr: ir.Apply) -> set[str]:
        if instr.target is not None:
            self.types[instr.target] = None
        if not isinstance(instr.callee, ir.Load):
            return {EVERYTHING}
        try:
            callee = self.form.resolve_dotted(instr.callee.name)
        except KeyError:
            return {EVERYTHING}
        if isinstance(callee, BoundCall):
            callee = callee.call
        if isinstance(callee, Call):
            if instr.target is not None:
                self.types[instr.target] = callee.checker.type
            effects = callee.effects
            if effects.kind is Kind.PLAIN:
                return {EVERYTHING}
            return {r.root for r in (*effects.writes, *effects.commutes)}
        if isinstance(callee, (FunctionType, Flow)):
            form = compiled(callee.fn) if isinstance(callee, Flow) else helper(callee)
            if form is not None and instr.simple and len(instr.args) == len(form.params) and not form.packed:
                given = [self.operand(a) for _, a in instr.args]
                return set(_function(form, dict(zip(form.params, given, strict=True)), self.depth + 1))
            if form is not None:
                return set(_function(form, dict.fromkeys(form.params), self.depth + 1))
        if isinstance(callee, FunctionType) and instr.simple:
            verdict = function_verdict(callee, tuple(self.operand(a) for _, a in instr.args))
            if verdict.pure:
                if instr.target is not None:
                    self.types[instr.target] = verdict.type
                return set()
        resource = known.recorded_resource(callee)
        if resource is not None and resource != "random":
            return set()
        return {EVERYTHING}
