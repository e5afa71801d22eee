"""Which patterns of a ``match`` run no code but that of built-in types."""

from __future__ import annotations

import ast
from collections.abc import Callable

from .known_objects import PLAIN
from .types import ELLIPSIS, Json, T

__all__ = ["matched_plainly", "tried_plainly"]

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


def tried_plainly(pattern: ast.pattern, static: Callable[[ast.expr], object]) -> bool:
    """Whether trying a pattern on such a subject runs no other code; `static` tells what names stand for."""
    for node in ast.walk(pattern):
        if isinstance(node, ast.MatchValue) and any(isinstance(n, ast.Attribute) for n in ast.walk(node)):
            return False
        if isinstance(node, ast.MatchMapping) and any(isinstance(n, ast.Attribute) for n in node.keys):
            return False
        if isinstance(node, ast.MatchClass):
            found = static(node.cls)
            if not isinstance(found, type) or found not in PLAIN:
                return False
    return True
