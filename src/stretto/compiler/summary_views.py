"""Looking at objects for the summary of a region, and doing it again for other objects.

A walk through a region (see `summary_objects`) takes as long as it has steps. What it finds depends on what
it meets on its way: which functions, values of which types, and which of them are one object. So all that it
looks at is recorded. The next time that the region is left behind, with other objects, the same is looked at
in the same order; if they are alike, the summary is the same, of those objects.
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from ..calls import BoundCall, Call
from ..drivers.coroutines import called
from ..engine.containers import Versioned
from ..engine.history import ALL, MISSING, UNKNOWN, Order, content_type
from ..engine.memory import Memory
from ..engine.operands import argument_type
from ..engine.slots import PENDING, UNBOUND, Slot
from ..flows import Flow
from ..marks import Mark
from .accessors import super_getter_of
from .known_objects import SCALARS, attribute_is_plain, class_attribute, super_is_plain
from .managers import finds_quietly
from .semaphores import is_semaphore
from .summary import Effect
from .types import T

if TYPE_CHECKING:
    from .functions import Compiled
    from .summary_fields import Known, Trip

__all__ = [
    "HIDDEN",
    "KEYS",
    "NOWHERE",
    "Record",
    "Script",
    "Shape",
    "Typed",
    "View",
    "closed_over",
    "content_of",
    "items_of",
    "resolved",
]

#: Their values matter where they are the index or key of a container.
KEYS: Final = (int, str, bool, type(None))
_ONES: Final = (FunctionType, BuiltinFunctionType, type, ModuleType, Call, BoundCall, Flow)


#: In the place of an attribute: there is none; and that to look at it may run code.
NOWHERE: Final[Any] = Mark("<nowhere>")
HIDDEN: Final[Any] = Mark("<hidden>")


class Typed:
    """In the place of a value: only its type is known, if that."""

    __slots__ = ("type",)

    def __init__(self, kind: T | None) -> None:
        self.type = kind


class Shape:
    """In the place of arguments: how many there are, and their names."""

    __slots__ = ("shape",)

    def __init__(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self.shape = len(args), tuple(kwargs)


class View:
    """Objects as they are where a region is left behind."""

    __slots__ = ("begun", "cells", "env", "memory", "order")

    def __init__(
        self, env: dict[str, Any], cells: Mapping[str, CellType], memory: Memory, order: Order, begun: bool
    ) -> None:
        self.env = env
        #: The names of functions around.
        self.cells = cells
        self.memory = memory
        self.order = order
        #: Part of the region has been issued: a failure in it can take back changes that are still to come.
        self.begun = begun

    def attribute(self, thing: Any, name: str) -> Any:
        """An attribute as it is where the region begins; `NOWHERE`, `HIDDEN`, or what is known of it."""
        memory = self.memory
        change = memory.attribute(thing, name, self.order)
        if change is MISSING:
            return getattr(thing, name, NOWHERE)
        if change is UNKNOWN:
            if memory.storage(thing, name) is None or class_attribute(type(thing), name) is not None:
                return HIDDEN
            return NOWHERE
        if change.field is ALL:
            return HIDDEN
        if self.begun:
            return self._either(thing, name)
        return change.value if change.method == "set" else Typed(change.value)

    def _either(self, thing: Any, name: str) -> Any:
        """What an attribute is, whichever of the changes to come are made: one thing, or only a type."""
        storage = self.memory.storage(thing, name)
        if storage is None:
            return Typed(None)
        history = self.memory.histories[id(storage)]
        if ALL in history.fields:
            return HIDDEN
        # where it is not there yet, and none of the changes is made, to look at it fails
        now = NOWHERE
        if attribute_is_plain(thing, name):
            now = getattr(thing, name, NOWHERE)
        elif class_attribute(type(thing), name) is not None:
            return HIDDEN
        after = history.range(name)
        if after.one is not MISSING and (now is NOWHERE or now is after.one):
            return after.one
        kinds = after.types if now is NOWHERE else {*after.types, content_type(now)}
        return Typed(next(iter(kinds)) if len(kinds) == 1 else None)

    def unchanged(self, things: Any) -> bool:
        """Whether no change of a container is to come."""
        return self.memory.changing(things, self.order) is None

    def of_module(self, form: Compiled, name: str) -> Any:
        """What a name of the module is, where nothing is to come of it; else `HIDDEN`."""
        names = form.globals
        if name not in names or name in form.closure:
            return HIDDEN
        history = self.memory.histories.get(id(names))
        late = history is not None and history.latest(name, self.order) is not None
        return HIDDEN if late else resolved(form, name)

    def looked(self, look: str, held: Any, arg: Any, values: list[Any]) -> Any:
        """What is found by a way of looking."""
        if look == "name":
            return self.env.get(arg, UNBOUND)
        if look == "attribute":
            return self.attribute(held, arg)
        if look == "global":
            form, path = arg
            return resolved(form, path)
        if look == "cell":
            return content_of(self.cells, arg)
        if look == "closure":
            return closed_over(held).get(arg, HIDDEN)
        if look == "data":
            form, path = arg
            return self.of_module(form, path)
        if look == "module":
            return arg.namespace
        if look == "self":
            return held.__self__
        if look == "super":
            cls, name = arg
            return getattr(super(cls, held), name) if super_is_plain(cls, held, name) else HIDDEN
        if look == "getter":
            return self.memory.getter(type(held), arg)
        if look == "setter":
            return self.memory.setter(type(held), arg)
        if look == "getter behind":
            cls, name = arg
            return super_getter_of(cls, held, name)
        if look == "element":
            kind, key = arg
            things = items_of(held)
            return HIDDEN if things is None else things[values[key] if kind else key]
        if look == "unchanged":
            return self.unchanged(held) or HIDDEN
        if look == "lookup":
            return arg(held) if finds_quietly(arg, held) else HIDDEN
        if look == "called":
            what = called(held)
            return HIDDEN if what is None else _part(what, arg)
        return HIDDEN


def items_of(things: Any) -> Any:
    """The elements of a list, tuple or dict, or of the newest version of one; else None."""
    if isinstance(things, Versioned):
        return things.data if things.kind in (list, dict) else None
    return things if type(things) in (list, tuple, dict) else None


def closed_over(fn: FunctionType) -> dict[str, Any]:
    """The semaphores that a function finds under names of functions around it."""
    cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
    return {name: found for name in cells if is_semaphore(found := content_of(cells, name))}


def content_of(cells: Mapping[str, CellType], name: str) -> Any:
    """What a name of a function around is bound to; `HIDDEN` if nothing."""
    try:
        return cells[name].cell_contents
    except (KeyError, ValueError):
        return HIDDEN


def resolved(form: Compiled, path: str) -> Any:
    try:
        return form.resolve_dotted(path)
    except KeyError:
        return HIDDEN


def _part(what: tuple[Any, list[Any], dict[str, Any]], arg: Any) -> Any:
    """A part of what a coroutine calls: the function, an argument, or how many and which there are."""
    fn, args, kwargs = what
    if arg == "fn":
        return fn
    if arg == "shape":
        return Shape(args, kwargs)
    return args[arg] if type(arg) is int else kwargs[arg[0]]


def _likeness(value: Any) -> Any:
    """What two values have in common that are alike to a walk."""
    kind = type(value)
    if kind is Typed:
        return Typed, value.type
    if kind is Shape:
        return Shape, value.shape
    if kind in SCALARS or value is UNBOUND or value is NOWHERE:
        return kind if kind in SCALARS else id(value)
    if kind is MethodType:
        return MethodType, id(value.__func__)
    if _is_builtin_method(value):
        return value.__name__, type(value.__self__)
    if isinstance(value, _ONES):
        return id(value)
    return (kind, argument_type(value)) if isinstance(value, Versioned) else kind


def _is_builtin_method(value: Any) -> bool:
    return type(value) is BuiltinFunctionType and not isinstance(
        value.__self__, (ModuleType, type, type(None))
    )


class Record:
    """What a walk has looked at.

    Attributes:
        looks: the ways of looking: how, at which of the things found, and at what of it.
        lost: something was looked at that cannot be looked at again.
        classes: classes were looked at, not only objects.
    """

    def __init__(self) -> None:
        self.looks: list[tuple[str, int, Any, Any]] = []
        self.values: list[Any] = []
        self.lost = False
        self.classes = False
        self._storages: dict[int, tuple[Known, str, Any]] = {}
        self._objects: dict[int, Known] = {}
        self._keys: list[Known] = []

    def add(self, look: str, held: Known | None, arg: Any, value: Any) -> int:
        at = -1
        if held is not None:
            if held.places:
                at = held.places[0]
            else:
                self.lost = True
        if not look:
            self.lost = True
        self.looks.append((look, at, arg, _likeness(value)))
        self.values.append(value)  # held, so that its id is not given to another
        return len(self.looks) - 1

    def found(self, known: Known, at: int) -> None:
        """It was found as this look's result."""
        known.places.append(at)
        self._objects[id(known)] = known

    def storage(self, held: Known, name: str, storage: Any) -> None:
        self._storages.setdefault(id(storage), (held, name, storage))

    def key(self, key: Known) -> tuple[bool, Any]:
        """How a key is found again: it is another thing found, or a constant."""
        if not key.places:
            return False, key.thing
        self._keys.append(key)
        return True, key.places[0]

    def script(self, trip: Trip, effect: Effect) -> Script | None:
        """How to come to the same without a walk; None where that cannot be."""
        if self.lost or any(len(key.places) != 1 for key in self._keys):
            return None
        groups: list[list[int]] = []
        ids = set[int]()
        for known in self._objects.values():
            if _is_object(known.thing):
                groups.append(known.places)
                ids.add(id(known.thing))
        storages: list[tuple[int, str]] = []
        for held, name, storage in self._storages.values():
            if storage is held.thing:
                continue
            if not held.places or id(storage) in ids:
                return None
            ids.add(id(storage))
            storages.append((held.places[0], name))
        changes: list[tuple[int, Any, Any]] = []
        for (held, field, _), (_, _, kind) in zip(trip.changes.values(), effect.changes, strict=True):
            if not held.places:
                return None
            changes.append((held.places[0], field, kind))
        memory = trip.memory
        return Script(self, groups, storages, changes, effect, memory.epoch if self.classes else None)


