"""Lowering of ``await asyncio.gather(...)``: a list, element by element.

As in asyncio, all that is gathered runs, whatever fails, and the first failure is raised after that. So each
element is run under a handler of its own, which notes the failure; a step at the end raises the first one. In
asyncio, too, what is called is worked out for all elements before the first of them begins.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from ..calls import BoundCall
from ..errors import UnsupportedConstruct
from . import ir
from .coroutines import asyncio_name, awaited_target
from .functions import Compiled
from .matching import Matching
from .source import dotted
from .syntax import frame_of, framed, located
from .walking import walk

__all__ = ["Gathering"]

_LOOP = "Calls find the loop by themselves. Or move it to an async function without calls"
#: Functions of asyncio that mean something else where no loop runs the function around them.
_REFUSED = {
    "gather": "Await it where it is called",
    "as_completed": "Go over it in a `for`, where it is called",
    "wait": "Await it where it is called",
    "run": "Await the coroutine",
    "get_running_loop": _LOOP,
    "get_event_loop": _LOOP,
    "current_task": _LOOP,
    "all_tasks": _LOOP,
    "timeout": "Use the option timeout= of the call, or `asyncio.wait_for`",
    "timeout_at": "Use the option timeout= of the call, or `asyncio.wait_for`",
}


@dataclass
class _Element:
    """What is gathered at one place: a call, or something else that is awaited; `over` is what names are
    bound to in turn where it stands for many."""

    at: ast.expr
    awaited: ast.expr
    over: tuple[ast.expr, str] | None = None


class Gathering(Matching, ABC):
    """Lowers ``asyncio.gather`` and loops over ``asyncio.as_completed``."""

    def __init__(self, function: Compiled) -> None:
        super().__init__(function)
        loops = (ast.For, ast.comprehension)
        #: Where calls stand that are gone over there: renaming makes others of the calls themselves.
        self.gone_over = {
            (n.iter.lineno, n.iter.col_offset) for n in walk(function.node) if isinstance(n, loops)
        }

    def apply(self, node: ast.Call, target: str | None, *, awaited: bool = False) -> None:
        if sys.version_info >= (3, 12) and asyncio_name(self.function, node.func) == "as_completed":
            # before, asyncio took no generator
            args = [_listed(a, a.elt) if isinstance(a, ast.GeneratorExp) else a for a in node.args]
            node = ast.copy_location(ast.Call(node.func, args, node.keywords), node)
        super().apply(node, target, awaited=awaited)

    def gathers(self, node: ast.expr) -> bool:
        """Whether a call is one of `asyncio.gather`."""
        return isinstance(node, ast.Call) and asyncio_name(self.function, node.func) == "gather"

    def check_made(self, node: ast.Call) -> None:
        name = asyncio_name(self.function, node.func)
        advice = _REFUSED.get(name)
        here = name == "as_completed" and (node.lineno, node.col_offset) in self.gone_over
        if advice is not None and not here:
            raise self.refused(node, f"asyncio.{name}", advice)

    def gather(self, node: ast.Call) -> str:
        """Emit ``await asyncio.gather(...)``; the name of the list, which is a value."""
        keeps = False
        for keyword in node.keywords:
            if keyword.arg != "return_exceptions" or not isinstance(keyword.value, ast.Constant):
                raise self.refused(node, "asyncio.gather", "return_exceptions= must be True or False there")
            keeps = bool(keyword.value.value)
        elements = self.gathered(node.args)
        results, failures = self.fresh(), self.fresh()
        self.own_names |= {results, failures}
        for name in (results, failures):
            self.emit(ir.NewValue(node.lineno, target=name, kind=list))
        sure = any(element.over is None for element in elements)
        sources = () if sure else tuple(element.over[1] for element in elements if element.over is not None)
        if elements:
            self.emit(ir.RunTasks(node.lineno, sources))
        with self.keeping(results, failures, inside=False):
            for element in elements:
                if element.over is None:
                    self.contained(element.awaited, results, failures, keeps, node)
                    continue
                target, held = element.over

                def turn(awaited: ast.expr = element.awaited) -> ir.Block:
                    with self.emitting() as steps:
                        self.contained(awaited, results, failures, keeps, node)
                    return tuple(steps)

                self.loop(target, ast.Name(held, ast.Load()), turn, node, held=held)
        if elements:
            self.emit(ir.CheckGroups(node.lineno))
        if not keeps:
            self.region(ir.RaiseFirst(node.lineno, source=failures, label=self.label("gather")))
        return results

    def refused(self, node: Any, construct: str, advice: str) -> UnsupportedConstruct:
        return UnsupportedConstruct(
            f"a flow cannot hold this {construct}: {advice}",
            filename=self.function.filename, lineno=node.lineno, construct=construct,
        )  # fmt: skip

    # -- what is gathered ----------------------------------------------------------------------------

    def gathered(self, args: Sequence[ast.expr]) -> list[_Element]:
        """What is gathered, with everything that its calls are given worked out."""
        found: list[_Element] = []
        for arg in args:
            if isinstance(arg, ast.Starred):
                found.append(self.many(arg.value))
            elif self.is_made(arg):
                assert isinstance(arg, ast.Call)
                parts = [self.settled(p) for p in _parts(arg)]
                found.append(_Element(arg, _with_parts(arg, parts)))
            else:
                found.append(_Element(arg, self.settled(arg)))
        return found

    def is_made(self, node: ast.expr) -> bool:
        """Whether an expression is a call of one certain function, so that it need not be made first and be
        awaited later."""
        if not (isinstance(node, ast.Call) and self.is_fixed(node.func)) or self.gathers(node):
            return False
        path = dotted(node.func)
        assert path is not None
        return fits(awaited_target(self.function.resolve_dotted(path)), node)

    def many(self, source: ast.expr) -> _Element:
        """What ``*source`` gathers."""
        generator = self.as_generator(source) if not isinstance(source, ast.ListComp) else source
        self.scopes += 1
        if generator is None or not self.is_made(generator.elt):
            name = f"__c{self.scopes}_{_word(source)}"
            self.own_names.add(name)
            if generator is not None:
                held: Any = self.comprehension(_listed(generator, generator.elt))
            else:
                held = self.operand(source)
                if not isinstance(held, str):
                    held = self.named(held, source)
            item = located(ast.Name(name, ast.Store()), source)
            return _Element(source, located(ast.Name(name, ast.Load()), source), (item, held))
        call = generator.elt
        assert isinstance(call, ast.Call)
        parts = _parts(call)
        # named after what they are given, for those who read of them
        names = [f"__c{self.scopes}_{number}_{_word(part)}" for number, part in enumerate(parts)]
        self.own_names |= set(names)
        one = len(parts) == 1
        element = parts[0] if one else located(ast.Tuple(parts, ast.Load()), call)
        held = self.comprehension(_listed(generator, element))
        stores: list[ast.expr] = [ast.Name(n, ast.Store()) for n in names]
        target: ast.expr = stores[0] if one else ast.Tuple(stores, ast.Store())
        loads: list[ast.expr] = [ast.Name(n, ast.Load()) for n in names]
        for made in (target, *loads):
            located(made, call)
        return _Element(source, _with_parts(call, loads), (located(target, call), held))

    # -- one element ---------------------------------------------------------------------------------

    def contained(self, awaited: ast.expr, results: str, failures: str, keeps: bool, at: ast.expr) -> None:
        """Await one element under a handler of its own, and note its result and its failure."""
        result, failure, error = self.fresh(), self.fresh(), self.fresh()
        line = at.lineno
        self.emit(ir.Move(line, target=failure, source=ir.Const(None)))
        with self.emitting() as body:
            if isinstance(awaited, ast.Call):
                self.apply(awaited, result, awaited=True)
            else:
                self.emit_await(result, self.node_operand(awaited), at)
                made = self.out[-1]
                assert isinstance(made, ir.Await)
                made.kept = True
            self.emit(ir.EndTasks(line))
        instead = ir.Move(line, target=result, source=error) if keeps else ir.Never(line, target=result)
        noted = (ir.Move(line, target=failure, source=error), ir.EndTasks(line), instead)
        kinds = ir.Const((Exception, asyncio.CancelledError))
        match = ir.Match(line, type=kinds, name=error, body=noted)
        handlers = (match, ir.Reraise(line))
        with self.emitting() as steps:
            self.region(ir.TryExcept(line, body=tuple(body), handlers=handlers), result, failure)
        (guarded,) = steps
        assert isinstance(guarded, ir.TryExcept)
        self.region(ir.Task(line, body=(guarded,)), result, failure)
        guarded.joinable = False  # it is left behind as a task
        for name, value in ((results, result), (failures, failure)):
            self.emit(ir.Collect(line, target=name, method="append", args=(value,)))


def fits(callee: Any, call: ast.Call) -> bool:
    """Whether it is certain that the arguments fit a function."""
    if any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
        return False
    if isinstance(callee, BoundCall):
        return False
    fn = getattr(callee, "fn", callee)
    if not isinstance(fn, FunctionType):
        return False
    try:
        named: dict[str, Any] = {k.arg: None for k in call.keywords if k.arg is not None}
        inspect.signature(fn).bind(*call.args, **named)
    except TypeError:
        return False
    return True


def _word(node: ast.expr) -> str:
    """What to call the value of an expression."""
    return node.id if isinstance(node, ast.Name) else "it"


def _listed(generator: ast.GeneratorExp | ast.ListComp, element: ast.expr) -> ast.ListComp:
    """A comprehension with another element, in the frame that it runs in."""
    made = located(ast.ListComp(element, generator.generators), generator)
    return framed(ast.copy_location(made, generator), frame_of(generator))


def _parts(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(k.value for k in call.keywords)]


def _with_parts(call: ast.Call, parts: Sequence[ast.expr]) -> ast.Call:
    """The same call, given other expressions."""
    count = len(call.args)
    keywords = [ast.keyword(k.arg, v) for k, v in zip(call.keywords, parts[count:], strict=True)]
    return located(ast.copy_location(ast.Call(call.func, list(parts[:count]), keywords), call), call)
