"""Finding a function's source, as a syntax tree with the lines of the user's file."""

from __future__ import annotations
import __future__

import ast
import linecache
import sys
import warnings
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any, cast

from ..errors import SourceNotFound, UnsupportedConstruct
from .bounded import Bounded
from .mangling import QUIRK, with_supers, written_out
from .walking import child_nodes, walk

__all__ = ["MODULE", "FunctionNode", "check_supported", "declared_outside", "dotted", "function_node"]

#: What CPython calls the code of a module.
MODULE = "<module>"

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

#: Set on code whose annotations are not evaluated.
UNEVALUATED = __future__.annotations.compiler_flag


@dataclass(frozen=True, slots=True)
class _Tree:
    """What is known of a file: a digest of its text, its functions by their first line, and what it binds
    again from elsewhere (see `declared_outside`)."""

    key: int
    functions: dict[int, list[FunctionNode]]
    declared: frozenset[str]


_trees: Bounded[str, _Tree] = Bounded(256)

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
#: All that `unsupported` looks at more closely.
_LOOKED_AT = frozenset({*_DEFINITIONS, ast.Lambda, ast.GeneratorExp, ast.TryStar, ast.Call})
_REFUSED: dict[type[ast.AST], str] = {}
if sys.version_info >= (3, 12):
    _REFUSED[ast.TypeAlias] = "type alias"

#: Builtins that look at the frame they are called from, which would be the machine's.
_FRAME_READERS = frozenset({"locals", "vars", "dir", "eval", "exec", "super"})


def function_node(code: CodeType) -> FunctionNode | None:
    """The syntax of the function with this code, or None where it cannot be found for certain."""
    found = _tree(code.co_filename)
    if found is None:
        return None
    wanted = code.co_name
    candidates = [
        node
        for node in found.functions.get(code.co_firstlineno, [])
        if (wanted == "<lambda>" if isinstance(node, ast.Lambda) else node.name == wanted)
    ]
    if len(candidates) != 1:
        return None
    node = cast("FunctionNode", with_supers(candidates[0]))
    cast("Any", node).stretto_around = around(candidates[0])
    for inner in walk(node):
        if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            cast("Any", inner).stretto_unevaluated = bool(code.co_flags & UNEVALUATED)
    return node


def around(node: FunctionNode) -> FunctionNode | None:
    """The function that a function is made in."""
    found: FunctionNode | None = getattr(node, "stretto_around", None)
    return found


def declared_outside(filename: str) -> frozenset[str]:
    """The names that some function of a file declares ``global`` or ``nonlocal``, so that it may bind them
    again; and the attributes that it binds of what a name stands for (``module.name``)."""
    found = _tree(filename)
    return frozenset() if found is None else found.declared


def _tree(filename: str) -> _Tree | None:
    lines = linecache.getlines(filename)
    if not lines:
        return None
    text = "".join(lines)
    key = hash(text)
    found = _trees.get(filename)
    if found is not None and found.key == key:
        return found
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the module's own compilation has told
            tree = written_out(ast.parse(text, filename), text)
    except SyntaxError:
        return None
    by_line: dict[int, list[FunctionNode]] = {}
    declared: set[str] = set()
    for node in walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            by_line.setdefault(first_line(node), []).append(node)
            for inner in walk(node):
                if (
                    isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
                    and inner is not node
                ):
                    cast("Any", inner).stretto_around = node  # the innermost comes last
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            declared.update(node.names)
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            path = dotted(node)
            if path is not None:
                declared.add(path)
    found = _trees[filename] = _Tree(key, by_line, frozenset(declared))
    return found


def dotted(node: Any) -> str | None:
    """``a.b.c`` of a chain of attributes on a name, or None."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def first_line(node: FunctionNode) -> int:
    """The line that CPython calls a function's first: that of its first decorator."""
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(d.lineno for d in decorators)])


def flow_node(fn: Any) -> ast.FunctionDef | ast.AsyncFunctionDef:
    """The syntax of a function that is to be a flow; errors name the file and the line."""
    if not isinstance(fn, FunctionType):
        raise UnsupportedConstruct(
            f"a flow is a plain Python function (def or async def); found {type(fn).__name__} {fn!r}. "
            "Decorate the function itself, and put @flow outermost"
        )
    code = fn.__code__
    if code.co_name == "<lambda>":
        raise SourceNotFound(
            "a lambda cannot be a flow; write it as a def",
            filename=code.co_filename, lineno=code.co_firstlineno, construct="lambda",
        )  # fmt: skip
    node = function_node(code)
    if node is None:
        raise SourceNotFound(
            f"the source of {fn.__qualname__} cannot be found; a flow must be a def in a file "
            "(or a notebook cell), not made by exec or typed at a plain prompt",
            filename=code.co_filename, lineno=code.co_firstlineno,
        )  # fmt: skip
    assert not isinstance(node, ast.Lambda)
    if isinstance(node, ast.AsyncFunctionDef) and (found := first_yield(node)) is not None:
        raise UnsupportedConstruct(
            f"{fn.__qualname__} is an async def that yields; a flow that yields is written as a plain def, "
            f"its calls overlap without await, and async code goes over it with `async for ... in "
            f"{fn.__name__}.aio(...)`",
            filename=code.co_filename, lineno=found.lineno, construct="yield in an async def",
        )  # fmt: skip
    check_supported(node, code.co_filename)
    return node


