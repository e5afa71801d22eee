"""Guarded twins of Python functions, found by code object.

The source of a function that guarded code made is known (`mark`). That of any other is looked for
in its file, and believed only if compiling the file gives the very same code object again, so that
an edited file, a decorator's doing or an assertion rewriter cannot lead to the wrong source.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import itertools
import linecache
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import CellType, CodeType, FunctionType
from typing import Any, Final

from stretto.compiler.guard_rewrite import PREFIX, Marked, rewrite
from stretto.compiler.guard_state import HERE, fresh, keep, stop
from stretto.compiler.mangling import QUIRK, written_out
from stretto.compiler.syntax import function_def

from .walking import child_nodes, placed, walk

__all__ = ["Unit", "assemble", "build", "follow", "followed", "is_generator", "requalified", "twin_of"]

_FUTURE: Final = __future__.annotations.compiler_flag
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(slots=True)
class Unit:
    """One guarded code object.

    Attributes:
        native: the code that it is the twin of; None for a fragment.
        code: the guarded code, or None where there is none.
        cells: cells of the names that guarded code needs besides the function's own.
        nonlocals: outer names that the function binds.
        last: the function made last, with what it was made for.
        followed: whether calls of it need nothing but the twin.
    """

    native: CodeType | None
    code: CodeType | None = None
    cells: dict[str, CellType] = field(default_factory=dict[str, CellType])
    nonlocals: frozenset[str] = frozenset()
    last: tuple[FunctionType, Any, Any, FunctionType] | None = None
    followed: bool = False


# The operations, in the form in which a function's closure holds them.
_cells: Final[dict[str, CellType]] = {}
# By the id of the native code, which the entry keeps alive.
_units: Final[dict[int, Unit]] = {}
_marked: Final[dict[int, tuple[CodeType, Marked, str]]] = {}


def is_generator(fn: object) -> bool:
    """Whether calling this makes a generator."""
    fn = getattr(fn, "__func__", fn)
    return type(fn) is FunctionType and bool(fn.__code__.co_flags & inspect.CO_GENERATOR)


def twin_of(fn: FunctionType) -> FunctionType | None:
    """The guarded twin of a function, or None if its source cannot be found."""
    code = fn.__code__
    unit = _units.get(id(code))
    if unit is None:
        unit = _units[id(code)] = _unit_of(fn)
    if unit.code is None:
        return None
    last = unit.last
    if (
        last is not None
        and last[0] is fn
        and last[1] is fn.__defaults__
        and last[2] is fn.__kwdefaults__
        and not unit.nonlocals
    ):
        return last[3]
    own = dict(zip(code.co_freevars, fn.__closure__ or (), strict=True))
    for name in unit.nonlocals:
        if not fresh(own.get(name)):
            stop(f"{fn.__qualname__}() binds `{name}` of an outer function")
    twin = assemble(unit, own, fn.__globals__, fn.__name__)
    twin.__defaults__ = fn.__defaults__
    twin.__kwdefaults__ = fn.__kwdefaults__
    twin.__qualname__ = fn.__qualname__
    twin.__module__ = fn.__module__
    unit.last = (fn, fn.__defaults__, fn.__kwdefaults__, twin)
    return twin


def follow(fn: FunctionType) -> None:
    """Remember that calling this function is calling its twin, and nothing else."""
    unit = _units.get(id(fn.__code__))
    if unit is not None and not unit.nonlocals:
        unit.followed = True


def followed(fn: FunctionType) -> FunctionType | None:
    """The twin of a function that was followed before and is still the same."""
    unit = _units.get(id(fn.__code__))
    if unit is None or not unit.followed or unit.last is None:
        return None
    last = unit.last
    if last[0] is fn and last[1] is fn.__defaults__ and last[2] is fn.__kwdefaults__:
        return last[3]
    return None


def assemble(unit: Unit, own: Mapping[str, CellType], namespace: dict[str, Any], name: str) -> FunctionType:
    """A function of guarded code over the given cells."""
    assert unit.code is not None
    closure = tuple(
        unit.cells[free] if free in unit.cells else own.get(free) or CellType()
        for free in unit.code.co_freevars
    )
    return FunctionType(unit.code, namespace, name, None, closure)


def _unit_of(fn: FunctionType) -> Unit:
    code = fn.__code__
    unit = Unit(code)
    refused = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
    if code.co_flags & refused or code.co_filename.startswith(HERE):
        return unit
    known = _marked.get(id(code))
    node: _Function | None = known[1].node if known is not None else _find(fn)
    if node is None:
        return unit
    future = bool(code.co_flags & _FUTURE)
    package = fn.__globals__.get("__package__")
    build(unit, node, code.co_freevars, code.co_filename, future, package, code.co_qualname)
    for child in walk(node):
        if isinstance(child, ast.Nonlocal):
            unit.nonlocals |= frozenset(child.names) & frozenset(code.co_freevars)
    return unit


# ------------------------------------------------------------------ compiling


def build(
    unit: Unit,
    node: _Function,
    freevars: tuple[str, ...],
    filename: str,
    future: bool,
    package: str | None,
    qualname: str,
    *,
    root: bool = False,
) -> None:
    """Compile the guarded form of `node` into `unit`."""
    from stretto.compiler.guard_operations import OPERATIONS

    made, marked = rewrite(node, freevars, root=root, future_annotations=future)
    mark = _marker(marked, filename)

    def marker(number: int) -> Callable[[FunctionType], FunctionType]:
        return lambda fn: mark(number, fn)

    own: dict[str, Any] = {
        "mark": mark,
        "marker": marker,
        "package": package,
    }
    if not _cells:
        _cells.update((PREFIX + name, CellType(value)) for name, value in OPERATIONS.items())
    cells = {**_cells, **{PREFIX + name: CellType(value) for name, value in own.items()}}
    used = {n.id for n in walk(made) if isinstance(n, ast.Name) and n.id in cells}
    params = [ast.arg(name) for name in dict.fromkeys((*used, *freevars))]
    arguments = ast.arguments([], params, None, [], [], None, [])
    inner: ast.stmt = made if isinstance(made, ast.stmt) else ast.Expr(made)
    factory = function_def(PREFIX + "factory", arguments, [inner])
    module = ast.Module([factory], [])
    for part in (factory, inner):
        if not hasattr(part, "lineno"):
            ast.copy_location(part, node)
    factory.lineno = factory.end_lineno = node.lineno
    factory.col_offset = factory.end_col_offset = 0
    placed(module)
    flags = _FUTURE if future else 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        whole = compile(module, filename, "exec", flags, True)
    outer = next(c for c in whole.co_consts if isinstance(c, CodeType))
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    code = next(c for c in outer.co_consts if isinstance(c, CodeType))
    unit.code = requalified(code, code.co_qualname, qualname).replace(co_name=name)
    unit.cells = {name: cells[name] for name in used}


def requalified(code: CodeType, old: str, new: str) -> CodeType:
    """The code under another qualified name, and what is defined in it."""
    if old == new:
        return code
    qualname = code.co_qualname
    if qualname.startswith(old):
        qualname = new + qualname[len(old) :]
    consts: list[Any] = []
    for const in code.co_consts:
        if isinstance(const, CodeType):
            const = requalified(const, old, new)
        elif type(const) is str and const == code.co_qualname and not code.co_flags & inspect.CO_OPTIMIZED:
            const = qualname  # the body of a class holds its name
        consts.append(const)
    return code.replace(co_consts=tuple(consts), co_qualname=qualname)


def _marker(marked: list[Marked], filename: str) -> Callable[[int, FunctionType], FunctionType]:
    def mark(number: int, fn: FunctionType) -> FunctionType:
        entry = marked[number]
        code = fn.__code__
        if id(code) not in _marked:
            _marked[id(code)] = (code, entry, filename)
        keep(fn)
        for name, cell in zip(code.co_freevars, fn.__closure__ or (), strict=True):
            if name in entry.owned:
                keep(cell)
        return fn

    return mark


# ------------------------------------------------------------------ finding source


@dataclass(slots=True)
class _File:
    text: str
    functions: dict[tuple[str, int], list[tuple[_Function, bool]]]
    codes: dict[tuple[str, int], list[CodeType]]


_files: Final[dict[str, _File | None]] = {}


def _find(fn: FunctionType) -> _Function | None:
    code = fn.__code__
    lines = linecache.getlines(code.co_filename, fn.__globals__)
    if not lines:
        return None
    text = "".join(lines)
    file = _files.get(code.co_filename)
    if file is None or file.text != text:
        file = _files[code.co_filename] = _read(text, code.co_filename)
    if file is None:
        return None
    key = (code.co_name, code.co_firstlineno)
    if code not in file.codes.get(key, ()):
        return None
    candidates = file.functions.get(key, [])
    if code.co_name == "<lambda>":
        candidates = _narrowed(candidates, code)
    if len(candidates) != 1:
        return None
    node, in_class = candidates[0]
    return None if in_class and hasattr(node, QUIRK) else node


def _read(text: str, filename: str) -> _File | None:
    if len(text) > 2_000_000:
        return None
    try:
        tree = written_out(ast.parse(text, filename), text)
        whole = compile(text, filename, "exec", 0, True)
    except (SyntaxError, ValueError, RecursionError):
        return None
    file = _File(text, {}, {})
    codes = [whole]
    while codes:
        code = codes.pop()
        file.codes.setdefault((code.co_name, code.co_firstlineno), []).append(code)
        codes += [c for c in code.co_consts if isinstance(c, CodeType)]
    todo: list[tuple[ast.AST, bool]] = [(tree, False)]
    while todo:
        node, in_class = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.decorator_list[0] if node.decorator_list else node
            key = (node.name, first.lineno)
            file.functions.setdefault(key, []).append((node, in_class))
        elif isinstance(node, ast.Lambda):
            file.functions.setdefault(("<lambda>", node.lineno), []).append((node, in_class))
        inside = in_class or isinstance(node, ast.ClassDef)
        todo += [(child, inside) for child in child_nodes(node)]
    return file


def _narrowed(candidates: list[tuple[_Function, bool]], code: CodeType) -> list[tuple[_Function, bool]]:
    """Of the lambdas on a line, the smallest whose body holds all of the code."""
    spans = [
        (line, column, end, end_column)
        for line, end, column, end_column in code.co_positions()
        if line is not None and end is not None and column is not None and end_column is not None
        and end_column > column
    ]  # fmt: skip
    if not spans:
        return candidates if len(candidates) == 1 else []
    first = min((line, column) for line, column, _, _ in spans)
    last = max((end, end_column) for _, _, end, end_column in spans)
    fitting: list[tuple[tuple[int, int], tuple[int, int], Any]] = []
    for node, in_class in candidates:
        body = node.body
        if isinstance(body, ast.expr):
            begin = (body.lineno, body.col_offset)
            finish = (body.end_lineno or 0, body.end_col_offset or 0)
            if begin <= first and last <= finish:
                fitting.append((begin, finish, (node, in_class)))
    fitting.sort(key=lambda entry: entry[0], reverse=True)
    if len(fitting) > 1 and not all(
        entry[0] >= later[0] and entry[1] <= later[1] for entry, later in itertools.pairwise(fitting)
    ):
        return []
    return [fitting[0][2]] if fitting else []
