"""Lowering of assignments, and of the changes of containers that are values."""

from __future__ import annotations

import ast
from typing import Any

from . import ir
from .conditions import Conditions
from .scope import bound_names
from .syntax import line, locate
from .values import UPDATES

__all__ = ["Assignments"]


class Assignments(Conditions):
    """Lowers what binds names, attributes and items."""

    def fragment(self, statements: list[ast.stmt], at: ast.AST, *, opaque: bool = False) -> None:
        """Emit statements as they stand."""
        if len(statements) == 1 and isinstance(statements[0], ast.Assign) and not opaque:
            if len(statements[0].targets) == 1 and self.store(statements[0], at):
                return
        soft = any(
            isinstance(s, (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.Match, ast.TryStar))
            for s in statements
        )
        binds = bound_names(statements)
        deletes = any(isinstance(s, ast.Delete) for s in statements)
        self.run(statements, at, binds=tuple(sorted(binds)), soft=soft or deletes, opaque=opaque)

    def assign_name(self, name: str, value: ast.expr, s: ast.AST) -> None:
        if self.is_local(name):
            self.into(name, value, s)
        else:
            self.rebind(name, self.operand(value), s)

    def assign_pairwise(self, target: ast.expr, value: ast.expr) -> bool:
        """``a, b = f(), g()``: each side on its own, so that one need not wait for the other."""
        if not (
            isinstance(target, ast.Tuple)
            and isinstance(value, ast.Tuple)
            and len(target.elts) == len(value.elts)
            and all(isinstance(t, (ast.Name, ast.Attribute)) for t in target.elts)
            and not any(isinstance(v, ast.Starred) for v in value.elts)
            and (self.stored(target) or (self.needs(value) and all(map(_is_name, target.elts))))
        ):
            return False
        operands = [self.named(self.operand(v), v) for v in self.sequence(value.elts)]
        for part, source in zip(target.elts, operands, strict=True):
            self.assign_target(part, source, part)
        return True

    def assign_item(self, target: ast.Subscript, value: ast.expr, s: ast.AST) -> None:
        assert isinstance(target.value, ast.Name)
        worth = self.operand(value)
        self.touch(target.value.id, target.slice)
        key = self.operand(target.slice)
        self.emit_update(target.value.id, "setitem", (key, worth), s)

    def assign_target(self, target: ast.expr, value: ir.Operand, s: ast.AST) -> None:
        if isinstance(target, ast.Name):
            self.rebind(target.id, value, s)
            return
        if isinstance(target, ast.Subscript) and self.is_value(target.value):
            self.touch(target.value.id, target.slice)
            self.emit_update(target.value.id, "setitem", (self.operand(target.slice), value), s)
            return
        if isinstance(target, (ast.Tuple, ast.List)) and self.stored(target):
            self.assign_parts(target, value, s)
            return
        place = self.target(target)
        self.fragment([locate(ast.Assign([place], self.as_node(value)), s)], s)

    def assign_parts(self, target: ast.Tuple | ast.List, value: ir.Operand, s: ast.AST) -> None:
        """``a.x, b = value``: taken apart first, and then set one by one."""
        names = [self.fresh() for _ in target.elts]
        parts: list[ast.expr] = [ast.Name(name, ast.Store()) for name in names]
        for at, part in enumerate(target.elts):
            if isinstance(part, ast.Starred):
                parts[at] = ast.Starred(parts[at], ast.Store())
        apart = ast.Assign([ast.Tuple(parts, ast.Store())], self.as_node(value))
        self.run([locate(apart, s)], s, binds=tuple(sorted(names)))
        for part, name in zip(target.elts, names, strict=True):
            self.assign_target(part.value if isinstance(part, ast.Starred) else part, name, s)

    def target(self, node: Any) -> ast.expr:
        """A target with every call in it worked out."""
        ctx = node.ctx
        of_element = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Subscript)
        if not self.needs(node) and not (of_element and self.stored(node)):
            unchanged: ast.expr = node
            return unchanged
        if isinstance(node, (ast.Tuple, ast.List)):
            parts = [self.target(e) for e in node.elts]
            made = ast.Tuple(parts, ctx) if isinstance(node, ast.Tuple) else ast.List(parts, ctx)
            return ast.copy_location(made, node)
        if isinstance(node, ast.Starred):
            return ast.copy_location(ast.Starred(self.target(node.value), ctx), node)
        if isinstance(node, ast.Attribute):
            return ast.copy_location(ast.Attribute(self.settled(node.value), node.attr, ctx), node)
        assert isinstance(node, ast.Subscript)
        value, key = self.sequence([node.value, node.slice])
        return ast.copy_location(ast.Subscript(value, key, ctx), node)

    def augment(self, name: str, s: ast.AugAssign) -> None:
        """Work out the new value of an augmented assignment: `name` holds the old one, then the new one."""
        value = self.residual(s.value)
        self.fragment([locate(ast.AugAssign(ast.Name(name, ast.Store()), s.op, value), s)], s)

    # -- containers that are values ------------------------------------------------------------------

    def update(self, s: ast.Expr) -> bool:
        """``xs.append(x)`` on a value."""
        node = s.value
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.attr in UPDATES
            and node.func.value.id in self.values
            and len(node.args) == 1
            and not node.keywords
        ):
            return False
        name = node.func.value.id
        self.touch(name, node.args[0], node.func.attr)
        item = self.operand(node.args[0])
        self.emit_update(name, node.func.attr, (item,), node)
        return True

    def emit_update(self, name: str, method: str, args: tuple[ir.Operand, ...], at: ast.AST) -> None:
        nodes = [self.as_node(a) for a in args]
        target = ast.Name(name, ast.Load())
        plain: ast.stmt
        if method == "setitem":
            plain = ast.Assign([ast.Subscript(target, nodes[0], ast.Store())], nodes[1])
        else:
            plain = ast.Expr(ast.Call(ast.Attribute(target, method, ast.Load()), nodes, []))
        fragment = self.make([locate(plain, at)], at, ())
        self.emit(ir.Update(line(at), target=name, method=method, args=args, plain=fragment))


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name)
