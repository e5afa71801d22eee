"""Which names belong to a function, and which of them nested functions see."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .source import FunctionNode, around
from .walking import child_nodes, walk

__all__ = [
    "Scope",
    "binds",
    "bound_names",
    "bound_plainly",
    "captured_by",
    "evaluated_annotations",
    "loaded_names",
    "parameters",
    "scope_of",
    "unbound_names",
    "used_once",
]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPOUND = (ast.If, *_LOOPS, ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.Match)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
#: Nodes of which not all children run in the scope that they are in.
_SCOPED = frozenset({*_FUNCTIONS, ast.ClassDef, *_COMPREHENSIONS, ast.AnnAssign})
#: Nodes that may bind a name themselves.
_BINDERS = frozenset(
    {
        *(ast.Name, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.Import),
        *(ast.ImportFrom, ast.MatchAs, ast.MatchStar, ast.MatchMapping),
    }
)


@dataclass(slots=True)
class Scope:
    """Attributes:
    params: in the order of the signature.
    locals: every name that the function binds.
    cells: local names that a nested function sees and that may be bound again after it was made:
        they live in a real cell, and are set in order.
    captured: every local name that a nested function sees.
    kept: those of them that a function sees which may live on; others are gone when their statement is.
    used_up: the lambdas that are gone when the call is that they are given to.
    free: names of functions around it.
    globals, nonlocals: names that it declares so: those that it binds are not its own.
    """

    params: tuple[str, ...]
    locals: frozenset[str]
    cells: frozenset[str] = frozenset()
    captured: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    used_up: frozenset[ast.AST] = frozenset()
    free: frozenset[str] = frozenset()
    globals: frozenset[str] = frozenset()
    nonlocals: frozenset[str] = frozenset()

    @property
    def outer(self) -> frozenset[str]:
        """Names that it may bind, and that others see."""
        return self.globals | self.nonlocals


def parameters(node: FunctionNode) -> tuple[str, ...]:
    a = node.args
    names = [p.arg for p in (*a.posonlyargs, *a.args)]
    if a.vararg:
        names.append(a.vararg.arg)
    names += [p.arg for p in a.kwonlyargs]
    if a.kwarg:
        names.append(a.kwarg.arg)
    return tuple(names)


def children(node: Any) -> list[ast.AST]:
    """The child nodes, worked out once for each node: lowering asks for them again and again."""
    found: list[ast.AST] | None = node.__dict__.get("stretto_children")
    if found is None:
        found = node.stretto_children = child_nodes(node)
    return found


def own_children(node: Any, *, comprehensions: bool) -> list[ast.AST]:
    """The children that run in this scope when the node runs."""
    if isinstance(node, _FUNCTIONS):
        inner: list[ast.AST] = [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        return (
            inner
            if isinstance(node, ast.Lambda)
            else [*node.decorator_list, *inner, *evaluated_annotations(node)]
        )
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
    if isinstance(node, _COMPREHENSIONS) and not comprehensions:
        return [node.generators[0].iter]
    if isinstance(node, ast.AnnAssign) and node.value is None and not node.simple:
        if isinstance(node.target, ast.Name):
            return [node.annotation]  # ``(x): int`` does not even make x a local name
    return children(node)


def evaluated_annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    """What is evaluated of a function's annotations when it is made."""
    if getattr(node, "stretto_unevaluated", False):
        return []
    a = node.args
    every = [*a.posonlyargs, *a.args, *a.kwonlyargs, *(p for p in (a.vararg, a.kwarg) if p is not None)]
    found = [*(p.annotation for p in every), node.returns]
    return [annotation for annotation in found if annotation is not None]


def own_nodes(nodes: Iterable[Any], *, comprehensions: bool = False) -> list[ast.AST]:
    """Every node that runs in this scope, in source order; of nested functions only what runs when they are
    made. Nodes inside comprehensions come only if asked for (except what runs in the outer scope)."""
    found: list[ast.AST] = []
    stack: list[Any] = [*nodes]
    stack.reverse()
    while stack:
        node = stack.pop()
        found.append(node)
        if node.__class__ in _SCOPED:
            inner = own_children(node, comprehensions=comprehensions)
        else:
            inner = node.__dict__.get("stretto_children")
            if inner is None:
                inner = children(node)
        if inner:
            stack += inner[::-1]
    return found


