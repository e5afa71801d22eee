"""Fragments: runs of the user's own statements that hold no call, compiled by CPython as they stand.

A fragment is a function of the names it reads to the names it binds. It comes in two forms: native, and
guarded (see `stretto.compiler.guard`), which stops before the first operation that is not known to be
free of effects.
"""

from __future__ import annotations

import ast
import inspect
import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from ..engine.tokens import HEAP, name_path
from .changes import change_of, mutated, only_changes, stored
from .guard import assemble, guarded_unit
from .guard_source import Unit, requalified
from .relaxations import relaxed
from .scope import bound_names
from .source import UNEVALUATED, dotted
from .syntax import function_def
from .types import T, Verdict, infer
from .types_infer import looked_into
from .values import only_looked
from .verdicts import judge, judge_statements
from .walking import placed, walk

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["MISSING", "Fragment"]


class _Missing:
    """What a fragment is given for a name that is not bound."""

    def __repr__(self) -> str:
        return "<unbound>"


MISSING = _Missing()
#: Trailing parameters of a soft fragment, filled by its defaults: no name of ours in the user's globals.
_MISSING_NAME = "__missing"
_ERROR_NAME = "__name_error"
_DEFAULTS = (MISSING, NameError)

#: Nothing in it can differ: no operation at all.
PURE = Verdict(True, False, None)
UNKNOWN = Verdict(False, True, None)


