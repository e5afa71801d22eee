"""What a call of a function may change of which it is declared what it changes at most.

Its steps need not be walked then. This is about calls, seen from outside: what the function makes itself, and
changes, is looked at by nobody else before it has come to its end (see `stretto.engine.functions`).
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import Any

from ..declarations.bounds import Bounds
from ..engine.history import ALL
from ..engine.memory import Memory
from ..engine.slots import PENDING, Slot
from ..engine.tokens import CHANGES, HEAP
from .functions import Compiled
from .known_objects import instance_dict, slots_of
from .summary import Effect

__all__ = ["call_effect", "paths_of", "storages_of"]

_CONTAINERS = (list, dict, set)


def paths_of(bounds: Bounds) -> set[str]:
    """What a call may write, where it is not known which object it is made on."""
    return {*bounds.paths, HEAP if bounds.own or bounds.held else CHANGES}


def call_effect(form: Compiled, env: dict[str, Any], memory: Memory) -> Effect | None:
    """What a function that has been called, with these names, may still change; None where that is not
    known."""
    bounds = form.bounds
    if bounds is None or not form.params or form.params[0] in form.rebound:
        return None
    held = env.get(form.params[0])
    if isinstance(held, Slot):
        held = held.value
    storages = None if held is PENDING else storages_of(bounds, held, memory)
    if storages is None:
        return None
    changes = tuple([(storage, ALL, None) for storage in storages])
    return Effect(frozenset({*bounds.paths, CHANGES}), {"return": bounds.type}, changes)


def storages_of(bounds: Bounds, held: Any, memory: Memory) -> list[Any] | None:
    """Where an object keeps what a function may change that is called on it; None where that is not known."""
    names, slots = instance_dict(held), slots_of(held)
    if names is None and not slots:
        return [held] if type(held) in _CONTAINERS else None
    own: list[Any] = [*([] if names is None else [names]), *([held] if slots else [])]
    found = own if bounds.own else []
    for name in bounds.held:
        values = [kept[name] for kept in (names or {}, slots) if name in kept]
        for storage in own:
            for change in memory.pending(storage, name):
                value = change.value.value if isinstance(change.value, Slot) else change.value
                if change.method != "set" or value is PENDING:
                    return None
                values.append(value)
            if memory.pending(storage, ALL):
                return None
        found = [*found, *[value for value in values if type(value) in _CONTAINERS]]
    return list({id(storage): storage for storage in found}.values())
