"""What lowering asks before it takes an expression apart; nothing here emits a step."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import count
from types import FunctionType
from typing import Any, TypeGuard

from ..calls import BoundCall, Call
from ..declarations import registry
from ..flows import Flow
from ..text import Transform
from . import known
from .changes import CHANGERS
from .coroutines import asyncio_name
from .emit import Emitter
from .environment import environment_read
from .functions import Compiled, helper
from .receivers import is_own_method, receiver_makes
from .relaxations import relaxed
from .scope import binds, free_names, own_children, own_nodes, walrus_names
from .source import dotted
from .syntax import eager_generators, framed, located, targets
from .task_words import MAKERS
from .walking import placed, walk

__all__ = ["Questions", "awaits", "index_of"]

#: Names of methods of built-in types: calling one stays in a fragment, where the guard looks at the receiver.
_BUILTIN_METHODS = frozenset(
    name
    for kind in (str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset, range)
    for name in dir(kind)
    if not name.startswith("_") and callable(getattr(kind, name))
) | {"isoformat", "strftime", "group", "groups", "groupdict", "total_seconds", "hexdigest", "digest"}
#: What looks at the frame that it is called from: it is called in a fragment, whose globals are the user's.
_OF_THE_FRAME = (globals, eval, exec)
#: Built-in types whose methods are looked up on the type itself.
_PLAIN_HOLDERS = frozenset({str, bytes, int, float, list, tuple, dict, set, frozenset, range})


class Questions(Emitter):
    """Which expressions have to be taken apart, and into what."""

    def __init__(self, function: Compiled) -> None:
        super().__init__(function)
        self._calls: dict[ast.AST, bool] = {}
        self._looks: dict[ast.AST, bool] = {}

    # -- what has to be taken apart ------------------------------------------------------------------

    def needs(self, node: ast.AST) -> bool:
        """Whether an expression holds something that is a step of its own."""
        return self.calls(node) or self.looks(node)

    def calls(self, node: ast.AST) -> bool:
        """Whether an expression holds something that cannot stay in a fragment."""
        found = self._calls.get(node)
        if found is None:
            found = self._calls[node] = self._needs_itself(node) or any(
                self.calls(child) for child in own_children(node, comprehensions=True)
            )
        return found

    def looks(self, node: ast.AST) -> bool:
        """Whether an expression looks at an attribute of an object, or at a name of the module that is bound
        again: that waits for changes of this alone."""
        if not relaxed("objects"):
            return False
        found = self._looks.get(node)
        if found is None:
            if isinstance(node, ast.Call) and self.taken_from(node) is not None:
                found = True
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found = self.reaches(node.value) or self.super_of(node) is not None
            elif isinstance(node, ast.Name):
                found = isinstance(node.ctx, ast.Load) and self.of_module(node.id)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                # a method that is looked up is no attribute to look at
                parts = (node.func.value, *node.args, *(k.value for k in node.keywords))
                found = any(map(self.looks, parts))
            else:
                found = any(map(self.looks, own_children(node, comprehensions=False)))
            self._looks[node] = found
        return found

    def taken_from(self, node: ast.Call) -> ast.expr | None:
        """What is changed by ``next(counter)`` or ``xs.pop()``, which are steps of their own; else None. A
        counter that a name of the module stands for is given as that name."""
        func, args = node.func, node.args
        if node.keywords or len(args) > 1:
            return None
        if isinstance(func, ast.Attribute) and func.attr == "pop":
            index = args[0] if args else ast.Constant(-1)
            held = self.held(func.value) or self.looks(func.value)
            return (
                func.value if held and not self.is_value(func.value) and index_of(index) is not None else None
            )
        if not (isinstance(func, ast.Name) and func.id == "next" and args and self.builtin("next")):
            return None
        (held_by,) = args
        path = dotted(held_by)
        if path is not None and not self.is_local(path.split(".")[0]):
            try:
                return held_by if type(self.function.resolve_dotted(path)) is count else None
            except KeyError:
                return held_by if self.looks(held_by) else None
        return held_by if isinstance(held_by, ast.Attribute) or self.held(held_by) else None

    def stored(self, target: ast.expr) -> bool:
        """Whether a target is an attribute of an object, so that setting it is a step of its own; or whether
        there is one among several."""
        if isinstance(target, (ast.Tuple, ast.List)):
            return any(map(self.stored, target.elts))
        return isinstance(target, ast.Attribute) and relaxed("objects") and self.reaches(target.value)

    def reaches(self, node: ast.expr) -> bool:
        """Whether an expression is a local name, or a part of what one holds."""
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
            return self.reaches(node.value)
        return self.held(node) or self.looks(node)

    def changes_objects(self, statements: Sequence[ast.stmt]) -> bool:
        """Whether statements, loops apart, set attributes or change containers, or ask what an attribute is.
        Taken apart, each of these concerns one object; in one fragment, the whole may concern any."""
        for s in statements:
            if isinstance(s, ast.If):
                found = self.looks(s.test) or self.changes_objects([*s.body, *s.orelse])
            elif isinstance(s, ast.Try):
                handled = [inner for handler in s.handlers for inner in handler.body]
                found = self.changes_objects([*s.body, *handled, *s.orelse, *s.finalbody])
            elif isinstance(s, ast.Match):
                found = any(self.changes_objects(case.body) for case in s.cases)
            elif isinstance(s, ast.Expr) and isinstance(s.value, ast.Call):
                func = s.value.func
                found = isinstance(func, ast.Attribute) and func.attr in CHANGERS and self.reaches(func.value)
            elif isinstance(s, (ast.Assign, ast.Delete)):
                found = any(map(self._changes, s.targets))
            else:
                found = isinstance(s, (ast.AugAssign, ast.AnnAssign)) and self._changes(s.target)
            if found:
                return True
        return False

    def _changes(self, target: ast.expr) -> bool:
        return self.stored(target) or (isinstance(target, ast.Subscript) and self.reaches(target.value))

    def needs_statement(self, s: ast.stmt) -> bool:
        """The same for a statement: also what fragments cannot do, as to leave the function."""
        depth_free = (ast.Return, ast.Break, ast.Continue)
        loops = [n for n in own_nodes([s]) if isinstance(n, (ast.For, ast.While))]
        inside = {n for loop in loops for n in own_nodes(loop.body)}
        for n in own_nodes([s], comprehensions=True):
            if self._needs_itself(n):
                return True
            if isinstance(n, depth_free) and (isinstance(n, ast.Return) or n not in inside):
                return True
            if isinstance(n, ast.Raise) and n.exc is None:
                return True
            if isinstance(n, (ast.Global, ast.Nonlocal)):
                return True  # fragments declare what they bind
            if isinstance(n, ast.Name) and n.id in self.values and isinstance(n.ctx, ast.Store):
                return True
            if isinstance(n, ast.Name) and n.id in self.function.scope.cells and isinstance(n.ctx, ast.Store):
                return True
            if isinstance(n, ast.pattern) and any(b in self.function.scope.cells for b in binds(n)):
                return True
            if (
                isinstance(n, (ast.Subscript, ast.Attribute))
                and not isinstance(n.ctx, ast.Load)
                and self.is_value(n.value)
            ):
                return True
            if (
                isinstance(n, ast.Call)
                and isinstance(n.func, ast.Attribute)
                and self.is_value(n.func.value)
                and n.func.attr in ("append", "extend", "add")
            ):
                return True
            if isinstance(n, ast.AugAssign) and self.is_value(n.target):
                return True
        return False

    def _needs_itself(self, n: ast.AST) -> bool:
        if isinstance(n, ast.Call):
            return self.is_apply(n) or self.value_look(n) is not None or self.calls_back(n)
        if isinstance(n, (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith)):
            return True
        if runs_async(n):
            return True
        if isinstance(n, ast.Name):
            return n.id in self.function.generators
        if not isinstance(n, (ast.Subscript, ast.Compare)):
            return False
        if self.environment(n) is not None:
            return True
        return (
            isinstance(n, ast.Subscript)
            and isinstance(n.ctx, ast.Load)
            and self.is_value(n.value)
            and not isinstance(n.slice, ast.Slice)
        )

    def environment(self, node: ast.expr) -> ast.expr | None:
        """What a look at the environment stands for, if this is one."""
        return environment_read(self.function, self.renamed, node)

    def is_apply(self, node: ast.Call) -> bool:
        """Whether a call is a step of its own: it is not known to be pure, nor a built-in type's method."""
        func = node.func
        if isinstance(func, ast.Name) and func.id == "super" and self.builtin("super"):
            return False
        path = dotted(func)
        if path is not None:
            root = path.split(".")[0]
            if root not in self.function.scope.locals and root not in self.renamed:
                try:
                    target = self.function.resolve_dotted(path)
                except KeyError:
                    return not (isinstance(func, ast.Attribute) and func.attr in _BUILTIN_METHODS)
                if isinstance(target, (Call, BoundCall)) or known.recorded_resource(target) is not None:
                    return True
                if target is type and len(node.args) != 1:
                    return True  # it makes a class
                if known.is_pure(target) or any(target is one for one in _OF_THE_FRAME):
                    return False
                if isinstance(func, ast.Name):
                    return True
                holder = self.function.resolve_dotted(path.rpartition(".")[0])
                if type(holder) in _PLAIN_HOLDERS:
                    return func.attr not in _BUILTIN_METHODS if isinstance(func, ast.Attribute) else True
                return True
        if isinstance(func, ast.Attribute):
            name = func.attr
            if name in _BUILTIN_METHODS:
                declared = registry.is_operation_name(name) and receiver_makes(self.function, func)
                return bool(declared) or is_own_method(self.function, func)
            return not registry.is_free_name(name)
        return True

    def value_look(self, node: ast.Call) -> tuple[str, str, list[ast.expr]] | None:
        """``len(xs)`` and ``d.get(k)`` on a value: they need not wait for its elements."""
        func = node.func
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            return None
        if (
            isinstance(func, ast.Name)
            and func.id == "len"
            and len(node.args) == 1
            and self.is_value(node.args[0])
        ):
            return (node.args[0].id, "len", []) if self.builtin("len") else None
        if isinstance(func, ast.Attribute) and func.attr == "get" and self.is_value(func.value):
            if self.values.get(func.value.id) is dict and len(node.args) in (1, 2):
                return func.value.id, "get", node.args
        return None

    # -- names ---------------------------------------------------------------------------------------

    def is_value(self, node: ast.AST) -> TypeGuard[ast.Name]:
        """Whether an expression is a name that holds a container that is a value."""
        return isinstance(node, ast.Name) and node.id in self.values

    def builtin(self, name: str) -> bool:
        return self.function.is_builtin(name)

    def known_global(self, path: str) -> bool:
        try:
            self.function.resolve_dotted(path)
        except KeyError:
            return False
        return "." not in path or not self.function.is_data(path.split(".")[0])

    # -- comprehensions, and functions that call back ------------------------------------------------

    def streams(self, node: ast.Call, *, awaited: bool = False) -> bool:
        """Whether an expression is a call that gives a stream, perhaps with another one made of it, where it
        is `awaited` or where it is not."""
        path = dotted(node.func)
        if path is None or self.is_local(path.split(".")[0]):
            return False
        try:
            target = self.function.resolve_dotted(path)
        except KeyError:
            return False
        if isinstance(target, BoundCall):
            target = target.call
        if isinstance(target, Transform):
            if len(node.args) != 1 or awaited:
                return False
            (of,) = node.args
            awaited = isinstance(of, ast.Await)
            of = of.value if isinstance(of, ast.Await) else of
            return isinstance(of, ast.Call) and self.streams(of, awaited=awaited)
        if not (isinstance(target, Call) and target.streams):
            return False
        return target.awaited == awaited if self.function.is_async else not awaited

    def as_items(self, node: ast.expr, at: ast.Call) -> ast.GeneratorExp | None:
        """What a function that uses up an iterator is given: a generator expression, or a stream as one."""
        if not (isinstance(node, ast.Call) and self.streams(node)):
            return self.as_generator(node)
        over = ast.comprehension(ast.Name("__m0", ast.Store()), node, [], 0)
        return located(framed(ast.GeneratorExp(ast.Name("__m0", ast.Load()), [over]), ""), at)

    def takes_apart(self, node: Any) -> bool:
        """Whether a comprehension is to run element by element, as steps."""
        if not self.calls(node) or not (relaxed("values") or awaits(node) or self.makes_tasks(node)):
            return False
        own = {n for g in node.generators for n in targets(g.target)}
        inner = [n for n in own_nodes([node], comprehensions=True) if n is not node]
        for n in inner:
            if isinstance(n, (ast.Lambda, ast.GeneratorExp)) and free_names(n) & own:
                return n in eager_generators(node) and not isinstance(n, ast.Lambda)
        return not (walrus_names(node) & (self.function.scope.cells | self.function.scope.outer))

    def makes_tasks(self, node: ast.AST) -> bool:
        """Whether an expression makes tasks: only steps can."""
        return any(
            isinstance(n, ast.Call)
            and (
                (isinstance(n.func, ast.Attribute) and n.func.attr == "create_task")
                or asyncio_name(self.function, n.func) in MAKERS
            )
            for n in own_nodes([node], comprehensions=True)
        )

    def calls_back(self, node: ast.Call) -> bool:
        """Whether a known function is given a function, or a generator, that may hold calls."""
        func = node.func
        if not relaxed("values"):
            return False
        if isinstance(func, ast.Name) and func.id in ("map", "filter", "sorted", "min", "max"):
            if not self.builtin(func.id):
                return False
            callbacks = [k.value for k in node.keywords if k.arg == "key"]
            if func.id in ("map", "filter") and node.args:
                callbacks = [node.args[0]]
            return any(self.is_callback(c) for c in callbacks)
        return False

    def is_callback(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Lambda):
            a = node.args
            # what its parameters are given is worked out where the lambda stands, before all else
            return self.calls(node.body) and not (a.defaults or any(a.kw_defaults))
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
        form = helper(target) if isinstance(target, FunctionType) else None
        return form is not None and not form.changes

    def over_elements(self, node: ast.expr) -> ast.GeneratorExp | None:
        """What a loop is over that is to be run element by element: a generator expression, or ``map`` and
        ``filter`` written as one, also with a function that holds no call."""
        found = self.as_generator(node)
        if found is not None:
            return found if self.takes_apart(found) else None
        return self.as_generator(node, plainly=True) if relaxed("values") else None

    def is_plain_callback(self, node: ast.expr, name: str) -> bool:
        """Whether a function without calls can be called where the loop stands."""
        if isinstance(node, ast.Constant):
            return node.value is None and name == "filter"
        if isinstance(node, ast.Lambda):
            inner = list(walk(node.body))
            scopes = (ast.Lambda, ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp, ast.NamedExpr)
            return not any(isinstance(n, scopes) for n in inner) and not (
                node.args.defaults or any(node.args.kw_defaults)
            )
        path = dotted(node)
        if path is None or self.is_local(path.split(".")[0]):
            return False
        try:
            return known.is_pure(self.function.resolve_dotted(path))
        except KeyError:
            return False

    def as_generator(self, node: ast.expr, *, plainly: bool = False) -> ast.GeneratorExp | None:
        """A generator expression, or ``map`` and ``filter`` with a callback written as one."""
        if isinstance(node, ast.GeneratorExp):
            return node
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords):
            return None
        if node.func.id not in ("map", "filter") or len(node.args) < 2:
            return None
        if plainly:
            if not (self.builtin(node.func.id) and self.is_plain_callback(node.args[0], node.func.id)):
                return None
        elif not self.calls_back(node):
            return None
        if any(isinstance(a, ast.Starred) for a in node.args):
            return None
        fn, *sources = node.args
        if len(sources) != 1 and (node.func.id == "filter" or not self.builtin("zip")):
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
        elif isinstance(fn, ast.Constant):
            value = ast.Name(names[0], ast.Load())
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
        for child in walk(made):
            if not hasattr(child, "lineno") and isinstance(child, (ast.expr, ast.stmt)):
                ast.copy_location(child, node)
        return placed(made)


def index_of(node: ast.expr) -> int | None:
    """The index that a constant is; None where it is none."""
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    value = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    if not (isinstance(value, ast.Constant) and type(value.value) is int):
        return None
    return -value.value if negative else value.value


def awaits(node: ast.AST) -> bool:
    """Whether an expression holds an ``await`` of the function that it is in."""
    return any(isinstance(n, ast.Await) or runs_async(n) for n in own_nodes([node], comprehensions=True))


def runs_async(node: ast.AST) -> bool:
    """Whether it is a comprehension with ``async for`` in it."""
    return isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)) and any(
        g.is_async for g in node.generators
    )
