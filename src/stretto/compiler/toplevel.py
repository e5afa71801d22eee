"""The top level of a script as a function whose steps are issued like those of a flow.

The names that the top level of a module binds are the module's globals, which every function in it may read
and bind. So they are told apart:

- a name that a function, a class body or a lambda of the script mentions is *shared*. Whatever binds it is
  run by CPython, as it stands, in its turn, in the namespace of the module; so are definitions and imports;
- any other name is seen by the top level alone, and is a local name of the flow: it may be bound to a result
  that is still to come.

What a statement calls can only be known when the definitions and imports above it have been executed. So
the top level is lowered *part by part*: each part begins with what CPython runs, and its other statements are
lowered when that has been done and they are the oldest.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import contextlib
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any

from ..declarations import registry
from . import ir
from .functions import Compiled
from .lower import Statements
from .scope import Scope, bound_names, free_names, loaded_names, unbound_names
from .source import MODULE, declared_outside, unsupported
from .syntax import eager_generators, function_def
from .values import value_names
from .walking import child_nodes, walk
from .whole import Whole

__all__ = ["TopLevel", "parse", "toplevel_node"]

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
#: These make classes, which belong to the module that they are called in: they ask the frame which that is.
_MAKERS = frozenset(
    "namedtuple NamedTuple TypedDict NewType TypeVar TypeVarTuple ParamSpec Enum IntEnum StrEnum Flag "
    "IntFlag make_dataclass new_class".split()
)
#: Who uses one of these may look at any name of the module.
_REFLECTION = frozenset({"globals", "locals", "eval", "exec", "modules", "__main__"})
_WORD = re.compile(r"\w+")


def parse(text: str | bytes, filename: str) -> ast.Module:
    """The syntax of a script, with the body of ``if __name__ == "__main__":`` at its top level."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compilation of the whole, which comes as well, tells
        tree = ast.parse(text, filename)
    tree.body = list(_plain(tree.body, "__name__" not in bound_names(tree.body)))
    return tree


def _plain(body: list[ast.stmt], guards: bool) -> Iterator[ast.stmt]:
    """The same statements; what always runs is under no ``if``, and a name is annotated after it is bound."""
    for s in body:
        if guards and isinstance(s, ast.If) and _is_guard(s.test):
            yield from _plain(s.body, guards)
        elif isinstance(s, ast.AnnAssign) and s.simple and s.value is not None:
            yield ast.copy_location(ast.Assign([s.target], s.value), s)
            yield ast.copy_location(ast.AnnAssign(s.target, s.annotation, None, 1), s)
        else:
            yield s


def _is_guard(test: ast.expr) -> bool:
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = (test.left, test.comparators[0])
    return any(
        isinstance(a, ast.Name)
        and a.id == "__name__"
        and isinstance(b, ast.Constant)
        and b.value == "__main__"
        for a, b in (sides, sides[::-1])
    )


def toplevel_node(tree: ast.Module) -> ast.FunctionDef:
    """The top level as if it were the body of a function without parameters."""
    body = tree.body or [ast.Pass(lineno=1, col_offset=0)]
    return function_def(MODULE, ast.arguments([], [], None, [], [], None, []), body, lineno=1, col_offset=0)


class TopLevel(Compiled):
    """The compiled form of the top level of a script.

    Attributes:
        shared: names that live in the module, since not only the top level sees them.
    """

    at_top = True

    def __init__(self, fn: FunctionType, node: ast.FunctionDef) -> None:
        super().__init__(fn, node)
        flags = [
            n
            for s in node.body
            if isinstance(s, ast.ImportFrom) and s.module == "__future__"
            for n in s.names
        ]
        self._flags = 0
        for alias in flags:
            self._flags |= getattr(__future__, alias.name).compiler_flag
        self._source: list[ast.stmt] = node.body
        self.shared = _shared(node.body)
        own = frozenset(bound_names(node.body) - self.shared)
        self.scope = Scope((), own)
        self.declared = declared_outside(self.filename) - own
        self._statements: Statements | None = None

    def look(self) -> ir.Block:
        """All steps, for who only looks: imports, definitions and constants are executed, nothing else is."""
        steps: list[ir.Instr] = []
        for step in self._parts():
            if isinstance(step, ir.Later):
                steps += step.steps()
                continue
            assert isinstance(step, ir.Run) and isinstance(step.fragment, Whole)
            if step.fragment.defines or not step.fragment.calls:
                with contextlib.suppress(Exception):  # what it needs is not there: it stays unknown
                    step.fragment.native({})()
            steps.append(step)
        self._body = tuple(steps)
        return self._body

    @property
    def body(self) -> ir.Block:
        if self._body is None:
            self._body = tuple(self._parts())
        return self._body

    def binder(self, fn: FunctionType) -> Callable[..., dict[str, Any]]:
        """What a journal keeps as the arguments of a script is for its process, not for its top level."""
        return _no_names

    def resolve(self, name: str) -> Any:
        if name in self.shared and name not in self.globals:
            raise KeyError(name)  # it is about to be bound, and is no builtin
        return super().resolve(name)

    def is_data(self, name: str) -> bool:
        if name in self.shared and name not in self.globals:
            return True
        return super().is_data(name)

    def _whole(self, statement: ast.stmt) -> Whole:
        return Whole(self, statement, self._flags, is_definition(statement))

    def _parts(self) -> Iterator[ir.Instr]:
        """Each part: what CPython runs, then the rest, lowered when its turn has come."""
        statements = list(self._source)
        if isinstance(statements[0], ast.Expr) and isinstance(statements[0].value, ast.Constant):
            del statements[0]  # the docstring has been taken from it
        while statements:
            native = _taken(statements, lambda s: runs_whole(s, self.shared))
            for statement in native:
                yield ir.Run(statement.lineno, fragment=self._whole(statement))
            rest = _taken(statements, lambda s: not runs_whole(s, self.shared))
            if rest:
                yield ir.Later(rest[0].lineno, steps=_lowering(self, rest))

    def lower(self, statements: list[ast.stmt]) -> ir.Block:
        """The steps of a part."""
        registry.check()
        lowering = self._statements
        if lowering is None:
            kinds = value_names(self)
            self.values = {name: kinds[name] for name in kinds.keys() & self.scope.locals}
            lowering = self._statements = Statements(self)
            lowering.unbound = unbound_names(self._source)
        steps: list[ir.Instr] = []
        for s in statements:
            if isinstance(s, ast.AnnAssign):
                steps.append(ir.Run(s.lineno, fragment=self._whole(s)))
                continue
            steps += lowering.block([s])
        return tuple(steps)


