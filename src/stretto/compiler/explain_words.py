"""The words of `explain`: what the user wrote, what cannot be judged, and what would free it."""

from __future__ import annotations

import ast
import inspect
import itertools
import linecache
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ..calls import Call, where
from ..effects import Kind
from ..limits.rules import told
from . import ir
from .checkers import checker_of
from .explain_model import Info
from .types import T, infer, of_annotation
from .values import _Analysis
from .walking import child_nodes, walk

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["DECLARE", "Words", "effect_words", "fragment_text", "place_of", "unknown_remedy"]

_TRIED = [
    str, int, list[str], dict[str, str], float, list[int], dict[str, int], bool, bytes,
    list[list[str]], dict[str, list[str]], list[dict[str, str]],
]  # fmt: skip
_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)
_MADE_UP = re.compile(r"\b__c\d+_(?:\d+_)?(\w+)")
_TEMPORARY = re.compile(r"\b__t\d+\b")
_WHEN = {
    Kind.PLAIN: "when everything before it is done; what reads anything waits for it",
    Kind.WRITES: "when everything before it is done",
    Kind.COMMUTES: "when it is certain to happen",
    Kind.READS: "when its inputs are ready",
    Kind.UNORDERED: "when its inputs are ready",
    Kind.PURE: "when its inputs are ready",
}
DECLARE = 'do this in a function of its own, declared `@call.reads("...")` or `@call.writes("...")`'
_PURE = "move this into a function of its own, declared `@call.pure`"
_KEEP = "keep it in a local name, and set `{}` after the last call"