class Fragment:
    """A run of statements.

    Attributes:
        reads: local names, in the order of the parameters.
        binds: local names that it may bind, in the order of the results.
        soft: names may be unbound on the way in, and on the way out: the result is a dict.
        expr: the one expression, where the fragment is ``bind = expr``.
        opaque: it must run natively and in order (it holds calls that nothing can reorder).
        cells: names that live in cells, its own function's or those around it.
        asks: it is the test of an ``if``, and nothing else uses what it binds.
    """

    __slots__ = (
        "_code", "_constants", "_guarded", "_looks", "_native", "_softened", "_unit", "_verdicts",
        "asks", "binds", "cells", "expr", "function", "heap", "keeps", "lineno", "looks_at", "mutates",
        "name", "opaque", "path", "reads", "settled", "soft", "statements", "stores", "takes", "text",
        "trivial", "unpacks",
    )  # fmt: skip

    #: Whether it is a statement of a script that CPython runs as it stands.
    whole = False

    def __init__(
        self,
        function: Compiled,
        statements: list[ast.stmt],
        reads: tuple[str, ...],
        binds: tuple[str, ...],
        *,
        expr: ast.expr | None = None,
        soft: bool = False,
        opaque: bool = False,
        cells: tuple[str, ...] = (),
        lineno: int = 0,
        name: str | None = None,
    ) -> None:
        self.function = function
        self.name = name or function.name
        self.statements = statements
        self.reads = reads
        self.binds = binds
        self.expr = expr
        self.soft = soft
        self.opaque = opaque
        self.cells = cells
        self.lineno = lineno
        shown = (
            expr if expr is not None and binds[0].startswith("__t") else statements[0] if statements else None
        )
        self.text = "" if shown is None else ast.unparse(shown).split("\n")[0]
        self.asks = getattr(expr, "asked", False)
        self.trivial = expr is not None and isinstance(expr, (ast.Constant, ast.Name)) and not cells
        #: The name of the container that this statement changes, where that is plain to see.
        self.mutates = mutated(statements) if not opaque else None
        #: What it changes, where all that it does is to bind a name that others see, or to unbind it. A
        #: module's names are looked at like attributes of an object (see `namespaces`).
        bound, scope = stored(statements), function.scope
        self.stores = (
            HEAP if bound in scope.globals else name_path(bound) if bound in scope.nonlocals else None
        )
        self.unpacks = _unpacks(statements)
        self.heap = any(
            isinstance(n, ast.Name) and function.is_data(n.id) for s in statements for n in walk(s)
        )
        #: A name of the module, and attributes of it, where that is all that it looks at.
        self.path: tuple[str, ...] | None = None
        if self.heap and expr is not None and not (reads or cells or soft):
            whole = dotted(expr)
            self.path = None if whole is None else tuple(whole.split("."))
        #: What it looks at, where that is one name of a function around it, and not what this is bound to.
        look = expr.id if isinstance(expr, ast.Name) and relaxed("objects") else ""
        alone = cells == (look,) and not reads
        self.looks_at = name_path(look) if alone else HEAP
        #: Nothing binds that again.
        self.settled = alone and look in function.settled
        #: The result may hold on to its operands, so a value is copied for it.
        self.keeps = (
            self.unpacks is None
            if expr is None
            else isinstance(expr, (ast.Tuple, ast.List, ast.Dict, ast.Set))
        )
        #: The temporaries that nothing needs once it has run (see `emit.settle_temporaries`).
        self.takes: tuple[str, ...] = ()
        self._softened: Fragment | None = None
        self._looks: tuple[bool, frozenset[int]] | None = None
        self._constants: tuple[str, ...] | None = None
        self._code: CodeType | None = None
        self._native: FunctionType | None = None
        self._guarded: FunctionType | None = None
        self._unit: Unit | None = None
        self._verdicts: dict[Any, Verdict] = {}

    def __repr__(self) -> str:
        return f"<fragment {self.lineno}: {self.text}>"

    # -- running --------------------------------------------------------------------------------------

    def native(self, cells: Mapping[str, CellType]) -> Callable[..., Any]:
        """The fragment as CPython runs it."""
        if self._native is not None:
            return self._native
        code = self._code
        if code is None:
            code = self._code = self._compile()
        closure = tuple(cells[name] for name in code.co_freevars)
        defaults = _DEFAULTS if self.soft else None
        fn = FunctionType(code, self.function.globals, self.function.name, defaults, closure)
        if not closure:
            self._native = fn
        return fn

    def guarded(self, cells: Mapping[str, CellType]) -> Callable[..., Any]:
        """The fragment under guard."""
        if self._guarded is not None:
            return self._guarded
        form = self.function
        unit = self._unit
        if unit is None:
            unit = self._unit = guarded_unit(
                self._tree(), form.filename, form.globals, self.cells,
                future_annotations=bool(self._future), qualname=self._qualname,
            )  # fmt: skip
        fn = assemble(unit, {name: cells[name] for name in self.cells}, form.globals, self.name)
        if self.name != fn.__code__.co_name:
            fn.__code__ = fn.__code__.replace(co_name=self.name)
        if self.soft:
            fn.__defaults__ = _DEFAULTS
        if not self.cells:
            self._guarded = fn
        return fn

    def results(self, value: Any) -> dict[str, Any]:
        """What a run of the fragment bound: name to value, or to `MISSING`."""
        if len(self.binds) == 1:
            return {self.binds[0]: value}
        return dict(zip(self.binds, value or (), strict=True))

    def bound_at(self, error: BaseException) -> dict[str, Any]:
        """What a run that has failed had bound: name to value, or to `MISSING`."""
        trace = None if self.expr is not None else error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            if code.co_filename == self.function.filename and code.co_name == self.name:
                found = trace.tb_frame.f_locals
                # one that is not soft has bound what it holds, and left the other names as they were
                return {n: found.get(n, MISSING) for n in self.binds if self.soft or n in found}
            trace = trace.tb_next
        return {}

    def softened(self) -> Fragment:
        """The same, to be run where a name that it reads is not bound: it fails where Python would."""
        if self._softened is None:
            self._softened = Fragment(
                self.function, self.statements, self.reads, self.binds,
                soft=True, opaque=self.opaque, cells=self.cells, lineno=self.lineno, name=self.name,
            )  # fmt: skip
            self._softened.takes = self.takes
        return self._softened

    def _tree(self) -> ast.FunctionDef:
        body: list[ast.stmt] = []
        args = list(self.reads)
        scope, bound = self.function.scope, bound_names(self.statements)
        if nonlocals := sorted(set(self.cells) & (scope.cells | scope.nonlocals) & bound):
            body.append(ast.Nonlocal(nonlocals))
        if globals_ := sorted(scope.globals & bound):
            body.append(ast.Global(globals_))
        if self.soft:
            body += [_forget_if_missing(name) for name in args]
            args += [_MISSING_NAME, _ERROR_NAME]
        body += self.statements
        if self.expr is not None and len(self.binds) == 1:
            body[-1] = ast.Return(self.expr)
        elif self.binds:
            results: list[ast.expr] = []
            for name in self.binds:
                if self.soft:
                    body.append(_copy_or_missing(name))
                results.append(ast.Name(f"__out_{name}" if self.soft else name, ast.Load()))
            body.append(ast.Return(results[0] if len(results) == 1 else ast.Tuple(results, ast.Load())))
        name = self.name if self.name.isidentifier() else "_lambda"
        tree = function_def(name, ast.arguments([], [ast.arg(a) for a in args], None, [], [], None, []), body)
        tree.lineno = self.lineno
        tree.col_offset = 0
        tree.end_lineno = max(
            [self.lineno, *(s.end_lineno or s.lineno for s in self.statements if hasattr(s, "lineno"))]
        )
        tree.end_col_offset = 0
        for statement in tree.body:
            if not hasattr(statement, "lineno"):
                ast.copy_location(statement, self.statements[-1] if self.statements else tree)
        placed(tree)
        if self.name == self.function.name:
            # It begins where the user's function does: those that show tracebacks look there for its lines.
            tree.lineno = self.function.lineno
            tree.end_lineno = max(tree.lineno, tree.end_lineno)
        return tree

    @property
    def _future(self) -> int:
        """How the user's module has its annotations."""
        return self.function.fn.__code__.co_flags & UNEVALUATED

    @property
    def _qualname(self) -> str:
        own = self.function.qualname
        return own if self.name == self.function.name else f"{own}.<locals>.{self.name}"

    def _compile(self) -> CodeType:
        tree: ast.stmt = self._tree()
        if self.cells:
            outer = function_def(
                "__outer", ast.arguments([], [ast.arg(c) for c in self.cells], None, [], [], None, []),
                [tree, ast.Pass()],
                lineno=tree.lineno, col_offset=0, end_lineno=tree.end_lineno, end_col_offset=0,
            )  # fmt: skip
            tree = placed(outer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # the module's own compilation has told
            module = compile(ast.Module([tree], []), self.function.filename, "exec", self._future, True)
        code = _inner(module)
        if self.cells:
            code = _inner(code)
        # a flag without a meaning for plain code: it tells that this is a part of an ``async def``
        flags = code.co_flags | (inspect.CO_ITERABLE_COROUTINE if self.function.is_async else 0)
        return requalified(code, code.co_qualname, self._qualname).replace(co_name=self.name, co_flags=flags)

    # -- what it may do -------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether it looks at nothing but its operands and what they lead to."""
        return self._looked()[0]

    @property
    def looked(self) -> frozenset[int]:
        """The operands (their places in `reads`) whose identity does not matter: it looks at them, and lets
        them go."""
        return self._looked()[1]

    @property
    def shallow(self) -> bool:
        """Whether all that it looks at is one container, and not what its elements lead to."""
        expr = self.expr
        return (
            isinstance(expr, ast.Subscript)
            and isinstance(expr.value, ast.Name)
            and (isinstance(expr.slice, (ast.Name, ast.Constant)) or _negative(expr.slice))
        )

    def element(self, values: list[Any]) -> tuple[Any, Any]:
        """The container that it looks at, and the index or key, where it is `shallow`."""
        assert isinstance(self.expr, ast.Subscript)
        held, key = (self._given(node, values) for node in (self.expr.value, self.expr.slice))
        return held, key

    def _given(self, node: ast.expr, values: list[Any]) -> Any:
        if isinstance(node, ast.Name):
            return values[self.reads.index(node.id)]
        return ast.literal_eval(node)

    def _looked(self) -> tuple[bool, frozenset[int]]:
        found = self._looks
        if found is None:
            only = only_looked(self.function, self.expr, self.reads)
            found = self._looks = (self._judge_closed(), only)
        return found

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of its module's data, where but for these it looks at nothing but its operands; else none."""
        found = self._constants
        if found is None:
            names = {
                n.id
                for s in self.statements
                for n in walk(s)
                if isinstance(n, ast.Name) and self.function.is_data(n.id)
            }
            of_module = names.isdisjoint((*self.function.declared, *self.function.closure))
            closed = bool(names) and of_module and self._judge_closed(names)
            found = self._constants = tuple(sorted(names)) if closed else ()
        return found

    def _judge_closed(self, constants: Collection[str] = ()) -> bool:
        if (self.heap and not constants) or self.cells or self.soft:
            return False
        own = {*self.reads, *self.binds, *constants}
        for statement in self.statements:
            for node in walk(statement):
                if not isinstance(node, ast.Name) or node.id in own or not isinstance(node.ctx, ast.Load):
                    continue
                try:
                    value = self.function.resolve(node.id)
                except KeyError:
                    continue  # bound inside, as by a comprehension, or an error
                if not _of_library(value):
                    return False
        return True

    def verdict(self, types: tuple[T | None, ...]) -> Verdict:
        """What is known of a run with operands of these types."""
        found = self._verdicts.get(types)
        if found is None:
            found = self._verdicts[types] = self._judge(types)
        return found

    def types_of(self, verdict: Verdict) -> tuple[T | None, ...]:
        """What the names that it binds will hold, after a run of which this is known."""
        if len(self.binds) == 1:
            return (verdict.type,)
        held = verdict.type.args if verdict.type is not None and self.binds else ()
        return held or (None,) * len(self.binds)

    def plain_change(self, types: tuple[T | None, ...]) -> bool:
        """Whether all that a run does is to change the built-in container that it names in `mutates`, or to
        bind a name that others see."""
        if self.stores:
            return relaxed("objects")
        key = ("change", types)
        found = self._verdicts.get(key)
        if found is None:
            found = self._verdicts[key] = Verdict(self._judge_change(types), True, None)
        return found.pure

    @property
    def change(self) -> tuple[str, Any, Any]:
        """What a plain change does, as `changes.change_of` has it."""
        return change_of(self.statements[0], self.reads)

    @property
    def may_change(self) -> bool:
        """Whether it is a change of a built-in container, if what it names in `mutates` is one."""
        for kind in (list, dict, set):
            types = tuple([T(kind) if name == self.mutates else None for name in self.reads])
            if self.plain_change(types):
                return True
        return False

    def _judge_change(self, types: tuple[T | None, ...]) -> bool:
        if self.mutates is None or self.mutates not in self.reads or self.soft or not relaxed("objects"):
            return False
        known: dict[str, T | None] = dict(zip(self.reads, types, strict=True))
        return only_changes(self.statements[0], self.mutates, known, self.function.resolve)

    def _judge(self, types: tuple[T | None, ...]) -> Verdict:
        if self.opaque:
            return UNKNOWN
        if self.trivial:
            return Verdict(
                True, self.heap, types[0] if types else infer(self.expr, {}, self.function.resolve).type
            )
        if not relaxed("purity"):
            return UNKNOWN
        known: dict[str, T | None] = dict(zip(self.reads, types, strict=True))
        form = self.function
        expr = self.expr
        statement = self.statements[0] if len(self.statements) == 1 else None
        if expr is None and self.unpacks is not None:
            verdict = judge(self.unpacks, known, form)
            simple = verdict.type is not None and verdict.type.cls in (
                tuple,
                list,
                str,
                dict,
                range,
                set,
                frozenset,
            )
            heap = verdict.heap or self.heap or looked_into(verdict.type)  # taking it apart looks into it
            return Verdict(verdict.pure and simple, heap, None)
        if expr is None and isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            left = known.get(statement.target.id)
            if left is None or left.cls in (list, dict, set, bytearray):
                return UNKNOWN
            expr = ast.BinOp(ast.Name(statement.target.id, ast.Load()), statement.op, statement.value)
        elif expr is None and isinstance(statement, ast.Expr):
            expr = statement.value
        if expr is None:
            found = judge_statements(self.statements, known, form, self.binds)
            return Verdict(found.pure, found.heap or self.heap, found.type)
        if any(isinstance(n, ast.NamedExpr) for n in walk(expr)):
            return UNKNOWN
        verdict = judge(expr, known, form)
        return Verdict(verdict.pure, verdict.heap or self.heap, verdict.type)


def _negative(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.USub)
        and isinstance(node.operand, ast.Constant)
    )


