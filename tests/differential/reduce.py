"""A failing program made small: whatever can be taken away while it still fails in the same way is taken."""

from __future__ import annotations

import ast
import copy
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence

from .harness import Difference, Difficult, Program, differences

__all__ = ["kinds", "reduce"]

_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")
#: Those of them whose entries are no statements, but hold some.
_CLAUSES = ("handlers", "cases")


def kinds(found: Sequence[Difference]) -> set[str]:
    """What differs, without the details."""
    return {" ".join(d.what.split(" ")[:2]) + _where(d) for d in found}


def _where(difference: Difference) -> str:
    """What makes two failures the same failure: their types, and where in Stretto they come from."""
    if difference.what == "traceback":
        expected, got = difference.expected, difference.got
        return f" ({len(expected)} frames, found {len(got)})"  # type: ignore[arg-type]
    if difference.what not in ("end", "exception", "rejected"):
        return ""
    lines = str(difference.got).splitlines()
    inside = [line.strip().split("/")[-1].split(":")[0] for line in lines if "/stretto/" in line][-1:]
    ends = [str(side).split("(")[0].split(" <")[0][:40] for side in (difference.expected, lines[0])]
    ends = [end if end.startswith("raised") or "Error" in end else end.split(" ")[0] for end in ends]
    return f" ({', '.join([*ends, *inside])})"


def reduce(
    program: Program,
    found: Sequence[Difference],
    seeds: Sequence[int] = (1, 2, 3),
    *,
    seconds: float = 30.0,
    test: Callable[[Program], Sequence[Difference]] | None = None,
) -> tuple[Program, list[Difference]]:
    """The smallest program found in this time whose difference is of the same kind."""
    wanted = kinds(found)
    deadline = time.monotonic() + seconds
    best, why = program, list(found)

    def still(candidate: Program) -> list[Difference]:
        try:
            now = list(test(candidate) if test else differences(candidate, seeds))
        except (Difficult, RecursionError):
            return []
        return now if kinds(now) & wanted else []

    if now := still(dataclasses.replace(program, rate=0)):
        best, why = dataclasses.replace(program, rate=0), now
    tried: set[str] = set()
    again = True
    while again:
        again = False
        for source in _smaller(best.source):
            if time.monotonic() > deadline:
                return best, why
            if source in tried or source == best.source:
                continue
            tried.add(source)
            candidate = dataclasses.replace(best, source=source)
            if now := still(candidate):
                best, why, again = candidate, now, True
                break
        if not again:
            for candidate in _fewer_arguments(best):
                if now := still(candidate):
                    best, why, again = candidate, now, True
                    break
    return best, why


def _fewer_arguments(program: Program) -> Iterator[Program]:
    """The flow without one of its parameters."""
    given = ast.parse(program.arguments, mode="eval").body
    tree = ast.parse(program.source)
    for at in range(len(given.elts) if isinstance(given, ast.Tuple) else 0):
        less = copy.deepcopy(given)
        assert isinstance(less, ast.Tuple)
        del less.elts[at]
        shorter = copy.deepcopy(tree)
        for node in shorter.body:
            if isinstance(node, ast.FunctionDef) and node.name == "main" and at < len(node.args.args):
                del node.args.args[at]
        yield dataclasses.replace(program, source=ast.unparse(shorter) + "\n", arguments=ast.unparse(less))


def _smaller(source: str) -> Iterator[str]:
    """Programs that are smaller in one place, the largest steps first."""
    tree = ast.parse(source)
    for edit in [*_statement_edits(tree), *_parameter_edits(tree), *_expression_edits(tree)]:
        undo = edit()
        try:
            text = ast.unparse(tree) + "\n"
        except (ValueError, TypeError, AttributeError):
            text = ""
        undo()
        if text and len(text) <= len(source) + 40:
            yield text


Edit = Callable[[], Callable[[], None]]


def _replacing(holder: list[ast.stmt] | list[ast.expr], start: int, stop: int, new: list[ast.AST]) -> Edit:
    def edit() -> Callable[[], None]:
        old = holder[:]
        holder[start:stop] = new  # type: ignore[assignment]

        def undo() -> None:
            holder[:] = old  # type: ignore[assignment]

        return undo

    return edit


def _setting(node: ast.AST, name: str, value: object) -> Edit:
    def edit() -> Callable[[], None]:
        old = getattr(node, name)
        setattr(node, name, value)
        return lambda: setattr(node, name, old)

    return edit


