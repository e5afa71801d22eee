"""What the objects are whose methods are called, where the source says so.

A method is declared of a class (``requests.Session.get``), or is the user's own, and built-in types have one
of that name, too: a call of it is only taken for that one where the function itself shows what the object is.
It is a hint, by which the function is taken apart: what is called is what the object really has.
"""

from __future__ import annotations

import ast
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ..calls import Call
from ..declarations.registry import call_of
from ..flows import Flow
from .known_objects import class_attribute
from .relaxations import relaxed
from .scope import own_nodes
from .source import dotted

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["class_of", "is_own_method", "receiver_makes"]


def receiver_makes(form: Compiled, func: ast.Attribute) -> Call[..., Any] | None:
    """The declared call that a method of a local name is; None where that is not to be seen."""
    if not isinstance(func.value, ast.Name):
        return None
    cls = class_of(form, func.value.id)
    return None if cls is None else call_of(getattr(cls, func.attr, None))


def is_own_method(form: Compiled, func: ast.Attribute) -> bool:
    """Whether a method of a local name is one that its class defines in Python, and no built-in type."""
    if not isinstance(func.value, ast.Name):
        return False
    cls = class_of(form, func.value.id)
    found = None if cls is None else class_attribute(cls, func.attr)
    return found is not None and isinstance(found[1], (FunctionType, Flow)) and relaxed("helpers")


def class_of(form: Compiled, name: str) -> type | None:
    """The class of what a local name is bound to, if every binding shows the same one."""
    found: set[type | None] = set()
    node: Any = form.node
    a = node.args
    for parameter in (*a.posonlyargs, *a.args, *a.kwonlyargs):
        if parameter.arg == name:
            found.add(_class_named(form, parameter.annotation))
    body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
    for inner in own_nodes(body):
        if isinstance(inner, ast.Assign) and len(inner.targets) == 1 and _is(inner.targets[0], name):
            found.add(_class_made(form, inner.value))
        elif isinstance(inner, ast.withitem) and inner.optional_vars is not None:
            if _is(inner.optional_vars, name):
                found.add(_class_made(form, inner.context_expr))
    return found.pop() if len(found) == 1 else None


def _is(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


def _class_made(form: Compiled, value: ast.expr) -> type | None:
    return _class_named(form, value.func) if isinstance(value, ast.Call) else None


def _class_named(form: Compiled, node: ast.expr | None) -> type | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):  # ``Client | None``
        sides = [s for s in (node.left, node.right) if not (isinstance(s, ast.Constant) and s.value is None)]
        node = sides[0] if len(sides) == 1 else None
    path = dotted(node)
    if path is None or path.split(".")[0] in form.scope.locals:
        return None
    try:
        found = form.resolve_dotted(path)
    except KeyError:
        return None
    return found if isinstance(found, type) else None
