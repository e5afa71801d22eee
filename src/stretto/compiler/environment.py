"""Looks at the environment that are no calls: ``os.environ["HOME"]``, ``"HOME" in os.environ``.

They are steps as if they were calls, so that a run that is taken up is given the same again.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Container
from typing import TYPE_CHECKING

from .source import dotted

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["environment_read"]


def environment_read(function: Compiled, hidden: Container[str], node: ast.AST) -> ast.expr | None:
    """What a look at the environment stands for: a call; None for any other expression.

    `hidden` are names of inner scopes."""
    if isinstance(node, ast.Subscript):
        held, key, method = node.value, node.slice, "__getitem__"
        if not isinstance(node.ctx, ast.Load) or isinstance(key, ast.Slice):
            return None
    elif (
        isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn))
    ):
        held, key, method = node.comparators[0], node.left, "__contains__"
    else:
        return None
    if (held.id if isinstance(held, ast.Name) else getattr(held, "attr", "")) not in ("environ", "environb"):
        return None
    path = dotted(held)
    root = "" if path is None else path.partition(".")[0]
    if path is None or root in function.scope.locals or root in hidden:
        return None
    try:
        found = function.resolve_dotted(path)
    except KeyError:
        return None
    if found is not os.environ and found is not getattr(os, "environb", None):
        return None
    callee = ast.copy_location(ast.Attribute(held, method, ast.Load()), held)
    made: ast.expr = ast.copy_location(ast.Call(callee, [key], []), node)
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.NotIn):
        made = ast.copy_location(ast.UnaryOp(ast.Not(), made), node)
    return made
