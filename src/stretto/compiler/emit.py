"""Emitting steps: temporaries, labels, fragments, and what each region may bind."""

from __future__ import annotations

import ast
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import ir
from .fragments import Fragment
from .relaxations import relaxed
from .scope import bound_names, loaded_names, used_once

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["Emitter", "bound_by", "exits", "settle_temporaries"]


class Emitter:
    """What every part of the lowering shares."""

    def __init__(self, function: Compiled) -> None:
        self.function = function
        self.values = function.values
        self.out: list[ir.Instr] = []
        self.temporaries: int = 0
        self.labels: dict[str, int] = {}
        #: Names made up for comprehension variables; they are locals too.
        self.own_names: set[str] = set()
        #: Comprehension variables being lowered (their original names).
        self.renamed: set[str] = set()
        #: How many comprehensions have been given variables of their own.
        self.scopes: int = 0
        #: Names that are bound wherever they are met from here on.
        self.certain: set[str] = set()
        #: Names that some statement unbinds.
        self.unbound: set[str] = set()
        #: Names that are bound in one place, and used in one.
        self.once: frozenset[str] = used_once(function.node) & function.scope.locals - function.scope.captured
        #: How many blocks are being lowered, one inside the other.
        self.depth = 0
        #: The frames of comprehensions and lambdas around what is being lowered.
        self.frames: tuple[tuple[str, int], ...] = ()

    def emit(self, instr: ir.Instr) -> None:
        instr.within = self.frames
        self.out.append(instr)

    @contextmanager
    def emitting(self) -> Generator[list[ir.Instr]]:
        """Collect the steps that are emitted meanwhile."""
        before, self.out = self.out, []
        mark = self.temporaries
        try:
            yield self.out
        finally:
            self.out = before
            self.temporaries = max(mark, self.temporaries)

    @contextmanager
    def within(self, frame: str, at: Any) -> Generator[None]:
        """Steps emitted meanwhile run in a frame of their own, as tracebacks show it."""
        before = self.frames
        if frame:
            self.frames = (*before, (frame, at.lineno))
        yield
        self.frames = before

    @contextmanager
    def back_in(self, frames: tuple[tuple[str, int], ...]) -> Generator[None]:
        """Steps emitted meanwhile run in these frames: what uses a generator up does its own work outside."""
        before, self.frames = self.frames, frames
        yield
        self.frames = before

    @contextmanager
    def keeping(self, *names: str, inside: bool = True) -> Generator[None]:
        """Regions emitted meanwhile bind these temporaries for what follows them; of loops, if not `inside`,
        only the loop itself and its turns."""
        start = len(self.out)
        yield
        for instr in self.out[start:]:
            if isinstance(instr, ir.Region) and (inside or isinstance(instr, ir.For)):
                _keep(instr, frozenset(names), inside)

    def fresh(self) -> str:
        self.temporaries += 1
        return f"__t{self.temporaries}"

    def label(self, text: str) -> str:
        """A name for a step that stays the same when lines are added around it: what it calls, and the
        how-manieth of that it is."""
        count = self.labels[text] = self.labels.get(text, 0) + 1
        return text if count == 1 else f"{text}#{count}"

    # -- fragments ------------------------------------------------------------------------------------

    def make(
        self, statements: list[Any], at: Any, binds: tuple[str, ...], *, expr: ast.expr | None = None,
        soft: bool = False, opaque: bool = False,
    ) -> Fragment:  # fmt: skip
        scope = self.function.scope
        loaded = loaded_names(statements)
        bound = bound_names(statements)
        touched = loaded | bound
        own = scope.locals | self.own_names
        if soft:
            loaded |= set(binds) - scope.outer
        reads = tuple(
            sorted(
                n
                for n in loaded
                if (n in own and n not in scope.cells) or n.startswith("__t") or n == ir.FAILURE
            )
        )
        cells = tuple(sorted(n for n in touched if n in scope.cells or (n in scope.free and n not in own)))
        shared = scope.cells | scope.outer
        binds = tuple(n for n in binds if n not in shared)
        ordered = opaque or not shared.isdisjoint(bound)
        return Fragment(
            self.function, statements, reads, binds, expr=expr, soft=soft, opaque=ordered, cells=cells,
            lineno=getattr(at, "lineno", 0), name=self.frames[-1][0] if self.frames else None,
        )  # fmt: skip

    def run(
        self,
        statements: list[Any],
        at: Any,
        *,
        binds: tuple[str, ...],
        soft: bool = False,
        opaque: bool = False,
    ) -> None:
        fragment = self.make(statements, at, binds, soft=soft, opaque=opaque)
        self.emit(ir.Run(fragment.lineno, fragment=fragment))
        cells = self.function.scope.cells
        if cells and not cells.isdisjoint(bound_names(statements)):
            self.emit(ir.Assign(fragment.lineno, target="", source=""))

    def make_expr(self, name: str, expr: ast.expr, at: Any, *, opaque: bool = False) -> Fragment:
        statement = ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], expr), at)
        return self.make([statement], at, (name,), expr=expr, opaque=opaque)

    def meant(self, thing: object, at: ast.AST) -> ast.expr:
        """A name for this very object, whatever the program calls by the names that it has."""
        name = self.fresh()
        self.emit(ir.Move(getattr(at, "lineno", 0), target=name, source=ir.Const(thing)))
        return ast.copy_location(ast.Name(name, ast.Load()), at)

    def run_expr(self, name: str, expr: ast.expr, at: Any, *, opaque: bool = False) -> None:
        if isinstance(expr, ast.Name) and self.of_module(expr.id):
            self.look_global(name, expr, at)
            return
        fragment = self.make_expr(name, expr, at, opaque=opaque)
        if isinstance(expr, ast.Attribute) and self.held(expr.value) and relaxed("objects"):
            (source,) = fragment.reads
            access = self.access(name, f".{expr.attr}", fragment.lineno)
            self.emit(ir.LoadAttribute(fragment.lineno, fragment, name, source, expr.attr, access))
        elif (held := self.super_of(expr)) is not None:
            assert isinstance(expr, ast.Attribute)
            access = self.access(name, f"super().{expr.attr}", fragment.lineno)
            self.emit(ir.LoadSuper(fragment.lineno, fragment, name, held, expr.attr, access))
        else:
            self.emit(ir.Run(fragment.lineno, fragment=fragment))

    def look_global(self, target: str, expr: ast.Name, at: Any) -> None:
        """Emit ``target = name`` for a name of the module that functions bind again."""
        space = self.fresh()
        found = self.make_expr(target, expr, at)
        self.emit(ir.Move(found.lineno, target=space, source=ir.Const(self.function.namespace)))
        fragment = Fragment(
            self.function, found.statements, (space,), found.binds, expr=expr,
            lineno=found.lineno, name=self.frames[-1][0] if self.frames else None,
        )  # fmt: skip
        access = self.access(target, f"global {expr.id}", fragment.lineno)
        self.emit(ir.LoadAttribute(fragment.lineno, fragment, target, space, expr.id, access))

    def bind_global(self, name: str, statement: ast.stmt, source: ir.Operand, at: Any) -> None:
        """Emit ``name = source`` for a name of the module."""
        space = self.fresh()
        fragment = self.make([statement], at, ())
        self.emit(ir.Move(fragment.lineno, target=space, source=ir.Const(self.function.namespace)))
        access = self.access(None, f"global {name} =", fragment.lineno)
        self.emit(ir.StoreAttribute(fragment.lineno, fragment, space, name, source, access))

    def super_of(self, node: ast.AST) -> str | None:
        """The object, where an expression is ``super().name``; else None."""
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call) and relaxed("objects")):
            return None
        func, args = node.value.func, node.value.args
        if not (isinstance(func, ast.Name) and func.id == "super" and self.function.is_builtin("super")):
            return None
        names = [a.id for a in args if isinstance(a, ast.Name)]
        if names[:1] != ["__class__"] or len(names) != len(args) or len(args) != 2:
            return None
        return names[1] if self.held(args[1]) and "__class__" in self.function.closure else None

    def is_local(self, name: str) -> bool:
        scope = self.function.scope
        return (
            (name in scope.locals and name not in scope.cells)
            or name.startswith("__t")
            or name in self.own_names
        )

    def of_module(self, name: str) -> bool:
        """Whether a name is one of the module's that functions bind again."""
        return not self.is_local(name) and name not in self.renamed and self.function.is_rebound(name)

    def held(self, node: ast.AST) -> bool:
        """Whether an expression is a local name, of no variable that nested functions see."""
        return isinstance(node, ast.Name) and self.is_local(node.id)

    def store(self, statement: ast.Assign, at: Any) -> bool:
        """Emit the setting of an attribute of a local name; False if the statement is something else."""
        target, value = statement.targets[0], statement.value
        if not (isinstance(target, ast.Attribute) and self.held(target.value) and relaxed("objects")):
            return False
        worth: ir.Operand
        if isinstance(value, ast.Constant):
            worth = ir.Const(value.value)
        elif isinstance(value, ast.Name) and self.held(value):
            worth = value.id
        else:
            return False
        assert isinstance(target.value, ast.Name)
        fragment = self.make([statement], at, ())
        access = self.access(None, f".{target.attr} =", fragment.lineno)
        self.emit(ir.StoreAttribute(fragment.lineno, fragment, target.value.id, target.attr, worth, access))
        return True

    def access(self, target: str | None, text: str, lineno: int) -> ir.Apply:
        """The call of the function of a property."""
        made = ir.Apply(lineno, target=target, text=text, label=self.label(text), joinable=True)
        made.within = self.frames
        return made

    @staticmethod
    def lend(names: Collection[ir.Operand], steps: Sequence[ir.Instr]) -> bool:
        """Calls among these steps may bind these names, temporaries, to generators that the engine runs.
        Whether there is such a call."""
        found = False
        for step in steps:
            if isinstance(step, ir.Apply) and step.target in names and str(step.target).startswith("__t"):
                step.generates = found = True
        return found

    # -- calls and regions ----------------------------------------------------------------------------

    def emit_apply(
        self, target: str | None, callee: ir.Operand, args: Sequence[ir.Operand | tuple[int, ir.Operand]],
        at: Any, text: str, kwargs: tuple[tuple[str | None, ir.Operand], ...] = (),
        kind: type[ir.Apply] = ir.Apply,
    ) -> ir.Apply:  # fmt: skip
        pairs: tuple[tuple[int, ir.Operand], ...] = tuple(a if isinstance(a, tuple) else (0, a) for a in args)
        simple = not kwargs and not any(star for star, _ in pairs)
        short = text.split("\n")[0][:60]
        made = kind(
            getattr(at, "lineno", 0),
            target=target,
            callee=callee,
            args=pairs,
            kwargs=kwargs,
            simple=simple,
            text=short,
            label=self.label(short),
        )
        self.region(made, *((target,) if target else ()))
        return made

    def emit_awaited(
        self, target: str | None, callee: ir.Operand, args: Sequence[ir.Operand | tuple[int, ir.Operand]],
        at: Any, text: str, kwargs: tuple[tuple[str | None, ir.Operand], ...] = (),
    ) -> None:  # fmt: skip
        """``await callee(...)``."""
        with self.emitting() as apart:
            made = self.fresh()
            first = self.emit_apply(made, callee, args, at, text, kwargs)
            self.emit_await(target, made, at)
        self.labels[first.text] -= 1  # one call, in two forms
        whole = self.emit_apply(target, callee, args, at, text, kwargs, ir.Awaited)
        assert isinstance(whole, ir.Awaited)
        whole.apart = tuple(apart)

    def emit_await(self, target: str | None, source: ir.Operand, at: Any) -> None:
        self.emit_apply(target, source, (), at, "await", kind=ir.Await)

    def region(self, region: Any, *results: str) -> None:
        """Emit a region. Of the temporaries bound inside, only `results` are used after it."""
        if isinstance(region, ir.If):
            self._with_check(region, results)
        self.seal(region, *results)
        self.emit(region)

    def _with_check(self, region: ir.If, results: tuple[str, ...]) -> None:
        """Take the step that works out the test into the region, if nothing else uses what it binds."""
        step = self.out[-1] if self.out else None
        if isinstance(step, ir.Run) and step.fragment.asks and region.test not in results:
            if step.fragment.binds == (region.test,):
                region.decided = replace(region, effects={})
                self.seal(region.decided, *results)
                region.decided.within = self.frames
                region.check = step
                self.out.pop()

    def seal(self, region: Any, *results: str) -> None:
        """Work out what a region may bind and read, and whether it can end otherwise than normally."""
        if isinstance(region, (ir.For, ir.While)):
            self.seal(region.body)
        inner = [i for block in ir.blocks(region) for i in ir.instructions(block)]
        if isinstance(region, ir.Iteration):
            inner = list(ir.instructions(region.body))
        names: set[str] = set()
        reads: set[str] = set()
        for instr in (region, *inner):
            names |= bound_by(instr)
            reads |= _reads(instr)
        region.binds = frozenset(n for n in names if n and (not n.startswith("__t") or n in results))
        region.reads = frozenset(reads)
        # a temporary that is bound inside is not read before
        region.names = tuple(
            sorted(
                n
                for n in reads | region.binds
                if n in region.binds or not n.startswith("__t") or n not in names
            )
        )
        region.alone = (region,)
        generators = self.function.generators
        if generators:
            gone_on = {n for i in (region, *inner) if isinstance(i, ir.For) for n in _reads(i)}
            region.advances = generators & (region.binds | gone_on)
        region.unbinds = frozenset(n for instr in (region, *inner) for n in _unbinds(instr))
        if any(isinstance(i, (ir.TryExcept, ir.TryFinally)) for i in (region, *inner)):
            # a handler goes back to the names as they were: one bound in the body may be so no more
            region.unbinds = region.binds
        found = exits(region)
        if isinstance(region, ir.Iteration):
            found -= {"continue"}
        region.joinable = not found


