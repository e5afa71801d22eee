"""Lowering: a function's syntax becomes blocks of steps in A-normal form.

Whatever holds no call stays Python and becomes a `Fragment`. Around calls, expressions are taken apart in
the order in which Python evaluates them: what comes before a call is worked out before it.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from typing import Any

from . import ir
from .emit import settle_temporaries
from .functions import Compiled
from .gathering import Gathering
from .generators import generator_names
from .managers import ASYNC_LOOKUPS, LOOKUPS
from .questions import awaits
from .scope import bound_plainly, evaluated_annotations, own_nodes, unbound_names
from .syntax import line, locate, located
from .values import value_names

__all__ = ["lower"]


def lower(function: Compiled) -> ir.Block:
    """The steps of a function; also sets `function.values`."""
    function.values = value_names(function)
    function.generators = generator_names(function)
    node = function.node
    body: list[ast.stmt]
    if isinstance(node, ast.Lambda):
        body = [ast.copy_location(ast.Return(node.body), node.body)]
    else:
        body = node.body
    statements = Statements(function)
    statements.unbound = unbound_names(body)
    statements.certain = set(function.params) - statements.unbound
    return statements.block(body)


class Statements(Gathering):
    """Lowers statements. The classes that it is derived from, each in its module, lower what they are made
    of: `Gathering`, `Matching`, `Callbacks`, `Comprehensions`, `Assignments`, `Calling`,
    `Expressions`, `Questions`, `Emitter`.
    """

    def block(self, statements: list[ast.stmt]) -> ir.Block:
        self.depth += 1
        with self.emitting() as steps:
            for statement in statements:
                mark, begun = self.temporaries, len(steps)
                self.statement(statement)
                self.temporaries = mark
                if self.depth == 1:
                    settle_temporaries(steps[begun:])
                if isinstance(statement, (ast.Return, ast.Raise, ast.Break, ast.Continue)):
                    break  # nothing after it can run
                if self.depth == 1:
                    self.certain |= bound_plainly(statement) - self.unbound
        self.depth -= 1
        return tuple(steps)

    def statement(self, s: ast.stmt) -> None:
        if isinstance(s, (ast.Pass, ast.Global, ast.Nonlocal)) or (
            isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)
        ):
            return
        method: Callable[[Any], None] | None = getattr(self, "do_" + type(s).__name__.lower(), None)
        if method is not None:
            method(s)
        else:
            self.fragment([s], s)

    # -- simple statements ----------------------------------------------------------------------------

    def do_expr(self, s: ast.Expr) -> None:
        value = s.value
        if self.update(s):
            return
        if isinstance(value, ast.Await):
            self.await_(value, None)
        elif isinstance(value, ast.Call) and self.is_apply(value):
            self.apply(value, None)
        elif self.needs(value):
            rest = self.residual(value)
            if not isinstance(rest, (ast.Name, ast.Constant)):
                self.fragment([ast.copy_location(ast.Expr(rest), s)], s)
        else:
            self.fragment([s], s)

    def do_assign(self, s: ast.Assign) -> None:
        if len(s.targets) == 1:
            target = s.targets[0]
            if isinstance(target, ast.Name):
                self.assign_name(target.id, s.value, s)
                return
            if self.assign_pairwise(target, s.value):
                return
            if isinstance(target, ast.Subscript) and self.is_value(target.value):
                self.assign_item(target, s.value, s)
                return
        stored = len(s.targets) == 1 and self.stored(s.targets[0])
        if not stored and not self.needs(s.value) and not any(self.needs(t) for t in s.targets):
            self.fragment([s], s)
            return
        value = self.operand(s.value)
        for target in s.targets:
            self.assign_target(target, value, s)

    def do_annassign(self, s: ast.AnnAssign) -> None:
        if s.value is not None:
            plain = ast.copy_location(ast.Assign([s.target], s.value), s)
            self.do_assign(plain)
            return
        # in a function no annotation is evaluated, and of a target that is no name the parts are
        parts: list[ast.expr] = []
        if isinstance(s.target, (ast.Attribute, ast.Subscript)):
            parts.append(s.target.value)
        if isinstance(s.target, ast.Subscript):
            parts += key_parts(s.target.slice)
        for part in parts:
            self.statement(ast.copy_location(ast.Expr(part), s))

    def do_augassign(self, s: ast.AugAssign) -> None:
        target = s.target
        if isinstance(target, ast.Name):
            if target.id in self.values and isinstance(s.op, ast.Add):
                self.touch(target.id, s.value)
                self.emit_update(target.id, "extend", (self.operand(s.value),), s)
            elif self.needs(s.value) or not self.is_local(target.id):
                old = self.spill(ast.copy_location(ast.Name(target.id, ast.Load()), target))
                self.augment(old.id, s)
                self.assign_target(target, old.id, s)
            else:
                self.fragment([s], s)
            return
        if isinstance(target, ast.Subscript) and self.is_value(target.value):
            held = target.value.id
            self.touch(held, target.slice)
            key = self.named(self.operand(target.slice), s)
            item = self.fresh()
            self.value_read(item, held, "getitem", (key,), s)
            self.augment(item, s)
            self.emit_update(held, "setitem", (key, item), s)
            return
        if not (self.needs(s.value) or self.needs(target) or self.stored(target)):
            self.fragment([s], s)
            return
        # the object and the key once, then load, work out, store
        load: ast.expr
        store: ast.expr
        if isinstance(target, ast.Subscript):
            place, index = (self.settled(n) for n in self.sequence([target.value, target.slice], settle=True))
            load = ast.Subscript(place, index, ast.Load())
            store = ast.Subscript(place, index, ast.Store())
        else:
            place = self.settled(target.value)
            load = ast.Attribute(place, target.attr, ast.Load())
            store = ast.Attribute(place, target.attr, ast.Store())
        item = self.spilled(load, s)
        self.augment(item, s)
        self.fragment([locate(ast.Assign([store], ast.Name(item, ast.Load())), s)], s)

    def do_delete(self, s: ast.Delete) -> None:
        for target in s.targets:
            if isinstance(target, ast.Name) and self.is_local(target.id):
                self.emit(ir.Delete(line(s), target=target.id))
            else:
                self.fragment([ast.copy_location(ast.Delete([self.target(target)]), s)], s)

    def do_assert(self, s: ast.Assert) -> None:
        if not self.needs(s.test) and not (s.msg and self.needs(s.msg)):
            self.fragment([s], s)
            return
        if not __debug__:
            return  # as CPython has it under -O
        test = self.truth(s.test)
        with self.emitting() as failing:
            # whatever AssertionError means here, it is the builtin that is raised
            failed = ast.Assert(ast.Constant(False), s.msg and self.residual(s.msg))
            self.fragment([locate(failed, s)], s)
        self.region(ir.If(line(s), test=test, then=(), orelse=tuple(failing)))

    def do_raise(self, s: ast.Raise) -> None:
        if s.exc is None:
            self.emit(ir.Raise(line(s)))
            return
        parts = self.sequence([s.exc, s.cause] if s.cause else [s.exc])
        raising = ast.Raise(parts[0], parts[1] if s.cause else None)
        self.fragment([locate(raising, s)], s)

    def do_return(self, s: ast.Return) -> None:
        value = s.value or ast.copy_location(ast.Constant(None), s)
        self.emit(ir.Return(line(s), source=self.operand(value)))

    def do_break(self, s: ast.Break) -> None:
        self.emit(ir.Break(line(s)))

    def do_continue(self, s: ast.Continue) -> None:
        self.emit(ir.Continue(line(s)))

    def do_functiondef(self, s: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if any(awaits(d) for d in _defaults(s)):
            s = self.made_ready(s)
        self.fragment([s], s, opaque=any(self.calls(d) for d in made_with(s)))
        if s.name in self.function.scope.cells:
            self.emit(ir.Assign(line(s), target=s.name, source=""))

    do_asyncfunctiondef = do_functiondef

    def made_ready(self, s: Any) -> Any:
        """A nested function whose decorators and defaults have been worked out."""
        a = s.args
        ready = iter(self.sequence(_defaults(s), settle=True))
        made = copy.copy(s)
        made.decorator_list = [next(ready) for _ in s.decorator_list]
        made.args = copy.copy(a)
        made.args.defaults = [next(ready) for _ in a.defaults]
        made.args.kw_defaults = [d and next(ready) for d in a.kw_defaults]
        made.__dict__.pop("stretto_children", None)
        made.args.__dict__.pop("stretto_children", None)
        return made

    # -- compound statements --------------------------------------------------------------------------

    def plain(self, s: ast.stmt) -> bool:
        """Emit a compound statement as one fragment, if nothing in it needs taking apart."""
        if self.needs_statement(s) or self.changes_objects([s]):
            return False
        self.fragment([s], s)
        return True

    def do_if(self, s: ast.If) -> None:
        if self.plain(s):
            return
        test = self.truth(s.test)
        self.region(ir.If(line(s), test=test, then=self.block(s.body), orelse=self.block(s.orelse)))

    def do_while(self, s: ast.While) -> None:
        if self.plain(s):
            return
        constant = isinstance(s.test, ast.Constant) and bool(s.test.value)
        label = self.label("while")
        with self.emitting() as turn:
            if not constant:
                test = self.truth(s.test)
                done = ir.Break(line(s), done=True)
                self.region(ir.If(line(s), test=test, then=(), orelse=(done,), label="until"))
            turn.extend(self.block(s.body))
        orelse = self.block(s.orelse)
        body = ir.Iteration(line(s), body=tuple(turn))
        self.region(ir.While(line(s), body=body, orelse=orelse, label=label))

    def do_for(self, s: ast.For) -> None:
        if self.plain(s):
            return
        self.loop(s.target, s.iter, lambda: self.block(s.body), s, lambda: self.block(s.orelse))

    def do_try(self, s: ast.Try) -> None:
        if self.plain(s):
            return
        if s.finalbody:
            inner = ast.copy_location(ast.Try(s.body, s.handlers, s.orelse, []), s)
            body = self.block([inner]) if s.handlers else self.block(s.body)
            self.region(ir.TryFinally(line(s), body=body, final=self.block(s.finalbody)))
            return
        body = self.block(s.body)
        with self.emitting() as handlers:
            for handler in s.handlers:
                kind: ir.Operand | None = None
                if handler.type is not None:
                    kind = self.operand(handler.type)
                name, matched = self.handler(handler)
                self.emit(ir.Match(handler.lineno, type=kind, name=name, body=matched))
            self.emit(ir.Reraise(line(s)))
        self.region(ir.TryExcept(line(s), body=body, handlers=tuple(handlers), orelse=self.block(s.orelse)))

    def handler(self, handler: ast.ExceptHandler) -> tuple[str | None, ir.Block]:
        """What a handler binds the failure to, and its steps."""
        name = handler.name
        if name is None or self.is_local(name):
            return name, self.block(handler.body)
        held = self.fresh()
        return held, self.shared_handler(name, held, handler)

    def do_trystar(self, s: ast.TryStar) -> None:
        if not awaits_itself(s):
            # how a group is split and put together again is CPython's: it runs the whole
            self.fragment([s], s, opaque=self.needs_statement(s))
            return
        if s.finalbody:
            inner = ast.copy_location(ast.TryStar(s.body, s.handlers, s.orelse, []), s)
            body = self.block([inner])
            self.region(ir.TryFinally(line(s), body=body, final=self.block(s.finalbody)))
            return
        body = self.block(s.body)
        with self.emitting() as handlers:
            for handler in s.handlers:
                assert handler.type is not None
                kind = self.operand(handler.type)
                name, matched = self.handler(handler)
                at = handler.lineno
                with self.emitting() as noted:
                    self.emit(ir.StarNoted(at))
                with self.emitting() as steps:
                    guarded = ir.TryExcept(at, body=matched, handlers=tuple(noted))
                    self.region(guarded)
                    guarded.joinable = False  # what comes next asks how it has ended
                    self.emit(ir.StarDone(at, name))
                self.emit(ir.StarMatch(at, type=kind, name=name, body=tuple(steps)))
            self.emit(ir.StarEnd(line(s)))
        self.region(ir.TryExcept(line(s), body=body, handlers=tuple(handlers), orelse=self.block(s.orelse)))

    def shared_handler(self, name: str, held: str, handler: ast.ExceptHandler) -> ir.Block:
        """The body of a handler whose ``as`` name others see; on any way out, that is unbound."""
        forget: list[ast.stmt] = [
            ast.Assign([ast.Name(name, ast.Store())], ast.Constant(None)),
            ast.Delete([ast.Name(name, ast.Del())]),
        ]
        body = ast.Try(handler.body, [], [], [located(s, handler) for s in forget])
        with self.emitting() as steps:
            self.rebind(name, held, handler)
            steps.extend(self.block([ast.copy_location(body, handler)]))
        return tuple(steps)

    def do_asyncfor(self, s: ast.AsyncFor) -> None:
        if self.gives_stream(s.iter):
            self.loop(s.target, s.iter, lambda: self.block(s.body), s, lambda: self.block(s.orelse))
            return
        source = self.operand(s.iter)
        self.async_loop(s.target, source, lambda: self.block(s.body), s, lambda: self.block(s.orelse))

    def do_with(self, s: ast.With) -> None:
        if not self.plain(s):
            self.managed(s, awaited=False)

    def do_asyncwith(self, s: ast.AsyncWith) -> None:
        self.managed(s, awaited=True)

    def managed(self, s: ast.With | ast.AsyncWith, *, awaited: bool) -> None:
        item, *others = s.items
        at = item.context_expr
        manager = self.spilled(self.residual(item.context_expr), at)
        lookups = ASYNC_LOOKUPS if awaited else LOOKUPS
        emit = self.emit_awaited if awaited else self.emit_apply
        enter, leave_by = (self.looked_up(lookup, manager, at) for lookup in lookups)
        entering, exiting = lookups.values()
        entered = self.fresh()
        emit(entered, enter, (), at, entering)
        nothing = ir.Const(None)
        with self.emitting() as body:
            if item.optional_vars is not None:
                self.assign_target(item.optional_vars, entered, at)
            if others:
                rest = ast.copy_location(type(s)(others, s.body, None), s)
                body.extend(self.block([rest]))
            else:
                body.extend(self.block(s.body))
        with self.emitting() as final:
            emit(self.fresh(), leave_by, (nothing, nothing, nothing), at, exiting)
        with self.emitting() as leave:
            error = ast.Name(ir.FAILURE, ast.Load())
            kind = self.spilled(ast.Call(self.meant(type, at), [error], []), at)
            trace = self.spilled(ast.Attribute(error, "__traceback__", ast.Load()), at)
            answer = self.fresh()
            emit(answer, leave_by, (kind, ir.FAILURE, trace), at, exiting)
            test = self.truth(ast.copy_location(ast.Name(answer, ast.Load()), at))
            self.region(ir.If(line(s), test=test, then=(), orelse=(ir.Reraise(line(s)),)))
        way_out = leave_by if awaited else None
        self.region(
            ir.TryFinally(
                line(s),
                body=tuple(body),
                final=tuple(final),
                leave=tuple(leave),
                way_out=way_out,
                manager=None if awaited else manager,
            )
        )

    def looked_up(self, lookup: Callable[[Any], Any], manager: str, at: ast.expr) -> str:
        """Emit the lookup of a special method of a context manager."""
        call = ast.Call(self.meant(lookup, at), [ast.Name(manager, ast.Load())], [])
        call.looks_up = True  # type: ignore[attr-defined]
        name = self.fresh()
        fragment = self.make_expr(name, ast.copy_location(call, at), at)
        self.emit(ir.LookUp(fragment.lineno, fragment, name, manager, lookup))
        return name


def awaits_itself(s: ast.TryStar) -> bool:
    """Whether something is awaited in it, but for nested functions."""
    return any(isinstance(n, (ast.Await, ast.AsyncFor, ast.AsyncWith)) for n in own_nodes([s])) or any(
        n.is_async for n in own_nodes([s], comprehensions=True) if isinstance(n, ast.comprehension)
    )


def key_parts(key: ast.expr) -> list[ast.expr]:
    """What is evaluated of a key."""
    if isinstance(key, ast.Slice):
        return [part for part in (key.lower, key.upper, key.step) if part is not None]
    if isinstance(key, ast.Tuple) and any(isinstance(e, ast.Slice) for e in key.elts):
        return [part for e in key.elts for part in key_parts(e)]
    return [key]


def made_with(s: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    """What runs when a nested function is made."""
    return [*_defaults(s), *evaluated_annotations(s)]


def _defaults(s: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    return [*s.decorator_list, *s.args.defaults, *(d for d in s.args.kw_defaults if d)]