def _is_object(value: Any) -> bool:
    kind = type(value)
    return kind not in SCALARS and kind is not MethodType and not isinstance(value, _ONES)


class Script:
    """How to come to the summary of a region for other objects, without a walk."""

    __slots__ = ("changes", "effect", "groups", "looks", "storages", "values", "when")

    def __init__(
        self, record: Record, groups: list[list[int]], storages: list[tuple[int, str]],
        changes: list[tuple[int, Any, Any]], effect: Effect, when: Any,
    ) -> None:  # fmt: skip
        self.looks = record.looks
        #: Functions, classes and the like: held, so that their ids are not given to others.
        self.values: list[Any] = [v for v in record.values if isinstance(v, _ONES)]
        self.values += [v.__func__ for v in record.values if type(v) is MethodType]
        #: The looks that found one object, and where their attributes are kept: all are different objects.
        self.groups = groups
        self.storages = storages
        self.changes = changes
        self.effect = Effect(effect.paths, effect.types)
        #: The time in a run that it holds for (see `Memory.epoch`); None: for any.
        self.when = when

    def effect_of(self, view: View) -> Effect | None:
        """The summary, if the walk would meet what it has met then; else None."""
        memory = view.memory
        if self.when is not None and self.when is not memory.epoch:
            return None
        values: list[Any] = []
        for look, at, arg, like in self.looks:
            try:
                value = view.looked(look, values[at] if at >= 0 else None, arg, values)
            except (LookupError, TypeError, AttributeError):
                return None
            if isinstance(value, Slot):
                if value.value is PENDING and value.coroutine is not None:
                    return None
                value = Typed(value.type) if value.value is PENDING else value.value
            if value is HIDDEN or _likeness(value) != like:
                return None
            values.append(value)
        ids = set[int]()
        for group in self.groups:
            first = values[group[0]]
            for other in group[1:]:
                if values[other] is not first:
                    return None
            ids.add(id(first))
        held: list[Any] = []
        for at, name in self.storages:
            storage = memory.storage(values[at], name)
            held.append(storage)
            ids.add(id(storage))
        if len(ids) != len(self.groups) + len(self.storages):
            return None
        effect = self.effect
        changes: list[tuple[Any, Any, Any]] = []
        for at, field, kind in self.changes:
            storage = values[at] if field is ALL else memory.storage(values[at], field)
            changes.append((storage, field, kind))
        return Effect(effect.paths, effect.types, tuple(changes))
