"""The abstract interpreter behind `types.infer`."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Collection, Mapping
from types import GeneratorType, ModuleType
from typing import Final

from stretto.compiler.known_objects import ITERATORS, MUTABLE, PLAIN, SCALARS, is_plain_class
from stretto.compiler.types import (
    CAUGHT,
    CAUGHT_CLASS,
    ELLIPSIS,
    STREAMS,
    Json,
    Scalar,
    T,
    Verdict,
    attribute_type,
    method_type,
    of_value,
    one_of,
)
from stretto.compiler.types_fields import field, item, tested_plainly
from stretto.compiler.types_results import attribute_result, binary_result, element, item_result

from .walking import walk

__all__ = ["Judge", "looked_into"]

_BOOL: Final = T(bool)
_STR: Final = T(str)
_INT: Final = T(int)
_UNKNOWN: Final = Verdict(True, False, None)
_IMPURE: Final = Verdict(False, True, None)
_MATCHING: Final = (re.search, re.match, re.fullmatch)
_INDEXED: Final = (list, tuple, str, bytes, bytearray, range, dict, Json)
PLAIN.update((Json, Scalar))
MUTABLE.add(Json)


def looked_into(found: T | None) -> bool:
    """Whether looking into a value of this type reads something that may change."""
    if found is None or found.cls in MUTABLE:
        return True
    if found.cls in (tuple, frozenset):
        return not found.args or any(looked_into(a) for a in found.args if a != ELLIPSIS)
    return found.cls not in PLAIN or found.cls.__name__.startswith("dict_")


def _in_json(name: str) -> bool:
    """Whether what `json.loads` gives may have an attribute of that name."""
    return any(hasattr(cls, name) for cls in (dict, list, str, int, float, bool, type(None)))


def _scalar(kinds: Collection[T | None]) -> T | None:
    """The type of a value that has one of these, where nobody can change it."""
    found = one_of(list(kinds))
    return found if found is not None and found.cls is Scalar else None


class _Missing:
    """No such name."""


_MISSING: Final = _Missing()


class Judge:
    """Judges expressions, one at a time, over the types of names."""

    def __init__(self, types: Mapping[str, T | None], resolve: Callable[[str], object]) -> None:
        self.types = dict(types)
        self.resolve = resolve
        #: The types of attributes, by name and attribute, which can be looked at.
        self.fields: Mapping[tuple[str, str], T | None] = {}
        #: Whether a part of the expression being judged looks into what may change: then the whole does.
        self._looked = False

    def judge(self, node: ast.AST | None) -> Verdict:
        """The verdict about one expression."""
        if node is None:
            return Verdict(True, False, T(type(None)))
        method = getattr(self, "_" + type(node).__name__, None)
        if method is None:
            return _IMPURE
        before, self._looked = self._looked, False
        found: Verdict = method(node)
        heap = found.heap or self._looked
        self._looked = before or heap
        return found if heap == found.heap else Verdict(found.pure, heap, found.type)

    def _all(self, *nodes: ast.AST | None) -> tuple[list[Verdict], bool, bool]:
        found = [self.judge(node) for node in nodes]
        return found, all(v.pure for v in found), any(v.heap for v in found)

    def _known(self, verdict: Verdict) -> bool:
        """Whether an operation on this value runs no unknown code."""
        found = verdict.type
        return verdict.pure and found is not None and is_plain_class(found.cls)

    def _truth(self, node: ast.expr) -> Verdict:
        """An expression of which only the truth is asked: `a and b` asks that of each."""
        if isinstance(node, ast.Call) and self._static(node.func) in _MATCHING:
            found_one = self.judge(node)  # a match or None: the truth of either runs no code
            return Verdict(found_one.pure, found_one.heap, _BOOL)
        if not isinstance(node, ast.BoolOp):
            asked = self.judge(node)
            if asked.pure and asked.type is not None and not asked.type.firm and tested_plainly(asked.type):
                return Verdict(True, True, _BOOL)
            if not self._known(asked):
                return _IMPURE
            return Verdict(True, asked.heap or looked_into(asked.type), _BOOL)
        found = [self._truth(node.values[0])]
        found += [self._in_branch(value, truth=True) for value in node.values[1:]]
        return Verdict(True, any(v.heap for v in found), _BOOL) if all(v.pure for v in found) else _IMPURE

    def _operated(self, nodes: list[ast.AST | None], result: T | None) -> Verdict:
        """Operands that are looked into, and what comes out."""
        found, _, heap = self._all(*nodes)
        if not all(self._known(v) for v in found):
            return _IMPURE
        return Verdict(True, heap or any(looked_into(v.type) for v in found), result)

    # -------------------------------------------------------------- names and constants

    def _Constant(self, node: ast.Constant) -> Verdict:
        return Verdict(True, False, T(type(node.value)))

    def _Name(self, node: ast.Name) -> Verdict:
        if node.id in self.types:
            return Verdict(True, False, self.types[node.id])
        value = self._static(node)
        return _UNKNOWN if value is _MISSING else Verdict(True, False, of_value(value))

    def _static(self, node: ast.expr) -> object:
        """The object that a global name, or an attribute of a module, stands for."""
        if isinstance(node, ast.Name):
            if node.id in self.types:
                return _MISSING
            try:
                return self.resolve(node.id)
            except KeyError:
                return _MISSING
        if isinstance(node, ast.Attribute):
            owner = self._static(node.value)
            if type(owner) is ModuleType:
                return owner.__dict__.get(node.attr, _MISSING)
            if isinstance(owner, type) and owner in PLAIN:
                return getattr(owner, node.attr, _MISSING)
        return _MISSING

    def _NamedExpr(self, node: ast.NamedExpr) -> Verdict:
        found = self.judge(node.value)
        self.types[node.target.id] = found.type
        return found

    # -------------------------------------------------------------- operators

    def _BinOp(self, node: ast.BinOp) -> Verdict:
        left, right = self.judge(node.left), self.judge(node.right)
        if not self._known(left) or not self._known(right):
            return _IMPURE
        heap = left.heap or right.heap or looked_into(left.type) or looked_into(right.type)
        return Verdict(True, heap, binary_result(type(node.op), left.type, right.type))

    def _UnaryOp(self, node: ast.UnaryOp) -> Verdict:
        if isinstance(node.op, ast.Not):
            return self._truth(node.operand)
        found = self.judge(node.operand)
        if not self._known(found) or found.type is None:
            return _IMPURE
        cls = int if found.type.cls is bool else found.type.cls
        kind = T(cls) if cls in (int, float, complex) else None
        return Verdict(True, found.heap or looked_into(found.type), kind)

    def _BoolOp(self, node: ast.BoolOp) -> Verdict:
        found = [self.judge(node.values[0])]
        found += [self._in_branch(value) for value in node.values[1:]]
        if not all(map(self._known, found[:-1])) or not found[-1].pure:
            return _IMPURE
        heap = any(v.heap for v in found) or any(looked_into(v.type) for v in found[:-1])
        kinds = {v.type for v in found}
        if T(Json) in kinds and all(k is not None and k.cls in (Json, *SCALARS) for k in kinds):
            return Verdict(True, heap, T(Json))
        return Verdict(True, heap, kinds.pop() if len(kinds) == 1 else _scalar(kinds))

    def _in_branch(self, node: ast.expr, truth: bool = False) -> Verdict:
        before = dict(self.types)
        found = self._truth(node) if truth else self.judge(node)
        after = self.types
        # A name bound in a branch that may not be taken keeps its type only if it had the same.
        self.types = {
            name: kind if before.get(name, kind) == kind and name in before else None
            for name, kind in after.items()
        }
        return found

    def _IfExp(self, node: ast.IfExp) -> Verdict:
        test = self._truth(node.test)
        first, second = self._in_branch(node.body), self._in_branch(node.orelse)
        if not (test.pure and first.pure and second.pure):
            return _IMPURE
        kind = first.type if first.type == second.type else _scalar((first.type, second.type))
        return Verdict(True, test.heap or first.heap or second.heap, kind)

    def _Compare(self, node: ast.Compare) -> Verdict:
        # after the first comparison the chain may end
        rest = node.comparators[1:]
        found = [self.judge(node.left), self.judge(node.comparators[0]), *map(self._in_branch, rest)]
        heap = any(v.heap for v in found)
        if not all(v.pure for v in found):
            return _IMPURE
        for place, op in enumerate(node.ops):
            if isinstance(op, (ast.Is, ast.IsNot)):
                continue
            left, right = found[place], found[place + 1]
            if not self._known(left) or not self._known(right):
                return _IMPURE
            heap = heap or looked_into(left.type) or looked_into(right.type)
        return Verdict(True, heap, _BOOL)

    # -------------------------------------------------------------- displays

    def _elements(self, nodes: list[ast.expr], hashed: bool = False) -> tuple[bool, bool, list[T | None]]:
        """Whether all are pure, whether one looks into the heap, and the type of each."""
        pure, heap = True, False
        kinds: list[T | None] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                inner = self._iterated(node.value)
                pure, heap = pure and inner.pure, heap or inner.heap
                kinds.append(element(inner.type))
                continue
            found = self.judge(node)
            if hashed and not self._known(found):
                return False, True, []
            pure, heap = pure and found.pure, heap or found.heap
            kinds.append(found.type)
        return pure, heap, kinds

    @staticmethod
    def _one(kinds: list[T | None]) -> tuple[T, ...]:
        """The type that all of them have, as the arguments of a container's type."""
        if kinds and kinds[0] is not None and all(kind == kinds[0] for kind in kinds):
            return (kinds[0],)
        return ()

    def _Tuple(self, node: ast.Tuple) -> Verdict:
        pure, heap, kinds = self._elements(node.elts)
        if not pure:
            return _IMPURE
        if any(isinstance(e, ast.Starred) for e in node.elts):
            one = self._one(kinds)
            return Verdict(True, heap, T(tuple, (*one, ELLIPSIS)) if one else T(tuple))
        return Verdict(True, heap, T(tuple, tuple(kinds)))

    def _List(self, node: ast.List) -> Verdict:
        pure, heap, kinds = self._elements(node.elts)
        return Verdict(True, heap, T(list, self._one(kinds))) if pure else _IMPURE

    def _Set(self, node: ast.Set) -> Verdict:
        pure, heap, kinds = self._elements(node.elts, hashed=True)
        return Verdict(True, heap, T(set, self._one(kinds))) if pure else _IMPURE

    def _Dict(self, node: ast.Dict) -> Verdict:
        heap = False
        keys: list[T | None] = []
        values: list[T | None] = []
        for key, value in zip(node.keys, node.values, strict=True):
            found = self.judge(value)
            heap = heap or found.heap
            if key is None:
                if found.type is None or found.type.cls is not dict or not found.pure:
                    return _IMPURE
                heap = True
                args = found.type.args or (None, None)
                keys.append(args[0])
                values.append(args[1])
                continue
            named = self.judge(key)
            if not self._known(named) or not found.pure:
                return _IMPURE
            heap = heap or named.heap
            keys.append(named.type)
            values.append(found.type)
        if keys and len(set(keys)) == 1 and len(set(values)) == 1 and keys[0] and values[0]:
            return Verdict(True, heap, T(dict, (keys[0], values[0])))
        return Verdict(True, heap, T(dict))

    def _JoinedStr(self, node: ast.JoinedStr) -> Verdict:
        return self._operated(list(node.values), _STR)

    def _FormattedValue(self, node: ast.FormattedValue) -> Verdict:
        if node.format_spec is None and self.judge(node.value).type in (CAUGHT, CAUGHT_CLASS):
            return Verdict(True, True, _STR)
        spec = [node.format_spec] if node.format_spec is not None else []
        return self._operated([node.value, *spec], _STR)

    # -------------------------------------------------------------- parts

    def _Slice(self, node: ast.Slice) -> Verdict:
        return self._operated([node.lower, node.upper, node.step], T(slice))

    def _Subscript(self, node: ast.Subscript) -> Verdict:
        owner, index = self.judge(node.value), self.judge(node.slice)
        if owner.type is not None and owner.pure and self._known(index):
            free, declared = attribute_type(owner.type.cls, "__getitem__")
            if free:
                return Verdict(True, owner.heap or index.heap, declared)
            if not owner.type.firm and isinstance(node.slice, ast.Constant):
                free, found = item(owner.type, node.slice.value)
                if free:
                    return Verdict(True, True, found)
            if owner.type.cls in (Scalar, re.Match):
                heap = owner.heap or index.heap
                return Verdict(
                    True, heap, None if index.type is None else item_result(owner.type, index.type)
                )
        if not self._known(owner) or not self._known(index) or owner.type is None:
            return _IMPURE
        cls = owner.type.cls
        if cls not in _INDEXED:
            return _IMPURE
        heap = owner.heap or index.heap or looked_into(owner.type)
        if cls is tuple and not isinstance(node.slice, ast.Slice):
            heap = owner.heap or index.heap  # a tuple itself does not change
        if index.type is not None and index.type.cls is slice and cls is not Json:
            part = owner.type if cls is not tuple or ELLIPSIS in owner.type.args else T(tuple)
            return Verdict(True, heap, part)
        if cls is Json:
            return Verdict(True, heap, owner.type)
        if cls is str:
            return Verdict(True, heap, _STR)
        if cls in (bytes, bytearray, range):
            return Verdict(True, heap, _INT)
        if cls is dict:
            return Verdict(True, heap, owner.type.args[1] if owner.type.args else None)
        if cls is tuple and ELLIPSIS not in owner.type.args:
            kind: T | None = None
            place = node.slice
            if isinstance(place, ast.Constant) and type(place.value) is int:
                if 0 <= place.value < len(owner.type.args):
                    kind = owner.type.args[place.value]
            return Verdict(True, heap, kind)
        return Verdict(True, heap, element(owner.type))

    def _Attribute(self, node: ast.Attribute) -> Verdict:
        value = self._static(node)
        if value is not _MISSING:
            if node.attr in STREAMS and self._static(node.value) is sys:
                return Verdict(True, True, STREAMS[node.attr])  # it may be bound again
            return Verdict(True, False, of_value(value))
        if self.fields and isinstance(node.value, ast.Name) and (node.value.id, node.attr) in self.fields:
            return Verdict(True, True, self.fields[node.value.id, node.attr])
        owner = self.judge(node.value)
        if owner.type is CAUGHT and node.attr == "__class__":
            return Verdict(True, owner.heap, CAUGHT_CLASS)
        if owner.type is CAUGHT_CLASS and node.attr in ("__name__", "__qualname__"):
            return Verdict(True, owner.heap, _STR)
        if owner.type is not None and owner.pure:
            free, declared = attribute_type(owner.type.cls, node.attr)
            declared = declared or method_type(owner.type.cls, node.attr)
            if free or declared is not None:
                return Verdict(True, owner.heap, declared)
            if not owner.type.firm:
                free, declared = field(owner.type, node.attr)
                if free:
                    return Verdict(True, owner.heap or not issubclass(owner.type.cls, tuple), declared)
        if not self._known(owner):
            return _IMPURE
        kind = None if owner.type is None else attribute_result(owner.type, node.attr)
        if owner.type is not None and owner.type.cls is Json and not _in_json(node.attr):
            kind = owner.type  # data that is looked into by attributes, too
        return Verdict(True, owner.heap or looked_into(owner.type), kind)

    # -------------------------------------------------------------- iteration

    def _iterated(self, node: ast.expr) -> Verdict:
        """An expression that is iterated over here and now."""
        found = self.judge(node)
        if found.type is None or not found.pure:
            return _IMPURE
        cls = found.type.cls
        if cls in ITERATORS:
            # An iterator under a name is moved on for whoever else holds it.
            return _IMPURE if isinstance(node, (ast.Name, ast.NamedExpr)) else found
        if not is_plain_class(cls):
            return _IMPURE
        heap = found.heap or cls in MUTABLE or cls.__name__.startswith("dict_")
        return Verdict(True, heap, found.type)

    def _bind(self, target: ast.expr, kind: T | None) -> bool:
        if isinstance(target, ast.Name):
            self.types[target.id] = kind
            return True
        if isinstance(target, (ast.Tuple, ast.List)):
            if kind is None or kind.cls not in (tuple, list, str, Json):
                return False
            if any(isinstance(e, ast.Starred) for e in target.elts):
                return False
            parts = [element(kind)] * len(target.elts)
            if kind.cls is tuple and ELLIPSIS not in kind.args and kind.args:
                # A wrong number fails before anything is bound.
                parts = list(kind.args) if len(kind.args) == len(parts) else [None for _ in parts]
            return all(self._bind(e, p) for e, p in zip(target.elts, parts, strict=True))
        return False

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> tuple[list[Verdict], bool] | None:
        before = dict(self.types)
        try:
            heap = False
            for part in node.generators:
                items = self._iterated(part.iter)
                if not items.pure or part.is_async:
                    return None
                heap = heap or items.heap
                if not self._bind(part.target, element(items.type)):
                    return None
                for test in part.ifs:
                    tested = self._truth(test)
                    if not tested.pure:
                        return None
                    heap = heap or tested.heap
            if any(isinstance(n, ast.NamedExpr) for n in walk(node)):
                return None  # binds a name of the function, element after element
            parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
            found, pure, more = self._all(*parts)
            return (found, heap or more) if pure else None
        finally:
            self.types = before

    def _ListComp(self, node: ast.ListComp) -> Verdict:
        found = self._comprehension(node)
        if found is None:
            return _IMPURE
        kind = found[0][0].type
        return Verdict(True, found[1], T(list, (kind,) if kind else ()))

    def _SetComp(self, node: ast.SetComp) -> Verdict:
        found = self._comprehension(node)
        if found is None or not self._known(found[0][0]):
            return _IMPURE
        return Verdict(True, found[1], T(set, (found[0][0].type,)))

    def _DictComp(self, node: ast.DictComp) -> Verdict:
        found = self._comprehension(node)
        if found is None or not self._known(found[0][0]):
            return _IMPURE
        return Verdict(True, found[1], T(dict, (found[0][0].type, found[0][1].type)))

    def _GeneratorExp(self, node: ast.GeneratorExp) -> Verdict:
        found = self._comprehension(node)
        if found is None:
            return _IMPURE
        kind = found[0][0].type
        return Verdict(True, True, T(GeneratorType, (kind,) if kind else ()))
