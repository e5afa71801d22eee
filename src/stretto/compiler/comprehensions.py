"""Loops, comprehensions, and the built-in functions that use up a generator expression or call back."""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Callable
from contextlib import contextmanager
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ..calls import BoundCall, Call
from . import ir
from .scope import free_names, own_nodes, walrus_names
from .values import dotted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .expressions import Expressions

__all__ = ["Comprehensions"]

_LOOPS = frozenset({"any", "all", "sum", "min", "max", "list", "tuple", "set", "frozenset", "dict", "sorted"})
_FRAMES = {
    ast.ListComp: "<listcomp>",
    ast.SetComp: "<setcomp>",
    ast.DictComp: "<dictcomp>",
    ast.GeneratorExp: "<genexpr>",
}


class Comprehensions:
    """The part of `Expressions` that makes loops."""

    @contextmanager
    def variables(self: Expressions, names: set[str], nodes: list[ast.AST]) -> Iterator[list[Any]]:  # type: ignore[misc]
        """Copies of some nodes in which the variables of a comprehension have names of their own."""
        self.scopes = getattr(self, "scopes", 0) + 1
        mapping = {name: f"__c{self.scopes}_{name}" for name in names}
        added = set(mapping.values())
        self.own_names |= added
        copies = [_Renamer(mapping).visit(copy.deepcopy(n)) for n in nodes]
        yield copies

    # -- loops ----------------------------------------------------------------------------------------

    def loop(
        self: Expressions,  # type: ignore[misc]
        target: ast.expr,
        source: ast.expr,
        body: Callable[[], ir.Block],
        at: Any,
        orelse: Callable[[], ir.Block] = lambda: (),
    ) -> None:
        """Emit ``for target in source``."""
        generator = self.as_generator(source)
        if generator is not None and self.takes_apart(generator) and len(generator.generators) == 1:
            part = generator.generators[0]
            with self.variables(_targets(part.target), [part.target, *part.ifs, generator.elt]) as renamed:
                inner_target, *rest = renamed
                *tests, element = rest

                frame = frame_of(generator)

                def turn() -> ir.Block:
                    def innermost() -> ir.Block:
                        with self.emitting() as steps:
                            with self.within(frame, generator):
                                self.bind(target, element, at)
                            steps.extend(body())
                        return tuple(steps)

                    return self.filtered(tests, innermost, at, frame, generator)

                self.loop(inner_target, part.iter, turn, at, orelse)
            return
        label = self.label("for")
        held = self.pairs(source)
        if (
            self.out
            and isinstance(self.out[-1], ir.Apply)
            and self.out[-1].target == held
            and str(held).startswith("__t")
        ):
            self.out[-1].keep = True  # only this loop sees it
        lineno = getattr(at, "lineno", 0)
        unpack: tuple[str, ...] | None = None
        if isinstance(target, ast.Name) and self.is_local(target.id):
            item, first = target.id, None
        else:
            item, first = self.fresh(), target
            if isinstance(target, ast.Tuple) and all(
                isinstance(e, ast.Name) and self.is_local(e.id) for e in target.elts
            ):
                unpack = tuple(e.id for e in target.elts if isinstance(e, ast.Name))
        with self.emitting() as turn_steps:
            if first is not None:
                mark = self.temporaries
                self.assign_target(first, item, target)  # type: ignore[attr-defined]
                self.temporaries = mark
                unpacking = len(self.out)
            else:
                unpacking = 0
            turn_steps.extend(body())
        turn = ir.Iteration(lineno, body=tuple(turn_steps))
        if unpack is not None and unpacking != 1:
            unpack = None
        self.region(
            ir.For(lineno, source=held, item=item, unpack=unpack, body=turn, orelse=orelse(), label=label)
        )

    def bind(self: Expressions, target: ast.expr, value: ast.expr, at: Any) -> None:  # type: ignore[misc]
        if isinstance(target, ast.Name):
            self.assign_name(target.id, value, at)  # type: ignore[attr-defined]
        else:
            self.assign_target(target, self.operand(value), at)  # type: ignore[attr-defined]

    def filtered(
        self: Expressions, tests: list[ast.expr], body: Callable[[], ir.Block], at: Any,  # type: ignore[misc]
        frame: str = "", framing: Any = None,
    ) -> ir.Block:  # fmt: skip
        """A block that runs `body` if every test holds."""
        if not tests:
            return body()
        with self.emitting() as steps:
            with self.within(frame, framing):
                test = self.truth(tests[0])
            inner = self.filtered(tests[1:], body, at, frame, framing)
            self.region(ir.If(getattr(at, "lineno", 0), test=test, then=inner, orelse=()))
        return tuple(steps)

    def pairs(self: Expressions, node: ast.expr) -> ir.Operand | ir.Pairs:  # type: ignore[misc]
        """What a loop goes over, its parts apart where it is ``enumerate(...)``, ``zip(...)`` or a view."""
        if isinstance(node, ast.Call) and not any(isinstance(a, ast.Starred) for a in node.args):
            func = node.func
            if (
                isinstance(func, ast.Name)
                and func.id in ("enumerate", "zip")
                and self.builtin(func.id)
                and node.args
            ):
                if func.id == "zip" and not node.keywords:
                    rests = self.sequence(node.args, settle=any(self.needs(a) for a in node.args))
                    return ir.Pairs("zip", tuple(self.pairs(r) for r in rests))
                if func.id == "enumerate" and len(node.args) == 1 and not node.keywords:
                    return ir.Pairs("enumerate", (self.pairs(node.args[0]),))
            if isinstance(func, ast.Attribute) and func.attr in ("items", "keys", "values") and not node.args:
                if self.is_value(func.value) and isinstance(func.value, ast.Name):
                    return ir.Pairs(func.attr, (func.value.id,))
        return self.operand(node)

    # -- comprehensions -------------------------------------------------------------------------------

    def takes_apart(self: Expressions, node: Any) -> bool:  # type: ignore[misc]
        """Whether a comprehension is to run element by element, as steps."""
        if not self.needs(node):
            return False
        own = {n for g in node.generators for n in _targets(g.target)}
        inner = [n for n in own_nodes([node], comprehensions=True) if n is not node]
        for n in inner:
            if isinstance(n, (ast.Lambda, ast.GeneratorExp)) and free_names(n) & own:
                return n in _eager_generators(node) and not isinstance(n, ast.Lambda)
        return not (walrus_names(node) & self.function.scope.cells)

    def comprehension(self: Expressions, node: Any) -> str:  # type: ignore[misc]
        """Emit a comprehension as loops that build a value; the name that holds it."""
        kind = {ast.ListComp: list, ast.SetComp: set, ast.DictComp: dict, ast.GeneratorExp: list}[type(node)]
        result = self.fresh()
        self.own_names.add(result)
        self.emit(ir.NewValue(node.lineno, target=result, kind=kind))

        def innermost(parts: list[ast.expr]) -> None:
            if kind is dict:
                key, value = (self.node_operand(n) for n in self.sequence(parts))
                self.emit_update(result, "setitem", (key, value), node)  # type: ignore[attr-defined]
            else:
                method = "add" if kind is set else "append"
                self.emit_update(result, method, (self.operand(parts[0]),), node)  # type: ignore[attr-defined]

        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        with self.keeping(result):
            self.generate(node, elements, innermost)
        return result

    def generate(
        self: Expressions,
        node: Any,
        elements: list[ast.expr],
        innermost: Callable[[list[ast.expr]], None],  # type: ignore[misc]
    ) -> None:
        """Emit the loops of a comprehension around what is done with each element."""
        names = {n for g in node.generators for n in _targets(g.target)}
        parts: list[ast.AST] = []
        for generator in node.generators:
            parts += [generator.target, generator.iter, *generator.ifs]
        first = node.generators[0].iter
        outer = (
            self.spill(self.residual(first))
            if self.needs(first) and self.as_generator(first) is None
            else first
        )
        with self.within(frame_of(node), node), self.variables(names, [*parts, *elements]) as renamed:
            items = iter(renamed)
            levels: list[tuple[Any, Any, list[Any]]] = []
            for index, generator in enumerate(node.generators):
                target, source = next(items), next(items)
                levels.append((target, outer if index == 0 else source, [next(items) for _ in generator.ifs]))
            last = list(items)

            def level(depth: int) -> ir.Block:
                if depth == len(levels):
                    with self.emitting() as steps:
                        innermost(last)
                    return tuple(steps)
                target, source, tests = levels[depth]
                with self.emitting() as steps:
                    self.loop(
                        target, source, lambda: self.filtered(tests, lambda: level(depth + 1), node), node
                    )
                return tuple(steps)

            self.out.extend(level(0))

    # -- functions that call back, and functions that use a generator up ---------------------------------

    def calls_back(self: Expressions, node: ast.Call) -> bool:  # type: ignore[misc]
        """Whether a known function is given a function, or a generator, that may hold calls."""
        func = node.func
        if isinstance(func, ast.Name) and func.id in ("map", "filter", "sorted", "min", "max"):
            if not self.builtin(func.id):
                return False
            callbacks = [k.value for k in node.keywords if k.arg == "key"]
            if func.id in ("map", "filter") and node.args:
                callbacks = [node.args[0]]
            return any(self.is_callback(c) for c in callbacks)
        return False

    def is_callback(self: Expressions, node: ast.expr) -> bool:  # type: ignore[misc]
        from ..flows import Flow
        from .functions import helper

        if isinstance(node, ast.Lambda):
            return self.needs(node.body)
        path = dotted(node)
        if path is None:
            return False
        root = path.split(".")[0]
        if root in self.function.scope.locals or root in self.own_names:
            return isinstance(node, ast.Name)
        try:
            target = self.function.resolve_dotted(path)
        except KeyError:
            return False
        if isinstance(target, (Call, BoundCall, Flow)):
            return True
        return isinstance(target, FunctionType) and helper(target) is not None

    def as_generator(self: Expressions, node: ast.expr) -> ast.GeneratorExp | None:  # type: ignore[misc]
        """A generator expression, or ``map`` and ``filter`` with a callback written as one."""
        if isinstance(node, ast.GeneratorExp):
            return node
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords):
            return None
        if node.func.id not in ("map", "filter") or not self.calls_back(node) or len(node.args) < 2:
            return None
        if any(isinstance(a, ast.Starred) for a in node.args):
            return None
        fn, *sources = node.args
        if node.func.id == "filter" and len(sources) != 1:
            return None
        names = [f"__m{i}" for i in range(len(sources))]
        plain_lambda = (
            isinstance(fn, ast.Lambda)
            and len(fn.args.args) == len(sources)
            and not (
                fn.args.vararg
                or fn.args.kwarg
                or fn.args.kwonlyargs
                or fn.args.defaults
                or fn.args.posonlyargs
            )
        )
        if isinstance(fn, ast.Lambda):
            if not plain_lambda:
                return None
            names = [a.arg for a in fn.args.args]
            value: ast.expr = fn.body
        else:
            value = ast.Call(fn, [ast.Name(n, ast.Load()) for n in names], [])
        target: ast.expr = ast.Name(names[0], ast.Store())
        source = sources[0]
        if len(names) > 1:
            target = ast.Tuple([ast.Name(n, ast.Store()) for n in names], ast.Store())
            source = ast.Call(ast.Name("zip", ast.Load()), sources, [])
        if node.func.id == "filter":
            made = ast.GeneratorExp(
                ast.Name(names[0], ast.Load()), [ast.comprehension(target, source, [value], 0)]
            )
        else:
            made = ast.GeneratorExp(value, [ast.comprehension(target, source, [], 0)])
        framed(made, "<lambda>" if isinstance(fn, ast.Lambda) else "")
        ast.copy_location(made, node)
        for child in ast.walk(made):
            if not hasattr(child, "lineno") and isinstance(child, (ast.expr, ast.stmt)):
                ast.copy_location(child, node)
        return ast.fix_missing_locations(made)

    def called_back(self: Expressions, node: ast.Call) -> ast.expr | None:  # type: ignore[misc]
        """Lower a known function that uses up a generator with calls, or calls back; None if it is not one."""
        func = node.func
        if (
            isinstance(func, ast.Attribute)
            and func.attr == "join"
            and len(node.args) == 1
            and not node.keywords
        ):
            generator = self.as_generator(node.args[0])
            if generator is None or not self.takes_apart(generator):
                return None
            separator = self.settled(func.value)
            held = ast.Name(self.comprehension(generator), ast.Load())
            return ast.copy_location(ast.Call(ast.Attribute(separator, "join", ast.Load()), [held], []), node)
        if not (isinstance(func, ast.Name) and func.id in _LOOPS and self.builtin(func.id)):
            if self.calls_back(node):
                generator = self.as_generator(node)
                if generator is not None:
                    return self.opaque(node)
            return None
        if not node.args or isinstance(node.args[0], ast.Starred):
            return None
        name = func.id
        options = {k.arg: k.value for k in node.keywords}
        generator = self.as_generator(node.args[0])
        apart = generator is not None and self.takes_apart(generator)
        key = options.get("key")
        if name in ("sorted", "min", "max") and key is not None and self.is_callback(key):
            return self.with_key(node, generator if apart else None, options)
        if generator is None or not apart:
            return None
        if name == "dict":
            if not (isinstance(generator.elt, ast.Tuple) and len(generator.elt.elts) == 2):
                return None
            pair = ast.DictComp(generator.elt.elts[0], generator.elt.elts[1], generator.generators)
            made = framed(ast.copy_location(pair, node), frame_of(generator))
            return self.residual(made) if not options else None
        if name in ("list", "set") and len(node.args) == 1:
            made = (ast.ListComp if name == "list" else ast.SetComp)(generator.elt, generator.generators)
            return self.residual(framed(ast.copy_location(made, node), frame_of(generator)))
        if name in ("tuple", "frozenset", "sorted"):
            held = ast.Name(self.comprehension(generator), ast.Load())
            keywords = [ast.keyword(k.arg, self.residual(k.value)) for k in node.keywords]
            return ast.copy_location(ast.Call(func, [held], keywords), node)
        if name in ("any", "all"):
            return self.quantified(node, generator, name == "any")
        if name == "sum":
            return self.summed(node, generator, options)
        return self.with_key(node, generator, options) if len(node.args) == 1 else None

    def quantified(self: Expressions, node: ast.Call, generator: ast.GeneratorExp, some: bool) -> ast.expr:  # type: ignore[misc]
        """``any(...)`` and ``all(...)``: a loop that is left at the first answer."""
        result = self.fresh()
        self.own_names.add(result)
        self.emit(ir.Move(node.lineno, target=result, source=ir.Const(not some)))

        def each(parts: list[ast.expr]) -> None:
            test = self.truth(parts[0])
            answer = (ir.Move(node.lineno, target=result, source=ir.Const(some)), ir.Break(node.lineno))
            both = (answer, ()) if some else ((), answer)
            self.region(ir.If(node.lineno, test=test, then=both[0], orelse=both[1]), result)

        if len(generator.generators) != 1:
            return self.opaque(node)
        with self.keeping(result):
            self.generate(generator, [generator.elt], each)
        return ast.copy_location(ast.Name(result, ast.Load()), node)

    @contextmanager
    def keeping(self: Expressions, *names: str) -> Iterator[None]:  # type: ignore[misc]
        """Regions emitted meanwhile bind these temporaries for what follows them."""
        start = len(self.out)
        yield
        for instr in self.out[start:]:
            if isinstance(instr, ir.Region):
                _keep(instr, frozenset(names))

    def summed(
        self: Expressions, node: ast.Call, generator: ast.GeneratorExp, options: dict[Any, ast.expr]
    ) -> ast.expr | None:  # type: ignore[misc]
        """``sum(...)``: added up in order, so that a failing addition comes before the next call."""
        start = node.args[1] if len(node.args) == 2 else options.get("start", ast.Constant(0))
        if len(node.args) > 2 or set(options) - {"start"}:
            return None
        total, held, first = self.fresh(), self.fresh(), self.fresh()
        self.own_names |= {total, held, first}
        begin = self.operand(ast.copy_location(start, node))
        self.emit(ir.Move(node.lineno, target=first, source=begin))
        self.emit(ir.Move(node.lineno, target=total, source=begin))
        self.emit(ir.NewValue(node.lineno, target=held, kind=list))

        def each(parts: list[ast.expr]) -> None:
            value = self.operand(parts[0])
            self.emit_update(held, "append", (value,), node)  # type: ignore[attr-defined]
            added = ast.BinOp(ast.Name(total, ast.Load()), ast.Add(), self.as_node(value))
            self.run_expr(total, ast.copy_location(added, node), node)

        with self.keeping(total, held):
            self.generate(generator, [generator.elt], each)
        # floats: the built-in function rounds better than a chain of additions does
        exact = ast.parse("sum(h, f) if type(t) is float else t", mode="eval").body
        names = {"h": held, "f": first, "t": total}
        exact = _Renamer(names).visit(exact)
        for child in ast.walk(exact):
            ast.copy_location(child, node)
        return exact

    def with_key(
        self: Expressions, node: ast.Call, generator: Any, options: dict[Any, ast.expr]
    ) -> ast.expr | None:  # type: ignore[misc]
        """``sorted``, ``min`` and ``max`` with a key that holds calls, or over elements that do."""
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        key = options.get("key")
        if (
            len(node.args) != 1
            or set(options) - {"key", "reverse", "default"}
            or ("default" in options) != ("default" in options and name != "sorted")
        ):
            return None
        source: ast.expr
        if generator is not None:
            source = ast.Name(self.comprehension(generator), ast.Load())
        elif self.is_value(node.args[0]):
            source = node.args[0]
        else:
            copied = ast.Call(ast.Name("list", ast.Load()), [node.args[0]], [])
            source = ast.Name(self.spilled(self.residual(ast.copy_location(copied, node)), node), ast.Load())
        keep = {o: self.settled(v) for o, v in options.items() if o != "key"}
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
            listed = framed(_located(ast.ListComp(made, [over]), node), inner)
            keys = self.comprehension(listed)
            text = "[p[1] for p in sorted(zip(k, s), key=lambda p: p[0], reverse=r)]"
            expr: Any = ast.parse(text, mode="eval").body
            reverse = keep.get("reverse", ast.Constant(False))
            expr = _Substitute({"k": ast.Name(keys, ast.Load()), "s": source, "r": reverse}).visit(expr)
            return _located(expr, node)
        first, best, rank = self.fresh(), self.fresh(), self.fresh()
        self.own_names |= {first, best, rank}
        self.emit(ir.Move(node.lineno, target=first, source=ir.Const(True)))
        self.emit(ir.Move(node.lineno, target=best, source=ir.Const(None)))
        self.emit(ir.Move(node.lineno, target=rank, source=ir.Const(None)))
        operator: ast.cmpop = ast.Lt() if name == "min" else ast.Gt()

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
                chosen = self.spilled(_located(pair, node), node)
                for index, part in enumerate((rank, best)):
                    piece = ast.Subscript(ast.Name(chosen, ast.Load()), ast.Constant(index), ast.Load())
                    self.run_expr(part, _located(piece, node), node)
            self.region(ir.If(node.lineno, test=first, then=then, orelse=tuple(orelse)), first, best, rank)

        with self.keeping(first, best, rank):
            looped = framed(_located(ast.ListComp(element, [over]), node), inner)
            self.generate(looped, [element, made], each)
        if "default" in keep:
            ending: ast.expr = ast.IfExp(
                ast.Name(first, ast.Load()), keep["default"], ast.Name(best, ast.Load())
            )
        else:
            empty = ast.Call(ast.Name(name, ast.Load()), [ast.List([], ast.Load())], [])
            ending = ast.IfExp(ast.Name(first, ast.Load()), empty, ast.Name(best, ast.Load()))
        return _located(ending, node)

    @contextmanager
    def within(self: Expressions, frame: str, at: Any) -> Iterator[None]:  # type: ignore[misc]
        """Steps emitted meanwhile run in a frame of their own, as tracebacks show it."""
        before = self.frames
        if frame:
            self.frames = (*before, (frame, at.lineno))
        yield
        self.frames = before


