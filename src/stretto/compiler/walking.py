"""Going through syntax trees: what `ast` does, as the compiler needs it, which does it a great deal.

As lists, and without the fields that never hold a node: the generators of `ast` take many times as long.
Whether a name is read or bound (``ctx``) is no node to be come to here.
"""

from __future__ import annotations

import ast
from typing import Any, TypeVar

__all__ = ["child_nodes", "copied", "placed", "walk"]

N = TypeVar("N", bound=ast.AST)

_PLAIN = frozenset(
    "arg asname attr conversion ctx id is_async kind kwd_attrs level module rest simple type_comment".split()
)
#: For each class of nodes the fields that may hold nodes.
_inside: dict[type, tuple[str, ...]] = {ast.Constant: (), ast.Global: (), ast.Nonlocal: ()}


def _fields_of(kind: type[ast.AST]) -> tuple[str, ...]:
    found = _inside[kind] = tuple(name for name in kind._fields if name not in _PLAIN)
    return found


def walk(node: ast.AST) -> list[ast.AST]:
    """A node and all below it, level by level, as `ast.walk` gives them."""
    found: list[ast.AST] = [node]
    for each in found:  # which grows meanwhile
        kind = each.__class__
        names = _inside.get(kind)
        for name in _fields_of(kind) if names is None else names:
            value: Any = getattr(each, name, None)
            if value.__class__ is list:
                found += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    return found


def child_nodes(node: ast.AST) -> list[ast.AST]:
    """The nodes right below a node, as `ast.iter_child_nodes` gives them."""
    found: list[ast.AST] = []
    kind = node.__class__
    names = _inside.get(kind)
    for name in _fields_of(kind) if names is None else names:
        value: Any = getattr(node, name, None)
        if value.__class__ is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def copied(node: N) -> N:
    """A copy of a node and of all below it. What is known of a node besides (``stretto_...``) is known of its
    copy, but for its children."""
    kind = node.__class__
    made = kind.__new__(kind)
    held = made.__dict__
    held.update(node.__dict__)
    held.pop("stretto_children", None)
    names = _inside.get(kind)
    for name in _fields_of(kind) if names is None else names:
        value: Any = held.get(name)
        if value.__class__ is list:
            held[name] = [copied(item) if isinstance(item, ast.AST) else item for item in value]
        elif isinstance(value, ast.AST):
            held[name] = copied(value)
    return made


def placed(node: N) -> N:
    """A node with places wherever there are none, those of what is around: as `ast.fix_missing_locations`."""
    _place(node, 1, 0, 1, 0)
    return node


def _place(node: Any, line: int, column: int, end_line: int, end_column: int) -> None:
    if node._attributes:
        held = node.__dict__
        line = held.setdefault("lineno", line)
        column = held.setdefault("col_offset", column)
        if held.get("end_lineno") is None:
            held["end_lineno"] = end_line
        if held.get("end_col_offset") is None:
            held["end_col_offset"] = end_column
        end_line, end_column = held["end_lineno"], held["end_col_offset"]
    for child in child_nodes(node):
        _place(child, line, column, end_line, end_column)
