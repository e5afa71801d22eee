"""What means something else inside a class: ``self.__x`` is ``self._Class__x``, and ``super()`` in a method
is ``super(__class__, self)``.

CPython sees to that while it compiles a class body. What lowering compiles stands in no class, so private
names are written out when the source is read, and ``super()`` when a method is to be lowered: a class that
stands in a function is compiled whole, and CPython knows best what is wrong with a ``super()`` in it.
"""

from __future__ import annotations

import ast
import copy
import re
from typing import Any

from .walking import walk

__all__ = ["QUIRK", "unbinds", "with_supers", "written_out"]

_PRIVATE = re.compile(r"\b__(?!\w*__\b)\w")
_SUPER = re.compile(r"\bsuper\(\)")
_OWN_SUPER = re.compile(r"\bsuper\s*=[^=]|\b(?:def|class|as|import)\s+super\b")
#: Set on a function in which a private name is that of a nested function, a class or an import: there
#: CPython mangles some uses of it and not others.
QUIRK = "stretto_private"
#: Set on a method: the calls in it that look for its class and its first argument.
_SUPERS = "stretto_supers"
#: And the method without them, once it has been asked for.
_LOWERED = "stretto_lowered"


def written_out(tree: ast.Module, text: str) -> ast.Module:
    """The syntax of a file, with private names written out."""
    supers = _SUPER.search(text) is not None and _OWN_SUPER.search(text) is None
    if supers or _PRIVATE.search(text) is not None:
        _Writer(supers).visit(tree)
    return tree


class _Writer(ast.NodeTransformer):
    def __init__(self, supers: bool) -> None:
        self.supers = supers
        #: What private names begin with here; empty outside of classes.
        self.prefix = ""
        #: The functions of the class around, outermost first.
        self.functions: list[Any] = []
        #: How many classes are around.
        self.classes = 0

    def name(self, name: str) -> str:
        private = name.startswith("__") and not name.endswith("__") and "." not in name
        return self.prefix + name if private and self.prefix else name

    def quirk(self, name: str) -> None:
        if self.name(name) != name:
            for function in self.functions:
                setattr(function, QUIRK, True)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.quirk(node.name)
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        node.bases = [self.visit(b) for b in node.bases]
        node.keywords = [self.visit(k) for k in node.keywords]
        prefix, functions = self.prefix, self.functions
        stripped = node.name.lstrip("_")
        self.prefix, self.functions, self.classes = f"_{stripped}" if stripped else "", [], self.classes + 1
        node.body = [self.visit(s) for s in node.body]
        self.prefix, self.functions, self.classes = prefix, functions, self.classes - 1
        return node

    def _function(self, node: Any) -> Any:
        if self.functions:
            self.quirk(getattr(node, "name", ""))
        self.functions.append(node)
        self.generic_visit(node)
        self.functions.pop()
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _function

    def _comprehension(self, node: Any) -> Any:
        self.functions.append(node)  # it has a frame of its own, in which `super()` fails
        self.generic_visit(node)
        self.functions.pop()
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_Call(self, node: ast.Call) -> ast.Call:
        if (
            self.supers
            and isinstance(node.func, ast.Name)
            and node.func.id == "super"
            and not (node.args or node.keywords)
            and self.classes
            and len(self.functions) == 1
            and isinstance(self.functions[0], ast.FunctionDef)
        ):
            method = self.functions[0]
            if method.args.posonlyargs or method.args.args:
                method.__dict__.setdefault(_SUPERS, []).append(node)
            return node
        self.generic_visit(node)
        return node

    def visit_alias(self, node: ast.alias) -> ast.alias:
        for part in (node.name, node.asname or ""):
            self.quirk(part)
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.name(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        node.attr = self.name(node.attr)
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self.name(node.arg)
        self.generic_visit(node)
        return node

    def _declaration(self, node: Any) -> Any:
        node.names = [self.name(n) for n in node.names]
        return node

    visit_Global = visit_Nonlocal = _declaration

    def _named(self, node: Any) -> Any:
        node.name = node.name and self.name(node.name)
        self.generic_visit(node)
        return node

    visit_ExceptHandler = visit_MatchAs = visit_MatchStar = _named

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.MatchMapping:
        node.rest = node.rest and self.name(node.rest)
        self.generic_visit(node)
        return node


def with_supers(method: Any) -> Any:
    """A method as it is to be lowered: with its ``super()`` written out, if it has any."""
    if not hasattr(method, _SUPERS) or unbinds(method):
        return method
    made = method.__dict__.get(_LOWERED)
    if made is None:
        made = copy.deepcopy(method)  # with what is told of its calls
        for call in made.__dict__.pop(_SUPERS):
            call.__dict__.pop("stretto_children", None)  # of the original
            own = [ast.Name(name, ast.Load()) for name in ("__class__", _first(made))]
            call.args = [ast.copy_location(name, call) for name in own]
        made = method.__dict__.setdefault(_LOWERED, made)
    return made


def _first(method: Any) -> str:
    given = method.args
    name: str = (*given.posonlyargs, *given.args)[0].arg
    return name


def unbinds(method: Any) -> bool:
    """Whether what ``super()`` looks for may be gone by then, which is no NameError."""
    gone = {n.id for n in walk(method) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Del)}
    return not gone.isdisjoint(("__class__", _first(method)))
