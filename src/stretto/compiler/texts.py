"""Calls that make texts of what they are given: whether that runs code of the program's; where they go."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..engine.printed import STDOUT
from . import ir
from .known_objects import ITERATORS, is_plain_class
from .relaxations import relaxed
from .types import CAUGHT, CAUGHT_CLASS, STREAMS, Either, T

__all__ = ["has_text", "shown_paths", "stream_of"]

_FILES = {kind: name for name, kind in STREAMS.items()}


def has_text(kind: T | None) -> bool:
    """Whether ``str`` of a value of this type runs no code of the program's."""
    if kind is None:
        return False
    if kind.cls is Either:
        return all(map(has_text, kind.args))
    return (
        kind in (CAUGHT, CAUGHT_CLASS)
        or kind.cls is partial
        or is_plain_class(kind.cls)
        or kind.cls in ITERATORS
    )


def stream_of(instr: ir.Apply, kind: Callable[[ir.Operand], T | None]) -> str | None:
    """The stream that `print` is given in this step; None of what may be anything."""
    for name, source in instr.kwargs:
        if name == "file" and not (isinstance(source, ir.Const) and source.value is None):
            found = kind(source)
            return None if found is None else _FILES.get(found)
    return STDOUT


def shown_paths(
    call: Any, instr: ir.Apply, kind: Callable[[ir.Operand], T | None], quiet: Callable[[ir.Operand], bool]
) -> set[str] | None:
    """What a call that shows something changes, where `kind` tells the types of operands, and `quiet` whether
    making a text of one runs no code of the program's; None if it may change anything."""
    operands = [source for _, source in instr.args]
    operands += [source for name, source in instr.kwargs if name != "file"]
    if any(star for star, _ in instr.args) or any(name is None for name, _ in instr.kwargs):
        return None
    if not relaxed("purity") or not all(map(quiet, operands)):
        return None
    if call.fn is not print:
        return {r.root for r in call.effects.writes}
    path = stream_of(instr, kind)
    return None if path is None else {path}
