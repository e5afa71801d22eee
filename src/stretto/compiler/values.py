"""Which local names hold containers that are values: an escape analysis.

A list, dict or set that is built in a function and that no other name, object or unknown code can come to
see need not be one object that is changed in place: each change gives the name its next version
(`stretto.engine.containers`). A name qualifies if every binding makes a new container (or takes what a
compiled function returns), and every use is one of a list of uses that cannot keep the container itself.
"""

from __future__ import annotations

import ast
from types import FunctionType
from typing import Any, TypeGuard

from ..calls import BoundCall, Call
from ..effects import Kind
from ..flows import Flow
from . import known
from .coroutines import asyncio_name, awaited_target, gives_coroutine
from .functions import Compiled, form_of
from .passing import parts_of, passing
from .relaxations import relaxed
from .scope import captured_by
from .source import dotted
from .walking import child_nodes, walk

__all__ = ["UPDATES", "is_repeated", "value_names"]

#: The changes that a value knows how to make, by kind.
UPDATES: dict[str, type] = {"append": list, "extend": list, "add": set}

#: Methods that only look, and whose result does not hold on to the container.
_LOOKS = frozenset({"count", "index", "copy", "get", "isdisjoint", "issubset", "issuperset"})
_VIEWS = frozenset({"items", "keys", "values"})
#: Functions that use their argument up before they return, and return something new.
_EAGER = frozenset(
    {"len", "sum", "min", "max", "any", "all", "sorted", "list", "tuple", "set", "frozenset", "dict",
     "str", "repr", "bool", "isinstance", "type"}
)  # fmt: skip
_FRESH = {"list": list, "dict": dict, "set": set}


def value_names(function: Compiled) -> dict[str, type | None]:
    """The qualifying names, each with the kind of container that it is bound to where that is known."""
    return _Analysis(function).run() if relaxed("values") else {}


