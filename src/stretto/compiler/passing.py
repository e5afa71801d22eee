"""What makes an iterator that only passes on what is in containers: ``reversed`` and some of `itertools`.

A loop over one of these takes its items from the containers itself, like one over ``zip`` and ``enumerate``.
"""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING, Any, Final

from .source import dotted
from .walking import walk

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["MAKERS", "parts_of", "passing"]

#: What makes such an iterator, by the name of the kind; `itertools.batched` came with Python 3.12.
MAKERS: Final[dict[str, Any]] = {
    "reversed": reversed,
    **{
        name: getattr(itertools, name)
        for name in (
            "chain",
            "islice",
            "pairwise",
            "batched",
            "product",
            "cycle",
            "repeat",
            "count",
            "zip_longest",
            "combinations",
            "combinations_with_replacement",
            "permutations",
        )
        if hasattr(itertools, name)
    },
}
#: How many arguments each may have; and how many of them it goes over, if not all.
_ARGUMENTS: Final[dict[str, tuple[int, int]]] = {
    "reversed": (1, 1), "islice": (2, 4), "pairwise": (1, 1), "batched": (2, 2), "cycle": (1, 1),
    "repeat": (1, 2), "count": (0, 2), "combinations": (2, 2), "combinations_with_replacement": (2, 2),
    "permutations": (1, 2),
}  # fmt: skip
_PARTS: Final[dict[str, int]] = {
    "islice": 1, "batched": 1, "repeat": 0, "count": 0, "combinations": 1,
    "combinations_with_replacement": 1, "permutations": 1,
}  # fmt: skip


def passing(function: Compiled, node: ast.expr) -> str | None:
    """The kind of such an iterator that an expression makes, if it is known to do so."""
    if not isinstance(node, ast.Call) or node.keywords:
        return None
    path = dotted(node.func)
    if path is None or path.split(".")[0] in function.scope.locals:
        return None
    if path.split(".")[-1] not in MAKERS and "." in path:
        return None
    try:
        target = function.resolve_dotted(path)
    except KeyError:
        return None
    kind = next((name for name, maker in MAKERS.items() if target is maker), None)
    if kind is None:
        return None
    least, most = _ARGUMENTS.get(kind, (0, len(node.args)))
    # what is bound among the arguments may be what stands before it
    bound = any(isinstance(n, (ast.Starred, ast.NamedExpr)) for a in node.args for n in walk(a))
    return kind if least <= len(node.args) <= most and not bound else None


def parts_of(kind: str, count: int) -> int:
    """Of so many arguments, how many it goes over: the first ones."""
    return _PARTS.get(kind, count)
