"""The rules of `types_infer` for calls: what is known of a function, and of what it is given."""

from __future__ import annotations

import ast
import builtins
import itertools
import string
from collections.abc import Iterable
from functools import partial
from types import FunctionType
from typing import Final

from stretto.compiler import known
from stretto.compiler.known_objects import (
    ITERATORS,
    PLAIN,
    PLAIN_METACLASSES,
    SCALARS,
    asks_quietly,
    is_plain_class,
)
from stretto.compiler.managers import manages_quietly
from stretto.compiler.types import (
    CAUGHT,
    CAUGHT_CLASS,
    Json,
    Scalar,
    T,
    Verdict,
    attribute_type,
    of_annotation,
    one_of,
)
from stretto.compiler.types_infer import _BOOL, _IMPURE, _INT, _MISSING, _STR, Judge, looked_into
from stretto.compiler.types_patterns import written_result
from stretto.compiler.types_results import call_result, element, method_result

__all__ = ["Inference"]

#: What json.loads gives.
_JSON: Final = (dict, list, str, int, float, bool, type(None))
_NO_LOOK: Final = ("id", "callable", "isinstance", "issubclass", "type")
_ITEM_METHODS: Final = frozenset({"union", "intersection", "difference", "symmetric_difference"})


def _members(kind: T) -> Iterable[T]:
    """The types that a value may have of which only this is known."""
    if kind.cls is Json:
        return [T(cls) for cls in _JSON]
    return [part for part in kind.args if part is not None] or [T(cls) for cls in SCALARS]