class Words:
    """How to name what is in one function."""

    def __init__(self, form: Compiled, names: Mapping[str, Info]) -> None:
        self.form = form
        self.names_of = names
        #: What stands for each temporary.
        self.texts: dict[str, str] = {}
        body: Any = form.node.body if isinstance(form.node.body, list) else []
        self.nested = {n.name for s in body for n in walk(s) if isinstance(n, _DEFS)}
        self._ordinary: dict[str, int] | None = None

    def name(self, name: str) -> str:
        return (
            _short(self.texts.get(name, "...")) if _TEMPORARY.fullmatch(name) else _MADE_UP.sub(r"\1", name)
        )

    def there(self, names: Sequence[str]) -> str:
        """That these are there."""
        *most, last = dict.fromkeys(f"`{self.name(n)}`" for n in names)
        return f"{', '.join(most)} and {last} are there" if most else f"{last} is there"

    def operand(self, source: Any) -> str:
        if isinstance(source, str):
            return self.name(source)
        if isinstance(source, ir.Const):
            return repr(source.value)
        return str(getattr(source, "name", "..."))

    def call(self, i: ir.Apply) -> str:
        parts = ["*" * star + self.operand(a) for star, a in i.args]
        parts += [f"{k}={self.operand(a)}" if k else f"**{self.operand(a)}" for k, a in i.kwargs]
        return _short(f"{i.text}({', '.join(parts)})", 40)

    def late(self, infos: Iterable[Info]) -> str:
        """What the first that is late waits for."""
        return next((info.of for info in infos if info.late and info.of), "")

    # -- containers -------------------------------------------------------------------------------------

    def why_ordinary(self, name: str | None) -> str:
        """Why a container is not a value, where that is cheap to tell."""
        name = next((n for n, t in self.texts.items() if n == name and t.isidentifier()), name) or ""
        name = self.texts.get(name, name)
        if name in self.form.scope.params:
            return " (it comes from the caller)"
        if name in self.form.scope.captured:
            return " (no value: a nested function sees it)"
        if self._ordinary is None:
            noting = _Noting(self.form)
            noting.run()
            self._ordinary = noting.lines
        line = self._ordinary.get(name)
        if line is None:
            return ""
        text = linecache.getline(self.form.filename, line).strip()
        return f" (no value because of line {line}: `{text}`)"

    # -- what cannot be judged ------------------------------------------------------------------------------

    def blame(self, fragment: Any, types: Any, infos: Mapping[str, Info]) -> tuple[str, str, bool]:
        """Why a fragment cannot be known to be free of effects, the line that would free it, and whether it
        has an effect for certain."""
        shared = _shared_target(fragment, self.form)
        if shared:
            return (
                f"changes `{self.clean(shared)}`, which others may see",
                _KEEP.format(self.clean(shared)),
                True,
            )
        expr = _judged(fragment)
        if expr is None:
            statement = fragment.statements[0]
            what = type(statement).__name__.lower()
            if isinstance(statement, _DEFS):
                used = [n for n in fragment.reads if infos[n].late] or list(fragment.reads)
                given_to = f"give `{self.name(used[0])}` to `{statement.name}` as an argument" if used else ""
                return f"`{statement.name}` is made of what is not there yet", given_to, False
            if what == "raise":
                return "may raise", "put the check into a function that raises, declared `@call.pure`", False
            return f"a plain `{what}` cannot be judged before its values are there", _PURE, False
        given = dict(zip(fragment.reads, types, strict=True))
        culprits = _culprits(expr, given, self.form.resolve)
        texts = list(dict.fromkeys(self.clean(ast.unparse(c)) for c in culprits))
        loaded = {n.id for c in culprits for n in walk(c) if isinstance(n, ast.Name) and n.id in given}
        wanted = sorted(n for n in loaded if given[n] is None or not given[n].args) or [
            n for n in given if given[n] is None
        ]
        reason = (
            f"the type of {' and '.join(f'`{t}`' for t in texts[:2])} is not known"
            if texts
            else "its types are not all known"
        )
        alone = [infos[n].origin for n in wanted]
        if len(culprits) == 1 and isinstance(culprits[0], ast.Name) and len(alone) == 1 and alone[0]:
            reason = alone[0][0]
        remedy = self.freed(fragment, given, wanted, infos) or _PURE
        return reason, remedy, False

    def freed(
        self, fragment: Any, given: dict[str, T | None], wanted: list[str], infos: Mapping[str, Info]
    ) -> str:
        """The annotations that would make a fragment free, or nothing."""
        fixes = [(infos[n].origin or ("", ""))[1] for n in wanted]
        if not wanted or len(wanted) > 2 or not all(fixes):
            return ""
        # `total += len(page)`: what it makes itself is known as soon as the rest is
        own = [n for n in fragment.binds if n in given and given[n] is None and n not in wanted][:1]
        for chosen in itertools.product(_TRIED, repeat=len(wanted) + len(own)):
            known = {**given, **{n: of_annotation(a) for n, a in zip([*wanted, *own], chosen, strict=True)}}
            types = tuple(known[n] for n in fragment.reads)
            if fragment.verdict(types).pure:
                lines = [f.replace("{}", _annotation(a)) for f, a in zip(fixes, chosen, strict=False)]
                return " and ".join(dict.fromkeys(lines)) + ", or whatever it is"
        return ""

    def clean(self, text: str) -> str:
        text = re.sub(r"\bTrue if (.*) else False\b", r"\1", text)
        text = _TEMPORARY.sub(lambda m: self.texts.get(m.group(), "..."), text)
        return _short(_MADE_UP.sub(r"\1", text))


class _Noting(_Analysis):
    """Notes the line at which each name turns out to be no value."""

    def __init__(self, form: Compiled) -> None:
        super().__init__(form)
        self.lines: dict[str, int] = {}

    def statement(self, s: Any) -> None:
        super().statement(s)
        for name in self.bad:
            self.lines.setdefault(name, s.lineno)


def fragment_text(fragment: Any, words: Words) -> str:
    """A fragment as the user wrote it, near enough."""
    node = fragment.expr if fragment.expr is not None else fragment.statements[0]
    number = getattr(node, "lineno", 0)
    if number == fragment.lineno and number == node.end_lineno:
        line = linecache.getline(words.form.filename, number).encode()
        found = line[node.col_offset : node.end_col_offset].decode(errors="replace")
        if found:
            return _short(found)
    return words.clean(ast.unparse(node).split("\n")[0])


def _short(text: str, most: int = 50) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _annotation(a: Any) -> str:
    return a.__name__ if type(a) is type else str(a)