def _keep(region: ir.Region, names: frozenset[str], inside: bool) -> None:
    for kept in _layers(region):
        kept.binds |= names
        kept.names = tuple(sorted({*kept.names, *kept.binds}))
    for block in ir.blocks(region) if inside else ():
        for instr in block:
            if isinstance(instr, ir.Region):
                _keep(instr, names, inside)


def _layers(region: ir.Region) -> list[ir.Region]:
    """A region, and the one that stands for a part of it."""
    if isinstance(region, (ir.For, ir.While)):
        return [region, region.body]
    if isinstance(region, ir.If) and region.decided is not None:
        return [region, region.decided]
    return [region]


def settle_temporaries(steps: ir.Block | list[ir.Instr], needed: frozenset[str] = frozenset()) -> None:
    """Work out which temporaries the calls, loops and fragments of a statement take with them: those that
    were made in the same block, and that nothing behind needs. `needed` are those that what follows the block
    needs. (Fragments take what calls have made: else it is no generator that has begun.)

    CPython holds what has no name no longer than that, and who is told when it goes can tell."""
    made = {n for instr in steps for n in bound_by(instr)}
    called = {instr.target for instr in steps if isinstance(instr, ir.Apply)}
    held = set(needed)
    for instr in reversed(steps):
        for block in ir.blocks(instr):
            settle_temporaries(block, frozenset(held))
        if isinstance(instr, ir.Run):
            instr.fragment.takes = _taken(instr, called - held)
        elif isinstance(instr, ir.If) and instr.check is not None:
            arms = {n for arm in (instr.then, instr.orelse) for i in ir.instructions(arm) for n in _reads(i)}
            instr.takes = instr.check.fragment.takes = _taken(instr.check, called - held - arms)
        if isinstance(instr, (ir.For, ir.Apply)):
            given = ir.leaves(instr.source) if isinstance(instr, ir.For) else _given(instr)
            temporaries = {n for n in given if isinstance(n, str) and n.startswith("__t")}
            instr.takes = tuple(sorted((temporaries & made) - held))
        held -= bound_by(instr)
        held |= _reads(instr)
        if isinstance(instr, ir.Region):
            held |= instr.reads


