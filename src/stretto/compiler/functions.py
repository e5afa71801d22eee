"""Compiled functions: one for each function object that a flow runs through."""

from __future__ import annotations

import ast
import builtins
import sys
import threading
from collections.abc import Callable
from inspect import CO_GENERATOR
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import Any

from ..calls import BoundCall, Call, CallHolder
from ..declarations.project import load_once
from ..declarations.registry import bounds_of, call_of
from ..errors import UnsupportedConstruct
from ..flows import Flow
from . import ir
from .bounded import Bounded
from .namespaces import Namespace, is_kept
from .relaxations import off, relaxed
from .scope import Scope, bound_names, scope_of, settled_names
from .source import FunctionNode, declared_outside, function_node, unsupported
from .syntax import function_def
from .task_words import works_on_tasks
from .walked import may_call, only_changes
from .walking import placed

__all__ = ["Compiled", "compiled", "forget", "form_of", "helper", "is_static"]

_STATIC = (
    FunctionType,
    BuiltinFunctionType,
    MethodType,
    MethodDescriptorType,
    MethodWrapperType,
    type,
    ModuleType,
    Call,
    BoundCall,
    CallHolder,
    Flow,
)

_UNDECIDED: Any = object()
_lock = threading.RLock()
_cache: Bounded[tuple[Any, ...], Compiled] = Bounded(1024)
_helpers: Bounded[tuple[Any, ...], Compiled | None] = Bounded(8192)
#: Functions being looked into, and whether they were met again meanwhile (recursion).
_deciding: dict[tuple[Any, ...], bool] = {}


def is_static(value: object) -> bool:
    """Whether a global is taken to stay what it is (functions, classes, modules), unlike data."""
    return isinstance(value, _STATIC)