def bound_names(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that running these nodes may bind or delete in their own scope."""
    names: set[str] = set()
    for node in own_nodes(nodes):
        if node.__class__ in _BINDERS:
            names.update(binds(node))
        elif isinstance(node, _COMPREHENSIONS):
            names.update(walrus_names(node))
    return names


def bound_plainly(statement: ast.stmt) -> set[str]:
    """Names that a statement binds whenever it ends normally, as far as that is plain to see."""
    if isinstance(statement, ast.AnnAssign) and statement.value is None:
        return set()
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return bound_names([statement])
    return set()


def unbound_names(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that a ``del`` or the end of an ``except ... as`` may unbind."""
    found: set[str] = set()
    for node in own_nodes(nodes):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del):
            found.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return found


def used_once(node: ast.AST) -> frozenset[str]:
    """Names that are bound in one place of a function and used in one, functions inside it included."""
    uses: dict[str, list[type]] = {}
    for n in walk(node):
        if isinstance(n, ast.Name):
            uses.setdefault(n.id, []).append(type(n.ctx))
        elif isinstance(n, ast.arg):
            uses.setdefault(n.arg, []).append(ast.arg)
        elif isinstance(n, (ast.Global, ast.Nonlocal)):
            for name in n.names:
                uses.setdefault(name, []).append(type(n))
    return frozenset(
        name for name, kinds in uses.items() if len(kinds) == 2 and {*kinds} == {ast.Store, ast.Load}
    )


def walrus_names(node: ast.AST) -> set[str]:
    """What ``:=`` inside a comprehension binds in the scope around it."""
    return {n.target.id for n in own_nodes([node], comprehensions=True) if isinstance(n, ast.NamedExpr)}


def binds(node: ast.AST) -> Iterator[str]:
    """The names that a node binds or deletes itself, in its own scope."""
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load):
            yield node.id
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield (alias.asname or alias.name).split(".")[0]
    elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def captured_by(pattern: ast.pattern) -> set[str]:
    """The names that a pattern binds when it matches."""
    return {name for node in walk(pattern) for name in binds(node)}


def loaded_names(nodes: Iterable[ast.AST]) -> set[str]:
    """The names of the scope around them that running these nodes may read, now or in a nested function."""
    names: set[str] = set()
    for node in own_nodes(nodes):
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Store):
                names.add(node.id)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, _FUNCTIONS):
            names |= free_names(node)
        elif isinstance(node, _COMPREHENSIONS):
            names |= free_names(node)
        elif isinstance(node, ast.ClassDef):
            own = bound_names(node.body) | declared_names(node.body, ast.Global)
            names |= (loaded_names(node.body) - own) | seen_by_methods(node)
    return names


def seen_by_methods(node: ast.ClassDef) -> set[str]:
    """The names around a class that the functions in its body see; they do not see those of the body."""
    found: set[str] = set()
    for inner in own_nodes(node.body, comprehensions=True):
        if isinstance(inner, _FUNCTIONS):
            found |= free_names(inner)
        elif isinstance(inner, ast.ClassDef):
            found |= seen_by_methods(inner)
    return found - {"__class__"}


def free_names(node: ast.AST) -> set[str]:
    """The names that a nested function or comprehension reads from around it."""
    if isinstance(node, _FUNCTIONS):
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        declared = declared_names(body, ast.Nonlocal)
        own = (set(parameters(node)) | bound_names(body)) - declared
        loaded = loaded_names(body)
        if "super" in loaded:
            loaded.add("__class__")  # CPython looks there for what it is not told
        return (loaded | declared) - own - declared_names(body, ast.Global)
    assert isinstance(node, _COMPREHENSIONS)
    own = set[str]()
    for generator in node.generators:
        own |= bound_names([generator.target])
    parts: list[ast.AST] = []
    for index, generator in enumerate(node.generators):
        if index:
            parts.append(generator.iter)
        parts += [*generator.ifs, generator.target]
    parts += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    return loaded_names(parts) - own


def declared_names(nodes: Iterable[ast.AST], kind: type[ast.Global | ast.Nonlocal]) -> set[str]:
    """The names that these nodes declare ``global``, or ``nonlocal``."""
    return {name for node in own_nodes(nodes) if isinstance(node, kind) for name in node.names}


