"""Memory: the changes of the user's objects that have been issued and not made yet.

A change of an object is made when it is the oldest operation. Until then it stands here, under the object
that it changes and its place in program order, so that younger operations can be given what it will have
made of the object (store-to-load forwarding), or wait for this one change and no other. The objects
themselves never hold anything that is not certain: to undo a change that has not been made is to forget it.

Everything is found by the identity of the *storage* that a change writes to: of an instance with attributes
in a dict that dict, of one with slots the instance, of a container the container. So it does not matter by
which way an object was reached, and ``a.x = 1`` meets ``vars(a)["x"] = 1``.
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from operator import attrgetter
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final

from ..compiler.known_objects import SCALARS, attribute_is_plain, class_attribute
from .containers import Dict, List, Set, Versioned
from .slots import PENDING, Slot
from .tokens import Token

__all__ = ["ALL", "LAST", "MISSING", "UNKNOWN", "Change", "History", "Memory", "Order"]

#: A place in program order: the turn of the strand, and of each strand that it was split off from.
Order = tuple[int, ...]


class _Mark:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


#: The last place within a strand, behind all that it may issue.
LAST: Final = 1 << 60
#: The field of a change that may touch any part of its object.
ALL: Final[Any] = _Mark("<all>")
#: What is said of an object that may hold, or lead to, anything.
UNKNOWN: Final[Any] = _Mark("<unknown>")
#: There is no pending change.
MISSING: Final[Any] = _Mark("<missing>")

_ORDER = attrgetter("order")
_SEQUENCES: Final = (list, tuple, set, frozenset)
#: So many objects are looked at to find out whether something leads to one that is being changed.
_ENOUGH = 200


class Change(Token):
    """A change to come; settles when it has been made, or will not be.

    Attributes:
        order: its place in program order.
        field: the key or attribute that it sets, or `ALL`.
        method: what it does (``set``, ``append``, ``add``), or ``""`` where that is not known.
        value: what it sets, appends or adds: a value or a slot. Where it is not known what it does, but what
            type the field has then, that type.
        made: the container as it is after the change, where somebody has asked.
    """

    __slots__ = ("field", "history", "made", "method", "order", "value")

    history: History

    def __init__(self, order: Order, field: Any, method: str = "", value: Any = None) -> None:
        self.missing = 1
        self.waiters = []
        self.order = order
        self.field = field
        self.method = method
        self.value = value
        self.made: Versioned | None = None

    def wake(self, engine: Any) -> None:
        if self.missing == 1:
            self.history.forget(self)
        Token.wake(self, engine)


class History:
    """The changes to come of one storage, each field's in program order."""

    __slots__ = ("fields", "memory", "thing")

    def __init__(self, memory: Memory, thing: Any) -> None:
        self.memory = memory
        #: Held, so that its id is not given to another.
        self.thing = thing
        self.fields: dict[Any, list[Change]] = {}

    def add(self, change: Change) -> None:
        change.history = self
        changes = self.fields.setdefault(change.field, [])
        if not changes or changes[-1].order < change.order:
            changes.append(change)
        else:
            insort(changes, change, key=_ORDER)

    def forget(self, change: Change) -> None:
        changes = self.fields[change.field]
        if changes[-1] is change:
            changes.pop()
        else:
            del changes[bisect_left(changes, change.order, key=_ORDER)]
        if not changes:
            del self.fields[change.field]
            if not self.fields:
                del self.memory.histories[id(self.thing)]

    def latest(self, field: Any, order: Order) -> Change | None:
        """The youngest change before a place that may have touched a field."""
        found = _before(self.fields.get(field), order)
        whole = _before(self.fields.get(ALL), order)
        if found is None or whole is None:
            return found or whole
        return found if found.order > whole.order else whole

    def before(self, order: Order) -> list[Change]:
        """All changes before a place, the oldest first."""
        if len(self.fields) == 1:
            (changes,) = self.fields.values()
            return (
                changes if changes[-1].order < order else changes[: bisect_left(changes, order, key=_ORDER)]
            )
        return sorted([c for cs in self.fields.values() for c in cs if c.order < order], key=_ORDER)

    def version(self, order: Order) -> Versioned | Change | None:
        """A container as it is at a place: None where nothing is to come, a change where it has to be waited
        for."""
        changes = self.before(order)
        if not changes:
            return None
        start = len(changes)
        while start and changes[start - 1].made is None:
            start -= 1
            if not changes[start].method:
                return changes[start]
        if start:
            version = changes[start - 1].made
        else:
            thing = self.thing
            kind: Any = type(thing)
            if kind is list:
                version = List(list(thing))
            elif kind is dict:
                version = Dict(dict(thing))
            elif kind is set:
                version = Set(list(thing))
            else:
                return changes[-1]
        for change in changes[start:]:
            if change.method == "append":
                version = version.append(change.value)  # type: ignore[union-attr]
            elif change.method == "set":
                version = version.setitem(change.field, change.value)  # type: ignore[union-attr]
            else:
                version = version.add(change.value)  # type: ignore[union-attr]
        changes[-1].made = version
        return version


def _before(changes: list[Change] | None, order: Order) -> Change | None:
    if not changes:
        return None
    last = changes[-1]
    if last.order < order:
        return last
    at = bisect_left(changes, order, key=_ORDER)
    return changes[at - 1] if at else None


#: How an attribute of a class's instances is kept.
_DICT, _SLOT, _NOT = range(3)


