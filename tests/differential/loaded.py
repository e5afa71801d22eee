"""A program's module as Stretto runs it: loaded once, compiled once, run under many schedules.

Compiling takes several times as long as a run. What is made here is the overlapped runs' alone: reference
runs load the module anew each time, so what one run left behind for the next would show as a difference.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from stretto.compiler import functions, source
from stretto.flows import Flow

__all__ = ["GENERATED", "Loaded", "forget", "loaded"]

#: What the names of the programs' files begin with.
GENERATED = "<generated "

#: Top-level statements that bind functions, classes and what is imported: these stay from run to run.
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)

#: Decorators that keep nothing which a run could change.
_DECORATORS = frozenset({"flow", "property", "staticmethod", "classmethod"})

#: The same of a property's, which stands behind a dot.
_OF_PROPERTIES = frozenset({"getter", "setter", "deleter"})

_CONSTANTS = (int, str, float, bool, bytes, complex, type(None), type(Ellipsis))
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)


class _Changeable(Exception):
    """Something that outlives a run holds what a run may change."""


class Loaded:
    """A module whose functions and classes stay, and whose data is made anew for each run.

    Attributes:
        text: its source.
        module: where the runs happen.
    """

    def __init__(self, name: str, text: str, code: types.CodeType, words: dict[str, Any]) -> None:
        self.text = text
        self.module = types.ModuleType(name)
        self.module.__dict__.update(words)
        self._code = code
        parts = _parts(text, code.co_filename)
        self._defined, self._made, self._data = parts if parts is not None else ((), (), None)
        self._names: dict[str, Any] = {}
        self._state: object = None

    def load(self) -> None:
        """Run the top level: all of it the first time, then only what makes the module's data."""
        namespace = self.module.__dict__
        if self._names:
            assert self._data is not None
            namespace.clear()
            namespace.update(self._names)
            exec(self._data, namespace)
            for made in self._made:
                made.renew(self._names[made.owner], namespace.pop(made.name))
            return
        exec(self._code, namespace)
        self._names = namespace.copy()
        self._state = self._now()

    @property
    def serves_again(self) -> bool:
        """Whether the next run will find what the first one found."""
        return self._state is not None and self._state == self._now()

    def _now(self) -> object:
        """What the definitions are; None where that cannot be told."""
        if self._data is None:
            return None
        made = frozenset(made.name for made in self._made)
        try:
            return [_fixed(self._names[name], name, made) for name in self._defined]
        except (_Changeable, KeyError):
            return None


@dataclass(frozen=True)
class _Made:
    """What a definition holds that is made anew for each run: the defaults of a function, and the data of a
    class. It has a name that no program can have."""

    owner: str
    attribute: str = ""

    @property
    def name(self) -> str:
        return f"{self.owner}.{self.attribute}"

    def renew(self, owner: Any, value: Any) -> None:
        if self.attribute:
            setattr(owner, self.attribute, value)
            return
        if isinstance(owner, Flow):
            owner._signature = None
            owner = owner.fn
        positional, named = value
        owner.__defaults__, owner.__kwdefaults__ = positional or None, named or None


_last: Loaded | None = None


def loaded(name: str, text: str, code: types.CodeType, words: dict[str, Any]) -> Loaded:
    """The module of this text: the one of the run before, if it serves again."""
    global _last
    if _last is None or _last.text != text:
        forget(but=code.co_filename)
    if _last is None or not _last.serves_again:
        _last = Loaded(name, text, code, words)
    return _last


def forget(but: str = "") -> None:
    """Let go of the programs before: a million objects make every collection a pause. What was made of the
    vocabulary's functions stays, and the syntax of one file, where it has been read already."""
    global _last
    _last = None
    for cache in (functions._cache, functions._helpers):
        for key in [key for key in cache if key[1].thing.co_filename.startswith(GENERATED)]:
            del cache[key]
    for name in [name for name in source._trees if name.startswith(GENERATED)]:
        if name != but:
            del source._trees[name]


def _parts(text: str, filename: str) -> tuple[tuple[str, ...], tuple[_Made, ...], types.CodeType] | None:
    """The names that a module's definitions bind, what they hold that is made anew for each run, and the code
    that makes this and the module's data; None where its top level does more than bind names."""
    tree = ast.parse(text, filename)
    defined: list[str] = []
    data: list[ast.stmt] = []
    made: list[_Made] = []
    bound: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, _DEFINITIONS):
            if not _plain(statement):
                return None
            if not isinstance(statement, (ast.Import, ast.ImportFrom)):
                defined.append(statement.name)
                for part, value in _changeable(statement):
                    made.append(part)
                    target = ast.Name(part.name, ast.Store())
                    data.append(ast.copy_location(ast.Assign([target], value), value))
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                inner = target.elts if isinstance(target, ast.Tuple) else [target]
                if not all(isinstance(n, ast.Name) for n in inner):
                    return None
                bound.update(n.id for n in inner if isinstance(n, ast.Name))
            data.append(statement)
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            return None
    if bound.intersection(defined) or (made and len({*defined}) < len(defined)):
        return None
    module = ast.fix_missing_locations(ast.Module(data, []))
    code = compile(module, filename, "exec", dont_inherit=True)
    return tuple(sorted({*defined})), tuple(made), code