class Compiled:
    """A function in its compiled form, made when it is first needed.

    Attributes:
        name, qualname, filename, lineno: of the user's function, for tracebacks.
        is_async: whether it is an ``async def``.
        scope: its names.
        values: local names whose containers are values (see `stretto.compiler.values`).
        body: its steps.
        at_top: whether it is the top level of a script, whose names are those of a module.
        bounds: what it changes at most, where that is declared.
    """

    at_top = False
    #: Whether it holds no call, and is walked for the sake of the objects that it changes.
    changes = False
    #: Whether it holds no call but such as show something.
    only_shows = False

    def __init__(
        self,
        fn: FunctionType,
        node: FunctionNode,
        taken: frozenset[str] = frozenset(),
        *,
        emitting: bool = False,
    ) -> None:
        load_once()
        code = fn.__code__
        self.fn = fn
        self.node = node
        self.bounds = bounds_of(fn)
        self.is_async = isinstance(node, ast.AsyncFunctionDef)
        self.name = code.co_name
        self.qualname = fn.__qualname__
        self.filename = code.co_filename
        self.lineno = code.co_firstlineno
        #: Whether calling it makes a generator.
        self.generator = bool(code.co_flags & CO_GENERATOR)
        #: Its yields give values to whoever goes over the flow that it is.
        self.emitting = emitting
        self._emits: Compiled | None = None
        #: Parameters that hold generators in this form of the function, and all names that may.
        self.taken = taken
        self.generators: frozenset[str] = frozenset()
        self._variants: dict[frozenset[str], Compiled] = {}
        self._closing: bool | None = None
        self._holding: tuple[str, ...] | None = None
        self.globals = fn.__globals__
        self.closure: dict[str, Any] = dict(zip(code.co_freevars, fn.__closure__ or (), strict=True))
        self.scope: Scope = scope_of(node, code.co_freevars, self._stands_for_builtin)
        #: Names of functions around that stay what they are.
        self.settled = settled_names(node, code.co_freevars)
        self.params = self.scope.params
        #: Names that functions of its file bind again from inside.
        self.declared = declared_outside(code.co_filename) - self.scope.locals
        self.namespace = Namespace(self.globals)
        self.simple_arity = _simple_arity(fn)
        self.packed = _packed(node)
        self._binder = _binder(node, code)
        self._body: ir.Block | None = None
        self.lowering = False
        self.values: dict[str, type | None] = {}
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        #: Parameters that the function binds again.
        self.rebound = frozenset(self.params) & bound_names(body)
        self.summaries: dict[Any, Any] = {}
        #: Code that stands for a line of the function in tracebacks, and the instruction that it was at.
        self.lines: dict[tuple[int, str], tuple[CodeType, int]] = {}

    def __repr__(self) -> str:
        return f"<compiled {self.qualname}>"

    @property
    def body(self) -> ir.Block:
        """The steps of the function; lowered on first use."""
        if self._body is None:
            from .lower import lower  # late: lowering a function looks at the functions that it calls

            with _lock:
                if self._body is None:
                    self.lowering = True
                    self._body = lower(self)
                    self.lowering = False
        return self._body

    @property
    def holding(self) -> tuple[str, ...]:
        """Local names that may hold a generator which has begun, in the order in which CPython lets go of
        them."""
        found = self._holding
        if found is None:
            from .generators import holding_names  # late: as below

            names = holding_names(self)
            found = self._holding = tuple(n for n in self.fn.__code__.co_varnames if n in names)
        return found

    def taking(self, names: frozenset[str]) -> Compiled:
        """The same function, as it is compiled where these parameters hold generators."""
        found = self._variants.get(names)
        if found is None:
            found = self._variants.setdefault(names, Compiled(self.fn, self.node, names))
        return found

    @property
    def emits(self) -> Compiled:
        """The same generator, as it is compiled where it is the flow that is run."""
        found = self._emits
        if found is None:
            found = self._emits = Compiled(self.fn, self.node, emitting=True)
        return found

    @property
    def closing(self) -> bool:
        """Whether code of the user's may run when a generator of this function is closed."""
        found = self._closing
        if found is None:
            from .generators import may_close  # late: it looks at the functions that this one calls

            self._closing = False  # recursion adds nothing of its own
            found = self._closing = may_close(self)
        return found

    def resolve(self, name: str) -> Any:
        """What a name that is not local means now; KeyError if nothing, or if it may be bound again."""
        if name in self.declared or name in self.scope.cells:
            raise KeyError(name)
        cell = self.closure.get(name)
        if cell is not None:
            try:
                return cell.cell_contents
            except ValueError:
                raise KeyError(name) from None
        try:
            return self.globals[name]
        except KeyError:
            found = self.globals.get("__builtins__", builtins)
            return vars(found)[name] if isinstance(found, ModuleType) else found[name]

    def resolve_dotted(self, path: str) -> Any:
        """As `resolve`, for ``module.name``, and the call that it is declared to be; KeyError if there is
        nothing, or if it may be bound again."""
        first, *rest = path.split(".")
        value = self.resolve(first)
        reached = first
        for name in rest:
            reached = f"{reached}.{name}"
            if reached in self.declared:
                raise KeyError(path)
            try:
                value = getattr(value, name)
            except AttributeError:
                raise KeyError(path) from None
        return call_of(value) or value

    def named(self, instr: ir.Apply) -> dict[str, Any]:
        """What a call is given by name, where the source tells it; `Any` stands for what it does not tell."""
        found: dict[str, Any] = {}
        for name, operand in instr.kwargs:
            if name is not None:
                found[name] = Any
                if isinstance(operand, ir.Const):
                    found[name] = operand.value
                elif isinstance(operand, ir.Load) and not self.is_data(operand.name.split(".")[0]):
                    try:
                        found[name] = self.resolve_dotted(operand.name)
                    except KeyError:
                        pass
        return found

    def is_rebound(self, name: str) -> bool:
        """Whether a name is a global that some function binds again, so that to bind it, and to look at
        it, are steps of their own."""
        return (
            name in self.declared
            and name not in self.closure
            and name not in self.scope.locals
            and is_kept(name)
            and relaxed("objects")
        )

    def is_data(self, name: str) -> bool:
        """Whether a name is a global that holds data, which other code may change."""
        if name in self.scope.locals:
            return False
        if name in self.declared:
            return True
        try:
            return not is_static(self.resolve(name))
        except KeyError:
            return False

    def is_builtin(self, name: str) -> bool:
        """Whether a name stands for the built-in function of this name."""
        if name in self.scope.locals:
            return False
        try:
            return self.resolve(name) is getattr(builtins, name, None)
        except KeyError:
            return False

    def _stands_for_builtin(self, name: str) -> bool:
        """The same, before the names of the function are known."""
        return name not in self.globals and name not in self.fn.__code__.co_freevars

    def binder(self, fn: FunctionType) -> Callable[..., dict[str, Any]]:
        """A function with this one's signature that returns its parameters by name."""
        binder = FunctionType(self._binder, fn.__globals__, fn.__name__, fn.__defaults__)
        binder.__kwdefaults__ = fn.__kwdefaults__
        binder.__qualname__ = fn.__qualname__
        return binder


