"""Lowering of expressions that work out only some of their parts: they come out as branches."""

from __future__ import annotations

import ast

from . import ir
from .calling import Calling
from .expressions import asked

__all__ = ["Conditions"]


class Conditions(Calling):
    """Lowers ``and`` and ``or``, conditional expressions, and chains of comparisons."""

    def of_boolop(self, node: ast.BoolOp) -> ast.expr:
        name = self.short_circuit(node, truth=False)
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def short_circuit(self, node: ast.BoolOp, *, truth: bool) -> str:
        """``a and b``: the later operands are worked out only if they are asked for."""
        result = self.fresh()

        def arm(operands: list[ast.expr]) -> None:
            first, rest = operands[0], operands[1:]
            lineno = first.lineno
            if truth:
                source = self.truth(first)
                self.emit(ir.Move(lineno, target=result, source=source))
                test: ir.Operand = result
            else:
                self.emit(ir.Move(lineno, target=result, source=self.operand(first)))
                if not rest:
                    return
                test = self.spilled(asked(ast.Name(result, ast.Load())), first)
            if not rest:
                return
            with self.emitting() as steps:
                arm(rest)
            block = tuple(steps)
            both = (block, ()) if isinstance(node.op, ast.And) else ((), block)
            self.region(ir.If(lineno, test=test, then=both[0], orelse=both[1]), result)

        arm(node.values)
        return result

    def of_ifexp(self, node: ast.IfExp) -> ast.expr:
        result = self.fresh()
        test = self.truth(node.test)
        with self.emitting() as then:
            self.emit(ir.Move(node.lineno, target=result, source=self.operand(node.body)))
        with self.emitting() as orelse:
            self.emit(ir.Move(node.lineno, target=result, source=self.operand(node.orelse)))
        self.region(ir.If(node.lineno, test=test, then=tuple(then), orelse=tuple(orelse)), result)
        return ast.copy_location(ast.Name(result, ast.Load()), node)

    def of_compare(self, node: ast.Compare) -> ast.expr:
        read = self.environment(node)
        if read is not None:
            return self.residual(read)
        if len(node.ops) == 1 or not any(self.needs(c) for c in node.comparators[1:]):
            left, first = self.sequence([node.left, node.comparators[0]])
            return ast.copy_location(ast.Compare(left, node.ops, [first, *node.comparators[1:]]), node)
        # a < b < call(): each comparison is asked only if the one before it held
        result = self.fresh()

        def link(left: ast.expr, ops: list[ast.cmpop], comparators: list[ast.expr]) -> None:
            one, two = self.sequence([left, comparators[0]], settle=True)
            self.run_expr(result, ast.copy_location(ast.Compare(one, ops[:1], [two]), node), node)
            if len(ops) == 1:
                return
            test = self.spilled(asked(ast.Name(result, ast.Load())), node)
            with self.emitting() as steps:
                link(two, ops[1:], comparators[1:])
            self.region(ir.If(node.lineno, test=test, then=tuple(steps), orelse=()), result)

        link(node.left, node.ops, node.comparators)
        return ast.copy_location(ast.Name(result, ast.Load()), node)