def frame_of(node: Any) -> str:
    """The name of the frame that a comprehension runs in; empty where it has none (PEP 709)."""
    frame: str = getattr(node, "stretto_frame", None) or ""
    if hasattr(node, "stretto_frame"):
        return frame
    if sys.version_info >= (3, 12) and not isinstance(node, ast.GeneratorExp):
        return ""
    return _FRAMES[type(node)]


def framed(node: Any, frame: str) -> Any:
    """A made-up comprehension that runs in the frame of what it stands for."""
    node.stretto_frame = frame
    return node


def _keep(region: ir.Region, names: frozenset[str]) -> None:
    region.binds |= names
    for block in ir.blocks(region):
        for instr in block:
            if isinstance(instr, ir.Region):
                _keep(instr, names)
    if isinstance(region, (ir.For, ir.While)):
        region.body.binds |= names


def _targets(node: ast.expr) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _eager_generators(node: ast.AST) -> set[ast.AST]:
    found: set[ast.AST] = set()
    for n in ast.walk(node):
        if isinstance(n, ast.Call) and len(n.args) == 1 and isinstance(n.args[0], ast.GeneratorExp):
            if isinstance(n.func, ast.Name) and n.func.id in _LOOPS:
                found.add(n.args[0])
            elif isinstance(n.func, ast.Attribute) and n.func.attr == "join":
                found.add(n.args[0])
    return found