class _Analysis:
    def __init__(self, function: Compiled) -> None:
        self.function = function
        node = function.node
        self.params = frozenset(function.scope.params) - frozenset(function.packed)
        self.body: list[Any] = [ast.Return(node.body)] if isinstance(node, ast.Lambda) else list(node.body)
        self.bad: set[str] = {*function.scope.kept, *function.scope.outer, *function.packed}
        self.kinds: dict[str, type | None] = dict.fromkeys(self.params)
        self.changed: set[str] = set()
        #: Names that a generator holds on to, and looks at later.
        self.held: set[str] = set()
        #: Names bound to ``[x] * n``: if n is no number, that may be anything.
        self.repeated: set[str] = set()
        self.guarded = 0  # inside a `finally` or `with`, code runs after a return

    def run(self) -> dict[str, type | None]:
        for statement in self.body:
            self.statement(statement)
        bad = self.bad | (self.changed & (self.params | self.held))
        bad |= {name for name in self.repeated if self.kinds[name] is not None}
        return {name: kind for name, kind in self.kinds.items() if name not in bad}

    # -- statements -----------------------------------------------------------------------------------

    def statements(self, block: list[Any]) -> None:
        for statement in block:
            self.statement(statement)

    def statement(self, s: Any) -> None:
        if isinstance(s, ast.Expr):
            if not self.change(s.value):
                self.expr(s.value, "look")
        elif isinstance(s, (ast.Assign, ast.AnnAssign)):
            targets = s.targets if isinstance(s, ast.Assign) else [s.target]
            if s.value is not None:
                self.assign(targets, s.value)
        elif isinstance(s, ast.AugAssign):
            if isinstance(s.target, ast.Name):
                name = s.target.id
                if isinstance(s.op, ast.Add) and isinstance(s.value, (ast.List, ast.ListComp)):
                    self.changed.add(name)
                    if self.kinds.get(name) is not list:
                        self.bad.add(name)
                else:
                    self.bad.add(name)
            else:
                self.target(s.target)
            self.expr(s.value, "escape" if not isinstance(s.value, (ast.List, ast.ListComp)) else "look")
        elif isinstance(s, ast.Return):
            if s.value is not None:
                self.expr(s.value, "escape" if self.guarded else "return")
        elif isinstance(s, (ast.If, ast.While)):
            self.expr(s.test, "test")
            self.statements(s.body)
            self.statements(s.orelse)
        elif isinstance(s, ast.For):
            self.expr(s.iter, "iterate")
            over = {n.id for n in walk(s.iter) if isinstance(n, ast.Name)}
            before, self.changed = self.changed, set()
            self.target(s.target)
            self.statements(s.body)
            self.bad |= self.changed & over
            self.changed |= before
            self.statements(s.orelse)
        elif isinstance(s, ast.Try):
            self.guarded += bool(s.finalbody)
            self.statements(s.body)
            for handler in s.handlers:
                if handler.name:
                    self.bad.add(handler.name)
                if handler.type:
                    self.expr(handler.type, "escape")
                self.statements(handler.body)
            self.statements(s.orelse)
            self.guarded -= bool(s.finalbody)
            self.statements(s.finalbody)
        elif isinstance(s, ast.AsyncFor):
            self.expr(s.iter, "escape")
            self.target(s.target)
            self.statements(s.body)
            self.statements(s.orelse)
        elif isinstance(s, (ast.With, ast.AsyncWith)):
            for item in s.items:
                self.expr(item.context_expr, "escape")
                if item.optional_vars is not None:
                    self.target(item.optional_vars)
            self.guarded += 1
            self.statements(s.body)
            self.guarded -= 1
        elif isinstance(s, ast.Match):
            self.expr(s.subject, "escape")  # a pattern may capture it
            for case in s.cases:
                self.bad |= captured_by(case.pattern)
                if case.guard is not None:
                    self.expr(case.guard, "test")
                self.statements(case.body)
        elif isinstance(s, ast.Assert):
            self.expr(s.test, "test")
            if s.msg:
                self.expr(s.msg, "escape")
        elif isinstance(s, (ast.Pass, ast.Break, ast.Continue)):
            pass
        else:  # del, raise, import, def: nothing that a value is good for
            for node in walk(s):
                if isinstance(node, ast.Name):
                    self.bad.add(node.id)
                elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    self.bad.add(node.name)

    def assign(self, targets: list[Any], value: Any) -> None:
        if len(targets) == 1 and isinstance(targets[0], ast.Name):
            name = targets[0].id
            kind = self.fresh(value)
            if kind is not None:
                if self.kinds.get(name, kind) not in (kind, None) or name in self.params:
                    self.bad.add(name)
                self.kinds[name] = kind
                self.expr(value, "display")
                return
            if is_repeated(value):
                self.repeated.add(name)
                self.kinds.setdefault(name, None)
                self.expr(value.left, "display")
                self.expr(value.right, "look")
                return
            called = value.value if isinstance(value, ast.Await) else value
            if isinstance(called, ast.Call) and self.returns_value(called, called is not value):
                self.kinds.setdefault(name, None)
            else:
                self.bad.add(name)
            self.expr(value, "escape")
            return
        for target in targets:
            self.target(target)
        plain = len(targets) == 1 and isinstance(targets[0], (ast.Tuple, ast.List))
        self.expr(value, "look" if plain and isinstance(value, ast.Name) else "escape")

    def target(self, node: Any) -> None:
        if isinstance(node, ast.Name):
            self.bad.add(node.id)
        elif isinstance(node, (ast.Tuple, ast.List)):
            for part in node.elts:
                if isinstance(part, ast.Subscript):
                    self.expr(part.value, "escape")  # an item among several targets is set natively
                self.target(part)
        elif isinstance(node, ast.Starred):
            self.target(node.value)
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            self.changed.add(node.value.id)
            if isinstance(node.slice, ast.Slice) or self.kinds.get(node.value.id) is set:
                self.bad.add(node.value.id)
            self.expr(node.slice, "escape")
        else:
            self.expr(node, "escape")

    def change(self, node: Any) -> bool:
        """Whether an expression statement is a change that a value knows, and note it."""
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.attr in UPDATES
            and len(node.args) == 1
            and not node.keywords
            and not isinstance(node.args[0], ast.Starred)
        ):
            return False
        name = node.func.value.id
        self.changed.add(name)
        if self.kinds.get(name) is not UPDATES[node.func.attr]:
            self.bad.add(name)
        extend = node.func.attr == "extend"
        self.expr(node.args[0], "look" if extend and isinstance(node.args[0], ast.Name) else "escape")
        if extend and isinstance(node.args[0], ast.Name) and node.args[0].id == name:
            self.bad.add(name)
        return True

    # -- expressions ----------------------------------------------------------------------------------

    def fresh(self, node: Any) -> type | None:
        if isinstance(node, ast.ListComp):
            return list
        if isinstance(node, ast.Await):
            call = node.value
            gathers = isinstance(call, ast.Call) and asyncio_name(self.function, call.func) == "gather"
            return list if gathers else None
        if isinstance(node, ast.List) and not any(isinstance(e, ast.Starred) for e in node.elts):
            return list
        if isinstance(node, ast.DictComp) or (isinstance(node, ast.Dict) and None not in node.keys):
            return dict
        if isinstance(node, ast.Set) and not any(isinstance(e, ast.Starred) for e in node.elts):
            return set
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FRESH:
            if not node.args and not node.keywords and self.builtin(node.func.id):
                return _FRESH[node.func.id]
        return None

    def builtin(self, name: str) -> bool:
        return self.function.is_builtin(name)

    def expr(self, node: Any, use: str) -> None:
        """Look at an expression whose value is put to this use: ``look`` (read and let go), ``test``,
        ``iterate``, ``return``, ``display`` (a container being made) or ``escape``."""
        if isinstance(node, ast.Name):
            if use == "escape" or use == "display":
                self.bad.add(node.id)
            return
        if isinstance(node, ast.Constant):
            return
        if isinstance(node, ast.Call):
            self.call(node, use)
        elif isinstance(node, ast.Await) and isinstance(node.value, ast.Call):
            self.call(node.value, use, awaited=True)
        elif isinstance(node, ast.Subscript):
            self.expr(node.value, "look")
            self.expr(node.slice, "look")
        elif isinstance(node, ast.Attribute):
            self.expr(node.value, "escape")
        elif isinstance(node, ast.Compare):
            identity = any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops)
            for part in (node.left, *node.comparators):
                self.expr(part, "escape" if identity else "look")
        elif isinstance(node, ast.UnaryOp):
            self.expr(node.operand, "test" if isinstance(node.op, ast.Not) else "look")
        elif isinstance(node, ast.BinOp):
            self.expr(node.left, "look")
            self.expr(node.right, "look")
        elif isinstance(node, ast.BoolOp):
            for part in node.values:
                self.expr(part, "test" if use == "test" else "escape")
        elif isinstance(node, ast.IfExp):
            self.expr(node.test, "test")
            self.expr(node.body, "test" if use == "test" else "escape")
            self.expr(node.orelse, "test" if use == "test" else "escape")
        elif isinstance(node, (ast.JoinedStr, ast.FormattedValue, ast.Slice, ast.Starred)):
            for child in child_nodes(node):
                if isinstance(child, ast.expr):
                    self.expr(child, "look")
        elif isinstance(node, (ast.Tuple, ast.List, ast.Dict)) and use == "return":
            for child in child_nodes(node):
                if isinstance(child, ast.expr):
                    self.expr(child, "return")
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            lazy = isinstance(node, ast.GeneratorExp) and use not in ("look", "iterate")
            for generator in node.generators:
                # a generator that is kept holds on to what it goes over
                self.expr(generator.iter, "escape" if lazy else "iterate")
                self.target(generator.target)
                for test in generator.ifs:
                    self.expr(test, "test")
            for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
                self.expr(part, "escape")
        elif isinstance(node, ast.Lambda):
            for part in [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]:
                self.expr(part, "escape")
            if node in self.function.scope.used_up:
                self.expr(node.body, "escape")
        elif isinstance(node, ast.NamedExpr):
            self.bad.add(node.target.id)
            self.expr(node.value, "escape")
        else:
            for child in child_nodes(node):
                if isinstance(child, ast.expr):
                    self.expr(child, "escape")

    def call(self, node: ast.Call, use: str, *, awaited: bool = False) -> None:
        uses: list[str]
        func = node.func
        count = len(node.args)
        default = "escape"
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
            if func.attr in _LOOKS or (func.attr in _VIEWS and use == "iterate"):
                self.expr(func.value, "look")
                default = "escape"
            elif func.attr == "join":
                self.expr(func.value, "look")
                default = "look"
            else:
                self.expr(func.value, "escape")
        elif isinstance(func, ast.Attribute):
            self.expr(func.value, "look" if isinstance(func.value, ast.Constant) else "escape")
            default = "look" if func.attr == "join" else "escape"
        elif not isinstance(func, ast.Name):
            self.expr(func, "escape")
        target = self.callee(func)
        if not awaited and gives_coroutine(target) and (self.function.is_async or not _is_call(target)):
            target = None  # a coroutine is made, and holds on to what it is given
        uses = [default] * count
        keyword_use = default
        if _is_declared(target) and target.holds([k.arg for k in node.keywords]):
            uses, keyword_use = ["look"] * count, "look"
        elif isinstance(func, ast.Name) and self.builtin(func.id):
            if func.id in _EAGER and not node.keywords:
                # `max(xs, ys)` gives one of them back, `sum(rows, xs)` its start
                alone = count == 1 or func.id not in ("min", "max", "sum")
                uses = ["look" if alone else "escape"] * count
            elif func.id in ("enumerate", "zip", "range") and use == "iterate":
                uses = ["iterate"] * count
            elif func.id == "reversed" and use == "iterate":
                uses = ["look"] * count
        elif use == "iterate" and (passes := passing(self.function, node)) is not None:
            over = parts_of(passes, count)
            uses = ["iterate"] * over + ["escape"] * (count - over)
        elif _has_form(target):
            form = self.form(target)
            if form is not None:
                taken = parameter_uses(form)
                if form.generator:
                    self.held.update(a.id for a in node.args if isinstance(a, ast.Name))
                uses = ["look" if i < len(taken) and taken[i] else "escape" for i in range(count)]
        elif (
            target is not None
            and known.is_pure(target)
            and getattr(target, "__module__", "") in ("json", "statistics", "math")
        ):
            uses = ["look"] * count
        for argument, kind in zip(node.args, uses, strict=True):
            if isinstance(argument, ast.GeneratorExp):
                kind = "look" if self.uses_up(node) and not _is_declared(target) else "escape"
            self.expr(argument, "look" if isinstance(argument, ast.Starred) else kind)
        for keyword in node.keywords:
            self.expr(keyword.value, keyword_use)

    def uses_up(self, node: ast.Call) -> bool:
        """Whether a call uses a generator, its first argument, up before anything else happens: what is
        called in the other arguments would come in between."""
        others = [*node.args[1:], *(k.value for k in node.keywords)]
        if any(isinstance(n, ast.Call) for part in others for n in walk(part)):
            return False
        func = node.func
        if isinstance(func, ast.Name):
            return func.id in _EAGER and self.builtin(func.id)
        return isinstance(func, ast.Attribute) and func.attr == "join"

    def callee(self, func: Any) -> Any:
        path = dotted(func)
        if path is None or path.split(".")[0] in self.function.scope.locals:
            return None
        try:
            found = self.function.resolve_dotted(path)
        except KeyError:
            return None
        found = awaited_target(found)
        return found.call if isinstance(found, BoundCall) else found

    def form(self, target: Any) -> Compiled | None:
        return form_of(target)

    def returns_value(self, node: ast.Call, awaited: bool) -> bool:
        """Whether a call is one of a compiled function, whose result nobody else holds."""
        target = self.callee(node.func)
        if gives_coroutine(target) != awaited:
            return False
        form = self.form(target) if _has_form(target) else None
        return form is not None and not form.lowering and not form.generator