def _no_names(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return {}


def _lowering(form: TopLevel, statements: list[ast.stmt]) -> Callable[[], ir.Block]:
    return lambda: form.lower(statements)


def _taken(statements: list[ast.stmt], wanted: Callable[[ast.stmt], bool]) -> list[ast.stmt]:
    """Take those from the front that are wanted."""
    count = next((i for i, s in enumerate(statements) if not wanted(s)), len(statements))
    found = statements[:count]
    del statements[:count]
    return found


# -- which names are shared, and which statements CPython runs ----------------------------------------------


def is_definition(s: ast.stmt) -> bool:
    """Whether a statement does nothing but give names to functions, classes and modules."""
    if isinstance(s, (*_DEFINES, *_IMPORTS)):
        return True
    if isinstance(s, ast.Assign) and isinstance(s.value, ast.Call):
        func = s.value.func
        return (func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")) in _MAKERS
    return False


def runs_whole(s: ast.stmt, shared: Iterable[str]) -> bool:
    """Whether CPython runs a statement of the top level as it stands."""
    if is_definition(s):
        return True
    if isinstance(s, ast.AnnAssign):
        return not s.simple
    if any(isinstance(n, _DEFINES) for n in walk(s)) or not bound_names([s]).isdisjoint(shared):
        return True
    holder = toplevel_node(ast.Module([s], []))
    return unsupported(holder) is not None


def _shared(body: list[ast.stmt]) -> frozenset[str]:
    """The names of the module that not only the steps of its top level see."""
    bound = bound_names(body)
    found = set[str]()
    for node in walk(ast.Module(body, [])):
        if _looks_at_all(node):
            return frozenset(bound)
        found |= _mentions(node, bound)
    shared = {name for name in bound if hasattr(builtins, name) or name.startswith("__")} | (found & bound)
    while True:
        more = set(shared)
        for statement in body:
            if runs_whole(statement, shared):
                more |= (bound_names([statement]) | loaded_names([statement])) & bound
        if more == shared:
            return frozenset(shared)
        shared = more


def _looks_at_all(node: ast.AST) -> bool:
    """Whether something may look at names of the module, or bind them, that are not written there."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
        if node.func.id in ("vars", "dir"):
            return True
    if isinstance(node, ast.Name):
        return node.id in _REFLECTION
    if isinstance(node, ast.Attribute):
        return node.attr in _REFLECTION
    if isinstance(node, ast.Constant):
        return node.value == "__main__"
    return isinstance(node, _IMPORTS) and any(a.name in ("*", "__main__") for a in node.names)


def _mentions(node: ast.AST, bound: set[str]) -> set[str]:
    """The names that a function, a class, a lambda or a generator reads or binds in the module; also those in
    annotations, which are looked up when a function is made, or later by their text."""
    if isinstance(node, ast.ClassDef):
        return _names(node)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return free_names(node) | (_names(node.returns) if node.returns else set())
    if isinstance(node, ast.Lambda):
        return free_names(node)
    if isinstance(node, ast.arg) and node.annotation is not None:
        return _names(node.annotation)
    if isinstance(node, ast.AnnAssign):
        return _names(node.annotation)
    if isinstance(node, ast.Global):
        return set(node.names)
    if isinstance(node, ast.Call):
        # what is given to a function that uses it up is no generator any more when that returns
        eager = eager_generators(ast.Expr(node)) if not _names(node.func) & bound else set[ast.AST]()
        return {
            n for a in node.args if isinstance(a, ast.GeneratorExp) and a not in eager for n in free_names(a)
        }
    found = set[str]()
    for child in child_nodes(node):
        if isinstance(child, ast.GeneratorExp):
            found |= free_names(child)
    return found


def _names(node: ast.AST) -> set[str]:
    found = {n.id for n in walk(node) if isinstance(n, ast.Name)}
    for n in walk(node):
        if isinstance(n, ast.Constant) and isinstance(n.value, str):
            found |= set(_WORD.findall(n.value))
    return found