def first_yield(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Any:
    """The first ``yield`` of a function's own; None if it is no generator."""
    stack: list[ast.AST] = list(reversed(node.body))
    while stack:
        item = stack.pop()
        if isinstance(item, (ast.Yield, ast.YieldFrom)):
            return item
        if not isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            stack.extend(reversed(child_nodes(item)))
    return None


def check_supported(node: FunctionNode, filename: str) -> None:
    """Raise `UnsupportedConstruct` at the first thing in a function that cannot be compiled."""
    problem = unsupported(node)
    if problem is not None:
        where, construct, advice = problem
        raise UnsupportedConstruct(
            f"a flow cannot hold {construct} (yet). {advice}",
            filename=filename, lineno=where.lineno, construct=construct,
        )  # fmt: skip


def _awaits(node: ast.GeneratorExp) -> bool:
    """Whether a generator expression is an async one: what its outermost source awaits is awaited before."""
    first, *others = node.generators
    inside = [node.elt, *first.ifs, *others]
    return any(g.is_async for g in node.generators) or any(
        isinstance(n, ast.Await) for part in inside for n in walk(part)
    )


def unsupported(node: FunctionNode) -> tuple[Any, str, str] | None:
    """The first construct in a function that cannot be compiled, its name, and what to do."""
    advice = "Move it into a function of its own that holds no call, or declare that function as a call"
    body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
    if hasattr(node, QUIRK):
        return node, "private names of nested functions, classes or imports", "Rename them"
    if isinstance(node, ast.AsyncFunctionDef) and (found := first_yield(node)) is not None:
        return found, "yield in an async def", "Call it where it is gone over with async for"
    stack = [(item, True) for item in reversed(body)]
    while stack:
        item, own = stack.pop()  # `own`: it runs in the frame of the function itself
        kind = item.__class__
        if kind in _REFUSED:
            return item, _REFUSED[kind], advice
        if kind not in _LOOKED_AT:
            stack += [(child, own) for child in reversed(child_nodes(item))]
            continue
        if isinstance(item, ast.Lambda) and any(
            isinstance(n, (ast.Yield, ast.YieldFrom)) for n in walk(item.body)
        ):
            return item, "yield in a lambda", advice
        if isinstance(item, ast.GeneratorExp) and _awaits(item):
            return item, "async generator expression", "Make it a list comprehension"
        if isinstance(item, ast.TryStar) and (again := _raised_again(item)) is not None:
            return again, "raise without a value in except* beside await", "Leave it to a try around it"
        if isinstance(item, ast.TryStar) and (leaving := leaves(item)) is not None:
            return leaving, f"{type(leaving).__name__.lower()} in a try with except*", "Put it behind the try"
        if own and (inside := whole_yield(item)) is not None:
            return inside
        if isinstance(item, ast.ClassDef) and any(isinstance(s, ast.Nonlocal) for s in item.body):
            return item, "nonlocal in the body of a class", advice
        if own and isinstance(item, ast.Call) and (reader := frame_reader(item)) is not None:
            return item, f"{reader}()", "It looks at the running frame, which is not yours here"
        own = own and not isinstance(item, _DEFINITIONS)
        stack += [(child, own) for child in reversed(child_nodes(item))]
    return None


def whole_yield(node: ast.AST) -> tuple[Any, str, str] | None:
    """The first ``yield`` in what runs as a whole, so that it cannot be left in its midst."""
    if isinstance(node, ast.TryStar):
        parts: list[ast.AST] = [node]
        word, advice = "a try with except*", "Put it before or behind the try"
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        parts = [node.args, *node.decorator_list]
        word, advice = "what a nested function is made with", "Give the value a name before"
    elif isinstance(node, ast.ClassDef):
        parts = [*node.bases, *node.keywords, *node.decorator_list]
        word, advice = "what a class is made with", "Give the value a name before"
    else:
        return None
    stack = list(reversed(parts))
    while stack:
        item = stack.pop()
        if isinstance(item, (ast.Yield, ast.YieldFrom)):
            return item, f"yield in {word}", advice
        if item is node or not isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            stack.extend(reversed(child_nodes(item)))
    return None


def _raised_again(node: ast.TryStar) -> ast.Raise | None:
    """A ``raise`` without a value in an ``except*``, where something is awaited in the ``try``."""
    if not any(isinstance(n, (ast.Await, ast.AsyncFor, ast.AsyncWith)) for n in walk(node)):
        return None
    inside = (n for handler in node.handlers for n in walk(handler))
    return next((n for n in inside if isinstance(n, ast.Raise) and n.exc is None), None)


def leaves(node: ast.TryStar) -> ast.stmt | None:
    """What leaves a ``try`` with ``except*`` otherwise than by its end or a failure; its handlers cannot."""
    todo: list[tuple[ast.AST, bool]] = [(s, False) for s in (*node.body, *node.orelse, *node.finalbody)]
    while todo:
        item, in_loop = todo.pop()
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(item, ast.Return) or (isinstance(item, (ast.Break, ast.Continue)) and not in_loop):
            return item
        in_loop = in_loop or isinstance(item, (ast.For, ast.AsyncFor, ast.While))
        todo += [(child, in_loop) for child in child_nodes(item)]
    return None


def frame_reader(node: ast.Call) -> str | None:
    """The name of the builtin, if a call of it looks at the frame that it is called from."""
    if not isinstance(node.func, ast.Name) or node.func.id not in _FRAME_READERS:
        return None
    name, given = node.func.id, node.args
    if name in ("vars", "dir", "super"):
        return None if given else name
    if name in ("eval", "exec") and len(given) > 1 and not isinstance(given[0], ast.Starred):
        space = given[1]
        if not isinstance(space, ast.Starred) and not (
            isinstance(space, ast.Constant) and space.value is None
        ):
            return None  # it is told where to look
    return name