def _taken(instr: ir.Run, free: set[str | None]) -> tuple[str, ...]:
    return tuple(n for n in instr.fragment.reads if n in free and n.startswith("__t"))


def _given(instr: ir.Apply) -> list[ir.Operand]:
    return [operand for _, operand in (*instr.args, *instr.kwargs)]


def bound_by(instr: ir.Instr) -> set[str]:
    """The names that a step itself binds."""
    if isinstance(instr, ir.Run):
        return set(instr.fragment.binds)
    if isinstance(instr, ir.Apply) and instr.through:
        return {instr.through, instr.target or instr.through}
    if isinstance(instr, (ir.Move, ir.Delete, ir.Apply, ir.Never, ir.NewValue, ir.Update, ir.ValueRead)):
        return {instr.target} if instr.target else set()
    if isinstance(instr, ir.For):
        return {instr.item, *(instr.unpack or ()), *((instr.result,) if instr.result else ())}
    if isinstance(instr, ir.Yield):
        return {instr.target} if instr.target else set()
    if isinstance(instr, (ir.Emit, ir.Delegate, ir.Resume)):
        return {instr.target}
    if isinstance(instr, ir.Match) and instr.name:
        return {instr.name}
    return set()


def _unbinds(instr: ir.Instr) -> set[str]:
    """Names that a step may leave without a binding."""
    if isinstance(instr, ir.Delete):
        return {instr.target}
    if isinstance(instr, ir.Match) and instr.name:
        return {instr.name}
    if isinstance(instr, ir.Run) and instr.fragment.soft:
        return set(instr.fragment.binds)
    return set()


