"""An object graph as text, so that two runs can be compared and a difference can be read.

Mutable objects that are met twice are numbered, so ``[a, a]`` and ``[a, copy(a)]`` have different texts.
"""

from __future__ import annotations

import re
import types

__all__ = ["canonical", "canonical_all"]

_PLAIN = (int, str, float, bool, bytes, complex, type(None), type(Ellipsis), range)
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_SHARED = (list, dict, set, bytearray)


def canonical(value: object) -> str:
    """The text of one value."""
    if type(value) in _PLAIN:
        return _plain(value)
    return _Canon([value]).text(value)


def _plain(value: object) -> str:
    """The text of a value that holds no others. Where an object is in memory is no part of that."""
    text = repr(value)
    return _ADDRESS.sub(" at 0x", text) if " at 0x" in text else text


def canonical_all(roots: dict[str, object]) -> dict[str, str]:
    """The texts of several values, with sharing between them numbered."""
    canon = _Canon(list(roots.values()))
    return {name: canon.text(value) for name, value in roots.items()}


class _Canon:
    def __init__(self, roots: list[object]) -> None:
        self._met: dict[int, int] = {}
        self._twice: set[int] = set()
        self._keep: list[object] = []
        self._numbers: dict[int, int] = {}
        self._written: set[int] = set()
        for root in roots:
            self._visit(root)

    def _visit(self, value: object) -> None:
        if type(value) in _PLAIN:
            return
        identity = id(value)
        if identity in self._met:
            self._twice.add(identity)
            return
        self._met[identity] = 1
        self._keep.append(value)
        for child in _children(value):
            self._visit(child)

    def text(self, value: object) -> str:
        if type(value) in _PLAIN:
            return _plain(value)
        identity = id(value)
        label = ""
        if identity in self._twice and _has_identity(value):
            number = self._numbers.setdefault(identity, len(self._numbers) + 1)
            if identity in self._written:
                return f"<{number}>"
            self._written.add(identity)
            label = f"<{number}>="
        return label + self._body(value)

    def _body(self, value: object) -> str:
        kind = type(value)
        text = self.text
        if kind is list:
            return "[" + ", ".join(map(text, value)) + "]"  # type: ignore[call-overload]
        if kind is tuple:
            return "(" + ", ".join(map(text, value)) + ",)"  # type: ignore[call-overload]
        if kind is dict:
            return "{" + ", ".join(f"{text(k)}: {text(v)}" for k, v in value.items()) + "}"  # type: ignore[attr-defined]
        if kind in (set, frozenset):
            return f"{kind.__name__}(" + ", ".join(sorted(map(text, value))) + ")"  # type: ignore[call-overload]
        if isinstance(value, BaseException):
            return f"{kind.__name__}{self.text(value.args)}"
        if isinstance(value, type):
            return f"<type {value.__name__}>"
        if _is_function(value):
            return f"<function {getattr(value, '__name__', '')}>"
        state = _state(value)
        if state is not None:
            return kind.__name__ + "{" + ", ".join(f"{k}={text(v)}" for k, v in state.items()) + "}"
        return f"<{kind.__name__}>"


def _state(value: object) -> dict[str, object] | None:
    """The attributes of an object."""
    names = vars(type(value)).get("__slots__", ())
    if isinstance(names, tuple) and names and not names[0].startswith("_"):
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    return getattr(value, "__dict__", None)


def _is_function(value: object) -> bool:
    """A function, or what stands for one: a `Call` is a plain function in the reference run."""
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
        return True
    return hasattr(value, "__wrapped__") and callable(value)


def _has_identity(value: object) -> bool:
    return type(value) in _SHARED or (_state(value) is not None and not _is_function(value))


def _children(value: object) -> list[object]:
    kind = type(value)
    if kind in (list, tuple, set, frozenset):
        return list(value)  # type: ignore[call-overload]
    if kind is dict:
        return [part for pair in value.items() for part in pair]  # type: ignore[attr-defined]
    if isinstance(value, BaseException):
        return list(value.args)
    if isinstance(value, type) or _is_function(value):
        return []
    state = _state(value)
    return list(state.values()) if state is not None else []