def is_repeated(node: ast.expr) -> TypeGuard[ast.BinOp]:
    """Whether an expression is ``[x] * n``."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mult)
        and isinstance(node.left, ast.List)
        and bool(node.left.elts)
        and not any(isinstance(e, ast.Starred) for e in node.left.elts)
    )


def _is_declared(target: object) -> TypeGuard[Call[..., Any]]:
    return isinstance(target, Call) and target.effects.kind is not Kind.PLAIN


def _is_call(target: object) -> bool:
    return isinstance(target, Call)


def _has_form(target: object) -> bool:
    return isinstance(target, (FunctionType, Flow))


def parameter_uses(form: Compiled) -> tuple[bool, ...]:
    """For each parameter, whether the function only looks at it."""
    if form.lowering:
        return ()  # recursion: nothing is known yet
    form.body  # noqa: B018  lowering works out the values
    return tuple(name in form.values for name in form.params)


def only_looked(function: Compiled, expr: ast.expr | None, names: tuple[str, ...]) -> frozenset[int]:
    """Which of these names (their places) an expression only looks at: its value cannot hold on to them."""
    if expr is None:
        return frozenset()
    analysis = _Analysis(function)
    analysis.expr(expr, "escape")
    return frozenset(at for at, name in enumerate(names) if name not in analysis.bad)
