"""What is known of whole statements and of plain functions before they run.

`types_infer` judges expressions; this walks statements with it, so that a helper function that holds no call,
or a loop of a fragment, can be known to be free of effects while its operands are still to come. Changing a
container is no effect where the container is a value of the function itself (`stretto.compiler.values`).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from . import known
from .known_objects import MUTABLE
from .patterns import capture_types, matched_plainly, tried_plainly
from .relaxations import relaxed
from .scope import bound_names
from .source import dotted, unsupported
from .types import Json, T, Verdict, of_value
from .types_calls import Inference
from .types_infer import _MISSING, looked_into
from .types_results import element

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["function_verdict", "judge", "judge_statements"]

_IMPURE = Verdict(False, True, None)
_NONE = of_value(None)
#: Functions that call functions that call functions: deeper than this nothing is claimed.
_DEPTH = 12


def judge(node: Any, types: Mapping[str, T | None], form: Compiled) -> Verdict:
    """What is known of an expression of a function."""
    walk = _Walk(types, form, 0)
    found = walk.judge(node)
    return Verdict(True, found.heap or walk.heap, found.type) if found.pure else _IMPURE


def judge_statements(
    statements: list[ast.stmt], types: Mapping[str, T | None], form: Compiled, binds: tuple[str, ...]
) -> Verdict:
    """What is known of a run of statements that stay in the function; its type is that of what it binds, as a
    tuple if that is more than one name."""
    walk = _Walk(types, form, 0)
    walk.values = {}
    if not walk.block(statements):
        return _IMPURE
    bound = tuple([walk.types.get(name) for name in binds])
    return Verdict(True, walk.heap, None if not bound else bound[0] if len(bound) == 1 else T(tuple, bound))


def function_verdict(
    fn: FunctionType,
    given: tuple[T | None, ...],
    fields: tuple[tuple[str, T | None], ...] = (),
    depth: int = 0,
) -> Verdict:
    """What is known of calling a plain function with positional arguments of these types; `fields` are
    attributes of the first that can be looked at, and their types."""
    from .functions import compiled

    if fn.__code__.co_flags & 0x2A0:  # generators and coroutines do nothing when called, and more later
        return _IMPURE
    form = compiled(fn) if relaxed("purity") else None
    if form is None or depth > _DEPTH or form.scope.cells or not users_function(fn):
        return _IMPURE
    # functions with the same code share a form, not their defaults, nor what the user said of one of them
    said = known.declared_result(fn)
    key = ("verdict", given, fields, tuple(map(of_value, fn.__defaults__ or ())), known.is_pure(fn), said)
    found: Verdict | None = form.summaries.get(key)
    if found is None:
        form.summaries[key] = _IMPURE  # recursion is not followed
        found = _judge_function(form, fn, given, fields, depth)
        if not found.pure and known.is_pure(fn):
            found = Verdict(True, True, said)  # the user's word
        form.summaries[key] = found
    return found


def users_function(fn: FunctionType) -> bool:
    from .functions import users_own

    return users_own(fn)


def _judge_function(
    form: Compiled, fn: FunctionType, given: tuple[T | None, ...], fields: tuple[tuple[str, T | None], ...],
    depth: int,
) -> Verdict:  # fmt: skip
    from .values import value_names

    node = form.node
    if isinstance(node, ast.AsyncFunctionDef) or unsupported(node) is not None:
        return _IMPURE
    a = node.args
    names = [p.arg for p in (*a.posonlyargs, *a.args)]
    if a.vararg or a.kwarg or a.kwonlyargs or len(given) > len(names):
        return _IMPURE
    defaults = fn.__defaults__ or ()
    types: dict[str, T | None] = dict(zip(names, given, strict=False))
    for name, default in zip(names[len(names) - len(defaults) :], defaults, strict=True):
        if name not in types:
            types[name] = of_value(default)
    if len(types) != len(names):
        return _IMPURE
    walk = _Walk(types, form, depth)
    for name in form.scope.locals:
        walk.types.setdefault(name, None)
    walk.values = {n: k for n, k in value_names(form).items() if k is not None and n not in names}
    walk.fields = {(names[0], name): kind for name, kind in fields}
    body: list[ast.stmt] = [ast.Return(node.body)] if isinstance(node, ast.Lambda) else node.body
    if not walk.block(body):
        return _IMPURE
    if not _ends(body):
        walk.returns.append(_NONE)
    kinds = set(walk.returns)
    return Verdict(True, walk.heap, kinds.pop() if len(kinds) == 1 else None)


def _ends(body: list[ast.stmt]) -> bool:
    """Whether a block never runs to its end."""
    last = body[-1]
    if isinstance(last, (ast.Return, ast.Raise, ast.Break, ast.Continue)):
        return True
    if isinstance(last, ast.Try):
        return _ends(last.orelse or last.body) and all(_ends(h.body) for h in last.handlers)
    return isinstance(last, ast.If) and bool(last.orelse) and _ends(last.body) and _ends(last.orelse)


def _empty(node: ast.expr) -> bool:
    return (isinstance(node, ast.List) and not node.elts) or (isinstance(node, ast.Dict) and not node.keys)


def _constant(owner: object) -> bool:
    """Whether the data of a module stays what it is (``math.pi``)."""
    return isinstance(owner, ModuleType) and owner.__name__.split(".")[0] in sys.stdlib_module_names


class _Walk(Inference):
    """Judges statements, one after another."""

    def __init__(self, types: Mapping[str, T | None], form: Compiled, depth: int) -> None:
        super().__init__(types, form.resolve)
        self.form = form
        self.depth = depth
        self.heap = False
        self.returns: list[T | None] = []
        #: Containers of the function's own, with their kind; and those that nothing was put into yet.
        self.values: dict[str, type | None] = {}
        self.empty: set[str] = set()
        #: Names of exceptions that are being handled.
        self.caught: set[str] = set()
        #: What is known where a loop is left, and where its next turn is begun.
        self.breaks: list[tuple[dict[str, T | None], set[str]]] = []
        self.continues: list[tuple[dict[str, T | None], set[str]]] = []

    def _Name(self, node: ast.Name) -> Verdict:
        if node.id in self.types:
            return super()._Name(node)
        if node.id in self.form.scope.cells or node.id in self.form.declared:
            return Verdict(True, True, None)
        if node.id in self.form.closure and self._static(node) is _MISSING:
            return Verdict(True, True, None)  # another closure over the same code may hold another type
        found = super()._Name(node)
        return Verdict(True, True, found.type) if self.form.is_data(node.id) else found

    def _static(self, node: ast.expr) -> object:
        from .functions import is_static

        found = super()._static(node)
        if isinstance(node, ast.Attribute) and dotted(node) in self.form.declared:
            return _MISSING  # the file binds it again
        if isinstance(node, ast.Name) and node.id in self.form.closure and not is_static(found):
            return _MISSING
        if isinstance(node, ast.Attribute) and found is not _MISSING and not is_static(found):
            self.heap = self.heap or not _constant(super()._static(node.value))
        return found

    def _bind(self, target: ast.expr, kind: T | None) -> bool:
        if isinstance(target, (ast.Tuple, ast.List)) and looked_into(kind):
            self.heap = True  # taking it apart looks into it
        return super()._bind(target, kind)

    # -- calls of the user's own functions ----------------------------------------------------------------

    def _call(self, node: ast.Call, f: object) -> Verdict:
        if type(f) is FunctionType and users_function(f):
            found = self._arguments(node)
            if found is None:
                return _IMPURE
            verdicts, heap = found
            if node.keywords:
                return Verdict(True, True, known.declared_result(f)) if known.is_pure(f) else _IMPURE
            result = function_verdict(f, tuple(v.type for v in verdicts), depth=self.depth + 1)
            return Verdict(True, heap or result.heap, result.type) if result.pure else _IMPURE
        return super()._call(node, f)

    def _method(self, node: ast.Call, func: ast.Attribute) -> Verdict:
        found = super()._method(node, func)
        owner = func.value
        if func.attr == "get" and found.pure and len(node.args) == 2 and _empty(node.args[1]):
            held = self.judge(owner).type
            if held is not None and held.cls is Json:
                return Verdict(True, found.heap, held)
        if (
            func.attr == "get"
            and isinstance(owner, ast.Name)
            and owner.id in self.empty
            and len(node.args) == 2
        ):
            return Verdict(found.pure, found.heap, self.judge(node.args[1]).type)
        return found

    # -- statements -----------------------------------------------------------------------------------

    def block(self, statements: list[ast.stmt]) -> bool:
        return all(self.statement(s) for s in statements)

    def statement(self, s: ast.stmt) -> bool:
        method: Callable[[Any], bool] | None = getattr(self, "on_" + type(s).__name__.lower(), None)
        return method is not None and method(s)

    def holds(self, node: ast.expr | None) -> T | bool | None:
        """The type of an expression, or False if it is not pure."""
        verdict = self.judge(node)
        if not verdict.pure:
            return False
        self.heap = self.heap or verdict.heap
        return verdict.type

    def asks(self, node: ast.expr) -> bool:
        """Whether the truth of an expression can be asked."""
        verdict = self._truth(node)
        self.heap = self.heap or verdict.heap
        return verdict.pure

    def on_pass(self, s: ast.Pass) -> bool:
        return True

    def on_expr(self, s: ast.Expr) -> bool:
        return self.change(s.value) or self.holds(s.value) is not False

    def change(self, node: ast.expr) -> bool:
        """``xs.append(x)`` on a container of the function's own."""
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in self.values
            and node.func.attr in ("append", "add", "extend")
            and len(node.args) == 1
            and not node.keywords
        ):
            return False
        name = node.func.value.id
        if node.func.attr == "extend":
            verdict = self._iterated(node.args[0])
            item = element(verdict.type)
        else:
            verdict = self.judge(node.args[0])
            item = verdict.type
            if node.func.attr == "add" and not self._known(verdict):
                return False
        self.heap = self.heap or verdict.heap
        if verdict.pure:
            self.put(name, (item,) if item is not None else ())
        return verdict.pure

    def put(self, name: str, args: tuple[T | None, ...]) -> None:
        held = self.types.get(name)
        if held is None:
            return
        if name in self.empty:
            self.empty.discard(name)
            self.types[name] = T(held.cls, args)
        elif held.args != args:
            self.types[name] = T(held.cls)

    def on_assign(self, s: ast.Assign) -> bool:
        verdict = self.judge(s.value)
        self.heap = self.heap or verdict.heap
        return verdict.pure and all(self.store(t, verdict.type, s.value) for t in s.targets)

    def on_annassign(self, s: ast.AnnAssign) -> bool:
        if s.value is None:
            return True
        verdict = self.judge(s.value)
        self.heap = self.heap or verdict.heap
        return verdict.pure and self.store(s.target, verdict.type, s.value)

    def store(self, target: ast.expr, kind: T | None, value: ast.expr) -> bool:
        if isinstance(target, ast.Name):
            self.types[target.id] = kind
            self.empty.discard(target.id)
            empty = _empty(value)
            made = isinstance(value, ast.Call) and not value.args and not value.keywords
            if target.id in self.values and (empty or made) and kind is not None:
                self.empty.add(target.id)
            return True
        if isinstance(target, ast.Subscript):
            name = target.value.id if isinstance(target.value, ast.Name) else None
            key = self.judge(target.slice)
            if name not in self.values or not self._known(key) or isinstance(target.slice, ast.Slice):
                return False
            self.heap = self.heap or key.heap
            if self.values[name] is dict:
                self.put(name, (key.type, kind))
            else:
                self.put(name, (kind,))
            return True
        return self._bind(target, kind)

    def on_augassign(self, s: ast.AugAssign) -> bool:
        target = s.target
        if isinstance(target, ast.Attribute):
            return False
        if isinstance(target, ast.Name):
            held = self.types.get(target.id)
            if held is not None and held.cls in MUTABLE:
                if held.cls is not list or target.id not in self.values or not isinstance(s.op, ast.Add):
                    return False
                verdict = self._iterated(s.value)
                self.heap = self.heap or verdict.heap
                self.put(target.id, (element(verdict.type),) if element(verdict.type) else ())
                return verdict.pure
            load: ast.expr = ast.Name(target.id, ast.Load())
        else:
            load = ast.Subscript(target.value, target.slice, ast.Load())
        verdict = self.judge(ast.BinOp(load, s.op, s.value))
        self.heap = self.heap or verdict.heap
        if isinstance(target, ast.Subscript):
            held = self.judge(load).type
            if held is None or held.cls in MUTABLE:
                return False  # changed in place, and who knows who else holds it
        return verdict.pure and self.store(target, verdict.type, s.value)

    def on_delete(self, s: ast.Delete) -> bool:
        return all(isinstance(t, ast.Name) for t in s.targets)

    def on_return(self, s: ast.Return) -> bool:
        kind = self.holds(s.value)
        if kind is False:
            return False
        self.returns.append(kind)  # type: ignore[arg-type]
        return True

    def on_raise(self, s: ast.Raise) -> bool:
        return self.raises(s.exc) and self.raises(s.cause)

    def raises(self, node: ast.expr | None) -> bool:
        """Whether raising this does nothing else: a class is called, and what is raised is changed by it."""
        if node is None or (isinstance(node, ast.Constant) and node.value is None):
            return True
        if isinstance(node, ast.Name) and node.id in self.caught:
            return True
        made = self._static(node.func if isinstance(node, ast.Call) else node)
        if not isinstance(made, type) or not known.is_pure(made):
            return False
        return not isinstance(node, ast.Call) or self.holds(node) is not False

    def on_assert(self, s: ast.Assert) -> bool:
        return self.asks(s.test) and self.holds(s.msg) is not False

    def on_if(self, s: ast.If) -> bool:
        if not self.asks(s.test):
            return False
        before, empty = dict(self.types), set(self.empty)
        pure = self.block(s.body)
        after, after_empty = self.types, self.empty
        self.types, self.empty = before, empty
        pure = pure and self.block(s.orelse)
        if s.body and _ends(s.body):
            return pure  # what follows comes from the other arm alone
        if s.orelse and _ends(s.orelse):
            self.types, self.empty = after, after_empty
            return pure
        self.join(after, after_empty)
        return pure

    def on_match(self, s: ast.Match) -> bool:
        kind = self.holds(s.subject)
        if isinstance(kind, bool) or not matched_plainly(kind):
            return False
        self.heap = self.heap or looked_into(kind)
        ends: list[tuple[dict[str, T | None], set[str]]] = []
        for case in s.cases:
            if not tried_plainly(case.pattern, self._static):
                return False
            captured = capture_types(case.pattern, kind)
            self.types.update(captured)
            self.empty -= captured.keys()
            if case.guard is not None:
                if not self.asks(case.guard):
                    return False
                self.loosen(bound_names([case.guard]))
            before = dict(self.types), set(self.empty)
            if not self.block(case.body):
                return False
            if not _ends(case.body):
                ends.append((self.types, self.empty))
            self.types, self.empty = before
        for end in ends:
            self.join(*end)
        if getattr(s, "stretto_tried", False):
            for case in s.cases:  # what one has captured is looked at only where it is the one
                self.types.update(capture_types(case.pattern, kind))
        return True

    def join(self, other: dict[str, T | None], empty: set[str]) -> None:
        """Types that hold whichever way was taken."""
        joined: dict[str, T | None] = {}
        for name in {*self.types, *other}:
            one, two = self.types.get(name), other.get(name)
            if one == two:
                joined[name] = one
            elif one is not None and two is not None and one.cls is two.cls:
                if name in self.empty:
                    joined[name] = two
                elif name in empty:
                    joined[name] = one
                else:
                    joined[name] = T(one.cls)
            else:
                joined[name] = None
        self.types = joined
        self.empty &= empty

    def on_while(self, s: ast.While) -> bool:
        return self.turns(s, lambda: self.asks(s.test) and self.block(s.body))

    def on_for(self, s: ast.For) -> bool:
        source = self._iterated(s.iter)
        self.heap = self.heap or source.heap
        if not source.pure:
            return False
        kind = element(source.type)
        return self.turns(s, lambda: self.store(s.target, kind, s.iter) and self.block(s.body))

    def turns(self, s: ast.For | ast.While, turn: Callable[[], bool]) -> bool:
        """Judge a loop: until another turn changes no type."""
        around = self.breaks, self.continues
        for _ in range(4):
            before, empty = dict(self.types), set(self.empty)
            self.breaks, self.continues = [], []
            if not turn():
                return False
            for state in self.continues:
                self.join(*state)
            self.join(before, empty)
            if self.types == before and self.empty == empty:
                break
        else:
            return False
        breaks = self.breaks
        self.breaks, self.continues = around
        if isinstance(s, ast.While):
            self.loosen(bound_names([s.test]))
        pure = self.block(s.orelse)
        for state in breaks:
            self.join(*state)
        return pure

    def on_break(self, s: ast.Break) -> bool:
        self.breaks.append((dict(self.types), set(self.empty)))
        return True

    def on_continue(self, s: ast.Continue) -> bool:
        self.continues.append((dict(self.types), set(self.empty)))
        return True

    def loosen(self, names: set[str]) -> None:
        """Forget what was known of these names."""
        self.empty -= names
        for name in names:
            self.types[name] = None

    def on_try(self, s: ast.Try) -> bool:
        names = bound_names(s.body)
        before = dict(self.types)
        left = len(self.breaks), len(self.continues)
        if not self.block(s.body):
            return False
        # a handler starts anywhere in the body: what that binds or puts into containers is not known there
        anywhere = dict(before)
        for n, t in before.items():
            if n in names:
                anywhere[n] = None
            elif t is not None and n in self.values:
                anywhere[n] = T(t.cls)
        self.empty = set()
        self.types = self.held_loosely(self.types)
        if not self.block(s.orelse):
            return False
        after = self.types
        for handler in s.handlers:
            self.types, self.empty = dict(anywhere), set()
            if handler.type is not None and self.holds(handler.type) is False:
                return False
            around = set(self.caught)
            if handler.name:
                self.types[handler.name] = None
                if handler.name not in bound_names(handler.body):
                    self.caught.add(handler.name)
            if not self.block(handler.body):
                return False
            self.caught = around
            if not _ends(handler.body):
                self.join(after, set())
                after = self.types
        self.types, self.empty = after, set()
        if not s.finalbody:
            return True
        # it is come to from anywhere in all of them, and on the way of every `break` and `continue` there
        self.types = self.held_loosely(after)
        self.loosen(bound_names([*s.body, *s.handlers, *s.orelse]))
        again = (*self.breaks[left[0] :], *self.continues[left[1] :])
        if not self.block(s.finalbody):
            return False
        bound = bound_names(s.finalbody)
        for types, empty in again:
            empty.clear()
            types.update({n: None if n in bound else t for n, t in self.held_loosely(types).items()})
        return True

    def held_loosely(self, types: dict[str, T | None]) -> dict[str, T | None]:
        """The same, with nothing known of what the function's own containers hold."""
        loose = {n: t if t is None else T(t.cls) for n, t in types.items() if n in self.values}
        return {**types, **loose}