def scope_of(
    node: FunctionNode, code_free: Iterable[str], is_builtin: Callable[[str], bool] = lambda name: True
) -> Scope:
    """Work out a function's scope. `code_free` is what CPython says its free variables are, and `is_builtin`
    tells whether the name of a built-in function, which is none of the function's own, stands for that."""
    params = parameters(node)
    body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
    global_names = frozenset(declared_names(body, ast.Global))
    nonlocal_names = frozenset(declared_names(body, ast.Nonlocal))
    names = frozenset(params) | bound_names(body) - global_names - nonlocal_names
    sites: dict[str, list[tuple[int, bool]]] = {}
    for position, statement in enumerate(body):
        compound = isinstance(statement, _COMPOUND)
        for inner in own_nodes([statement]):
            if inner.__class__ in _BINDERS:
                for name in binds(inner):
                    sites.setdefault(name, []).append((position, compound))
            elif isinstance(inner, _COMPREHENSIONS):
                for name in walrus_names(inner):
                    sites.setdefault(name, []).append((position, True))
    captured: set[str] = set()
    kept: set[str] = set()
    used_up: set[ast.AST] = set()
    unsafe: set[str] = set()
    for position, statement in enumerate(body):
        consumed = _consumed(statement, lambda name: name not in names and is_builtin(name))
        beside = {n.target.id for n in walk(statement) if isinstance(n, ast.NamedExpr)}
        for inner in own_nodes([statement], comprehensions=True):
            lazy = isinstance(inner, ast.GeneratorExp) and (
                inner not in consumed or not beside.isdisjoint(free_names(inner))
            )
            if not (isinstance(inner, (*_FUNCTIONS, ast.ClassDef)) or lazy):
                continue
            again = {n for d in walk(inner) if isinstance(d, ast.Nonlocal) for n in d.names}
            sees = seen_by_methods(inner) if isinstance(inner, ast.ClassDef) else free_names(inner)
            for name in sees & names:
                captured.add(name)
                if inner in consumed and name not in beside:
                    used_up.add(inner)
                    continue  # it is gone before anything else can bind the name
                kept.add(name)
                if name in again or not _settled(name, params, sites.get(name, []), position, statement):
                    unsafe.add(name)
    return Scope(
        params,
        names,
        frozenset(unsafe),
        frozenset(captured),
        frozenset(kept),
        frozenset(used_up),
        frozenset(code_free),
        global_names,
        nonlocal_names,
    )


def settled_names(node: FunctionNode, free: Iterable[str]) -> frozenset[str]:
    """The names of functions around a function that had their one and only value when it was made."""
    left, found = set(free), set[str]()
    outer = around(node)
    while left and outer is not None:
        scope = scope_of(outer, (), lambda name: False)
        found |= left & (scope.captured - scope.cells - _of_comprehensions(outer))
        left -= scope.locals
        outer = around(outer)
    return frozenset(found)


def _of_comprehensions(node: FunctionNode) -> set[str]:
    """The variables of the comprehensions in a function: what is made in these may see them."""
    targets = (n.target for n in walk(node) if isinstance(n, ast.comprehension))
    return {n.id for target in targets for n in walk(target) if isinstance(n, ast.Name)}


def _settled(
    name: str, params: tuple[str, ...], sites: list[tuple[int, bool]], position: int, statement: ast.AST
) -> bool:
    """Whether a captured name has its one and only value when the nested function is made."""
    if name in params:
        return not sites
    if len(sites) != 1:
        return False
    bound_at, conditional = sites[0]
    if conditional:
        return False
    own = isinstance(statement, (ast.FunctionDef, ast.ClassDef)) and statement.name == name
    return bound_at < position or (bound_at == position and own)


_EAGER = frozenset("list tuple set frozenset dict sum min max any all sorted".split())


def _consumed(statement: ast.AST, is_builtin: Callable[[str], bool]) -> set[ast.AST]:
    """Generator expressions and lambdas that the call they are given to uses up before it returns."""
    found: set[ast.AST] = set()
    for node in own_nodes([statement], comprehensions=True):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        builtin = name in _EAGER and is_builtin(name)
        if not builtin and not (isinstance(node.func, ast.Attribute) and node.func.attr == "join"):
            continue
        given = node.args[0] if len(node.args) == 1 else None
        if isinstance(given, ast.GeneratorExp):
            found.add(given)
        functions: list[ast.expr] = [k.value for k in node.keywords if k.arg == "key" and builtin]
        if isinstance(given, ast.Call) and isinstance(given.func, ast.Name) and given.args:
            if given.func.id in ("map", "filter") and is_builtin(given.func.id):
                functions.append(given.args[0])
        found.update(f for f in functions if isinstance(f, ast.Lambda) and not _makes_functions(f.body))
    return found


def _makes_functions(node: ast.AST) -> bool:
    """Whether an expression makes something that may see names of its surroundings later."""
    return any(isinstance(inner, (ast.Lambda, ast.GeneratorExp)) for inner in walk(node))
