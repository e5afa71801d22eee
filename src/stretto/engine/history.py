"""The changes to come of one object, each field's in program order.

What an attribute will be, or a container, at a place in program order is told from these (see `memory`).
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from bisect import bisect_left, insort
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from ..compiler.types import T, of_class
from ..marks import Mark
from .containers import Dict, List, Set, Versioned
from .slots import PENDING, Slot
from .tokens import Token

if TYPE_CHECKING:
    from .memory import Memory

__all__ = ["ALL", "LAST", "MISSING", "UNKNOWN", "Change", "History", "Order", "content_type"]

#: A place in program order: the turn of the strand, and of each strand that it was split off from.
Order = tuple[int, ...]


#: The last place within a strand, behind all that it may issue.
LAST: Final = 1 << 60
#: The field of a change that may touch any part of its object.
ALL: Final[Any] = Mark("<all>")
#: What is said of an object that may hold, or lead to, anything.
UNKNOWN: Final[Any] = Mark("<unknown>")
#: There is no pending change.
MISSING: Final[Any] = Mark("<missing>")

_ORDER = attrgetter("order")


class Change(Token):
    """A change to come; settles when it has been made, or will not be.

    Attributes:
        order: its place in program order.
        field: the key or attribute that it sets, or `ALL`.
        method: what it does (``set``, ``append``, ``add``, ``pop``, ``next``), or ``""`` where that is not
            known.
        value: what it sets, appends or adds, a value or a slot; the index that it pops; what the counter
            gives, or a slot of it. Where it is not known what it does, but what type the field has then, that
            type.
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


class Range:
    """What changes to come may leave a field as. Those that have been made since are among them.

    Attributes:
        one: the value that all of them set, if they do; else `MISSING`.
        types: the types of what they set, None for those that are not known.
        added: how many have been added since it was made.
    """

    __slots__ = ("added", "one", "types")

    def __init__(self, changes: list[Change]) -> None:
        self.one = changes[0].value if changes[0].method == "set" else MISSING
        self.types: set[Any] = set()
        self.added = -len(changes)
        for change in changes:
            self.add(change)

    def add(self, change: Change) -> None:
        self.added += 1
        value = change.value
        if change.method == "set":
            if value is not self.one:
                self.one = MISSING
            value = content_type(value)
        else:
            self.one = MISSING
        self.types.add(value)


class History:
    """The changes to come of one storage, each field's in program order."""

    __slots__ = ("fields", "memory", "ranges", "thing")

    def __init__(self, memory: Memory, thing: Any) -> None:
        self.memory = memory
        #: Held, so that its id is not given to another.
        self.thing = thing
        self.fields: dict[Any, list[Change]] = {}
        #: Of the fields that somebody has asked it of: what any of their changes may leave them as.
        self.ranges: dict[Any, Range] | None = None

    def add(self, change: Change) -> None:
        change.history = self
        field = change.field
        changes = self.fields.setdefault(field, [])
        if not changes or changes[-1].order < change.order:
            changes.append(change)
        else:
            insort(changes, change, key=_ORDER)
        if self.ranges is not None and field in self.ranges:
            self.ranges[field].add(change)

    def forget(self, change: Change) -> None:
        changes = self.fields[change.field]
        if changes[-1] is change:
            changes.pop()
        else:
            del changes[bisect_left(changes, change.order, key=_ORDER)]
        if not changes:
            del self.fields[change.field]
            if self.ranges is not None:
                self.ranges.pop(change.field, None)
            if not self.fields:
                del self.memory.histories[id(self.thing)]

    def latest(self, field: Any, order: Order) -> Change | None:
        """The youngest change before a place that may have touched a field."""
        found = _before(self.fields.get(field), order)
        whole = _before(self.fields.get(ALL), order)
        if found is None or whole is None:
            return found or whole
        return found if found.order > whole.order else whole

    def range(self, field: Any) -> Range:
        """What any of the changes to come of a field may leave it as."""
        if self.ranges is None:
            self.ranges = {}
        changes = self.fields[field]
        found = self.ranges.get(field)
        if found is None or found.added > len(changes):
            # as many have been added as it would look at: so each pays for one more
            found = self.ranges[field] = Range(changes)
        return found

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
        version: Any  # that these are changes of what it is has been seen to where they were noted
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
                version = version.append(change.value)
            elif change.method == "pop":
                version = version.pop(change.value)
            elif change.method == "set":
                version = version.setitem(change.field, change.value)
            else:
                version = version.add(change.value)
        changes[-1].made = version
        found: Versioned = version
        return found


def content_type(value: Any) -> T | None:
    """The type of what is set, as far as it is known: of a value, or of a slot of one."""
    if isinstance(value, Slot):
        if value.value is PENDING:
            kind: T | None = value.type
            return kind
        value = value.value
    return of_class(value.kind if isinstance(value, Versioned) else type(value))


def _before(changes: list[Change] | None, order: Order) -> Change | None:
    if not changes:
        return None
    last = changes[-1]
    if last.order < order:
        return last
    at = bisect_left(changes, order, key=_ORDER)
    return changes[at - 1] if at else None
