"""Which names hold generators that the engine runs itself, and which of those have to be closed.

A generator that is run by the engine lives in names only, as slots do. A name qualifies if it is bound once,
to a generator that is made there (or is a parameter that is given one), and every use of it goes on with it:
loops, ``yield from``, and functions that use an iterable up. Whatever else is done with a generator is done
with an ordinary one, made by calling the function itself: making one has no effect.
"""

from __future__ import annotations

import ast
from types import FunctionType
from typing import Any

from ..calls import BoundCall, Call
from ..flows import Flow
from ..generator_flows import GeneratorFlow
from ..text import Transform
from . import ir, known
from .functions import Compiled, form_of, helper
from .relaxations import relaxed
from .scope import binds, own_nodes, walrus_names
from .source import dotted
from .syntax import CONSUMERS
from .walking import child_nodes, walk

__all__ = ["admitted", "generator_names", "holding_names", "makes_generator", "may_close"]

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp)
_SCOPES = (*_COMPREHENSIONS, ast.GeneratorExp)
_LAZY = (ast.Lambda, ast.GeneratorExp, ast.NamedExpr)


def generator_names(function: Compiled) -> frozenset[str]:
    """The names of a function that may hold generators run by the engine."""
    body = _body(function)
    made = {
        name
        for name, value in _bound_once(body).items()
        if name not in function.params and makes_generator(function, value)
    }
    return _qualified(function, body, made | function.taken)


def admitted(function: Compiled) -> frozenset[str]:
    """The parameters that may be given such generators."""
    plain = frozenset(function.params) - frozenset(function.packed) - function.rebound
    return _qualified(function, _body(function), set(plain))


def makes_generator(function: Compiled, node: ast.expr) -> bool:
    """Whether an expression is the call of a function that is known to make a generator with calls in it."""
    path = dotted(node.func) if isinstance(node, ast.Call) else None
    if path is None or path.split(".")[0] in function.scope.locals:
        return False
    try:
        target = function.resolve_dotted(path)
    except KeyError:
        return False
    if not isinstance(target, (FunctionType, Flow)):
        return False
    form = form_of(target)
    return form is not None and form.generator


def goes_through(function: Compiled, node: ast.expr) -> bool:
    """Whether what a ``yield from`` of a flow goes over can run as a part of it, with the flow's own yields.
    That differs only where it does not go on failing when it is closed."""
    if not isinstance(node, ast.Call) or not makes_generator(function, node):
        return False
    for part in (*node.args, *(k.value for k in node.keywords)):
        for inner in walk(part):
            if isinstance(inner, ast.Name) and inner.id in function.generators:
                return False
            if isinstance(inner, (ast.Lambda, ast.GeneratorExp)) or (
                isinstance(inner, ast.Call) and makes_generator(function, inner)
            ):
                return False
    path = dotted(node.func)
    assert path is not None
    form = form_of(function.resolve_dotted(path))
    return form is not None and all(_closes(s) for s in _body(form))


_LEAVING = (ast.Return, ast.Break, ast.Continue, ast.Yield, ast.YieldFrom)


def _closes(statement: ast.AST) -> bool:
    """Whether a failure at a ``yield`` in a statement goes on out of it."""
    if not any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in walk(statement)):
        return True
    if isinstance(statement, ast.With):
        return False
    if isinstance(statement, ast.Try):
        if statement.handlers or any(isinstance(n, _LEAVING) for s in statement.finalbody for n in walk(s)):
            return False
    return all(_closes(child) for child in child_nodes(statement))


def _body(function: Compiled) -> list[Any]:
    node = function.node
    return [] if isinstance(node, ast.Lambda) else list(node.body)


def _bound_once(body: list[Any]) -> dict[str, ast.expr]:
    """Names with one plain binding, and what they are bound to."""
    found: dict[str, ast.expr] = {}
    stores: dict[str, int] = {}
    for node in own_nodes(body):
        for name in (*binds(node), *(walrus_names(node) if isinstance(node, _SCOPES) else ())):
            stores[name] = stores.get(name, 0) + 1
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
    return {name: value for name, value in found.items() if stores.get(name) == 1}