def _of_library(value: Any) -> bool:
    """Whether a global is a module, class or function of the standard library."""
    if not isinstance(value, (ModuleType, type, FunctionType, BuiltinFunctionType)):
        return False
    name = value.__name__ if isinstance(value, ModuleType) else value.__module__
    return type(name) is str and name.partition(".")[0] in sys.stdlib_module_names


def _inner(code: CodeType) -> CodeType:
    return next(c for c in code.co_consts if isinstance(c, CodeType))


def _copy_or_missing(name: str) -> ast.Try:
    out = f"__out_{name}"
    return ast.Try(
        [ast.Assign([ast.Name(out, ast.Store())], ast.Name(name, ast.Load()))],
        [
            ast.ExceptHandler(
                ast.Name(_ERROR_NAME, ast.Load()),
                None,
                [ast.Assign([ast.Name(out, ast.Store())], ast.Name(_MISSING_NAME, ast.Load()))],
            )
        ],
        [],
        [],
    )


def _forget_if_missing(name: str) -> ast.If:
    return ast.If(
        ast.Compare(ast.Name(name, ast.Load()), [ast.Is()], [ast.Name(_MISSING_NAME, ast.Load())]),
        [ast.Delete([ast.Name(name, ast.Del())])],
        [],
    )


def _unpacks(statements: list[ast.stmt]) -> ast.expr | None:
    """The value, where the statement is ``a, b = value`` with plain names on the left."""
    if len(statements) != 1 or not isinstance(statements[0], ast.Assign):
        return None
    statement = statements[0]
    for target in statement.targets:
        for node in walk(target):
            if not isinstance(node, (ast.Name, ast.Tuple, ast.List, ast.Store)):
                return None
        if isinstance(target, (ast.Tuple, ast.List)) and any(
            isinstance(e, (ast.Tuple, ast.List)) for e in target.elts
        ):
            return None
    return statement.value
