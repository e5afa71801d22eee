"""What is known of NumPy's arrays: whose memory one has, and what setting its items does."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping
from typing import Any

from .known_objects import SCALARS
from .types import ELLIPSIS, Scalar, T, Verdict, infer

__all__ = ["array_storage", "is_array", "sets_items"]


def is_array(cls: type) -> bool:
    """Whether this is NumPy's array, exactly."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and cls is getattr(numpy, "ndarray", None)


def array_storage(array: Any) -> Any:
    """The array that has the memory of this one, perhaps a view of it; None where it is somebody else's."""
    base: Any = array.base
    while is_array(type(base)):  # pyright: ignore[reportUnknownArgumentType]
        array, base = base, base.base
    return array if base is None else None


def sets_items(statement: ast.stmt, known: Mapping[str, T | None], resolve: Callable[[str], object]) -> bool:
    """Whether all that a statement does is to set items of an array to numbers: ``scores[i, j] = x``."""
    if isinstance(statement, ast.Assign):
        (target,) = statement.targets
    elif isinstance(statement, ast.AugAssign):
        target = statement.target
    else:
        return False
    if not isinstance(target, ast.Subscript):
        return False
    keys = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
    for key in keys:
        for part in (key.lower, key.upper, key.step) if isinstance(key, ast.Slice) else (key,):
            if part is not None and not _is_number(infer(part, known, resolve), index=True):
                return False
    value = infer(statement.value, known, resolve)
    if isinstance(statement, ast.Assign) and value.type is not None and value.type.cls in (list, tuple):
        inner = [kind for kind in value.type.args if kind != ELLIPSIS]
        return value.pure and bool(inner) and all(_is_number(Verdict(True, True, kind)) for kind in inner)
    return _is_number(value)


def _is_number(verdict: Verdict, index: bool = False) -> bool:
    """Whether it is a number (or text), whose conversion runs no code."""
    kind = verdict.type
    if not verdict.pure or kind is None:
        return False
    if index:
        return kind.cls in (int, bool, type(None), type(...)) or _of_numpy(kind.cls)
    return kind.cls in SCALARS or kind.cls is Scalar or _of_numpy(kind.cls)


def _of_numpy(cls: type) -> bool:
    return cls.__module__ == "numpy" and not is_array(cls)