def _statement_edits(tree: ast.Module) -> Iterator[Edit]:
    nodes = list(ast.walk(tree))
    holders = [
        (node, name, getattr(node, name))
        for node in nodes
        for name in _BODIES
        if isinstance(getattr(node, name, None), list)
    ]
    for size in (8, 4, 2, 1):
        for node, name, holder in holders:
            for start in range(0, len(holder) - size + 1):
                if size > 1 and start % size:
                    continue
                if name == "cases" and len(holder) == size:
                    continue
                empty = name == "body" and len(holder) == size and not isinstance(node, ast.Module)
                yield _replacing(holder, start, start + size, [ast.Pass()] if empty else [])
    for _, name, holder in holders:
        if name in _CLAUSES:
            continue
        for at, statement in enumerate(holder):
            for part in (*_BODIES, "handler"):
                inner = getattr(statement, part, None)
                if part in _CLAUSES and inner:
                    for clause in inner:
                        yield _replacing(holder, at, at + 1, clause.body)
                elif isinstance(inner, list) and inner and part not in _CLAUSES:
                    yield _replacing(holder, at, at + 1, inner)
            if isinstance(statement, (ast.If, ast.While)):
                yield _replacing(holder, at, at + 1, [ast.Expr(statement.test)])
            if isinstance(statement, ast.Match):
                yield _replacing(holder, at, at + 1, [ast.Expr(statement.subject)])
                for case in statement.cases:
                    if case.guard is not None:
                        yield _setting(case, "guard", None)
            if isinstance(statement, ast.For):
                yield _replacing(holder, at, at + 1, [ast.Expr(statement.iter)])
            if (
                isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign))
                and statement.value is not None
            ):
                yield _replacing(holder, at, at + 1, [ast.Expr(statement.value)])
            if isinstance(statement, ast.AnnAssign) and statement.value is not None:
                yield _replacing(
                    holder, at, at + 1, [ast.Assign([statement.target], statement.value, lineno=1)]
                )
            if isinstance(statement, ast.Return) and statement.value is not None:
                yield _setting(statement, "value", None)
            if isinstance(statement, ast.With) and len(statement.items) > 1:
                yield _replacing(statement.items, 0, 1, [])  # type: ignore[arg-type]
            if isinstance(statement, ast.FunctionDef) and statement.name != "main":
                yield _setting(statement, "decorator_list", [])


def _parameter_edits(tree: ast.Module) -> Iterator[Edit]:
    """A helper without one of its parameters, nor what is given for it."""
    nodes = list(ast.walk(tree))
    for function in nodes:
        if not isinstance(function, ast.FunctionDef) or function.name == "main":
            continue
        calls = [
            node
            for node in nodes
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == function.name
        ]
        for at in range(len(function.args.args)):
            yield _without(function, calls, at)


def _without(function: ast.FunctionDef, calls: list[ast.Call], at: int) -> Edit:
    def edit() -> Callable[[], None]:
        holders: list[list[ast.AST]] = [function.args.args, *(call.args for call in calls)]  # type: ignore[list-item]
        saved = [holder[:] for holder in holders]
        for holder in holders:
            del holder[at : at + 1]

        def undo() -> None:
            for holder, old in zip(holders, saved, strict=True):
                holder[:] = old

        return undo

    return edit


_SIMPLE: tuple[ast.expr, ...] = (
    ast.Constant(0),
    ast.Constant(1),
    ast.List([], ast.Load()),
    ast.Constant("a"),
    ast.Constant(True),
    ast.List([ast.Constant(1)], ast.Load()),
)


def _expression_edits(tree: ast.Module) -> Iterator[Edit]:
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if isinstance(node, ast.Call) and name == "func":
                continue
            if isinstance(value, ast.expr) and isinstance(getattr(value, "ctx", ast.Load()), ast.Load):
                for new in _simpler(value):
                    yield _setting(node, name, new)
            elif isinstance(value, list):
                for at, item in enumerate(value):
                    if not isinstance(item, ast.expr) or name in ("decorator_list", "targets", "keys", "ops"):
                        continue
                    displays = (ast.List, ast.Tuple, ast.Call, ast.Set)
                    if isinstance(node, displays) and (len(value) > 1 or name != "elts"):
                        yield _replacing(value, at, at + 1, [])
                    if name == "elts" and isinstance(getattr(node, "ctx", None), ast.Store):
                        continue
                    for new in _simpler(item):
                        yield _replacing(value, at, at + 1, [new])
        if isinstance(node, ast.Dict):
            for at in range(len(node.values)):
                yield _dropping(node, at)
        if isinstance(node, ast.Call) and node.keywords:
            for at in range(len(node.keywords)):
                yield _replacing(node.keywords, at, at + 1, [])  # type: ignore[arg-type]
        if isinstance(node, ast.comprehension) and node.ifs:
            yield _replacing(node.ifs, 0, len(node.ifs), [])
        if isinstance(node, ast.arguments):
            if node.vararg:
                yield _setting(node, "vararg", None)
            if node.kwarg:
                yield _setting(node, "kwarg", None)
            if node.defaults:
                yield _replacing(node.defaults, 0, 1, [])


def _dropping(node: ast.Dict, at: int) -> Edit:
    def edit() -> Callable[[], None]:
        keys, values = node.keys[:], node.values[:]
        del node.keys[at], node.values[at]

        def undo() -> None:
            node.keys[:], node.values[:] = keys, values

        return undo

    return edit


def _simpler(value: ast.expr) -> Iterator[ast.expr]:
    if not isinstance(value, (ast.Constant, ast.Name)):
        for child in ast.iter_child_nodes(value):
            if isinstance(child, ast.expr) and isinstance(getattr(child, "ctx", ast.Load()), ast.Load):
                yield child
            elif isinstance(child, ast.comprehension):
                yield child.iter
    size = sum(1 for _ in ast.walk(value))
    for simple in _SIMPLE:
        simplest = isinstance(value, ast.Constant) and _rank(value) > _rank(simple)
        if simplest or size > sum(1 for _ in ast.walk(simple)):
            yield simple


def _rank(value: ast.expr) -> int:
    if not isinstance(value, ast.Constant):
        return 9
    return 0 if value.value in (0, 1) else 2