def _located(node: Any, at: ast.AST) -> Any:
    for child in ast.walk(node):
        if not hasattr(child, "lineno"):
            ast.copy_location(child, at)
    return node


class _Renamer(ast.NodeTransformer):
    """Gives names other names, except where an inner scope has a name of its own."""

    def __init__(self, mapping: dict[str, str]) -> None:
        self.mapping = mapping

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.mapping.get(node.id, node.id)
        return node

    def _without(self, names: set[str]) -> _Renamer:
        return _Renamer({k: v for k, v in self.mapping.items() if k not in names})

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        node.args.kw_defaults = [self.visit(d) if d else None for d in node.args.kw_defaults]
        from .scope import parameters

        node.body = self._without(set(parameters(node))).visit(node.body)
        return node

    def _comprehension(self, node: Any) -> Any:
        own = {n for g in node.generators for n in _targets(g.target)}
        inner = self._without(own)
        for index, generator in enumerate(node.generators):
            generator.iter = (self if index == 0 else inner).visit(generator.iter)
            generator.ifs = [inner.visit(t) for t in generator.ifs]
        for name in ("elt", "key", "value"):
            if hasattr(node, name):
                setattr(node, name, inner.visit(getattr(node, name)))
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension


class _Substitute(ast.NodeTransformer):
    def __init__(self, mapping: dict[str, ast.expr]) -> None:
        self.mapping = mapping

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.mapping.get(node.id, node)