def _operands(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, ir.Pairs):
        return {n for p in (*value.parts, *value.given) for n in _operands(p)}
    return set()


def _reads(instr: ir.Instr) -> set[str]:
    if isinstance(instr, ir.Run):
        return set(instr.fragment.reads)
    if isinstance(instr, (ir.Move, ir.Return, ir.Yield, ir.RaiseFirst, ir.Delegate)):
        own = {instr.through} if isinstance(instr, ir.Delegate) and instr.through else set[str]()
        return _operands(instr.source) | own
    if isinstance(instr, ir.RunTasks):
        return {n for source in instr.sources for n in _operands(source)}
    if isinstance(instr, ir.Emit):
        return _operands(instr.source) | _operands(instr.held)
    if isinstance(instr, ir.Resume):
        return {instr.held}
    if isinstance(instr, ir.Apply):
        return {n for _, a in (*instr.args, *instr.kwargs) for n in _operands(a)} | _operands(instr.callee)
    if isinstance(instr, ir.If):
        return set() if instr.check is not None else _operands(instr.test)
    if isinstance(instr, ir.For):
        return _operands(instr.source)
    if isinstance(instr, ir.NewValue):
        return {n for a in (*instr.items, *instr.keys) for n in _operands(a)}
    if isinstance(instr, (ir.Update, ir.ValueRead)):
        held = {instr.target} if isinstance(instr, ir.Update) else {instr.source}
        return held | {n for a in instr.args for n in _operands(a)}
    if isinstance(instr, ir.TryFinally) and instr.manager is not None:
        return _operands(instr.manager)
    return set()


#: How these end.
_ENDS: dict[type[ir.Instr], str] = {
    ir.Break: "break",
    ir.Continue: "continue",
    ir.Return: "return",
    ir.Yield: "yield",
    ir.Assign: "assign",
    ir.Reraise: "reraise",
}


def exits(instr: ir.Instr) -> set[str]:
    """How a step can end otherwise than normally, failures apart; ``assign`` stands for the setting of a
    variable that nested functions see, which what follows must not overtake."""
    if instr.__class__ in _ENDS:
        return {_ENDS[instr.__class__]}
    if isinstance(instr, ir.Emit) and instr.held is not None:
        return {"break"}
    if isinstance(instr, (ir.TryExcept, ir.TryFinally)):
        return {e for block in ir.blocks(instr) for i in block for e in exits(i)} - {"reraise"}
    if isinstance(instr, (ir.For, ir.While)):
        body = {e for i in instr.body.body for e in exits(i)} - {"break", "continue"}
        return body | {e for i in instr.orelse for e in exits(i)}
    return {e for block in ir.blocks(instr) for i in block for e in exits(i)}
