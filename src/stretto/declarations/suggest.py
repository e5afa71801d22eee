"""Lines that are missing in the table ``[effects]``: proposed by name alone, for people to check."""

from __future__ import annotations

import ast
import inspect
import re
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..compiler import ir
from ..compiler.receivers import class_of

if TYPE_CHECKING:
    from ..compiler.explain import Explanation
    from ..compiler.functions import Compiled

__all__ = ["method_named", "named", "suggestions"]

_READS = "get fetch load read list find search query lookup exists download open head stat count select"
_WRITES = (
    "save write put post send delete remove update insert upload publish store set add create push patch "
    "commit append move copy rename notify"
)
_FREE = "complete completion generate embed chat ask predict infer summarise summarize translate classify"
_PURE = (
    "parse clean format normalise normalize tokenize split join render convert compute score encode decode "
    "strip slugify hash is has to from"
)
_GUESSES = {
    word: effect
    for effect, words in (("reads", _READS), ("writes", _WRITES), ("unordered", _FREE), ("pure", _PURE))
    for word in words.split()
}
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def named(form: Compiled, i: ir.Apply, callee: Any) -> str:
    """The dotted name by which a table would speak of what is called; empty if there is none."""
    first, *rest = i.text.split(".")
    if not all(part.isidentifier() for part in (first, *rest)):
        return ""
    if callee is None and rest:
        owner: Any = class_of(form, first) if len(rest) == 1 else None
        if owner is None and first not in form.scope.locals:
            try:
                owner = form.resolve_dotted(".".join((first, *rest[:-1])))
            except KeyError:
                return ""
            owner = owner if isinstance(owner, (type, ModuleType)) else type(owner)
        callee = getattr(owner, rest[-1], None)
    if callee is None:
        return ""
    root: Any = form.globals.get(first)
    if isinstance(root, ModuleType) and isinstance(i.callee, ir.Load):
        return ".".join((root.__name__, *rest))
    callee = inspect.unwrap(callee)
    module, name = getattr(callee, "__module__", None), getattr(callee, "__qualname__", None)
    if not module or not name or module in ("builtins", "__main__") or "<locals>" in name:
        return ""
    return f"{module}.{name}"


def method_named(form: Compiled, fragment: Any) -> str:
    """The same of a method that is called in a fragment, on an object whose class is to be seen."""
    for statement in fragment.statements:
        for node in ast.walk(statement):
            func = node.func if isinstance(node, ast.Call) else None
            if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
                cls = class_of(form, func.value.id)
                found = None if cls is None else getattr(cls, func.attr, None)
                if found is not None and cls is not None and cls.__module__ not in ("builtins", "__main__"):
                    return f"{cls.__module__}.{cls.__qualname__}.{func.attr}"
    return ""


def suggestions(report: Explanation) -> list[str]:
    """The lines, each with why it is guessed and where it is needed."""
    places: dict[str, list[str]] = {}
    for line in report.lines:
        for o in line.operations:
            if o.about and (o.kind == "unknown" or _guess(o.about)[0]):
                places.setdefault(o.about, []).append(f"line {o.line}")
    if not places:
        return ["# Nothing is called that a line in [effects] would say more of."]
    out = [
        "# Guesses, by the names alone. Nothing of this holds until it stands in stretto.toml: check each",
        "# line before you put it there.",
        "[effects]",
    ]
    for name, lines in places.items():
        where = ", ".join(dict.fromkeys(lines))
        effect, why = _guess(name)
        if effect:
            out.append(f'"{name}" = "{effect}"  # a guess: {why}; {where}')
        else:
            out.append(f'# "{name}" = "..."  # the name does not tell what it touches; {where}')
    return out


def _guess(name: str) -> tuple[str, str]:
    parts = name.split(".")
    for word in _WORDS.findall(parts[-1])[:1]:
        found = _GUESSES.get(word.lower())
        if found is None:
            continue
        if found in ("reads", "writes"):
            found += f" {parts[0].strip('_')}"
        return found, f"`{parts[-1]}` sounds like that"
    return "", ""