class Inference(Judge):
    """Judges calls as well."""

    def _Lambda(self, node: ast.Lambda) -> Verdict:
        defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
        _, pure, heap = self._all(*defaults)
        return Verdict(True, heap, None) if pure else _IMPURE

    def _Call(self, node: ast.Call) -> Verdict:
        f = self._static(node.func)
        if f is not _MISSING:
            return self._call(node, f)
        if isinstance(node.func, ast.Attribute):
            return self._method(node, node.func)
        return _IMPURE

    def _arguments(self, node: ast.Call, *, spread: bool = False) -> tuple[list[Verdict], bool] | None:
        """Verdicts about the arguments, or None if one of them is not pure; what is `spread` stands as one of
        its elements."""
        found: list[Verdict] = []
        heap = False
        for arg in node.args:
            if isinstance(arg, ast.Starred):
                over = self._iterated(arg.value) if spread else _IMPURE
                found.append(Verdict(over.pure, over.heap, element(over.type)))
                continue
            verdict = self.judge(arg)
            if verdict.type is not None and verdict.type.cls in ITERATORS:
                verdict = self._iterated(arg)
            found.append(verdict)
        for keyword in node.keywords:
            if keyword.arg is None:
                return None
            found.append(self.judge(keyword.value))
        heap = any(v.heap for v in found)
        return (found, heap) if all(v.pure for v in found) else None

    def _call(self, node: ast.Call, f: object) -> Verdict:
        if known.in_assumed_package(f):
            given = self._arguments(node)
            kind = known.declared_result(f) if not node.keywords else None
            return Verdict(True, True, kind) if given is not None else _IMPURE
        if not known.is_pure(f):
            return _IMPURE
        if f is partial:
            return self._partial(node)
        name = getattr(f, "__name__", "")
        builtin = getattr(builtins, name, None) is f
        if known.is_higher_order(f):
            return self._higher_order(node, f, name)
        given = self._arguments(node, spread=f is itertools.chain)
        if given is None:
            return _IMPURE
        found, heap = given
        if builtin and name in _NO_LOOK:
            return self._identity(node, name, found, heap)
        if builtin and name in ("getattr", "hasattr") and len(found) < 2:
            return _IMPURE
        if builtin and name in ("str", "repr") and [v.type for v in found] in ([CAUGHT], [CAUGHT_CLASS]):
            return Verdict(True, True, _STR)
        made = self._made(f, found, heap)
        if made is not None:
            return made
        if not all(self._argument_known(v) for v in found):
            return _IMPURE
        if builtin and name == "dict" and not self._pairs_known(node, found):
            return _IMPURE
        if name == "from_iterable" and not self._element_known(found[0].type):
            return _IMPURE
        heap = heap or any(looked_into(v.type) for v in found)
        kinds = [v.type for v in found]
        pattern = node.args[0] if node.args else None
        # Only a count: flags may change what is a group.
        if isinstance(pattern, ast.Constant) and all(k.arg == "maxsplit" for k in node.keywords):
            kind = written_result(f, pattern.value, kinds[: len(node.args)])
            if kind is not None:
                return Verdict(True, heap, kind)
        return Verdict(True, heap, call_result(f, kinds))

    def _partial(self, node: ast.Call) -> Verdict:
        """About ``partial(f, ...)``: it stores what it is given, and takes apart what is one already."""
        given = self._arguments(node)
        if given is None:
            return _IMPURE
        inner = self._static(node.args[0]) if node.args else _MISSING
        return Verdict(True, given[1] or inner is _MISSING or isinstance(inner, partial), T(partial))

    def _made(self, f: object, found: list[Verdict], heap: bool) -> Verdict | None:
        """About making an instance of a class that stores what it is given; None of anything else."""
        if not isinstance(f, type) or f in PLAIN or is_plain_class(f):
            return None
        if manages_quietly(f):
            return Verdict(True, heap, None)
        made = of_annotation(f)
        if (
            made is not None
        ):  # `Path`, whose instances are of another class; it asks what it is given for text
            return Verdict(True, heap, made) if all(map(self._known, found)) else _IMPURE
        if f.__module__.split(".")[0] not in ("builtins", "itertools") and id(f) not in known._pure:
            if "_member_map_" in f.__dict__ and not all(map(self._known, found)):
                return _IMPURE
            return Verdict(True, heap, None)
        return Verdict(True, heap, None) if issubclass(f, BaseException) else None

    def _argument_known(self, verdict: Verdict) -> bool:
        kind = verdict.type
        return kind is not None and (is_plain_class(kind.cls) or kind.cls in ITERATORS)

    def _pairs_known(self, node: ast.Call, found: list[Verdict]) -> bool:
        if not node.args:
            return True
        kind = found[0].type
        return kind is not None and (kind.cls is dict or self._element_known(kind))

    @staticmethod
    def _element_known(kind: T | None) -> bool:
        inner = element(kind)
        return inner is not None and is_plain_class(inner.cls)

    @staticmethod
    def _plain(thing: object) -> bool:
        return isinstance(thing, type) and thing in PLAIN

    def _identity(self, node: ast.Call, name: str, found: list[Verdict], heap: bool) -> Verdict:
        if name in ("isinstance", "issubclass"):
            classes = node.args[1:2]
            names = classes[0].elts if classes and isinstance(classes[0], ast.Tuple) else classes
            if name == "issubclass" or len(found) != 2:
                return _IMPURE
            if not all(self._plain(self._static(c)) for c in names):
                own = all(asks_quietly(self._static(c)) for c in names)
                return Verdict(True, True, _BOOL) if own else _IMPURE
            # `__class__` is asked only where the exact type did not match.
            return Verdict(True, heap, _BOOL)
        if name == "type" and len(found) != 1:
            return _IMPURE
        if name == "type" and found[0].type is CAUGHT:
            return Verdict(True, heap, CAUGHT_CLASS)
        kind = {"id": _INT, "callable": _BOOL}.get(name)
        return Verdict(True, heap, kind)

    def _higher_order(self, node: ast.Call, f: object, name: str) -> Verdict:
        if getattr(builtins, name, None) is not f:
            if node.keywords or not node.args:
                return _IMPURE
            given = self._arguments(node)
            if given is None or not all(self._argument_known(v) for v in given[0]):
                return _IMPURE
            result = call_result(f, [v.type for v in given[0]])
            return Verdict(True, True, result) if name in ("loads", "dumps", "sub") else _IMPURE
        keys = [k.value for k in node.keywords if k.arg == "key"]
        rest = [k.value for k in node.keywords if k.arg not in ("key", None)]
        if any(k.arg is None for k in node.keywords) or not node.args:
            return _IMPURE
        if any(isinstance(arg, ast.Starred) for arg in node.args):
            return _IMPURE
        if name in ("map", "filter"):
            return self._mapped(node, name) if not node.keywords else _IMPURE
        if name in ("iter", "next"):
            if name == "next" or len(node.args) != 1:
                return _IMPURE
            over = self._iterated(node.args[0])
            return Verdict(True, True, None) if over.pure else _IMPURE
        others, pure, heap = self._all(*node.args[1:], *rest)
        if name in ("min", "max") and len(node.args) > 1:
            found, pure, heap = self._all(*node.args, *rest)
            if keys or not all(map(self._known, found)):
                return _IMPURE
            kinds = {v.type for v in found}
            looked = heap or any(looked_into(v.type) for v in found)
            return Verdict(True, looked, kinds.pop() if len(kinds) == 1 else None)
        items = self._iterated(node.args[0])
        if not items.pure or not pure:
            return _IMPURE
        inner = element(items.type)
        if name in ("sum", "any", "all"):
            if not self._element_known(items.type) or not all(map(self._known, others)):
                return _IMPURE
        elif name == "sorted" and not all(map(self._known, others)):
            return _IMPURE
        for key in keys:
            applied = self._applied(key, [inner])
            if applied is None or not applied.pure:
                return _IMPURE
            heap = heap or applied.heap
        heap = heap or items.heap or looked_into(items.type)
        if name == "sorted":
            return Verdict(True, heap, T(list, (inner,) if inner else ()))
        if name in ("any", "all"):
            return Verdict(True, heap, _BOOL)
        if name == "sum":
            plain = inner is not None and inner.cls in (int, bool) and not others
            return Verdict(True, heap, _INT if plain else None)
        return Verdict(True, heap, inner if not others else None)

    def _mapped(self, node: ast.Call, name: str) -> Verdict:
        if len(node.args) < 2 or (name == "filter" and len(node.args) != 2):
            return _IMPURE
        sources = [self._iterated(arg) for arg in node.args[1:]]
        if not all(v.pure for v in sources):
            return _IMPURE
        inner = [element(v.type) for v in sources]
        function = node.args[0]
        if name == "filter" and isinstance(function, ast.Constant) and function.value is None:
            if not self._element_known(sources[0].type):
                return _IMPURE
            return Verdict(True, True, T(filter, (inner[0],)))
        applied = self._applied(function, inner)
        if applied is None or not applied.pure:
            return _IMPURE
        if name == "filter":
            if not self._known(applied):
                return _IMPURE
            return Verdict(True, True, T(filter, (inner[0],) if inner[0] else ()))
        return Verdict(True, True, T(map, (applied.type,) if applied.type else ()))

    def _applied(self, function: ast.expr, kinds: list[T | None]) -> Verdict | None:
        """The verdict about calling a function argument with values of these types."""
        if isinstance(function, ast.Lambda):
            args = function.args
            plain = not (args.vararg or args.kwarg or args.kwonlyargs or args.defaults)
            names = [a.arg for a in (*args.posonlyargs, *args.args)]
            if not plain or len(names) != len(kinds):
                return None
            before = dict(self.types)
            self.types.update(zip(names, kinds, strict=True))
            try:
                return self.judge(function.body)
            finally:
                self.types = before
        f = self._static(function)
        if f is _MISSING or type(f) is FunctionType or known.is_higher_order(f):
            return None
        if not known.is_pure(f) or not all(k is not None and is_plain_class(k.cls) for k in kinds):
            return None
        if f is dict or getattr(f, "__name__", "") in ("getattr", "hasattr", "format"):
            return None
        heap = any(looked_into(kind) for kind in kinds)
        return Verdict(True, heap, call_result(f, kinds))

    def _method(self, node: ast.Call, func: ast.Attribute) -> Verdict:
        owner = self.judge(func.value)
        cls: type | None = owner.type.cls if owner.type is not None and owner.pure else None
        held = self._static(func.value)
        if isinstance(held, type) and type(held) in PLAIN_METACLASSES:
            cls = held  # a function of the class itself
        if cls is not None:
            free, kind = attribute_type(cls, func.attr)
            if free:
                given = self._arguments(node)
                if given is None:
                    return _IMPURE
                looks = any(looked_into(v.type) for v in given[0])
                return Verdict(True, owner.heap or given[1] or looks, None if node.keywords else kind)
        if not self._known(owner) or owner.type is None:
            return _IMPURE
        cls, name = owner.type.cls, func.attr
        having: list[T] = []
        if cls in (Json, Scalar):
            having = [part for part in _members(owner.type) if hasattr(part.cls, name)]
            if not having or not all(known.is_pure_method(part.cls, name) for part in having):
                return _IMPURE
        elif not known.is_pure_method(cls, name):
            return _IMPURE
        given = self._arguments(node)
        if given is None:
            return _IMPURE
        found, heap = given
        stored = 1 if cls is dict and name == "get" else len(found)
        if not all(self._argument_known(v) for v in found[:stored]):
            return _IMPURE
        if (
            name in ("format", "format_map")
            and T(str) in (T(cls), *having)
            and not self._quiet_format(func, found)
        ):
            return _IMPURE
        if name in _ITEM_METHODS and cls in (set, frozenset):
            if any(v.type is not None and not is_plain_class(v.type.cls) for v in found):
                return _IMPURE
        heap = heap or looked_into(owner.type) or any(looked_into(v.type) for v in found[:stored])
        kinds = [v.type for v in found]
        if cls is Scalar:
            return Verdict(True, heap, one_of([method_result(part, name, kinds) for part in having]))
        return Verdict(True, heap, method_result(owner.type, name, kinds))

    def _quiet_format(self, func: ast.Attribute, found: list[Verdict]) -> bool:
        if all(v.type is not None and (v.type.cls in SCALARS or v.type.cls is Scalar) for v in found):
            return True
        text = func.value.value if isinstance(func.value, ast.Constant) else None
        if not isinstance(text, str) or func.attr == "format_map":
            return False
        try:
            fields = [f for _, f, _, _ in string.Formatter().parse(text) if f]
        except ValueError:
            return False
        return not any("." in f or "[" in f for f in fields)
