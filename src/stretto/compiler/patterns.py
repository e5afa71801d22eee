"""Which patterns of a ``match`` run no code but that of built-in types."""

from __future__ import annotations

import ast
from collections.abc import Callable

from .known_objects import PLAIN
from .types import ELLIPSIS, Json, T
from .types_results import element
from .walking import walk

__all__ = ["capture_types", "matched_plainly", "tried_plainly"]

_HOLDERS = frozenset({list, tuple, dict, set, frozenset})


def matched_plainly(found: T | None) -> bool:
    """Whether all that a pattern can look into, in a subject of this type, is of built-in types."""
    if found is None:
        return False
    if found.cls is Json:
        return True
    if found.cls not in _HOLDERS:
        return found.cls in PLAIN
    return bool(found.args) and all(a == ELLIPSIS or matched_plainly(a) for a in found.args)


def capture_types(pattern: ast.pattern, kind: T | None) -> dict[str, T | None]:
    """The types of what a pattern captures, if it matches a subject of this type."""
    found: dict[str, T | None] = {}
    if isinstance(pattern, ast.MatchAs):
        found = {} if pattern.pattern is None else capture_types(pattern.pattern, kind)
        return found if pattern.name is None else {**found, pattern.name: kind}
    if isinstance(pattern, ast.MatchOr):
        first, *others = (capture_types(p, kind) for p in pattern.patterns)
        return {n: t if all(o[n] == t for o in others) else None for n, t in first.items()}
    if isinstance(pattern, ast.MatchSequence):
        return _in_sequence(pattern.patterns, kind)
    if isinstance(pattern, ast.MatchMapping):
        holds = kind is not None and kind.cls is dict and len(kind.args) == 2
        value = kind if kind is not None and kind.cls is Json else kind.args[1] if kind and holds else None
        found = {n: t for p in pattern.patterns for n, t in capture_types(p, value).items()}
        return found if pattern.rest is None else {**found, pattern.rest: kind if holds else T(dict)}
    if isinstance(pattern, ast.MatchClass):
        for part in pattern.patterns:  # of a built-in type: the subject itself
            found.update(capture_types(part, kind))
        for part in pattern.kwd_patterns:
            found.update(capture_types(part, None))
    return found


def _in_sequence(patterns: list[ast.pattern], kind: T | None) -> dict[str, T | None]:
    found: dict[str, T | None] = {}
    each = kind is not None and kind.cls is tuple and ELLIPSIS not in kind.args and len(kind.args)
    for index, part in enumerate(patterns):
        if isinstance(part, ast.MatchStar):
            each = False  # what follows may stand anywhere
            if part.name is not None:
                inner = element(kind)
                found[part.name] = T(list, (inner,)) if inner is not None else T(list)
            continue
        placed = kind is not None and each == len(patterns)
        found.update(capture_types(part, kind.args[index] if kind and placed else element(kind)))
    return found


def tried_plainly(pattern: ast.pattern, static: Callable[[ast.expr], object]) -> bool:
    """Whether trying a pattern on such a subject runs no other code; `static` tells what names stand for."""
    for node in walk(pattern):
        if isinstance(node, ast.MatchValue) and any(isinstance(n, ast.Attribute) for n in walk(node)):
            return False
        if isinstance(node, ast.MatchMapping) and any(isinstance(n, ast.Attribute) for n in node.keys):
            return False
        if isinstance(node, ast.MatchClass):
            found = static(node.cls)
            if not isinstance(found, type) or found not in PLAIN:
                return False
    return True
