"""Lowering of built-in functions that use up a generator expression, or call back."""

from __future__ import annotations

import ast
from typing import Any

from . import ir
from .comprehensions import Comprehensions
from .generators import makes_generator
from .source import dotted
from .syntax import CONSUMERS, Renamer, Substitute, consumed, frame_of, framed, located
from .walking import walk

__all__ = ["Callbacks"]


class Callbacks(Comprehensions):
    """Lowers ``sum``, ``any``, ``sorted(..., key=...)`` and the like to loops."""

    def called_back(self, node: ast.Call) -> ast.expr | None:
        func = node.func
        if (
            isinstance(func, ast.Attribute)
            and func.attr == "join"
            and len(node.args) == 1
            and not node.keywords
        ):
            generator = self.elements(node.args[0], node)
            if generator is None or not self.takes_apart(generator):
                return None
            separator = self.receiver(func)
            held = ast.Name(self.comprehension(generator), ast.Load())
            return ast.copy_location(ast.Call(ast.Attribute(separator, "join", ast.Load()), [held], []), node)
        if not (isinstance(func, ast.Name) and func.id in CONSUMERS and self.builtin(func.id)):
            if self.calls_back(node):
                generator = self.as_generator(node)
                if generator is not None:
                    return self.opaque(node)
            return None
        if not node.args or isinstance(node.args[0], ast.Starred):
            return None
        name = func.id
        options = {k.arg: k.value for k in node.keywords}
        generator = self.elements(node.args[0], node)
        apart = generator is not None and self.takes_apart(generator)
        key = options.get("key")
        if name in ("sorted", "min", "max") and key is not None and self.is_callback(key):
            return self.with_key(node, generator if apart else None, options)
        if generator is None or not apart:
            return None
        if name == "dict":
            if options or not (isinstance(generator.elt, ast.Tuple) and len(generator.elt.elts) == 2):
                return None
            pair = ast.DictComp(generator.elt.elts[0], generator.elt.elts[1], generator.generators)
            return self.residual(consumed(framed(ast.copy_location(pair, node), frame_of(generator))))
        if name in ("list", "set") and len(node.args) == 1:
            made = (ast.ListComp if name == "list" else ast.SetComp)(generator.elt, generator.generators)
            return self.residual(consumed(framed(ast.copy_location(made, node), frame_of(generator))))
        if name in ("tuple", "frozenset", "sorted"):
            if node.keywords:
                generator = self.primed(generator)
            keywords = [ast.keyword(k.arg, self.settled(k.value)) for k in node.keywords]
            held = ast.Name(self.comprehension(generator), ast.Load())
            return ast.copy_location(ast.Call(func, [held], keywords), node)
        if name in ("any", "all"):
            return self.quantified(node, generator, name == "any")
        if name == "sum":
            return self.summed(node, generator, options)
        return self.with_key(node, generator, options) if len(node.args) == 1 else None

    def elements(self, node: ast.expr, at: ast.Call) -> ast.GeneratorExp | None:
        """A generator expression that gives what an iterable does, where that can be taken apart."""
        found = self.as_items(node, at)
        if found is None and self.counted(node) is not None:
            assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            names = [f"__p{i}" for i in range(len(node.args) if node.func.id == "zip" else 2)]
            target = ast.Tuple([ast.Name(name, ast.Store()) for name in names], ast.Store())
            given = ast.Tuple([ast.Name(name, ast.Load()) for name in names], ast.Load())
            pairs = ast.GeneratorExp(given, [ast.comprehension(target, node, [], 0)])
            return framed(located(pairs, node), "")
        if found is not None or not (
            (isinstance(node, ast.Name) and node.id in self.function.generators)
            or makes_generator(self.function, node)
        ):
            return found
        name = "__g"
        over = ast.comprehension(ast.Name(name, ast.Store()), node, [], 0)
        return framed(located(ast.GeneratorExp(ast.Name(name, ast.Load()), [over]), node), "")

    def quantified(self, node: ast.Call, generator: ast.GeneratorExp, some: bool) -> ast.expr:
        """``any(...)`` and ``all(...)``: a loop that is left at the first answer."""
        result = self.fresh()
        self.own_names.add(result)
        self.emit(ir.Move(node.lineno, target=result, source=ir.Const(not some)))

        frames = self.frames

        def each(parts: list[ast.expr]) -> None:
            value = self.as_node(self.operand(parts[0]))
            with self.back_in(frames):
                test = self.truth(ast.copy_location(value, node))
            answer = (ir.Move(node.lineno, target=result, source=ir.Const(some)), ir.Break(node.lineno))
            both = (answer, ()) if some else ((), answer)
            self.region(ir.If(node.lineno, test=test, then=both[0], orelse=both[1]), result)

        if len(generator.generators) != 1:
            return self.opaque(node)
        with self.keeping(result):
            self.generate(generator, [generator.elt], each)
        return ast.copy_location(ast.Name(result, ast.Load()), node)

    def summed(
        self, node: ast.Call, generator: ast.GeneratorExp, options: dict[Any, ast.expr]
    ) -> ast.expr | None:
        """``sum(...)``: added up in order, so that a failing addition comes before the next call."""
        start = node.args[1] if len(node.args) == 2 else options.get("start", ast.Constant(0))
        if len(node.args) > 2 or set(options) - {"start"} or not all(map(self.builtin, ("type", "float"))):
            return None
        total, held, first = self.fresh(), self.fresh(), self.fresh()
        self.own_names |= {total, held, first}
        if len(node.args) == 2 or options:
            generator = self.primed(generator)
        begin = self.operand(ast.copy_location(start, node))
        self.emit(ir.Move(node.lineno, target=first, source=begin))
        self.emit(ir.Move(node.lineno, target=total, source=begin))
        self.emit(ir.NewValue(node.lineno, target=held, kind=list))

        frames = self.frames

        def each(parts: list[ast.expr]) -> None:
            value = self.operand(parts[0])
            self.emit_update(held, "append", (value,), node)
            added = ast.BinOp(ast.Name(total, ast.Load()), ast.Add(), self.as_node(value))
            with self.back_in(frames):
                self.run_expr(total, ast.copy_location(added, node), node)

        with self.keeping(total, held):
            self.generate(generator, [generator.elt], each)
        # floats: the built-in function rounds better than a chain of additions does
        exact: ast.expr = ast.parse("sum(h, f) if type(t) is float else t", mode="eval").body
        Renamer({"h": held, "f": first, "t": total}).visit(exact)
        for child in walk(exact):
            ast.copy_location(child, node)
        return exact

    def primed(self, generator: ast.GeneratorExp) -> ast.GeneratorExp:
        """A generator whose outermost source has been worked out: that is all that making it does, and the
        arguments after it come before its first element."""
        first, *others = generator.generators
        source = self.settled(first.iter)
        begun = ast.comprehension(first.target, source, first.ifs, first.is_async)
        made = ast.copy_location(ast.GeneratorExp(generator.elt, [begun, *others]), generator)
        framed(made, frame_of(generator))
        return made

    def with_key(self, node: ast.Call, generator: Any, options: dict[Any, ast.expr]) -> ast.expr | None:
        """``sorted``, ``min`` and ``max`` with a key that holds calls, or over elements that do."""
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        key = options.get("key")
        if (
            len(node.args) != 1
            or not self.builtin("list")
            or set(options) - {"key", "reverse", "default"}
            or ("default" in options) != ("default" in options and name != "sorted")
        ):
            return None
        source: ast.expr
        if generator is not None and options:
            generator = self.primed(generator)
        keep: dict[str, ast.expr] = {}
        if generator is not None:
            keep = {o: self.settled(v) for o, v in options.items() if o != "key"}
            source = ast.Name(self.comprehension(generator), ast.Load())
        elif self.is_value(node.args[0]):
            source = node.args[0]
        else:
            copied = ast.Call(ast.Name("list", ast.Load()), [node.args[0]], [])
            source = ast.Name(self.spilled(self.residual(ast.copy_location(copied, node)), node), ast.Load())
        keep = keep or {o: self.settled(v) for o, v in options.items() if o != "key"}
        callback = key
        if callback is not None and not isinstance(callback, ast.Lambda):
            callback = callback if dotted(callback) else self.settled(callback)
        variable = "__k"
        element: ast.expr = ast.Name(variable, ast.Load())
        made: ast.expr = element
        if isinstance(callback, ast.Lambda) and len(callback.args.args) == 1 and not callback.args.defaults:
            variable = callback.args.args[0].arg
            element, made = ast.Name(variable, ast.Load()), callback.body
        elif callback is not None:
            made = ast.Call(callback, [element], [])
        inner = "<lambda>" if isinstance(callback, ast.Lambda) else ""
        over = ast.comprehension(ast.Name(variable, ast.Store()), source, [], 0)
        if name == "sorted":
            listed = framed(located(ast.ListComp(made, [over]), node), inner)
            keys = self.comprehension(listed)
            text = "[p[1] for p in sorted(zip(k, s), key=lambda p: p[0], reverse=r)]"
            expr: ast.expr = ast.parse(text, mode="eval").body
            reverse = keep.get("reverse", ast.Constant(False))
            Substitute({"k": ast.Name(keys, ast.Load()), "s": source, "r": reverse}).visit(expr)
            return located(expr, node)
        first, best, rank = self.fresh(), self.fresh(), self.fresh()
        self.own_names |= {first, best, rank}
        self.emit(ir.Move(node.lineno, target=first, source=ir.Const(True)))
        self.emit(ir.Move(node.lineno, target=best, source=ir.Const(None)))
        self.emit(ir.Move(node.lineno, target=rank, source=ir.Const(None)))
        operator: ast.cmpop = ast.Lt() if name == "min" else ast.Gt()

        frames = self.frames

        def each(parts: list[ast.expr]) -> None:
            item = self.operand(parts[0])
            value = self.operand(parts[1]) if key is not None else item
            then = (
                ir.Move(node.lineno, target=best, source=item),
                ir.Move(node.lineno, target=rank, source=value),
                ir.Move(node.lineno, target=first, source=ir.Const(False)),
            )
            with self.emitting() as orelse:
                held, mark = self.as_node(value), self.as_node(item)
                better = ast.Compare(held, [operator], [ast.Name(rank, ast.Load())])
                pair = ast.IfExp(
                    better,
                    ast.Tuple([held, mark], ast.Load()),
                    ast.Tuple([ast.Name(rank, ast.Load()), ast.Name(best, ast.Load())], ast.Load()),
                )
                with self.back_in(frames):
                    chosen = self.spilled(located(pair, node), node)
                for index, part in enumerate((rank, best)):
                    piece = ast.Subscript(ast.Name(chosen, ast.Load()), ast.Constant(index), ast.Load())
                    self.run_expr(part, located(piece, node), node)
            self.region(ir.If(node.lineno, test=first, then=then, orelse=tuple(orelse)), first, best, rank)

        with self.keeping(first, best, rank):
            looped = framed(located(ast.ListComp(element, [over]), node), inner)
            self.generate(looped, [element, made], each)
        if "default" in keep:
            ending: ast.expr = ast.IfExp(
                ast.Name(first, ast.Load()), keep["default"], ast.Name(best, ast.Load())
            )
        else:
            empty = ast.Call(ast.Name(name, ast.Load()), [ast.List([], ast.Load())], [])
            ending = ast.IfExp(ast.Name(first, ast.Load()), empty, ast.Name(best, ast.Load()))
        return located(ending, node)
