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

from collections.abc import Callable, Iterable
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
)
from typing import Any, Final

from ..compiler.accessors import getter_of, setter_of
from ..compiler.known_objects import (
    SCALARS,
    attribute_is_plain,
    binds_quietly,
    class_attribute,
    class_mro,
    instance_dict,
    is_fixed,
    is_ours,
)
from .containers import Dict, Versioned
from .history import MISSING, UNKNOWN, Change, History, Order
from .slots import PENDING, Slot

__all__ = ["Memory"]

#: What an object keeps its attributes in, and what is looked at behind it.
Parts = tuple[Any, list[Any]]

_SEQUENCES: Final = (list, tuple, set, frozenset)
#: So many objects are looked at to find out whether something leads to one that is being changed.
_ENOUGH = 200
#: An object counts as so many where all of its attributes are followed.
_OBJECT = 20

#: How an attribute of a class's instances is kept.
_DICT, _SLOT, _NOT = range(3)


class Memory:
    """The changes to come of a run, and how its classes keep their attributes."""

    __slots__ = ("epoch", "getters", "histories", "layouts", "opened", "setters")

    def __init__(self) -> None:
        self.histories: dict[int, History] = {}
        #: By class and attribute; forgotten when code runs that could change a class. `getters` and `setters`
        #: are as `accessors` tells them.
        self.layouts: dict[tuple[type, str], int] = {}
        #: What classes hold that their objects lead to; None where nobody can tell.
        self.opened: dict[type, tuple[Any, ...] | None] = {}
        self.getters: dict[tuple[type, str], Any] = {}
        self.setters: dict[tuple[type, str], Any] = {}
        #: Another object each time that code has run that could.
        self.epoch = object()

    def forget_classes(self) -> None:
        """Code runs that could change a class."""
        self.layouts.clear()
        self.opened.clear()
        self.getters.clear()
        self.setters.clear()
        self.epoch = object()

    def getter(self, cls: type, name: str) -> Any:
        """What runs where an attribute of an instance is looked at (see `accessors.getter_of`)."""
        found = self.getters.get((cls, name), MISSING)
        if found is MISSING:
            found = self.getters[cls, name] = getter_of(cls, name)
        return found

    def setter(self, cls: type, name: str) -> Any:
        """The function that runs where a property of an instance is set; else None."""
        found = self.setters.get((cls, name), MISSING)
        if found is MISSING:
            found = self.setters[cls, name] = setter_of(cls, name)
        return found

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

    def keeps_quietly(self, held: Any, name: str) -> bool:
        """The same, also where the object may not have the attribute, so that its class is asked for it."""
        found = class_attribute(type(held), name)
        return self.keeps_plainly(type(held), name) and (found is None or binds_quietly(found[1]))

    def _layout(self, cls: type, name: str) -> int:
        layout = self.layouts.get((cls, name))
        if layout is None:
            layout = self.layouts[cls, name] = _layout(cls, name)
        return layout

    def attribute(self, held: Any, name: str, order: Order) -> Any:
        """What is to come of an attribute before a place: a change, `MISSING`, or `UNKNOWN` where to look
        may run code."""
        change = self.change(held, name, order)
        if change is not None:
            return change
        return MISSING if attribute_is_plain(held, name) else UNKNOWN

    def _changed_as_a_dict(self, held: Any, name: str, order: Order) -> bool:
        """Whether an attribute that is set by running code is to be set as an item (``vars(a)["x"] = 1``)."""
        names = held.__dict__ if type(held) is ModuleType else instance_dict(held)
        history = self.histories.get(id(names))
        return history is not None and history.latest(name, order) is not None

    def change(self, held: Any, name: str, order: Order) -> Any:
        """The youngest change to come, before a place, that may be one of an attribute; None where there is
        none, and `UNKNOWN` where it cannot be told."""
        if not self.histories:
            return None
        storage = self.storage(held, name)
        if storage is None:
            return UNKNOWN if self._changed_as_a_dict(held, name, order) else None
        history = self.histories.get(id(storage))
        return None if history is None else history.latest(name, order)

    def pending(self, storage: Any, field: Any) -> list[Change]:
        """All changes to come of a field."""
        history = self.histories.get(id(storage))
        return [] if history is None else history.fields.get(field, [])

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

    def see(
        self, value: Any, order: Order, kept: set[int], parts: Callable[[Any], Parts | None] | None = None
    ) -> Any:
        """What a value is at a place, with all that it leads to: itself or, where it is a container with
        changes to come, a version; or a change that has to be waited for; or `UNKNOWN`, as where it leads to
        one of those that are to be `kept` (by id). `parts` says what is looked at of an object."""
        cls = type(value)
        if cls in SCALARS:
            return value
        seen = value
        if isinstance(value, Versioned):
            inside: Iterable[Any] = value.elements() if not isinstance(value, Dict) else _all_of(value.root())
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
        elif parts is not None:
            inside = (value,)
        else:
            return UNKNOWN
        found = self._within(inside, order, kept, parts)
        return seen if found is None else found

    def _within(
        self, inside: Iterable[Any], order: Order, kept: set[int], parts: Callable[[Any], Parts | None] | None
    ) -> Any:
        """None if nothing that these lead to is being changed; else a change, or `UNKNOWN`."""
        stack = [v for v in inside if type(v) not in SCALARS]
        left = _ENOUGH
        met: set[int] = set()
        whole = parts == self.led_to
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
            if id(value) in kept:
                return UNKNOWN
            storage = value
            if cls is dict:
                more: Iterable[Any] = _all_of(value)
            elif cls in _SEQUENCES:
                more = value
            else:
                found = None if parts is None else parts(value)
                if found is None:
                    return UNKNOWN
                if id(value) in met:
                    continue
                met.add(id(value))
                if whole:
                    left -= _OBJECT
                storage, more = found
            history = histories.get(id(storage))
            if history is not None:
                changes = history.before(order)
                if changes:
                    return changes[-1]
            stack += [v for v in more if type(v) not in SCALARS]
        return None

    def led_to(self, value: Any) -> Parts | None:
        """What an object keeps its attributes in, and what they and its class hold; None where nobody can
        tell."""
        names = instance_dict(value)
        if names is None:
            return None
        cls = type(value)
        if cls not in self.opened:
            self.opened[cls] = _opened(cls)
        shared = self.opened[cls]
        return None if shared is None else (names, [*names.values(), *shared])


def _all_of(data: dict[Any, Any]) -> list[Any]:
    return [*data.keys(), *data.values()]


_LEAVES: Final = (FunctionType, staticmethod, classmethod, property, BuiltinFunctionType, type)


def _opened(cls: type) -> tuple[Any, ...] | None:
    """The containers that a class written in Python holds; None of any other, or where it holds more."""
    found: list[Any] = []
    for base in class_mro(cls):
        names: dict[str, Any] = {} if base is object else dict(vars(base))
        for name, held in names.items():
            kind: Any = type(held)
            if kind is GetSetDescriptorType and name in ("__dict__", "__weakref__"):
                continue
            if kind in SCALARS or kind in _LEAVES or is_ours(held):
                continue
            special = name.startswith("__") and name.endswith("__")
            if kind is dict or kind in _SEQUENCES:
                if not special:
                    found.append(held)
            elif kind in (GetSetDescriptorType, MemberDescriptorType, MethodDescriptorType) or not special:
                if name != "_abc_impl":
                    return None
    return tuple(found)


def _layout(cls: type, name: str) -> int:
    """How instances of a class keep an attribute, where to set it and to find it runs no code."""
    if (name.startswith("__") and name.endswith("__")) or is_fixed(cls):
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
