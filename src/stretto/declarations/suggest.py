"""Lines that are missing in the table ``[effects]``: proposed by name alone, for people to check."""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..compiler import ir
from ..compiler.receivers import class_of
from ..compiler.walking import walk
from ..main_module import main_name

if TYPE_CHECKING:
    from ..compiler.explain import Explanation
    from ..compiler.functions import Compiled
    from ..observe.walls import Wall

__all__ = ["method_named", "named", "of_walls", "suggestions"]

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
#: So many places are told.
_MOST = 20
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
    if not module or not name or module == "builtins" or "<locals>" in name:
        return ""
    return f"{main_name() if module == '__main__' else module}.{name}"


def method_named(form: Compiled, fragment: Any) -> str:
    """The same of a method that is called in a fragment, on an object whose class is to be seen."""
    for statement in fragment.statements:
        for node in walk(statement):
            func = node.func if isinstance(node, ast.Call) else None
            if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
                cls = class_of(form, func.value.id)
                found = None if cls is None else getattr(cls, func.attr, None)
                if found is not None and cls is not None and cls.__module__ != "builtins":
                    module = main_name() if cls.__module__ == "__main__" else cls.__module__
                    return f"{module}.{cls.__qualname__}.{func.attr}"
    return ""


def suggestions(report: Explanation) -> list[str]:
    """The lines, each with why it is guessed and where it is needed."""
    places: dict[str, list[str]] = {}
    for line in report.lines:
        for o in line.operations:
            if o.about and (o.kind == "unknown" or _guess(o.about)[0]):
                places.setdefault(o.about, []).append(f"line {o.line}")
    unseen = [
        f"# Of some of what is called ({', '.join(report.checked[:3])}) nothing is known before it runs:",
        "# `stretto run --suggest` runs it, and proposes lines for what ran in order.",
    ]
    if not places and report.checked:
        return unseen
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
    return [*out, *unseen] if report.checked else out


def of_walls(walls: Iterable[Wall]) -> list[str]:
    """The same, after a run: what ran as a whole, in its turn, and the line that would free each."""
    found = [wall for wall in walls if wall.about]
    others = [wall for wall in walls if not wall.about]
    if not found and not others:
        return ["# Nothing ran as a whole, in order: no line in [effects] would change anything."]
    out = [
        "# What ran as a whole, in its turn, while what follows waited; and for each a guess of the line",
        "# that would free it. Nothing of this holds until it stands in stretto.toml: check each line before",
        "# you put it there.",
        "[effects]",
    ]
    said: set[str] = set()
    for wall in [*found[:_MOST], *others[: max(0, _MOST - len(found))]]:
        times = "once" if wall.times == 1 else f"{wall.times:,} times"
        out.append(f"# {_near(wall.file)}:{wall.line}  {wall.text}")
        out.append(f"#   {times}, {wall.held:.1f} s: {wall.reason}{_inside(wall)}")
        name = _public(wall.about)
        if not name:
            out.append(
                "#   nothing in it has a name that a line could be about; a function of its own would have"
            )
        elif name in said:
            out.append(f"#   see {name}, above")
        else:
            out.append(_line_for(name, wall.kind))
        said.add(name)
    left = len(found) + len(others) - _MOST
    return out if left <= 0 else [*out, f"# ... and {left} more, which waited less"]


def _inside(wall: Wall) -> str:
    file, line = wall.inside
    return f" ({_near(file)}:{line})" if file and f"{os.sep}asyncio{os.sep}" not in file else ""


def _near(file: str) -> str:
    here = os.path.relpath(file)
    return os.path.join(*file.split(os.sep)[-2:]) if here.startswith("..") else here


def _public(name: str) -> str:
    """The shortest name under which the same is imported: ``jinja2.Template``, not where it is defined."""
    parts = name.split(".")
    cut = next((n for n in range(len(parts) - 1, 0, -1) if ".".join(parts[:n]) in sys.modules), 0)
    owner: Any = sys.modules.get(".".join(parts[:cut]))
    for length in range(1, cut):
        module = sys.modules.get(".".join(parts[:length]))
        if getattr(module, parts[cut], None) is getattr(owner, parts[cut], owner):
            return ".".join((*parts[:length], *parts[cut:]))
    return name


def _line_for(name: str, kind: str) -> str:
    if kind == "class":
        return f'"{name}" = "pure"  # a guess: if making one touches nothing else'
    if kind == "attribute":
        return f'"{name}" = "pure"  # a guess: if to look at it has no effects'
    effect, why = _guess(name)
    if effect:
        return f'"{name}" = "{effect}"  # a guess: {why}'
    return (
        f'# "{name}" = "..."  # "pure" if it touches nothing, "changes self" if its own object alone; or else'
    )


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