def _qualified(function: Compiled, body: list[Any], names: set[str]) -> frozenset[str]:
    names = (names & function.scope.locals) - function.scope.captured
    if not names:
        return frozenset()
    allowed: set[ast.AST] = set()

    def allow(node: ast.expr) -> None:
        if isinstance(node, ast.Name):
            allowed.add(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            if node.func.id in ("enumerate", "zip") and function.is_builtin(node.func.id):
                if node.func.id == "zip" or len(node.args) == 1:
                    allowed.update(a for a in node.args if isinstance(a, ast.Name))

    for node in own_nodes(body):
        if isinstance(node, ast.For):
            allow(node.iter)
        elif isinstance(node, ast.YieldFrom):
            if not function.emitting:
                allow(node.value)
        elif not relaxed("values"):
            continue  # what uses it up is a fragment
        elif isinstance(node, _COMPREHENSIONS):
            if not any(isinstance(n, _LAZY) for n in walk(node)):
                allow(node.generators[0].iter)
        elif isinstance(node, ast.Call) and not node.keywords and len(node.args) == 1:
            func = node.func
            if isinstance(func, ast.Name) and func.id in CONSUMERS - {"dict"}:
                if function.is_builtin(func.id) and isinstance(node.args[0], ast.Name):
                    allowed.add(node.args[0])
    used: set[str] = set()
    for statement in body:
        for node in walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
                used.add(node.id)
                if node not in allowed:
                    names.discard(node.id)
    return frozenset(names & used)


def holding_names(function: Compiled) -> set[str]:
    """Local names that no other function sees, and that may hold a generator which has begun: loops go over
    them, or they are given to something that may ask them for an item."""
    found: set[str] = set()
    for step in ir.instructions(function.body):
        if isinstance(step, ir.For):
            found.update(s for s in ir.leaves(step.source) if isinstance(s, str))
        elif isinstance(step, ir.Apply):
            if not _declared(function, step.callee):
                found.update(a for _, a in (*step.args, *step.kwargs) if isinstance(a, str))
        elif isinstance(step, ir.Run):
            for statement in step.fragment.statements:
                for node in walk(statement):
                    found.update(_asked(function, node))
    return (found & function.scope.locals) - function.scope.captured


def _declared(function: Compiled, callee: ir.Operand) -> bool:
    """Whether what is called is a declared call."""
    if not isinstance(callee, ir.Load):
        return False
    try:
        return isinstance(function.resolve_dotted(callee.name), (Call, BoundCall))
    except KeyError:
        return False


#: Built-in functions that ask nothing they are given for an item, or for all.
_HARMLESS = (CONSUMERS - {"any", "all"}) | {
    "abs", "bool", "chr", "divmod", "float", "format", "getattr", "hasattr", "id", "int", "isinstance",
    "issubclass", "len", "ord", "print", "range", "repr", "round", "setattr", "str", "type",
}  # fmt: skip


def _asked(function: Compiled, node: ast.AST) -> list[str]:
    """Names that a part of a fragment may ask for an item."""
    given: list[ast.expr] = []
    if isinstance(node, ast.Call):
        func = node.func
        if not (isinstance(func, ast.Name) and func.id in _HARMLESS and function.is_builtin(func.id)):
            given = [*node.args, *(k.value for k in node.keywords)]
        if isinstance(func, ast.Attribute) and func.attr in _ASKING:
            given.append(func.value)
    elif isinstance(node, ast.Compare):
        given = [
            c for o, c in zip(node.ops, node.comparators, strict=True) if isinstance(o, (ast.In, ast.NotIn))
        ]
    return [n.id for n in given if isinstance(n, ast.Name)]


_ASKING = ("send", "throw", "__next__")


def may_close(form: Compiled) -> bool:
    """Whether a generator of this function, or one that it goes over, may be left inside a ``try`` or a
    ``with`` or a loop over who knows what, so that closing it may run code of the user's."""
    met = {form}
    stack = [form]
    while stack:
        function = stack.pop()
        for inside, instr in _yields(function.body, False):
            if inside:
                return True
            if not isinstance(instr, ir.For):
                continue
            for source in _made(function, instr):
                if source is None:
                    return True
                if source not in met:
                    met.add(source)
                    stack.append(source)
    return False


def _yields(block: ir.Block, inside: bool) -> list[tuple[bool, ir.Instr]]:
    """The yields of a block, and the loops with yields in them; whether each is inside a ``try``."""
    found: list[tuple[bool, ir.Instr]] = []
    for instr in block:
        if isinstance(instr, ir.Yield):
            found.append((inside, instr))
            continue
        within = inside or isinstance(instr, (ir.TryExcept, ir.TryFinally))
        inner = [entry for part in ir.blocks(instr) for entry in _yields(part, within)]
        if inner and isinstance(instr, ir.For):
            found.append((inside, instr))
        found += inner
    return found


def _made(function: Compiled, loop: ir.For) -> list[Compiled | None]:
    """The generators that a loop makes and goes over; None for one that is not known."""
    leaves = ir.leaves(loop.source)
    calls = [
        instr
        for instr in ir.instructions(function.body)
        if isinstance(instr, ir.Apply) and instr.target is not None and instr.target in leaves
    ]
    found: list[Compiled | None] = []
    for made in [*loop.makers.values(), *calls]:
        if not isinstance(made.callee, ir.Load):
            found.append(None)
            continue
        try:
            callee = function.resolve_dotted(made.callee.name)
        except KeyError:
            found.append(None)
            continue
        callee = callee.call if isinstance(callee, BoundCall) else callee
        if isinstance(callee, Transform) or (isinstance(callee, Call) and callee.streams):
            found.append(None)  # a source that has to be stopped
        if isinstance(callee, GeneratorFlow):
            callee = callee.fn
        if isinstance(callee, FunctionType):
            form = helper(callee)
            if form is not None and form.generator:
                found.append(form)
            elif form is None and not known.is_pure(callee):
                found.append(None)  # it may make an ordinary one
    return found