class Memory:
    """The changes to come of a run, and how its classes keep their attributes."""

    __slots__ = ("epoch", "histories", "layouts")

    def __init__(self) -> None:
        self.histories: dict[int, History] = {}
        #: By class and attribute; forgotten when code runs that could change a class.
        self.layouts: dict[tuple[type, str], int] = {}
        #: Another object each time that code has run that could.
        self.epoch = object()

    def forget_classes(self) -> None:
        """Code runs that could change a class."""
        self.layouts.clear()
        self.epoch = object()

    def history(self, thing: Any) -> History:
        found = self.histories.get(id(thing))
        if found is None:
            found = self.histories[id(thing)] = History(self, thing)
        return found

    # -- attributes -----------------------------------------------------------------------------------

    def storage(self, held: Any, name: str) -> Any:
        """What an attribute of an object is kept in; None where to set or look at it may run code."""
        layout = self._layout(type(held), name)
        if layout == _SLOT:
            return held
        if layout == _DICT:
            found = held.__dict__
            return found if type(found) is dict else None
        return None

    def keeps_plainly(self, cls: type, name: str) -> bool:
        """Whether to set an attribute of instances of a class, and to look at it there, runs no code."""
        return self._layout(cls, name) != _NOT

    def _layout(self, cls: type, name: str) -> int:
        layout = self.layouts.get((cls, name))
        if layout is None:
            layout = self.layouts[cls, name] = _layout(cls, name)
        return layout

    def attribute(self, held: Any, name: str, order: Order) -> Any:
        """What is to come of an attribute before a place: a change, `MISSING`, or `UNKNOWN` where to look
        may run code."""
        if self.histories:
            storage = self.storage(held, name)
            if storage is not None:
                history = self.histories.get(id(storage))
                if history is not None:
                    change = history.latest(name, order)
                    if change is not None:
                        return change
                return MISSING if attribute_is_plain(held, name) else UNKNOWN
        return MISSING if attribute_is_plain(held, name) else UNKNOWN

    def pending(self, storage: Any, name: str, order: Order) -> list[Change]:
        """All changes to come of an attribute, before a place."""
        history = self.histories.get(id(storage))
        return [] if history is None else [c for c in history.fields.get(name, ()) if c.order < order]

    # -- containers -----------------------------------------------------------------------------------

    def changing(self, thing: Any, order: Order) -> Change | None:
        """The youngest change to come of any part of a container, before a place."""
        history = self.histories.get(id(thing))
        if history is None:
            return None
        changes = history.before(order)
        return changes[-1] if changes else None

    def holds(self, values: list[Any], order: Order) -> list[Change] | None:
        """The changes to come, before a place, of which elements these containers have; None where they are
        something else."""
        changes: list[Change] = []
        for value in values:
            cls = type(value)
            if cls in SCALARS:
                continue
            if cls is not dict and cls not in _SEQUENCES:
                return None
            change = self.changing(value, order)
            if change is not None:
                changes.append(change)
        return changes

    def see(self, value: Any, order: Order, kept: set[int]) -> Any:
        """What a value is at a place, with all that it leads to: itself or, where it is a container with
        changes to come, a version; or a change that has to be waited for; or `UNKNOWN`, as where it leads to
        one of those that are to be `kept` (by id)."""
        cls = type(value)
        if cls in SCALARS:
            return value
        seen = value
        if isinstance(value, Versioned):
            inside = value.elements() if not isinstance(value, Dict) else _all_of(value.root())
        elif cls in _SEQUENCES or cls is dict:
            history = self.histories.get(id(value))
            if history is not None:
                version = history.version(order)
                if isinstance(version, Change):
                    return version
                if version is not None:
                    seen = version
            data = value if seen is value else seen.root()
            inside = _all_of(data) if cls is dict else data
        else:
            return UNKNOWN
        found = self._within(inside, order, kept)
        return seen if found is None else found

    def _within(self, inside: Iterable[Any], order: Order, kept: set[int]) -> Any:
        """None if nothing that these lead to is being changed; else a change, or `UNKNOWN`."""
        stack = [v for v in inside if type(v) not in SCALARS]
        left = _ENOUGH
        histories = self.histories
        while stack:
            value = stack.pop()
            left -= 1
            if left < 0:
                return UNKNOWN
            cls = type(value)
            if isinstance(value, Slot):
                if value.value is PENDING:
                    continue  # waited for, and looked at then
                value = value.value
                cls = type(value)
                if cls in SCALARS:
                    continue
            if (cls is not dict and cls not in _SEQUENCES) or id(value) in kept:
                return UNKNOWN
            history = histories.get(id(value))
            if history is not None:
                changes = history.before(order)
                if changes:
                    return changes[-1]
            more = _all_of(value) if cls is dict else value
            stack += [v for v in more if type(v) not in SCALARS]
        return None


def _all_of(data: dict[Any, Any]) -> list[Any]:
    return [*data.keys(), *data.values()]


def _layout(cls: type, name: str) -> int:
    """How instances of a class keep an attribute, where to set it and to find it runs no code."""
    if name.startswith("__") and name.endswith("__"):
        return _NOT
    for special, base in (("__setattr__", object), ("__getattribute__", object)):
        found = class_attribute(cls, special)
        if found is None or found[0] is not base:
            return _NOT
    if class_attribute(cls, "__getattr__") is not None:
        return _NOT
    found = class_attribute(cls, name)
    if found is not None:
        raw = found[1]
        kind: Any = type(raw)
        if kind is MemberDescriptorType:
            own = "__slots__" in vars(found[0]) and raw.__objclass__ is found[0]
            return _SLOT if own else _NOT
        if class_attribute(kind, "__set__") is not None or class_attribute(kind, "__delete__") is not None:
            return _NOT
    names = class_attribute(cls, "__dict__")
    if names is None or type(names[1]) is not GetSetDescriptorType:
        return _NOT
    return _DICT
