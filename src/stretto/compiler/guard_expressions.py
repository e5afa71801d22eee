"""Guarded forms of expressions; see `guard_rewrite`."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any, Final

from stretto.compiler.mangling import unbinds

from .walking import child_nodes, copied, walk

__all__ = ["PREFIX", "ExpressionRewriter", "Marked", "bound_names", "own_nodes"]

#: What the names of the guarded operations begin with in rewritten code.
PREFIX: Final = "_stretto_"

_BINARY: Final[dict[type[ast.operator], str]] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv",
    ast.Mod: "mod", ast.Pow: "pow", ast.LShift: "lshift", ast.RShift: "rshift", ast.BitOr: "or",
    ast.BitXor: "xor", ast.BitAnd: "and", ast.MatMult: "matmul",
}  # fmt: skip
_UNARY: Final[dict[type[ast.unaryop], str]] = {
    ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert",
}  # fmt: skip
_COMPARE: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# Calls of these names never make a lazy iterator, so nothing need be noted about the result.
_EAGER: Final = frozenset(
    "len str int float repr abs round sum min max sorted list dict set tuple bool isinstance ord "
    "chr hash any all type frozenset bytes divmod pow format range".split()
)


@dataclass(frozen=True, slots=True)
class Marked:
    """A nested function of guarded code.

    Attributes:
        node: its source, untouched.
        owned: names bound in the guarded frame around it; cells of these were made there.
    """

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    owned: frozenset[str]


def own_nodes(node: ast.AST) -> list[ast.AST]:
    """Every node below `node` that belongs to the same function."""
    found: list[ast.AST] = []
    todo = child_nodes(node)
    while todo:
        child = todo.pop()
        found.append(child)
        if isinstance(child, (*_FUNCTIONS, ast.ClassDef)):
            outside: list[ast.AST] = list(getattr(child, "decorator_list", ()))
            if not isinstance(child, ast.ClassDef):
                outside += child.args.defaults
                outside += [d for d in child.args.kw_defaults if d is not None]
            todo += outside
        else:
            todo += child_nodes(child)
    return found


def bound_names(node: ast.AST) -> set[str]:
    """The names that are bound in the function `node` (not those of functions inside it)."""
    names: set[str] = set()
    if isinstance(node, _FUNCTIONS):
        args = node.args
        for arg in [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]:
            if arg is not None:
                names.add(arg.arg)
    released: set[str] = set()
    for child in own_nodes(node):
        names |= stored_by(child)
        if isinstance(child, (ast.Global, ast.Nonlocal)):
            released.update(child.names)
    return names - released


def stored_by(node: ast.AST) -> set[str]:
    """The names that this very node binds or deletes."""
    if isinstance(node, ast.Name):
        return set() if isinstance(node.ctx, ast.Load) else {node.id}
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        return {node.name} if node.name else set()
    if isinstance(node, ast.MatchMapping):
        return {node.rest} if node.rest else set()
    if isinstance(node, ast.alias):
        return {node.asname or node.name.split(".")[0]}
    return set()


def _of_method(node: ast.Call) -> bool:
    """Whether this is ``super(__class__, self)``: ``super()``, written out."""
    names = [a.id for a in node.args if isinstance(a, ast.Name)]
    return len(node.args) == len(names) == 2 and names[0] == "__class__" and not node.keywords


class ExpressionRewriter(ast.NodeTransformer):
    """Rewrites one function's expressions."""

    def __init__(
        self,
        function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        cells: set[str],
        root: bool,
        future_annotations: bool,
    ) -> None:
        self.function = function
        self.cells = cells
        self.root = root
        self.future_annotations = future_annotations
        self.made: list[Marked] = []
        self.owned = frozenset(bound_names(function))
        self.outside: set[str] = set()
        for node in own_nodes(function):
            if isinstance(node, ast.Global) or (root and isinstance(node, ast.Nonlocal)):
                self.outside.update(node.names)
        self._temporaries = 0

    # -------------------------------------------------------------- building

    def op(self, at: ast.AST, name: str, *args: ast.expr) -> ast.Call:
        """A call of a guarded operation, at the location of what it stands for."""
        func = ast.copy_location(ast.Name(PREFIX + name, ast.Load()), at)
        return ast.copy_location(ast.Call(func, list(args), []), at)

    def refuse(self, at: ast.AST, reason: str) -> ast.expr:
        """An expression that is never performed."""
        return self.op(at, "stop", ast.copy_location(ast.Constant(reason), at))

    def temporary(self) -> str:
        """A name of nobody's."""
        self._temporaries += 1
        return f"{PREFIX}t{self._temporaries}"

    @staticmethod
    def _at_attribute(at: ast.expr, attribute: ast.Attribute) -> ast.expr:
        # CPython puts the operation on the line of the attribute's name.
        if attribute.lineno == attribute.end_lineno:
            return at
        place = ast.copy_location(ast.Constant(None), at)
        place.lineno = attribute.end_lineno or attribute.lineno
        place.col_offset = max(0, (attribute.end_col_offset or 0) - len(attribute.attr))
        place.end_lineno = max(place.lineno, at.end_lineno or 0)
        return place

    # -------------------------------------------------------------- operators

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(left, ast.Constant) and isinstance(right, ast.Constant):
            return ast.copy_location(ast.BinOp(left, node.op, right), node)  # folded by CPython
        return self.op(node, "op_" + _BINARY[type(node.op)], left, right)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        value = self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            return ast.copy_location(ast.UnaryOp(node.op, self.test(value, node.operand)), node)
        if isinstance(value, ast.Constant):
            return ast.copy_location(ast.UnaryOp(node.op, value), node)
        return self.op(node, "op_" + _UNARY[type(node.op)], value)

    def test(self, value: ast.expr, original: ast.expr) -> ast.expr:
        """An expression whose truth is asked for next."""
        if isinstance(original, (ast.Compare, ast.Constant, ast.JoinedStr)) or (
            isinstance(original, ast.UnaryOp) and isinstance(original.op, ast.Not)
        ):
            return value
        return self.op(original, "truth", value)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        *first, last = node.values
        values = [self.test(self.visit(value), value) for value in first]
        return ast.copy_location(ast.BoolOp(node.op, [*values, self.visit(last)]), node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = self.test(self.visit(node.test), node.test)
        return ast.copy_location(ast.IfExp(test, self.visit(node.body), self.visit(node.orelse)), node)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        values = [self.visit(value) for value in (node.left, *node.comparators)]
        if all(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
            return ast.copy_location(ast.Compare(values[0], node.ops, values[1:]), node)
        if len(node.ops) == 1:
            op = node.ops[0]
            if isinstance(op, (ast.In, ast.NotIn)):
                found: ast.expr = self.op(node, "contains", *values)
                if isinstance(op, ast.NotIn):
                    found = ast.copy_location(ast.UnaryOp(ast.Not(), found), node)
                return found
            return self.op(node, "op_" + _COMPARE[type(op)], *values)
        checked: list[ast.expr] = [
            value if isinstance(value, ast.Constant) else self.op(value, "comparable", value)
            for value in values
        ]
        return ast.copy_location(ast.Compare(checked[0], node.ops, checked[1:]), node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        if isinstance(node.target, ast.Name) and node.target.id in self.outside:
            return self.refuse(node, f"`{node.target.id}` is bound outside")
        return ast.copy_location(ast.NamedExpr(node.target, self.visit(node.value)), node)

    # -------------------------------------------------------------- displays

    def elements(self, items: list[ast.expr], hashed: bool = False) -> list[ast.expr]:
        made: list[ast.expr] = []
        for item in items:
            if isinstance(item, ast.Starred):
                value = self.iteration(item.value)
                made.append(ast.copy_location(ast.Starred(value, ast.Load()), item))
                continue
            value = self.visit(item)
            if hashed and not isinstance(value, ast.Constant):
                value = self.op(item, "hashable", value)
            made.append(value)
        return made

    def visit_Tuple(self, node: ast.Tuple) -> ast.expr:
        return ast.copy_location(ast.Tuple(self.elements(node.elts), ast.Load()), node)

    def visit_List(self, node: ast.List) -> ast.expr:
        made = ast.copy_location(ast.List(self.elements(node.elts), ast.Load()), node)
        return self.op(node, "keep", made)

    def visit_Set(self, node: ast.Set) -> ast.expr:
        made = ast.copy_location(ast.Set(self.elements(node.elts, hashed=True)), node)
        return self.op(node, "keep", made)

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        keys: list[ast.expr | None] = []
        values: list[ast.expr] = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                keys.append(None)
                values.append(self.op(value, "mapping", self.visit(value)))
                continue
            made = self.visit(key)
            keys.append(made if isinstance(made, ast.Constant) else self.op(key, "hashable", made))
            values.append(self.visit(value))
        return self.op(node, "keep", ast.copy_location(ast.Dict(keys, values), node))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        values: list[ast.expr] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                value = self.visit(part.value)
                if not isinstance(value, ast.Constant):
                    value = self.op(part.value, "formatted", value)
                spec = self.visit(part.format_spec) if part.format_spec is not None else None
                made = ast.FormattedValue(value, part.conversion, spec)
                values.append(ast.copy_location(made, part))
            else:
                values.append(part)
        return ast.copy_location(ast.JoinedStr(values), node)

    # -------------------------------------------------------------- iteration

    def passed(self, node: ast.expr) -> ast.expr:
        """An expression whose value goes to an operation and is held by nobody else."""
        if isinstance(node, ast.Call):
            return self.visit_Call(node, temporary=True)
        if isinstance(node, ast.GeneratorExp):
            return self.visit_GeneratorExp(node, temporary=True)
        return self.visit(node)  # type: ignore[no-any-return]

    def iteration(self, node: ast.expr) -> ast.expr:
        """An expression that is iterated over."""
        if isinstance(node, (ast.Call, ast.GeneratorExp)):
            return self.op(node, "iterable_temporary", self.passed(node))
        return self.op(node, "iterable", self.visit(node))

    def _comprehensions(
        self, generators: list[ast.comprehension], first: ast.expr | None = None
    ) -> list[ast.comprehension] | None:
        made: list[ast.comprehension] = []
        for place, part in enumerate(generators):
            if part.is_async or not _takes_names(part.target):
                return None
            items = first if first is not None and place == 0 else self.iteration(part.iter)
            if not isinstance(part.target, ast.Name):
                shape = ast.copy_location(ast.Constant(_shape(part.target)), part.target)
                items = self.op(part.iter, "nested", items, shape)
            tests = [self.test(self.visit(test), test) for test in part.ifs]
            made.append(ast.comprehension(part.target, items, tests, 0))
        return made

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        generators = self._comprehensions(node.generators)
        if generators is None:
            return self.refuse(node, "an unusual comprehension")
        made = ast.copy_location(ast.ListComp(self.visit(node.elt), generators), node)
        return self.op(node, "keep", made)

    def visit_SetComp(self, node: ast.SetComp) -> ast.expr:
        generators = self._comprehensions(node.generators)
        if generators is None:
            return self.refuse(node, "an unusual comprehension")
        value = self.op(node.elt, "hashable", self.visit(node.elt))
        return self.op(node, "keep", ast.copy_location(ast.SetComp(value, generators), node))

    def visit_DictComp(self, node: ast.DictComp) -> ast.expr:
        generators = self._comprehensions(node.generators)
        if generators is None:
            return self.refuse(node, "an unusual comprehension")
        key = self.op(node.key, "hashable", self.visit(node.key))
        made = ast.DictComp(key, self.visit(node.value), generators)
        return self.op(node, "keep", ast.copy_location(made, node))

    def visit_GeneratorExp(self, node: ast.GeneratorExp, temporary: bool = False) -> ast.expr:
        unusual = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)
        if any(isinstance(child, unusual) for child in walk(node)):
            return self.refuse(node, "an unusual generator expression")
        name = PREFIX + "items"
        native = copied(node)
        native.generators[0].iter = ast.copy_location(ast.Name(name, ast.Load()), node)
        items = ast.copy_location(ast.Name(name, ast.Load()), node)
        generators = self._comprehensions(node.generators, items)
        if generators is None:
            return self.refuse(node, "an unusual generator expression")
        source = self.passed(node.generators[0].iter)
        guarded = ast.copy_location(ast.GeneratorExp(self.visit(node.elt), generators), node)
        flags = [len(generators) == 1, temporary]
        return self.op(
            node,
            "lazy",
            source,
            self._over(name, native),
            self._over(name, guarded),
            *[ast.copy_location(ast.Constant(flag), node) for flag in flags],
        )

    def _over(self, name: str, body: ast.expr) -> ast.expr:
        args = ast.arguments([], [ast.arg(name)], None, [], [], None, [])
        return ast.copy_location(ast.Lambda(args, body), body)

    # -------------------------------------------------------------- parts of objects

    def index(self, node: ast.expr) -> ast.expr:
        """What stands between brackets."""
        if isinstance(node, ast.Slice):
            parts = [
                self.visit(part) if part is not None else ast.copy_location(ast.Constant(None), node)
                for part in (node.lower, node.upper, node.step)
            ]
            return self.op(node, "slice", *parts)
        if isinstance(node, ast.Tuple) and any(isinstance(e, ast.Slice) for e in node.elts):
            if any(isinstance(e, ast.Starred) for e in node.elts):
                return self.refuse(node, "an unusual subscript")
            return ast.copy_location(ast.Tuple([self.index(e) for e in node.elts], ast.Load()), node)
        return self.visit(node)  # type: ignore[no-any-return]

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        return self.op(node, "getitem", self.visit(node.value), self.index(node.slice))

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        name = ast.copy_location(ast.Constant(node.attr), node)
        return self.op(self._at_attribute(node, node), "attr", self.visit(node.value), name)

    # -------------------------------------------------------------- calls and functions

    def visit_Call(self, node: ast.Call, temporary: bool = False) -> ast.expr:
        func = node.func
        if isinstance(func, ast.Name) and func.id == "super" and not node.args:
            return self._super(node)
        if isinstance(func, ast.Name) and func.id == "super" and _of_method(node):
            return self.op(node, "super_of", func, *node.args)
        spread = any(isinstance(arg, ast.Starred) for arg in node.args)
        merges = any(keyword.arg is None for keyword in node.keywords)
        place: ast.expr = node
        if isinstance(func, ast.Attribute) and not spread and not merges:
            place = self._at_attribute(node, func)
        called = self.visit(func)
        args: list[ast.expr] = []
        for arg in node.args:
            if isinstance(arg, ast.Starred):
                value = self.op(arg.value, "starred", self.passed(arg.value))
                args.append(ast.copy_location(ast.Starred(value, ast.Load()), arg))
            else:
                args.append(self.passed(arg))
        if merges:
            parts = [
                ast.copy_location(
                    ast.Tuple([ast.copy_location(ast.Constant(k.arg), k), self.visit(k.value)],
                              ast.Load()), k)
                for k in node.keywords
            ]  # fmt: skip
            given = ast.copy_location(ast.Tuple(args, ast.Load()), node)
            merged = self.op(node, "keywords", *parts)
            return self.op(place, "call_merged", called, given, merged)
        eager = isinstance(func, ast.Name) and func.id in _EAGER
        made = self.op(place, "call_temporary" if temporary and not eager else "call", called, *args)
        made.keywords = [
            ast.copy_location(ast.keyword(k.arg, self.passed(k.value)), k) for k in node.keywords
        ]
        return made

    def _super(self, node: ast.Call) -> ast.expr:
        args = [*self.function.args.posonlyargs, *self.function.args.args]
        if "__class__" not in self.cells or not args or node.keywords or unbinds(self.function):
            return self.refuse(node, "super()")
        names = [
            ast.copy_location(ast.Name(name, ast.Load()), node)
            for name in ("super", "__class__", args[0].arg)
        ]
        return self.op(node, "super_of", *names)

    def marked(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> ast.Constant:
        """Number a nested function; its defaults are evaluated here, so they are guarded."""
        self.made.append(Marked(copied(node), self.owned))
        node.args.defaults = [self.visit(default) for default in node.args.defaults]
        node.args.kw_defaults = [
            None if default is None else self.visit(default) for default in node.args.kw_defaults
        ]
        return ast.copy_location(ast.Constant(len(self.made) - 1), node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        number = self.marked(node)
        return self.op(node, "mark", number, node)

    def visit_Await(self, node: ast.Await) -> ast.expr:
        return self.refuse(node, "`await`")

    def visit_Yield(self, node: ast.Yield) -> ast.expr:
        if self.root:
            return self.refuse(node, "`yield`")
        value = self.visit(node.value) if node.value is not None else None
        return ast.copy_location(ast.Yield(value), node)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> ast.expr:
        if self.root:
            return self.refuse(node, "`yield from`")
        return ast.copy_location(ast.YieldFrom(self.iteration(node.value)), node)


def _takes_names(target: ast.expr) -> bool:
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(map(_takes_names, target.elts))
    if isinstance(target, ast.Starred):
        return isinstance(target.value, ast.Name)
    return isinstance(target, ast.Name)


def _shape(target: ast.expr) -> Any:
    if isinstance(target, (ast.Tuple, ast.List)):
        return tuple(map(_shape, target.elts))
    return "*" if isinstance(target, ast.Starred) else None
