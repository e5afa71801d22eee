"""Small rewritings of syntax trees, for what lowering makes up."""

from __future__ import annotations

import ast
import sys
from typing import Any, TypeVar, cast

from .scope import parameters
from .walking import walk

__all__ = [
    "CONSUMERS",
    "Renamer",
    "Substitute",
    "consumed",
    "eager_generators",
    "frame_of",
    "framed",
    "function_def",
    "line",
    "locate",
    "located",
    "targets",
    "tried",
]

N = TypeVar("N", bound=ast.AST)

#: Functions that use up a generator that they are given.
CONSUMERS = frozenset(
    {"any", "all", "sum", "min", "max", "list", "tuple", "set", "frozenset", "dict", "sorted"}
)
_FRAMES = {
    ast.ListComp: "<listcomp>",
    ast.SetComp: "<setcomp>",
    ast.DictComp: "<dictcomp>",
    ast.GeneratorExp: "<genexpr>",
}


def function_def(
    name: str, args: ast.arguments, body: list[ast.stmt], **place: int | None
) -> ast.FunctionDef:
    """``def name(args): body``, as the version of Python that runs has it."""
    kind: Any = ast.FunctionDef  # declared anew in each version
    made: ast.FunctionDef = kind(name, args, body or [ast.Pass()], [], None, None, **place)
    if sys.version_info >= (3, 12):
        made.type_params = []
    return made


def line(node: Any) -> int:
    return int(getattr(node, "lineno", 0))


def locate(node: N, at: ast.AST) -> N:
    """Give a made-up node, and what in it has none, the place of a real one."""
    return ast.copy_location(node, at)


def located(node: N, at: ast.AST) -> N:
    for child in walk(node):
        if not hasattr(child, "lineno"):
            ast.copy_location(child, at)
    return node


def frame_of(node: Any) -> str:
    """The name of the frame that a comprehension runs in; empty where it has none (PEP 709)."""
    frame: str = getattr(node, "stretto_frame", None) or ""
    if hasattr(node, "stretto_frame"):
        return frame
    if sys.version_info >= (3, 12) and not isinstance(node, ast.GeneratorExp):
        return ""
    return _FRAMES[type(node)]


def framed(node: N, frame: str) -> N:
    """A made-up comprehension that runs in the frame of what it stands for."""
    cast("Any", node).stretto_frame = frame
    return node


def consumed(node: N) -> N:
    """A comprehension that stands for a function that uses a generator up: it is the function that puts the
    elements in."""
    cast("Any", node).stretto_consumed = True
    return node


def tried(node: ast.Match) -> ast.Match:
    """A made-up ``match`` that only finds which case it is; what a pattern has captured is looked at where it
    is the one."""
    cast("Any", node).stretto_tried = True
    return node


def targets(node: ast.expr) -> set[str]:
    return {n.id for n in walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def eager_generators(node: ast.AST) -> set[ast.AST]:
    found: set[ast.AST] = set()
    for n in walk(node):
        if isinstance(n, ast.Call) and len(n.args) == 1 and isinstance(n.args[0], ast.GeneratorExp):
            if isinstance(n.func, ast.Name) and n.func.id in CONSUMERS:
                found.add(n.args[0])
            elif isinstance(n.func, ast.Attribute) and n.func.attr == "join":
                found.add(n.args[0])
    return found


class Renamer(ast.NodeTransformer):
    """Gives names other names, except where an inner scope has a name of its own."""

    def __init__(self, mapping: dict[str, str]) -> None:
        self.mapping = mapping

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.mapping.get(node.id, node.id)
        return node

    def _without(self, names: set[str]) -> Renamer:
        return Renamer({k: v for k, v in self.mapping.items() if k not in names})

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        node.args.kw_defaults = [self.visit(d) if d else None for d in node.args.kw_defaults]
        node.body = self._without(set(parameters(node))).visit(node.body)
        return node

    def _comprehension(self, node: Any) -> Any:
        own = {n for g in node.generators for n in targets(g.target)}
        inner = self._without(own)
        for index, generator in enumerate(node.generators):
            generator.iter = (self if index == 0 else inner).visit(generator.iter)
            generator.target = inner.visit(generator.target)
            generator.ifs = [inner.visit(t) for t in generator.ifs]
        for name in ("elt", "key", "value"):
            if hasattr(node, name):
                setattr(node, name, inner.visit(getattr(node, name)))
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension


class Substitute(ast.NodeTransformer):
    def __init__(self, mapping: dict[str, ast.expr]) -> None:
        self.mapping = mapping

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.mapping.get(node.id, node)
