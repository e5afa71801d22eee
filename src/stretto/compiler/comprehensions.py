"""Lowering of loops and comprehensions."""

from __future__ import annotations

import ast
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

from ..calls import BoundCall, Call
from ..text import Transform
from . import ir
from .assignments import Assignments
from .generators import goes_through
from .passing import MAKERS, parts_of, passing
from .syntax import Renamer, frame_of, located, targets
from .walking import copied

__all__ = ["Comprehensions"]


def _method(name: str, method: str) -> ast.expr:
    """``type(name).method``"""
    kind = ast.Call(ast.Name("type", ast.Load()), [ast.Name(name, ast.Load())], [])
    return ast.Attribute(kind, method, ast.Load())


class Comprehensions(Assignments):
    """Lowers ``for``, and comprehensions as loops that build a value."""

    def loop(
        self,
        target: ast.expr,
        source: ast.expr,
        body: Callable[[], ir.Block],
        at: Any,
        orelse: Callable[[], ir.Block] = lambda: (),
        held: ir.Operand | ir.Pairs | None = None,
    ) -> None:
        """Emit ``for target in source``; `held` is what the source has been worked out to be already."""
        if held is None and self.numbered(target, source, body, at, orelse):
            return
        generator = self.over_elements(source) if held is None else None
        if generator is not None and len(generator.generators) == 1:
            part = generator.generators[0]
            with self.variables(targets(part.target), [part.target, *part.ifs, generator.elt]) as renamed:
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
        if held is None:
            held = self.source(source)
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
                self.assign_target(first, item, target)
                self.temporaries = mark
                unpacking = len(self.out)
            else:
                unpacking = 0
            turn_steps.extend(body())
        iteration = ir.Iteration(lineno, body=tuple(turn_steps))
        if unpack is not None and unpacking != 1:
            unpack = None
        made = ir.For(
            lineno, source=held, item=item, unpack=unpack, body=iteration, orelse=orelse(), label=label
        )
        made.makers = self.makers(held)
        self.region(made)

    def numbered(
        self, target: ast.expr, source: ast.expr, body: Callable[[], ir.Block], at: Any,
        orelse: Callable[[], ir.Block],
    ) -> bool:  # fmt: skip
        """Emit a loop over ``enumerate(map(f, xs))`` or ``zip(xs, map(f, ys))``, where `f` holds calls: one
        over what these go over, each turn of which begins with `f`. False of any other."""
        generator = self.counted(source)
        if generator is None:
            return False
        assert isinstance(source, ast.Call) and isinstance(source.func, ast.Name)
        number = len(source.args) - 1 if source.func.id == "zip" else 1
        part = generator.generators[0]
        others = [f"__k{i}" for i in range(number)]
        names = [located(ast.Name(name, ast.Load()), source) for name in (*others, "__v")]
        stores = [located(ast.Name(name, ast.Store()), source) for name in (*others, "__v")]
        own = {*targets(part.target), *others, "__v"}
        with self.variables(own, [part.target, generator.elt, *names, *stores]) as renamed:
            inner, element, *both = renamed
            values, stores = both[: number + 1], both[number + 1 :]
            args = list(source.args)
            args[-1 if source.func.id == "zip" else 0] = part.iter
            over = ast.copy_location(ast.Call(source.func, args, source.keywords), source)
            over.stretto_begins = source.func.id == "zip"  # type: ignore[attr-defined]

            def turn() -> ir.Block:
                with self.emitting() as steps:
                    with self.within(frame_of(generator), generator):
                        self.bind(stores[-1], element, at)
                    if isinstance(target, ast.Tuple) and _matches(target, values):
                        for one, value in zip(target.elts, values, strict=True):
                            self.bind(one, value, at)
                    else:
                        self.bind(target, located(ast.Tuple(values, ast.Load()), at), at)
                    steps.extend(body())
                return tuple(steps)

            pair = located(ast.Tuple([*stores[:-1], inner], ast.Store()), target)
            self.loop(pair, over, turn, at, orelse)
        return True

    def counted(self, node: ast.expr) -> ast.GeneratorExp | None:
        """What stands for ``map(f, xs)`` in ``enumerate(...)``, or as the last in ``zip(...)``, if `f` holds
        calls."""
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
            return None
        if node.func.id not in ("zip", "enumerate") or self.pairs_of(node) != node.func.id:
            return None
        if node.func.id == "zip" and node.keywords:
            return None
        found = self.as_generator(node.args[-1 if node.func.id == "zip" else 0])
        if found is None or not self.takes_apart(found) or len(found.generators) != 1:
            return None
        return None if found.generators[0].ifs or found.generators[0].is_async else found

    def makers(self, held: ir.Operand | ir.Pairs) -> dict[Any, ir.Apply]:
        """The calls whose results only the loop uses that comes now."""
        if isinstance(held, ir.Pairs):
            return {name: step for part in held.parts for name, step in self.makers(part).items()}
        if isinstance(held, str) and (held.startswith("__t") or held in self.once):
            for step in reversed(self.out):
                if isinstance(step, ir.Apply) and step.target == held:
                    return {held: self.maker(step)}
        return {}

    def maker(self, step: ir.Apply) -> ir.Apply:
        """The call whose stream a step gives: its own, or the one that it makes another of."""
        if isinstance(step.callee, ir.Load) and len(step.args) == 1:
            try:
                callee = self.function.resolve_dotted(step.callee.name)
            except KeyError:
                return step
            _, given = step.args[0]
            if isinstance(callee, Transform):
                for made in self.makers(given).values():
                    step.transforms = True
                    return made
        return step

    def gives_stream(self, node: ast.expr) -> bool:
        """Whether ``async for`` over this is over a stream: that of a call, awaited where it returns one, or
        what a name holds that such a call has been bound to."""
        if isinstance(node, ast.Name) and node.id in self.once:
            made = self.makers(node.id).get(node.id)
            return made is not None and isinstance(made.callee, ir.Load) and self.opens_stream(made)
        if isinstance(node, ast.Await):
            return isinstance(node.value, ast.Call) and self.streams(node.value, awaited=True)
        return isinstance(node, ast.Call) and self.streams(node)

    def opens_stream(self, made: ir.Apply) -> bool:
        assert isinstance(made.callee, ir.Load)
        try:
            target = self.function.resolve_dotted(made.callee.name)
        except KeyError:
            return False
        target = target.call if isinstance(target, BoundCall) else target
        return isinstance(target, Call) and target.streams and (target.awaited == (type(made) is ir.Awaited))

    def delegate(self, node: ast.YieldFrom) -> str:
        if self.function.emitting:
            return self.emit_from(node)
        held = self.source(node.value)
        item, result = self.fresh(), self.fresh()
        step = ir.Yield(node.lineno, target=None, source=item, within=self.frames)
        body = ir.Iteration(node.lineno, body=(step,))
        label = self.label("yield from")
        made = ir.For(node.lineno, source=held, item=item, body=body, label=label, result=result)
        made.makers = self.makers(held)
        self.region(made, result)
        return result

    def emit_from(self, node: ast.YieldFrom) -> str:
        """The same in a flow: what is sent or thrown into the flow goes to what it goes over."""
        held, item, result = self.fresh(), self.fresh(), self.fresh()
        source = self.operand(node.value)
        last = self.out[-1] if self.out else None
        through = None
        if isinstance(last, ir.Apply) and last.target == source and goes_through(self.function, node.value):
            through = last.through = self.fresh()
            self.seal(last, last.target or "", through)
        self.emit(ir.Delegate(node.lineno, target=held, source=source, through=through))
        with self.emitting() as steps:
            self.emit(ir.Resume(node.lineno, target=item, held=held))
            self.emit(ir.Emit(node.lineno, target=result, source=item, held=held))
        body = ir.Iteration(node.lineno, body=tuple(steps))
        self.region(ir.While(node.lineno, body=body, label=self.label("yield from")), result)
        return result

    def async_loop(
        self,
        target: ast.expr,
        source: ir.Operand,
        body: Callable[[], ir.Block],
        at: Any,
        orelse: Callable[[], ir.Block] = lambda: (),
    ) -> None:
        """Emit ``async for target in source``: item by item, each awaited in its turn."""
        lineno = getattr(at, "lineno", 0)
        label = self.label("for")
        held = self.named(source, at)
        begin = self.spilled(_method(held, "__aiter__"), at)
        iterator = self.fresh()
        self.emit_apply(iterator, begin, (held,), at, "__aiter__")
        following = self.spilled(_method(iterator, "__anext__"), at)
        with self.emitting() as turn:
            item = self.fresh()
            with self.emitting() as asked:
                self.emit_awaited(item, following, (iterator,), at, "__anext__")
            done = ir.Match(
                lineno, type=ir.Const(StopAsyncIteration), name=None, body=(ir.Break(lineno, done=True),)
            )
            handlers = (done, ir.Reraise(lineno))
            self.region(ir.TryExcept(lineno, body=tuple(asked), handlers=handlers), item)
            self.assign_target(target, item, target)
            turn.extend(body())
        iteration = ir.Iteration(lineno, body=tuple(turn))
        self.region(ir.While(lineno, body=iteration, orelse=orelse(), label=label))

    def bind(self, target: ast.expr, value: ast.expr, at: Any) -> None:
        if isinstance(target, ast.Name):
            self.assign_name(target.id, value, at)
        else:
            self.assign_target(target, self.operand(value), at)

    def filtered(
        self, tests: list[ast.expr], body: Callable[[], ir.Block], at: Any,
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

    def source(self, node: ast.expr) -> ir.Operand | ir.Pairs:
        """Work out what a loop goes over."""
        start = len(self.out)
        held = self.pairs(node)
        last = self.out[-1] if self.out else None
        made = isinstance(held, str) and held.startswith("__t")
        if made and isinstance(last, ir.Apply) and last.target == held:
            last.keep = True  # only this loop sees it
        self.lend(ir.shared_out(held), self.out[start:])
        return held

    def pairs_of(self, node: ast.expr) -> str | None:
        """The kind of the pairs that an expression makes, if it does."""
        if not isinstance(node, ast.Call) or any(isinstance(a, ast.Starred) for a in node.args):
            return None
        kind = passing(self.function, node)
        if kind is not None:
            return kind
        func = node.func
        if isinstance(func, ast.Name) and node.args and self.builtin(func.id):
            if func.id == "zip":
                return "zip" if _strict(node) is not None else None
            return "enumerate" if func.id == "enumerate" and _start(node) is not None else None
        if node.keywords:
            return None
        if isinstance(func, ast.Attribute) and func.attr in ("items", "keys", "values") and not node.args:
            return func.attr if self.is_value(func.value) else None
        return None

    def pairs(self, node: ast.expr) -> ir.Operand | ir.Pairs:
        """What a loop goes over, its parts apart where it is ``enumerate(...)``, ``zip(...)``, a view, or
        another that only passes on what is in its parts."""
        kind = self.pairs_of(node)
        if kind is None:
            return self.operand(node)
        assert isinstance(node, ast.Call)
        line, lines = node.lineno, tuple([arg.lineno for arg in node.args])
        if kind == "enumerate":
            over = self.pairs(node.args[0])
            return ir.Pairs("enumerate", (over,), _start(node) or 0, lineno=line, lines=lines[:1])
        if kind not in ("zip", *MAKERS):
            assert isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
            return ir.Pairs(kind, (node.func.value.id,), lineno=line, lines=(node.func.value.lineno,))
        rests = self.sequence(node.args, settle=any(self.needs(a) for a in node.args))
        if kind == "zip":
            each = [self.pairs(r) for r in rests]
            if getattr(node, "stretto_begins", False):  # `map` has its iterator before `zip` has any
                none = (ir.Const(None),)
                each[-1] = ir.Pairs("islice", (each[-1],), given=none, lineno=line, lines=(line, line))
            return ir.Pairs("zip", tuple(each), strict=bool(_strict(node)), lineno=line, lines=lines)
        if kind == "reversed":
            return ir.Pairs(kind, (self.operand(rests[0]),), lineno=line, lines=lines)  # of no iterator
        count = parts_of(kind, len(rests))
        parts = tuple([self.pairs(r) for r in rests[:count]])
        given = tuple([self.operand(r) for r in rests[count:]])
        return ir.Pairs(kind, parts, given=given, lineno=line, lines=lines)

    # -- comprehensions ------------------------------------------------------------------------------

    @contextmanager
    def variables(self, names: set[str], nodes: list[ast.AST]) -> Generator[list[Any]]:
        """Copies of some nodes in which the variables of a comprehension have names of their own."""
        self.scopes += 1
        mapping = {name: f"__c{self.scopes}_{name}" for name in names}
        added = set(mapping.values())
        self.own_names |= added
        copies = [Renamer(mapping).visit(copied(n)) for n in nodes]
        yield copies

    def comprehension(self, node: Any) -> str:
        """Emit a comprehension as loops that build a value; the name that holds it."""
        kind = {ast.ListComp: list, ast.SetComp: set, ast.DictComp: dict, ast.GeneratorExp: list}[type(node)]
        result = self.fresh()
        self.own_names.add(result)
        self.emit(ir.NewValue(node.lineno, target=result, kind=kind))

        frames = self.frames

        def innermost(parts: list[ast.expr]) -> None:
            given = tuple([self.node_operand(n) for n in self.sequence(parts)])
            method = {list: "append", set: "add", dict: "setitem"}[kind]
            with self.back_in(frames if hasattr(node, "stretto_consumed") else self.frames):
                self.emit_update(result, method, given, node)

        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        with self.keeping(result):
            self.generate(node, elements, innermost)
        return result

    def generate(
        self,
        node: Any,
        elements: list[ast.expr],
        innermost: Callable[[list[ast.expr]], None],
    ) -> None:
        """Emit the loops of a comprehension around what is done with each element."""
        names = {n for g in node.generators for n in targets(g.target)}
        parts: list[ast.AST] = []
        for generator in node.generators:
            parts += [generator.target, generator.iter, *generator.ifs]
        first = node.generators[0].iter
        # the outermost source is worked out in the frame around
        inlined = any(
            find(first) is not None for find in (self.as_generator, self.over_elements, self.counted)
        )
        held = None if inlined else self.source(first)
        with self.within(frame_of(node), node), self.variables(names, [*parts, *elements]) as renamed:
            items = iter(renamed)
            levels: list[tuple[Any, Any, list[Any], int]] = []
            for index, generator in enumerate(node.generators):
                target, source = next(items), next(items)
                source = first if index == 0 else source
                levels.append((target, source, [next(items) for _ in generator.ifs], generator.is_async))
            last = list(items)

            def level(depth: int) -> ir.Block:
                if depth == len(levels):
                    with self.emitting() as steps:
                        innermost(last)
                    return tuple(steps)
                target, source, tests, is_async = levels[depth]
                with self.emitting() as steps:
                    if is_async and not self.gives_stream(source):
                        self.async_loop(
                            target,
                            held if depth == 0 and isinstance(held, str) else self.operand(source),
                            lambda: self.filtered(tests, lambda: level(depth + 1), node),
                            node,
                        )
                        return tuple(steps)
                    self.loop(
                        target,
                        source,
                        lambda: self.filtered(tests, lambda: level(depth + 1), node),
                        node,
                        held=held if depth == 0 else None,
                    )
                if depth == 0 and isinstance(steps[-1], ir.For) and self.frames:
                    steps[-1].outermost = True
                return tuple(steps)

            self.out.extend(level(0))
        loop = self.out[-1]
        if held is not None and isinstance(loop, ir.For):
            loop.makers = self.makers(held)


def _matches(target: ast.Tuple, values: list[ast.Name]) -> bool:
    """Whether each value has a target of its own."""
    plain = not any(isinstance(one, ast.Starred) for one in target.elts)
    return plain and len(target.elts) == len(values)


def _strict(node: ast.Call) -> bool | None:
    """Whether a ``zip`` is strict; None where that cannot be told from the source."""
    if not node.keywords:
        return False
    [keyword, *others] = node.keywords
    known = keyword.arg == "strict" and isinstance(keyword.value, ast.Constant)
    return bool(cast("ast.Constant", keyword.value).value) if known and not others else None


def _start(node: ast.Call) -> int | None:
    """Where an ``enumerate`` begins to count; None where that cannot be told from the source."""
    given = node.args[1:] + [keyword.value for keyword in node.keywords]
    if not given:
        return 0
    if len(given) > 1 or any(keyword.arg != "start" for keyword in node.keywords):
        return None
    start = given[0].value if isinstance(given[0], ast.Constant) else None
    return start if type(start) is int else None