def _changeable(statement: ast.stmt) -> Iterator[tuple[_Made, ast.expr]]:
    """What of a definition is made anew for each run, and of what."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        a = statement.args
        named = {p.arg: d for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True) if d is not None}
        given = [*a.defaults, *named.values()]
        if all(isinstance(d, ast.Constant) for d in given) or not all(map(_is_data, given)):
            return
        names: list[ast.expr | None] = [ast.Constant(name) for name in named]
        parts: list[ast.expr] = [ast.Tuple(a.defaults, ast.Load()), ast.Dict(names, list(named.values()))]
        at = statement.body[0]
        yield _Made(statement.name), ast.copy_location(ast.Tuple(parts, ast.Load()), at)
    elif isinstance(statement, ast.ClassDef):
        seen = {n.id for s in statement.body for n in ast.walk(s) if isinstance(n, ast.Name) and _binds(n)}
        for part in statement.body:
            if not isinstance(part, ast.Assign) or isinstance(part.value, ast.Constant):
                continue
            names_read = {n.id for n in ast.walk(part.value) if isinstance(n, ast.Name)}
            match part.targets:
                case [ast.Name(name)] if not name.startswith("__") and not names_read & seen:
                    if _is_data(part.value):
                        yield _Made(statement.name, name), part.value


def _binds(node: ast.Name) -> bool:
    return not isinstance(node.ctx, ast.Load)


#: What makes data: no code of the program's own, and nothing that stands for code.
_MAKES_DATA = (
    ast.Constant, ast.List, ast.Dict, ast.Set, ast.Tuple, ast.Name, ast.expr_context, ast.Call, ast.keyword,
    ast.Attribute, ast.UnaryOp, ast.unaryop,
)  # fmt: skip


def _is_data(node: ast.expr) -> bool:
    return all(isinstance(n, _MAKES_DATA) for n in ast.walk(node))


def _plain(statement: ast.stmt) -> bool:
    """Whether a definition tells nobody of itself."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return all(
            d.id in _DECORATORS
            if isinstance(d, ast.Name)
            else isinstance(d, ast.Attribute) and isinstance(d.value, ast.Name) and d.attr in _OF_PROPERTIES
            for d in statement.decorator_list
        )
    if isinstance(statement, ast.ClassDef):
        if statement.decorator_list or statement.keywords:
            return False
        return all(
            _plain(s)
            if isinstance(s, _DEFINITIONS)
            else isinstance(s, (ast.Assign, ast.AnnAssign, ast.Pass))
            or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
            for s in statement.body
        )
    return True


def _fixed(value: object, name: str, made: Collection[str], owner: type | None = None) -> object:
    """What a definition is made of, to be compared with what it is after a run; without what is made anew."""
    if isinstance(value, Flow):
        return ("flow", id(value), *sorted(vars(value)), _fixed(value.fn, name, made, owner))
    if isinstance(value, types.FunctionType):
        given: tuple[object, ...] = ()
        if owner is not None or f"{name}." not in made:
            given = (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values())
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        if any(type(v) not in _CONSTANTS for v in given) or any(v is not owner for v in cells):
            raise _Changeable
        if value.__dict__:
            raise _Changeable
        return ("function", id(value), id(value.__code__), tuple(map(id, given)))
    if isinstance(value, (staticmethod, classmethod)):
        return ("method", id(value), _fixed(value.__func__, "", (), owner))
    if isinstance(value, property):
        parts = (value.fget, value.fset, value.fdel)
        return ("property", id(value), *(_fixed(p, "", (), owner) for p in parts if p is not None))
    if type(value) is type and owner is None:
        held = {k: v for k, v in vars(value).items() if k != "__annotations__"}
        inside = [
            (k, f"{name}.{k}" in made and not _acts(v) or _fixed(v, k, (), value)) for k, v in held.items()
        ]
        return ("class", id(value), inside)
    if type(value) in _CONSTANTS or isinstance(value, _SLOTS):
        return ("constant", id(value))
    if type(value) is tuple:
        return ("tuple", [_fixed(v, "", (), owner) for v in value])
    raise _Changeable


def _acts(value: object) -> bool:
    """Whether a class knows an object in it as code, rather than as data."""
    return callable(value) or hasattr(type(value), "__get__")
