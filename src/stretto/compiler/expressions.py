"""Lowering of expressions: calls come out in the order in which Python evaluates them."""

from __future__ import annotations

import ast
import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, cast

from ..errors import InternalError, UnsupportedConstruct
from . import ir
from .functions import is_static
from .questions import Questions, awaits
from .scope import walrus_names
from .source import dotted
from .syntax import located
from .values import is_repeated

__all__ = ["Expressions", "asked"]


class Expressions(Questions, ABC):
    """Lowers expressions to operands and to residual expressions that hold no call.

    What makes loops and branches is left to the classes derived from it.
    """

    @abstractmethod
    def comprehension(self, node: Any) -> str:
        """Emit a comprehension as loops that build a value; the name that holds it."""

    @abstractmethod
    def called_back(self, node: ast.Call) -> ast.expr | None:
        """Lower a known function that uses up a generator with calls, or calls back; None if it is none."""

    @abstractmethod
    def short_circuit(self, node: ast.BoolOp, *, truth: bool) -> str:
        """Emit ``and`` or ``or``; the name that holds its value, or the truth of it."""

    @abstractmethod
    def delegate(self, node: ast.YieldFrom) -> str:
        """Emit ``yield from``; the name that holds its value."""

    @abstractmethod
    def apply(self, node: ast.Call, target: str | None, *, awaited: bool = False) -> None:
        """Emit a call as a step."""

    @abstractmethod
    def await_(self, node: ast.Await, target: str | None) -> None:
        """Emit ``await``; of a call, it is one step."""

    # -- operands -------------------------------------------------------------------------------------

    def operand(self, node: ast.expr) -> ir.Operand:
        """Work out an expression, and say where its value is."""
        if isinstance(node, ast.Constant):
            return ir.Const(node.value)
        rest = self.residual(node)
        if isinstance(rest, ast.Constant):
            return ir.Const(rest.value)
        if isinstance(rest, ast.Name) and self.is_local(rest.id):
            return rest.id
        return self.spilled(rest, node)

    def named(self, operand: ir.Operand, at: ast.AST) -> str:
        """The operand under a name of its own."""
        name = self.fresh()
        self.emit(ir.Move(getattr(at, "lineno", 0), target=name, source=operand))
        return name

    def rebind(self, name: str, source: ir.Operand, at: ast.AST) -> None:
        """Emit ``name = source`` for a name of the flow's, its own or not."""
        scope = self.function.scope
        lineno = getattr(at, "lineno", 0)
        if name in scope.cells:
            self.emit(ir.Assign(lineno, target=name, source=self.named(source, at)))
        elif name in scope.outer:
            target = ast.Name(name, ast.Store())
            statement = located(ast.Assign([target], self.as_node(source)), at)
            if name in scope.globals and self.function.is_rebound(name):
                self.bind_global(name, statement, source, at)
            else:
                self.run([statement], at, binds=())
        else:
            self.emit(ir.Move(lineno, target=name, source=source))

    def settled(self, node: ast.expr) -> ast.expr:
        """An expression whose value later steps cannot change: a temporary or a constant."""
        rest = self.residual(node)
        if isinstance(rest, ast.Constant) or (isinstance(rest, ast.Name) and rest.id.startswith("__t")):
            return rest
        return self.spill(rest)

    def spill(self, rest: ast.expr) -> ast.Name:
        """Evaluate a residual expression now."""
        if isinstance(rest, ast.Name) and self.is_local(rest.id):
            return ast.copy_location(ast.Name(self.named(rest.id, rest), ast.Load()), rest)
        return ast.copy_location(ast.Name(self.spilled(rest, rest), ast.Load()), rest)

    def spilled(self, expr: ast.expr, at: ast.AST) -> str:
        """Emit ``t = expr`` and return ``t``."""
        name = self.fresh()
        ast.copy_location(expr, at)
        self.run_expr(name, expr, at)
        return name

    def into(self, name: str, value: ast.expr, at: ast.AST) -> None:
        """Emit ``name = value`` for a local name."""
        if self.display(name, value, at):
            return
        if isinstance(value, ast.Await):
            self.await_(value, name)
            return
        if isinstance(value, ast.Call) and self.is_apply(value):
            self.apply(value, name)
            return
        if isinstance(value, ast.Attribute) and self.looks(value):
            self.run_expr(name, self.attribute(value), at)
            return
        rest = self.residual(value)
        if isinstance(rest, ast.Name) and self.is_local(rest.id):
            self.emit(ir.Move(getattr(at, "lineno", 0), target=name, source=rest.id))
        elif isinstance(rest, ast.Constant):
            self.emit(ir.Move(getattr(at, "lineno", 0), target=name, source=ir.Const(rest.value)))
        else:
            self.run_expr(name, rest, at)

    def display(self, name: str, value: ast.expr, at: ast.AST) -> bool:
        """``name = [...]`` where the name is a value."""
        if name not in self.values:
            return False
        lineno = getattr(at, "lineno", 0)
        if (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Name)
            and not value.args
            and not value.keywords
        ):
            kinds = {"list": list, "dict": dict, "set": set}
            if value.func.id in kinds and not self.is_apply(value) and self.builtin(value.func.id):
                self.emit(ir.NewValue(lineno, target=name, kind=kinds[value.func.id]))
                return True
        if isinstance(value, (ast.List, ast.Set)) and not any(isinstance(e, ast.Starred) for e in value.elts):
            items = tuple(self.node_operand(n) for n in self.bound_first(self.sequence(value.elts)))
            kind = list if isinstance(value, ast.List) else set
            self.emit(ir.NewValue(lineno, target=name, kind=kind, items=items))
            return True
        if is_repeated(value):
            assert isinstance(value.left, ast.List)
            nodes = self.bound_first(self.sequence([*value.left.elts, value.right]))
            *given, count = (self.node_operand(n) for n in nodes)
            held = self.fresh()
            self.emit(ir.NewValue(lineno, target=held, kind=list, items=tuple(given)))
            self.emit(ir.Update(lineno, target=held, method="repeat", args=(count,)))
            self.emit(ir.Move(lineno, target=name, source=held))
            return True
        if isinstance(value, ast.Dict) and None not in value.keys:
            flat = [n for pair in zip(value.keys, value.values, strict=True) for n in pair if n is not None]
            parts = tuple(self.node_operand(n) for n in self.bound_first(self.sequence(flat)))
            self.emit(ir.NewValue(lineno, target=name, kind=dict, keys=parts[::2], items=parts[1::2]))
            return True
        if isinstance(value, (ast.ListComp, ast.SetComp, ast.DictComp)) and self.takes_apart(value):
            self.emit(ir.Move(lineno, target=name, source=self.comprehension(value)))
            return True
        return False

    def node_operand(self, node: ast.expr) -> ir.Operand:
        """The operand of an expression that is residual already."""
        if isinstance(node, ast.Constant):
            return ir.Const(node.value)
        if isinstance(node, ast.Name) and self.is_local(node.id):
            return node.id
        return self.spilled(node, node)

    def as_node(self, operand: ir.Operand) -> ast.expr:
        if isinstance(operand, str):
            return ast.Name(operand, ast.Load())
        if isinstance(operand, ir.Const):
            return ast.Constant(operand.value)
        raise InternalError(f"a global operand {operand} in a fragment")

    def sequence(self, nodes: Sequence[ast.expr], *, settle: bool = False) -> list[ast.expr]:
        """Residual forms of expressions that are evaluated one after another: what comes before a call is
        evaluated before it."""
        done: list[ast.expr] = []
        last = max((i for i, n in enumerate(nodes) if self.needs(n)), default=-1)
        for i, node in enumerate(nodes):
            rest = self.residual(node)
            if i < last or settle:
                rest = self.stabilised(rest)
            done.append(rest)
        return done

    def bound_first(self, rests: list[ast.expr]) -> list[ast.expr]:
        """The same; a name that may turn out not to be bound is looked up before what comes after it."""
        last = max((i for i, r in enumerate(rests) if not self.there(r)), default=0)
        return [
            self.spill(r) if i < last and isinstance(r, ast.Name) and self.unsure(r.id) else r
            for i, r in enumerate(rests)
        ]

    def there(self, rest: ast.expr) -> bool:
        """Whether an expression that is residual is an operand as it stands."""
        return isinstance(rest, ast.Constant) or (isinstance(rest, ast.Name) and self.is_local(rest.id))

    def unsure(self, name: str) -> bool:
        return self.is_local(name) and name not in self.certain and not name.startswith("__")

    def is_fixed(self, node: ast.expr) -> bool:
        """Whether an expression is a function, class or module of the module's own names."""
        path = dotted(node)
        if path is None or self.is_local(path.split(".")[0]):
            return False
        try:
            return is_static(self.function.resolve_dotted(path))
        except KeyError:
            return False

    def stabilised(self, rest: ast.expr) -> ast.expr:
        if isinstance(rest, ast.Name) and (rest.id in self.function.generators or self.is_fixed(rest)):
            return rest
        if isinstance(rest, ast.Constant) or (isinstance(rest, ast.Name) and rest.id.startswith("__t")):
            return rest
        if isinstance(rest, ast.Starred):
            value = ast.List([rest], ast.Load())
            return ast.copy_location(
                ast.Starred(self.spill(ast.copy_location(value, rest)), ast.Load()), rest
            )
        if isinstance(rest, ast.Slice):
            bounds = [p and self.stabilised(p) for p in (rest.lower, rest.upper, rest.step)]
            return ast.copy_location(ast.Slice(*bounds), rest)
        if isinstance(rest, ast.FormattedValue):
            return self.spill(ast.copy_location(ast.JoinedStr([rest]), rest))
        return self.spill(rest)

    def truth(self, node: ast.expr) -> ir.Operand:
        """The truth of an expression."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and self.needs(node.operand):
            inner = self.truth(node.operand)
            return self.spilled(ast.UnaryOp(ast.Not(), self.as_node(inner)), node)
        if isinstance(node, ast.Name) and node.id in self.values:
            name = self.fresh()
            self.value_read(name, node.id, "bool", (), node)
            return name
        if isinstance(node, ast.BoolOp) and self.needs(node):
            return self.short_circuit(node, truth=True)
        rest = self.residual(node)
        if isinstance(rest, ast.Constant):
            return ir.Const(bool(rest.value))
        return self.spilled(asked(rest), node)

    # -- residual expressions -------------------------------------------------------------------------

    def residual(self, node: ast.expr) -> ast.expr:
        """The expression with everything that needs it taken out before."""
        if not self.needs(node):
            return node
        kind: Any = type(node)
        method: Callable[[Any], ast.expr] | None = getattr(self, "of_" + kind.__name__.lower(), None)
        if method is not None:
            return method(node)
        fields: dict[str, Any] = {f: getattr(node, f) for f in node._fields}
        if any(type(v) is list for v in fields.values()):
            raise InternalError(f"no rule for {kind.__name__}")
        names = [f for f, v in fields.items() if isinstance(v, ast.expr)]
        fields.update(zip(names, self.sequence([fields[f] for f in names]), strict=True))
        made: ast.expr = kind(**fields)
        return ast.copy_location(made, node)

    def value_read(
        self, target: str, source: str, method: str, args: tuple[ir.Operand, ...], at: ast.AST
    ) -> None:
        nodes = [self.as_node(a) for a in args]
        held = ast.Name(source, ast.Load())
        plain: ast.expr
        if method == "len":
            plain = ast.Call(ast.Name("len", ast.Load()), [held], [])
        elif method == "bool":
            plain = asked(held)
        elif method == "getitem":
            plain = ast.Subscript(held, nodes[0], ast.Load())
        elif method == "in":
            plain = ast.Compare(nodes[0], [ast.In()], [held])
        else:
            plain = ast.Call(ast.Attribute(held, method, ast.Load()), nodes, [])
        fragment = self.make_expr(target, plain, at)
        self.emit(
            ir.ValueRead(
                getattr(at, "lineno", 0),
                target=target,
                source=source,
                method=method,
                args=args,
                plain=fragment,
            )
        )

    def touch(self, name: str, before: ast.expr, attribute: str = "") -> None:
        """Look up a container, where working out the expression `before` it is used could hide that its name
        is not bound, or bound to something else."""
        if isinstance(before, (ast.Name, ast.Constant)):
            return
        if name in self.certain and self.values.get(name) is not None:
            return
        held: ast.expr = ast.Name(name, ast.Load())
        if attribute:
            held = ast.Attribute(held, attribute, ast.Load())
        fragment = self.make_expr(self.fresh(), located(held, before), before)
        self.emit(
            ir.ValueRead(
                fragment.lineno,
                target=fragment.binds[0],
                source=name,
                method="touch",
                args=(),
                plain=fragment,
            )
        )

    def of_attribute(self, node: ast.Attribute) -> ast.expr:
        looked = self.attribute(node)
        if not self.held(looked.value) and self.super_of(looked) is None:
            return looked
        return ast.copy_location(ast.Name(self.spilled(looked, node), ast.Load()), node)

    def attribute(self, node: ast.Attribute) -> ast.Attribute:
        """The attribute of what its object has been worked out to be."""
        held = self.residual(node.value)
        if isinstance(held, ast.Subscript):
            held = self.spill(held)
        return ast.copy_location(ast.Attribute(held, node.attr, ast.Load()), node)

    def of_subscript(self, node: ast.Subscript) -> ast.expr:
        read = self.environment(node)
        if read is not None:
            return self.residual(read)
        if self.is_value(node.value) and not isinstance(node.slice, ast.Slice):
            self.touch(node.value.id, node.slice)
            key = self.operand(node.slice)
            if isinstance(key, ir.Load):
                key = self.named(key, node)
            name = self.fresh()
            self.value_read(name, node.value.id, "getitem", (key,), node)
            return ast.copy_location(ast.Name(name, ast.Load()), node)
        value, index = self.sequence([node.value, node.slice])
        return ast.copy_location(ast.Subscript(value, index, ast.Load()), node)

    def of_slice(self, node: ast.Slice) -> ast.expr:
        bounds = (node.lower, node.upper, node.step)
        rests = iter(self.sequence([b for b in bounds if b is not None]))
        return ast.copy_location(ast.Slice(*[b and next(rests) for b in bounds]), node)

    def of_namedexpr(self, node: ast.NamedExpr) -> ast.expr:
        value = self.operand(node.value)
        kept = self.named(value, node)
        self.rebind(node.target.id, kept, node)
        return ast.copy_location(ast.Name(kept, ast.Load()), node)

    def of_name(self, node: ast.Name) -> ast.expr:
        if node.id in self.function.generators:
            return node  # what it is used for knows how
        return ast.copy_location(ast.Name(self.spilled(node, node), ast.Load()), node)

    def of_yield(self, node: ast.Yield) -> ast.expr:
        value = self.operand(node.value) if node.value is not None else ir.Const(None)
        name = self.fresh()
        if self.function.emitting:
            self.emit(ir.Emit(node.lineno, target=name, source=value))
        else:
            self.emit(ir.Yield(node.lineno, target=name, source=value))
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def of_yieldfrom(self, node: ast.YieldFrom) -> ast.expr:
        return ast.copy_location(ast.Name(self.delegate(node), ast.Load()), node)

    def of_tuple(self, node: ast.Tuple) -> ast.expr:
        return ast.copy_location(ast.Tuple(self.sequence(node.elts), node.ctx), node)

    def of_list(self, node: ast.List) -> ast.expr:
        return ast.copy_location(ast.List(self.sequence(node.elts), node.ctx), node)

    def of_set(self, node: ast.Set) -> ast.expr:
        return ast.copy_location(ast.Set(self.sequence(node.elts)), node)

    def of_dict(self, node: ast.Dict) -> ast.expr:
        flat: list[ast.expr] = []
        for key, value in zip(node.keys, node.values, strict=True):
            flat += [value] if key is None else [key, value]
        rests = iter(self.sequence(flat))
        keys: list[ast.expr | None] = []
        values: list[ast.expr] = []
        for key in node.keys:
            keys.append(None if key is None else next(rests))
            values.append(next(rests))
        return ast.copy_location(ast.Dict(keys, values), node)

    def of_joinedstr(self, node: ast.JoinedStr) -> ast.expr:
        parts: list[ast.expr] = []
        for part in self.sequence(node.values):
            if not isinstance(part, (ast.Constant, ast.FormattedValue)):
                part = ast.copy_location(ast.FormattedValue(part, -1, None), part)  # text by now
            parts.append(part)
        return ast.copy_location(ast.JoinedStr(parts), node)

    def of_formattedvalue(self, node: ast.FormattedValue) -> ast.expr:
        parts = [node.value, *([node.format_spec] if node.format_spec else [])]
        rests = self.sequence(parts)
        spec = rests[1] if node.format_spec else None
        if spec is not None and not isinstance(spec, ast.JoinedStr):
            spec = ast.copy_location(
                ast.JoinedStr([ast.copy_location(ast.FormattedValue(spec, -1, None), spec)]), spec
            )
        return ast.copy_location(ast.FormattedValue(rests[0], node.conversion, spec), node)

    def of_listcomp(self, node: Any) -> ast.expr:
        if not self.takes_apart(node):
            first, *others = node.generators
            if awaits(first.iter):  # that is worked out here, whatever becomes of the rest
                begun = ast.comprehension(first.target, self.settled(first.iter), first.ifs, first.is_async)
                node = copy.copy(node)
                node.generators = [begun, *others]
                node.__dict__.pop("stretto_children", None)
            return self.opaque(node) if self.calls(node) else self.over(node)
        held = self.comprehension(node)
        name = self.fresh()
        self.emit(ir.ValueRead(node.lineno, target=name, source=held, method="copy", args=(), plain=None))
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    of_setcomp = of_listcomp
    of_dictcomp = of_listcomp

    def of_generatorexp(self, node: ast.GeneratorExp) -> ast.expr:
        return self.opaque(node) if self.calls(node) else self.over(node)

    def over(self, node: Any) -> Any:
        """A comprehension that stays as it is, but for what it goes over."""
        first, *others = node.generators
        source = self.residual(first.iter)
        made: Any = copy.copy(node)
        made.__dict__.pop("stretto_children", None)  # of the original
        made.generators = [
            ast.comprehension(first.target, source, first.ifs, first.is_async),
            *others,
        ]
        return made

    def of_lambda(self, node: ast.Lambda) -> ast.expr:
        return self.opaque(node)

    def opaque(self, node: ast.expr) -> ast.expr:
        """Run an expression as a whole, in order, its calls simply running."""
        if awaits(node):
            raise UnsupportedConstruct(
                "an await in a comprehension whose variables a function inside it sees. Write it as a loop",
                filename=self.function.filename, lineno=node.lineno, construct="await",
            )  # fmt: skip
        name = self.fresh()
        binds = sorted(walrus_names(node))
        if binds:
            statement = ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], node), node)
            self.run([statement], node, binds=(name, *binds), soft=True, opaque=True)
        else:
            self.run_expr(name, node, node, opaque=True)
        return ast.copy_location(ast.Name(name, ast.Load()), node)


def asked(test: ast.expr) -> ast.expr:
    """The truth of an expression, asked as an ``if`` asks it: each operand of ``and`` and ``or`` once."""
    made: Any = ast.IfExp(test, ast.Constant(True), ast.Constant(False))
    made.asked = True  # what it binds is the test of an ``if``, and nothing else
    return cast("ast.expr", made)