def compiled(fn: FunctionType, node: FunctionNode | None = None) -> Compiled | None:
    """The compiled form of a function, or None where its source cannot be found or compiled."""
    key = _key(fn)
    found = _cache.get(key)
    if found is None:
        if node is None:
            node = function_node(fn.__code__)
            if node is None or unsupported(node) is not None:
                return None
        with _lock:
            found = _cache.get(key)
            if found is None:
                found = _cache[key] = Compiled(fn, node)
    return found


def form_of(target: Any) -> Compiled | None:
    """The form in which a function or a flow is a part of a run, if it is not run as a whole."""
    if isinstance(target, FunctionType):
        return helper(target)
    return helper(target.fn) if target.fn.__code__.co_flags & CO_GENERATOR else compiled(target.fn)


def forget() -> None:
    """Forget what was compiled: a function that others call is another one from now on."""
    with _lock:
        _cache.clear()
        _helpers.clear()


def _key(fn: FunctionType) -> tuple[Any, ...]:
    """Functions with the same code share a compiled form, unless they close over other functions."""
    parts: list[Any] = [fn.__code__, fn.__globals__]
    for cell in fn.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:
            value = None
        parts.append(value if is_static(value) else None)
    return (off(), *map(_Same, parts))


class _Same:
    """Equal to what holds the very same object: two codes of the same text in two files compare equal."""

    __slots__ = ("thing",)

    def __init__(self, thing: object) -> None:
        self.thing = thing  # held, so that its id is not given to another

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)


def helper(fn: FunctionType) -> Compiled | None:
    """The compiled form of a plain function that is walked (see `walked`); else None: it runs as a whole."""
    key = _key(fn)
    if not (relaxed("helpers") or works_on_tasks(fn)):
        return None
    known: Compiled | None = _helpers.get(key, _UNDECIDED)
    if known is not _UNDECIDED:
        return known
    if not users_own(fn):
        _helpers[key] = None
        return None
    with _lock:
        if key in _deciding:
            _deciding[key] = True  # someone asked while we do not know yet: their "no" is provisional
            return None
        _deciding[key] = False
        before = dict(_deciding)
        form = compiled(fn)
        try:
            if form is not None and not may_call(form) and not works_on_tasks(fn):
                form.changes = only_changes(form)
                if not form.changes:
                    form = None
        except UnsupportedConstruct:
            form = None
        del _deciding[key]
        provisional = any(_deciding[k] and not before[k] for k in _deciding)
        if form is not None or not provisional:
            _helpers[key] = form
    return form


def users_own(fn: FunctionType) -> bool:
    module = (fn.__module__ or "").partition(".")[0]
    if (module in sys.stdlib_module_names and module != "__main__") or module == "stretto":
        return False
    name = fn.__code__.co_filename.replace("\\", "/")
    return "/site-packages/" not in name and "/dist-packages/" not in name


def _packed(node: FunctionNode) -> tuple[str, ...]:
    a = node.args
    return tuple(p.arg for p in (a.vararg, a.kwarg) if p is not None)


def _simple_arity(fn: FunctionType) -> int:
    """How many positional arguments bind without any rule; -1 where there are rules."""
    code = fn.__code__
    if code.co_kwonlyargcount or code.co_flags & 0x0C or fn.__defaults__:
        return -1
    return code.co_argcount


def _binder(node: FunctionNode, code: CodeType) -> CodeType:
    """Compile ``def name(<the same parameters>): return {"a": a, ...}``."""
    a = node.args
    names = [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    names += [p.arg for p in (a.vararg, a.kwarg) if p is not None]

    def bare(parameter: ast.arg) -> ast.arg:
        return ast.arg(parameter.arg)

    none = ast.Constant(None)
    args = ast.arguments(
        posonlyargs=[bare(p) for p in a.posonlyargs],
        args=[bare(p) for p in a.args],
        vararg=bare(a.vararg) if a.vararg else None,
        kwonlyargs=[bare(p) for p in a.kwonlyargs],
        kw_defaults=[none if d else None for d in a.kw_defaults],
        kwarg=bare(a.kwarg) if a.kwarg else None,
        defaults=[none for _ in a.defaults],
    )
    found = ast.Dict([ast.Constant(n) for n in names], [ast.Name(n, ast.Load()) for n in names])
    tree = function_def("binder", args, [ast.Return(found)], lineno=1, col_offset=0)
    module = compile(placed(ast.Module([tree], [])), code.co_filename, "exec")
    inner = next(c for c in module.co_consts if isinstance(c, CodeType))
    return inner.replace(
        co_name=code.co_name, co_qualname=code.co_qualname, co_firstlineno=code.co_firstlineno
    )