def _judged(fragment: Any) -> ast.expr | None:
    """The expression on which the judgement of a fragment rests."""
    statement = fragment.statements[0]
    if fragment.soft and not isinstance(statement, ast.Delete):
        return None
    expr: ast.expr | None = fragment.expr
    if expr is not None:
        return expr
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        left = ast.copy_location(ast.Name(statement.target.id, ast.Load()), statement)
        return ast.copy_location(ast.BinOp(left, statement.op, statement.value), statement)
    if isinstance(statement, (ast.Expr, ast.Assign)):
        return statement.value
    return None


def _shared_target(fragment: Any, form: Compiled) -> str:
    """What a statement changes that is not its own, or nothing."""
    s = fragment.statements[0]
    targets: list[ast.expr] = []
    if isinstance(s, (ast.Assign, ast.Delete)):
        targets = list(s.targets)
    elif isinstance(s, (ast.AugAssign, ast.AnnAssign)):
        targets = [s.target]
    for target in targets:
        if isinstance(target, ast.Attribute):
            return ast.unparse(target)
        if isinstance(target, ast.Subscript):
            return ast.unparse(target.value)
    if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call) and isinstance(s.value.func, ast.Attribute):
        root = s.value.func.value
        if isinstance(root, ast.Name) and form.is_data(root.id) and s.value.func.attr not in dir(str):
            return root.id
    return ""


def _culprits(expr: ast.expr, given: Mapping[str, T | None], resolve: Any) -> list[ast.expr]:
    """In the innermost part that cannot be judged, the operands whose type is not known."""
    if infer(expr, given, resolve).pure:
        return []
    parts = list(_operands(expr))
    for part in parts:
        if not infer(part, given, resolve).pure:
            return _culprits(part, given, resolve)
    unknown = [p for p in parts if infer(p, given, resolve).type is None]
    return unknown or [expr]


def _operands(expr: ast.AST) -> Iterable[ast.expr]:
    for part in child_nodes(expr):
        if isinstance(part, ast.expr_context):
            continue
        if isinstance(expr, ast.Call) and part is expr.func:
            if isinstance(part, ast.Attribute):
                yield part.value
            continue
        if isinstance(part, (ast.Starred, ast.FormattedValue)):
            yield part.value
        elif isinstance(part, ast.expr):
            yield part
        elif isinstance(part, (ast.comprehension, ast.keyword)):
            yield from (
                p
                for p in child_nodes(part)
                if isinstance(p, ast.expr) and not isinstance(getattr(p, "ctx", None), ast.Store)
            )


# -- remedies ----------------------------------------------------------------------------------------------


def place_of(callee: Any) -> str:
    """``file.py:3`` of a function."""
    found = where(callee.fn if isinstance(callee, Call) else callee)
    return os.path.basename(found)


def unknown_remedy(i: ir.Apply, callee: Any, nested: bool) -> str:
    """The line that would free a call of unknown code."""
    name = i.text.split(".")[-1]
    if callee is print:  # into a file of the program's
        return '`say = call.writes("...")(print)`, and call `say`'
    if nested:
        return f"define `{name}` outside of the flow, and give it what it needs"
    if callee is open or callee is None:
        return DECLARE
    wrap = f'`{name} = call.writes("...")({i.text})`'
    if isinstance(callee, FunctionType) and checker_of(callee, False).type is not None:
        above = f"above `def {callee.__name__}` ({place_of(callee)})"
        return f'`@call.pure` {above} if it has no effects, else `@call.writes("...")`'
    if inspect.isroutine(callee) or isinstance(callee, (FunctionType, type)):
        return f"`assume_pure({i.text})` if it has no effects, else {wrap}"
    return wrap


def effect_words(callee: Call[..., Any]) -> tuple[str, bool, str]:
    """What a declared call touches and when it starts, whether it may overlap, and what would free it."""
    kind = callee.effects.kind
    word = "no effects declared" if kind is Kind.PLAIN else str(callee.effects)
    limits = told(callee)
    says = f"{word}; starts {_WHEN[kind]}{f', within {limits}' if limits else ''}"
    if kind is Kind.COMMUTES and callee.fails:
        return f"{says} (a row of them overlaps if they promise fails=False)", False, ""
    if kind is not Kind.PLAIN:
        return says, kind is not Kind.WRITES, ""
    choice = '`@call.reads("...")`, `@call.writes("...")` or `@call.unordered`'
    return says, False, f"say what {callee.name} touches ({place_of(callee)}): {choice}"
