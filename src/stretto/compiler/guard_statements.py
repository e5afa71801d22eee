"""Guarded forms of statements; see `guard_rewrite`."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, Final

from stretto.compiler.guard_expressions import PREFIX, ExpressionRewriter, stored_by

from .walking import child_nodes, walk

__all__ = ["StatementRewriter"]

_IN_PLACE: Final[dict[type[ast.operator], str]] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv",
    ast.Mod: "mod", ast.Pow: "pow", ast.LShift: "lshift", ast.RShift: "rshift", ast.BitOr: "or",
    ast.BitXor: "xor", ast.BitAnd: "and", ast.MatMult: "matmul",
}  # fmt: skip


class StatementRewriter(ExpressionRewriter):
    """Rewrites one function."""

    def body(self, statements: Iterable[ast.stmt]) -> list[ast.stmt]:
        """A block."""
        made: list[ast.stmt] = []
        for statement in statements:
            if self._binds_outside(statement):
                made.append(self.refused(statement, "a name of an outer scope is bound"))
                continue
            result = self.visit(statement)
            if isinstance(result, list):
                made += result
            else:
                made.append(result)
        return made

    def _binds_outside(self, statement: ast.stmt) -> bool:
        if not self.outside:
            return False
        todo: list[ast.AST] = [statement]
        while todo:
            node = todo.pop()
            if stored_by(node) & self.outside:
                return True
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
                continue
            # Statements inside are asked when their turn comes.
            todo += [c for c in child_nodes(node) if not isinstance(c, ast.stmt)]
        return False

    def expression_statement(self, at: ast.AST, name: str, *args: ast.expr) -> ast.stmt:
        """A guarded operation as a statement."""
        return ast.copy_location(ast.Expr(self.op(at, name, *args)), at)

    def refused(self, at: ast.stmt, reason: str) -> ast.stmt:
        """A statement that is never performed."""
        return ast.copy_location(ast.Expr(self.refuse(at, reason)), at)

    def _load(self, name: str, at: ast.AST) -> ast.Name:
        return ast.copy_location(ast.Name(name, ast.Load()), at)

    def _assign(self, target: ast.expr, value: ast.expr, at: ast.AST) -> ast.stmt:
        return ast.copy_location(ast.Assign([target], value), at)

    # -------------------------------------------------------------- storing

    def store(self, target: ast.expr, value: ast.expr, at: ast.AST) -> list[ast.stmt]:
        """Statements that store `value`, which is evaluated once and first."""
        if isinstance(target, ast.Name):
            return [self._assign(target, value, at)]
        if isinstance(target, ast.Attribute):
            place = self._at_attribute(target, target)
            name = ast.copy_location(ast.Constant(target.attr), target)
            return [self.expression_statement(place, "setattribute", value, self.visit(target.value), name)]
        if isinstance(target, ast.Subscript):
            owner, index = self.visit(target.value), self.index(target.slice)
            return [self.expression_statement(target, "setitem", value, owner, index)]
        if isinstance(target, (ast.Tuple, ast.List)):
            return self._unpack(target, value, at)
        return [ast.copy_location(ast.Expr(self.refuse(target, "an unusual assignment")), at)]

    def _unpack(self, target: ast.Tuple | ast.List, value: ast.expr, at: ast.AST) -> list[ast.stmt]:
        if not isinstance(value, ast.Tuple):
            value = self.op(target, "unpacked", value)
        later: list[ast.stmt] = []
        direct = all(isinstance(e.value if isinstance(e, ast.Starred) else e, ast.Name) for e in target.elts)
        if direct:
            for part in target.elts:
                if isinstance(part, ast.Starred) and isinstance(part.value, ast.Name):
                    kept = self._load(part.value.id, part)
                    later.append(self.expression_statement(part, "keep", kept))
            return [self._assign(target, value, at), *later]
        # Stored one after the other, each failing where CPython would fail.
        names: list[ast.expr] = []
        for part in target.elts:
            name = self.temporary()
            into: ast.expr = ast.copy_location(ast.Name(name, ast.Store()), part)
            inner = part
            if isinstance(part, ast.Starred):
                into = ast.copy_location(ast.Starred(into, ast.Store()), part)
                inner = part.value
                later.append(self.expression_statement(part, "keep", self._load(name, part)))
            names.append(into)
            later += self.store(inner, self._load(name, part), part)
        into = ast.copy_location(ast.Tuple(names, ast.Store()), target)
        return [self._assign(into, value, at), *later]

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        value = self.visit(node.value)
        if len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(value, ast.Tuple) and isinstance(target, (ast.Tuple, ast.List)):
                if any(isinstance(e, ast.Starred) for e in value.elts):
                    value = self.op(target, "unpacked", value)
            return self.store(target, value, node)
        name = self.temporary()
        made = [self._assign(ast.copy_location(ast.Name(name, ast.Store()), node), value, node)]
        for target in node.targets:
            made += self.store(target, self._load(name, node), node)
        return made

    def visit_AnnAssign(self, node: ast.AnnAssign) -> list[ast.stmt] | ast.stmt:
        if node.value is None:
            if isinstance(node.target, ast.Name):
                return node
            return self.refused(node, "an unusual annotation")
        if not isinstance(node.target, ast.Name):
            return self.store(node.target, self.visit(node.value), node)
        node.value = self.visit(node.value)
        node.annotation = ast.copy_location(ast.Constant(None), node)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        name = "iop_" + _IN_PLACE[type(node.op)]
        target = node.target
        if isinstance(target, ast.Name):
            value = self.op(node, name, self._load(target.id, target), self.visit(node.value))
            return [self._assign(target, value, node)]
        owner = self.temporary()
        into = ast.copy_location(ast.Name(owner, ast.Store()), target)
        made = [self._assign(into, self.visit(target.value), node)]
        if isinstance(target, ast.Attribute):
            place = self._at_attribute(target, target)
            key: ast.expr = ast.copy_location(ast.Constant(target.attr), target)
            read, write = "attr", "setattribute"
        else:
            place = target
            index = self.temporary()
            into = ast.copy_location(ast.Name(index, ast.Store()), target)
            made.append(self._assign(into, self.index(target.slice), node))
            key = self._load(index, target)
            read, write = "getitem", "setitem"
        old = self.op(place, read, self._load(owner, target), key)
        new = self.op(node, name, old, self.visit(node.value))
        made.append(self.expression_statement(place, write, new, self._load(owner, target), key))
        return made

    def visit_Delete(self, node: ast.Delete) -> list[ast.stmt]:
        made = [made for target in node.targets for made in self._delete(target)]
        return made or [ast.copy_location(ast.Pass(), node)]  # `del ()`

    def _delete(self, target: ast.expr) -> list[ast.stmt]:
        if isinstance(target, ast.Attribute):
            name = ast.copy_location(ast.Constant(target.attr), target)
            place = self._at_attribute(target, target)
            return [self.expression_statement(place, "delattribute", self.visit(target.value), name)]
        if isinstance(target, ast.Subscript):
            owner, index = self.visit(target.value), self.index(target.slice)
            return [self.expression_statement(target, "delitem", owner, index)]
        if isinstance(target, (ast.Tuple, ast.List)):
            return [made for part in target.elts for made in self._delete(part)]
        return [ast.copy_location(ast.Delete([target]), target)]

    # -------------------------------------------------------------- control

    def visit_If(self, node: ast.If) -> ast.stmt:
        node.test = self.test(self.visit(node.test), node.test)
        node.body, node.orelse = self.body(node.body), self.body(node.orelse)
        return node

    def visit_While(self, node: ast.While) -> ast.stmt:
        node.test = self.test(self.visit(node.test), node.test)
        turn = self.expression_statement(node, "turn")
        node.body, node.orelse = [turn, *self.body(node.body)], self.body(node.orelse)
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        node.test = self.test(self.visit(node.test), node.test)
        node.msg = self.visit(node.msg) if node.msg is not None else None
        return node

    def visit_For(self, node: ast.For) -> ast.stmt:
        node.iter = self.iteration(node.iter)
        first: list[ast.stmt] = []
        if not isinstance(node.target, ast.Name):
            name = self.temporary()
            first = self.store(node.target, self._load(name, node.target), node.target)
            node.target = ast.copy_location(ast.Name(name, ast.Store()), node.target)
        turn = self.expression_statement(node, "turn")
        node.body, node.orelse = [turn, *first, *self.body(node.body)], self.body(node.orelse)
        return node

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.stmt:
        return self.refused(node, "`async for`")

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.stmt:
        return self.refused(node, "`async with`")

    def visit_With(self, node: ast.With) -> ast.stmt:
        for item in node.items:
            if item.optional_vars is not None and not isinstance(item.optional_vars, ast.Name):
                return self.refused(node, "an unusual `with`")
            item.context_expr = self.op(item.context_expr, "entered", self.visit(item.context_expr))
        inner = ast.Try(body=self.body(node.body), handlers=[self._deep(node)], orelse=[], finalbody=[])
        node.body = [ast.copy_location(inner, node)]
        return node

    def _deep(self, at: ast.AST) -> ast.ExceptHandler:
        kind = self._load(PREFIX + "RecursionError", at)
        body = [self.expression_statement(at, "too_deep")]
        return ast.copy_location(ast.ExceptHandler(kind, None, body), at)

    def visit_Try(self, node: ast.Try) -> ast.stmt:
        if node.handlers:
            again = ast.copy_location(ast.Raise(None, None), node)
            kind = self._load(PREFIX + "NeedsOrder", node)
            for handler in node.handlers:
                if handler.type is not None:
                    handler.type = self.visit(handler.type)
                handler.body = self.body(handler.body)
            node.handlers = [
                ast.copy_location(ast.ExceptHandler(kind, None, [again]), node),
                self._deep(node),
                *node.handlers,
            ]
        node.body, node.orelse = self.body(node.body), self.body(node.orelse)
        if node.finalbody:
            test = self.op(node.finalbody[0], "live")
            made = ast.If(test=test, body=self.body(node.finalbody), orelse=[])
            node.finalbody = [ast.copy_location(made, node.finalbody[0])]
        return node

    def visit_TryStar(self, node: ast.TryStar) -> ast.stmt:
        return self.refused(node, "`except*`")

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        if node.exc is not None:
            node.exc = self.op(node, "raised", self.visit(node.exc))
        if node.cause is not None:
            node.cause = self.op(node, "raised", self.visit(node.cause))
        return node

    def visit_Match(self, node: ast.Match) -> list[ast.stmt]:
        probes: list[ast.stmt] = []
        for case in node.cases:
            for part in walk(case.pattern):
                if isinstance(part, ast.MatchValue) and isinstance(part.value, ast.Attribute):
                    probes.append(self._probe(node, self._value(part.value)))
                elif isinstance(part, ast.MatchClass):
                    value = self._value(part.cls)
                    probes.append(self._probe(node, self.op(node, "pattern_class", value)))
        for case in node.cases:
            if case.guard is not None:
                case.guard = self.test(self.visit(case.guard), case.guard)
            case.body = self.body(case.body)
        node.subject = self.op(node.subject, "matched", self.visit(node.subject))
        return [*probes, node]

    def _value(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Attribute):
            name = ast.copy_location(ast.Constant(node.attr), node)
            return self.op(node, "matched_value", self._value(node.value), name)
        return node

    def _probe(self, at: ast.stmt, value: ast.expr) -> ast.stmt:
        # Names in patterns are looked up by CPython itself, so they are tried beforehand.
        handler = ast.ExceptHandler(
            self._load(PREFIX + "Exception", at), None, [self.refused(at, "a pattern")]
        )
        body: list[ast.stmt] = [ast.copy_location(ast.Expr(value), at)]
        made = ast.Try(body=body, handlers=[ast.copy_location(handler, at)], orelse=[], finalbody=[])
        return ast.copy_location(made, at)

    # -------------------------------------------------------------- definitions

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        return self._definition(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        return self._definition(node)

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt:
        decorators = [
            self.op(decorator, "decorate", self.visit(decorator)) for decorator in node.decorator_list
        ]
        node.decorator_list = []
        number = self.marked(node)
        mark = self.op(decorators[0] if decorators else node, "marker", number)
        node.decorator_list = [*decorators, mark]
        if not self.future_annotations:
            for part in walk(node.args):
                if isinstance(part, ast.arg) and part.annotation is not None:
                    part.annotation = self.visit(part.annotation)
            if node.returns is not None:
                node.returns = self.visit(node.returns)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        return self.refused(node, "a class is defined")

    def _import(self, node: ast.stmt, module: str, names: tuple[str, ...], level: int) -> ast.stmt:
        values: tuple[Any, ...] = (module, names, level)
        parts = [ast.copy_location(ast.Constant(v), node) for v in values]
        package = self._load(PREFIX + "package", node)
        return self.expression_statement(node, "imported", *parts, package)

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        return [*(self._import(node, alias.name, (), 0) for alias in node.names), node]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        names = tuple(alias.name for alias in node.names)
        return [self._import(node, node.module or "", names, node.level), node]
