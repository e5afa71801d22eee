"""Lowering of calls: what comes before one is worked out before it, and its arguments in their order."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from typing import cast

from . import ir
from .expressions import Expressions
from .generators import makes_generator
from .questions import index_of
from .relaxations import relaxed
from .source import dotted

__all__ = ["Calling"]


class Calling(Expressions, ABC):
    """Lowers calls, and what is awaited."""

    @abstractmethod
    def gathers(self, node: ast.expr) -> bool:
        """Whether a call is one of `asyncio.gather`."""

    @abstractmethod
    def check_made(self, node: ast.Call) -> None:
        """`UnsupportedConstruct` for a function of asyncio that needs to be awaited where it is called."""

    @abstractmethod
    def gather(self, node: ast.Call) -> str:
        """Emit ``await asyncio.gather(...)``; the name of the list, which is a value."""

    def of_call(self, node: ast.Call) -> ast.expr:
        if self.is_apply(node):
            name = self.fresh()
            self.apply(node, name)
            return ast.copy_location(ast.Name(name, ast.Load()), node)
        held = self.taken_from(node) if relaxed("objects") else None
        if held is not None:
            return self.take(node, held)
        look = self.value_look(node)
        if look is not None:
            source, method, args = look
            name = self.fresh()
            self.value_read(name, source, method, tuple(self.operand(a) for a in args), node)
            return ast.copy_location(ast.Name(name, ast.Load()), node)
        special = self.called_back(node)
        if special is not None:
            return special
        parts = _parts(node)
        head: list[ast.expr] = []
        func = node.func
        if isinstance(func, ast.Attribute) and (dotted(func) is None or self.looks(func.value)):
            head = [func.value]
        elif (
            isinstance(func, ast.Attribute) and any(self.needs(p) for p in parts) and not self.is_fixed(func)
        ):
            head = [func.value]
        if head and any(self.needs(p) for p in parts):
            assert isinstance(func, ast.Attribute)
            rests = [self.receiver(func), *self.sequence(parts)]
        else:
            rests = self.sequence([*head, *parts])
        if head:
            assert isinstance(func, ast.Attribute)
            func = ast.copy_location(ast.Attribute(rests.pop(0), func.attr, ast.Load()), func)
        args, values = rests[: len(node.args)], rests[len(node.args) :]
        if _lone_star(node):
            starred = ast.copy_location(ast.Starred(args[0], ast.Load()), node.args[0])
            args = list[ast.expr]([starred])
        keywords = [
            ast.copy_location(ast.keyword(k.arg, v), k) for k, v in zip(node.keywords, values, strict=True)
        ]
        call = ast.copy_location(ast.Call(func, args, keywords), node)
        if any(makes_generator(self.function, a) for a in node.args):
            return self.spill(call)  # what it is given lasts no longer than the call
        return call

    def take(self, node: ast.Call, held: ast.expr) -> ast.expr:
        """Emit ``next(counter)`` or ``xs.pop()``."""
        path = dotted(held)
        source: ir.Operand
        if path is not None and not self.is_local(path.split(".")[0]) and not self.looks(held):
            source, found = ir.Load(path), held
        else:
            source = self.operand(held)
            found = ast.copy_location(self.as_node(source), held)
        index = -1
        if isinstance(node.func, ast.Attribute):
            func: ast.expr = ast.copy_location(ast.Attribute(found, "pop", ast.Load()), node.func)
            args = node.args
            index = -1 if not args else index_of(args[0]) or 0
        else:
            func, args = node.func, [found]
        name = self.fresh()
        fragment = self.make_expr(name, ast.copy_location(ast.Call(func, args, []), node), node)
        method = "pop" if isinstance(func, ast.Attribute) else "next"
        self.emit(ir.Take(fragment.lineno, fragment, name, source, method, index))
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def receiver(self, func: ast.Attribute) -> ast.expr:
        """The object whose method is called, settled; Python looks the method up before it works out the
        arguments, so that must not fail after them."""
        held = self.settled(func.value)
        if not (isinstance(held, ast.Constant) and hasattr(held.value, func.attr)):
            self.spilled(ast.copy_location(ast.Attribute(held, func.attr, ast.Load()), func), func)
        return held

    def of_await(self, node: ast.Await) -> ast.expr:
        name = self.fresh()
        self.await_(node, name)
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def await_(self, node: ast.Await, target: str | None) -> None:
        """Emit ``await``; of a call, it is one step."""
        if self.gathers(node.value):
            assert isinstance(node.value, ast.Call)
            held = self.gather(node.value)
            if target is None:
                return
            if target in self.values:
                self.emit(ir.Move(node.lineno, target=target, source=held))
            else:
                look = ir.ValueRead(
                    node.lineno, target=target, source=held, method="copy", args=(), plain=None
                )
                self.emit(look)
        elif isinstance(node.value, ast.Call):
            self.apply(node.value, target, awaited=True)
        else:
            self.emit_await(target, self.operand(node.value), node)

    def apply(self, node: ast.Call, target: str | None, *, awaited: bool = False) -> None:
        """Emit a call as a step."""
        start = len(self.out)
        func = node.func
        path = dotted(func)
        parts = _parts(node)
        lone = _lone_star(node)
        callee: ir.Operand | None = None
        head: list[ast.expr] = []
        if (
            path is not None
            and path.split(".")[0] not in self.function.scope.locals
            and self.known_global(path)
        ):
            callee = ir.Load(path)
        else:
            head = [func]
        rests = self.sequence([*head, *parts])
        if callee is None:
            needs = [r for r in rests[1:] if not self.there(r)][-1:]
            callee = self.node_operand(self.bound_first([rests.pop(0), *needs])[0])
        rests = self.bound_first(rests)
        args: list[tuple[int, ir.Operand]] = []
        last = max(
            (i for i, r in enumerate(rests) if not isinstance(r, (ast.Name, ast.Constant))), default=-1
        )
        for index, rest in enumerate(rests[: len(node.args)]):
            if lone:
                args.append((1, self.named(self.node_operand(rest), rest)))
            elif isinstance(rest, ast.Starred):
                if index < last:  # what comes after may change it
                    rest = cast("ast.Starred", self.stabilised(rest))
                # under a name of its own, under which what it goes through can be kept
                args.append((1, self.named(self.node_operand(rest.value), rest)))
            else:
                args.append((0, self.node_operand(rest)))
        kwargs = tuple(
            (k.arg, self.node_operand(v)) for k, v in zip(node.keywords, rests[len(node.args) :], strict=True)
        )
        given = [a for star, a in args if not star]
        lends = self.lend(given, self.out[start:]) or bool(self.function.generators & set(given))
        text = path or ast.unparse(func)
        if awaited:
            self.emit_awaited(target, callee, tuple(args), node, text, kwargs)
        else:
            kind = ir.Apply
            if self.function.is_async:
                kind = ir.Made
                self.check_made(node)
            self.emit_apply(target, callee, tuple(args), node, text, kwargs, kind)
        applied = self.out[-1]
        assert isinstance(applied, ir.Apply)
        applied.lends = lends


def _lone_star(node: ast.Call) -> ast.Starred | None:
    """``*xs``, if that is all that is given by position: then it is taken apart last of all."""
    first = node.args[0] if len(node.args) == 1 else None
    return first if isinstance(first, ast.Starred) else None


def _parts(node: ast.Call) -> list[ast.expr]:
    """The arguments of a call, as they are worked out one after the other.

    What is spread is taken apart in its turn, before what comes after it runs.
    """
    lone = _lone_star(node)
    args = node.args if lone is None else [lone.value]
    keywords = node.keywords
    last = max(
        (i for i, k in enumerate(keywords) if not isinstance(k.value, (ast.Name, ast.Constant))), default=-1
    )
    values = [
        ast.copy_location(ast.Dict([None], [k.value]), k.value) if k.arg is None and i < last else k.value
        for i, k in enumerate(keywords)
    ]
    return [*args, *values]
