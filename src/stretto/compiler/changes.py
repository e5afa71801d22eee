"""Statements that change one built-in container, told from their syntax and the types of what they name."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from . import ir
from .arrays import is_array, sets_items
from .types import T, infer

__all__ = ["CHANGERS", "change_of", "mutated", "only_changes", "stored"]

#: Methods that change their receiver and run no code but that of built-in types.
_CHANGES: dict[type, frozenset[str]] = {
    list: frozenset({"append", "extend", "insert", "pop", "clear", "reverse"}),
    dict: frozenset({"pop", "clear", "setdefault", "update", "popitem"}),
    set: frozenset({"add", "discard", "remove", "clear", "pop", "update"}),
    bytearray: frozenset({"append", "extend", "clear"}),
}
#: The names of all of them.
CHANGERS: Final[frozenset[str]] = frozenset(name for names in _CHANGES.values() for name in names)


def change_of(statement: ast.stmt, reads: Collection[str]) -> tuple[str, Any, Any]:
    """What a change does, where a version can do the same: ``append`` or ``add`` a value, or ``set`` a key to
    one; each a name or a constant. Else the first is empty."""
    if isinstance(statement, ast.Expr):
        call = statement.value
        assert isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        if call.func.attr in ("append", "add") and len(call.args) == 1:
            part = _part(call.args[0], reads)
            if part is not None:
                return call.func.attr, None, part
    elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        key, part = _part(statement.targets[0].slice, reads), _part(statement.value, reads)
        if key is not None and part is not None:
            return "set", key, part
    return "", None, None


def _part(node: ast.expr, reads: Collection[str]) -> Any:
    if isinstance(node, ast.Name) and node.id in reads:
        return node.id
    return ir.Const(node.value) if isinstance(node, ast.Constant) else None


def only_changes(
    statement: ast.stmt, name: str, known: Mapping[str, T | None], resolve: Callable[[str], object]
) -> bool:
    """Whether all that a statement does is to change the built-in container of this name."""
    receiver = known[name]
    if receiver is not None and is_array(receiver.cls):
        return sets_items(statement, known, resolve)
    if receiver is None or receiver.cls not in (list, dict, set, bytearray):
        return False
    parts: list[ast.expr]
    method = ""
    if isinstance(statement, ast.Expr):
        assert isinstance(statement.value, ast.Call) and isinstance(statement.value.func, ast.Attribute)
        method = statement.value.func.attr
        if method not in _CHANGES.get(receiver.cls, ()) or statement.value.keywords:
            return False
        parts = list(statement.value.args)
    elif isinstance(statement, ast.Delete) and isinstance(statement.targets[0], ast.Subscript):
        parts = [statement.targets[0].slice]
    elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        parts = [statement.value, statement.targets[0].slice]
    elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        verdict = infer(statement.value, known, resolve)
        return verdict.pure and verdict.type is not None
    else:
        return False
    for part in parts:
        if isinstance(part, (ast.Slice, ast.Starred)):
            return False
        verdict = infer(part, known, resolve)
        if not verdict.pure:
            return False
    if method in ("extend", "update"):
        return all(infer(p, known, resolve).type is not None for p in parts)
    return True


def stored(statements: list[ast.stmt]) -> str | None:
    """The name, if all that is done is to bind a name or to unbind it."""
    if len(statements) != 1:
        return None
    statement = statements[0]
    if isinstance(statement, ast.Assign) and not isinstance(statement.value, (ast.Name, ast.Constant)):
        return None
    if not isinstance(statement, (ast.Assign, ast.Delete)):
        return None
    first, *others = statement.targets
    return first.id if not others and isinstance(first, ast.Name) else None


def mutated(statements: list[ast.stmt]) -> str | None:
    """The name of the container that one statement changes, where that is plain to see."""
    if len(statements) != 1:
        return None
    statement = statements[0]
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        func = statement.value.func
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
            return func.value.id
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.Delete):
        targets = statement.targets
    elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
        targets = [statement.target]
    if len(targets) == 1 and isinstance(targets[0], ast.Subscript) and isinstance(targets[0].value, ast.Name):
        return targets[0].value.id
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id
    return None
