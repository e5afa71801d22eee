"""Semaphores and locks of asyncio: which ways in and out of them are known, and what they change.

Of the classes themselves, and of no class derived from them: there anything may happen.
"""

from __future__ import annotations

import asyncio
from types import MethodType
from typing import Any, Final

from .relaxations import relaxed

__all__ = [
    "field_of",
    "is_kind",
    "is_semaphore",
    "is_way",
    "leaves",
    "passes",
    "room_in",
    "together",
    "waits",
]

_KINDS: Final = frozenset({asyncio.Semaphore, asyncio.BoundedSemaphore, asyncio.Lock})
_WAYS: Final = frozenset(
    {vars(cls)[name] for kind in _KINDS for cls in kind.__mro__ for name in ("__aenter__", "__aexit__")
     if name in vars(cls)}
)  # fmt: skip


def together() -> bool:
    """Whether blocks of semaphores overlap."""
    return relaxed("semaphores") and relaxed("objects")


def is_semaphore(value: Any) -> bool:
    """Whether it is a semaphore or a lock of asyncio, of no class of anybody else's."""
    return type(value) in _KINDS


def is_kind(cls: Any) -> bool:
    """Whether something is the class of these."""
    return isinstance(cls, type) and cls in _KINDS


def passes(callee: Any) -> bool:
    """Whether a call of this is the way into a semaphore, or out of one."""
    return type(callee) is MethodType and callee.__func__ in _WAYS and is_semaphore(callee.__self__)


def is_way(fn: Any) -> bool:
    """Whether it is the function of a way into a semaphore, or out of one."""
    return fn in _WAYS


def leaves(callee: Any) -> bool:
    """Of what `passes`: whether it is the way out."""
    name: str = callee.__name__
    return name == "__aexit__"


def field_of(semaphore: Any) -> str:
    """The attribute that is changed by who enters and leaves, where nobody has to wait."""
    return "_locked" if type(semaphore) is asyncio.Lock else "_value"


def room_in(semaphore: Any) -> int:
    """How many more may enter now."""
    if type(semaphore) is asyncio.Lock:
        return 0 if semaphore.locked() else 1
    room: int = semaphore._value
    return room


def waits(callee: Any) -> bool:
    """Of what `passes`: whether somebody has to wait there, or to be told that he need not any longer."""
    semaphore: Any = callee.__self__
    return bool(semaphore._waiters) if leaves(callee) else bool(semaphore.locked())
