"""What a walk through a region that is left behind knows of objects: which they are, and what they hold.

An attribute is looked at as it is where the region begins. If the region sets it as well, it is one or the
other: the walk is begun anew where something was concluded from what turned out not to stay.
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from ..engine.containers import Versioned
from ..engine.history import ALL
from ..engine.operands import argument_type
from ..engine.slots import PENDING, UNBOUND, Slot
from .accessors import super_getter_of
from .known_objects import SCALARS, binds_quietly, class_attribute, class_mro, slots_safe, super_is_plain
from .managers import ASYNC_LOOKUPS, LOOKUPS, finds_quietly
from .summary import Made
from .summary_views import HIDDEN, KEYS, NOWHERE, Record, Typed, View, items_of
from .types import T, either, of_value
from .types_fields import lasting

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["Again", "GivesUp", "Known", "Trip", "joined", "plain_type"]

#: What a class without an ``__init__`` of its own has: it does nothing.
_NO_INIT: Final[Any] = object.__init__
#: So many steps of functions are walked at most.
_STEPS: Final = 4_000


class Known:
    """In the place of a type: the one object that a name is bound to.

    Attributes:
        thing: the object; None where it is made in the region, so that nobody else can see it.
        type: of a built-in type, that.
        fresh: whether it is made in the region.
        cls: its class, where it is made in the region.
        method: the function, and what it is given first, of a method of such an object.
        call: what a coroutine would call that is not there yet, and with what, by position and by name.
    """

    __slots__ = ("call", "cls", "fresh", "method", "places", "thing", "type")

    def __init__(self, thing: Any, kind: T | None, fresh: bool = False) -> None:
        self.thing = thing
        self.type = kind
        self.fresh = fresh
        self.cls: type | None = None
        self.method: tuple[Any, Known] | None = None
        self.call: tuple[Any, tuple[Any, ...], dict[str, Any]] | None = None
        #: Where the walk has met it (see `Record`).
        self.places: list[int] = []

    @property
    def held(self) -> bool:
        """Whether it is an object with attributes to be looked at, there before the region begins."""
        return not self.fresh and type(self.thing) not in SCALARS


class GivesUp(Exception):
    """It may change something that is not known."""


class Again(Exception):
    """A field that was taken to stay is set."""


def plain_type(found: Any) -> T | None:
    """What is known as a type."""
    if isinstance(found, Made):
        return None
    kind: T | None = found.type if isinstance(found, Known) else found
    return kind


def joined(one: Any, other: Any) -> Any:
    """What is known of a value that is one or the other."""
    if one is other:
        return one
    return either(plain_type(one), plain_type(other))


class Trip:
    """What a walk, with the functions that it goes through, has met."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.memory = view.memory
        #: All that the walk has looked at, so that it can be told of other objects without a walk.
        self.record = Record()
        #: What is known of a field wherever the region looks at it, by storage (or object made) and name.
        self.fields: dict[tuple[int, str], Any] = {}
        self.known: dict[Any, Known] = {}
        self.begin()

    def begin(self) -> None:
        """The walk begins, or begins anew."""
        self.loaded: set[tuple[int, str]] = set()
        #: The storages that something was loaded from, and containers that something was taken from.
        self.sources: dict[int, Any] = {}
        #: What it changes: the object, the field, and the storage that this is in.
        self.changes: dict[tuple[int, Any], tuple[Known, Any, Any]] = {}
        #: Functions being walked, and those that have been: what they may write, and what they return.
        self.walking: set[Any] = set()
        self.done: dict[Any, tuple[frozenset[str], Any]] = {}
        self.steps = 0
        #: Whether it changes anything at all, things of its own included: who is handed those looks at them.
        self.touched = False

    def step(self) -> None:
        self.steps += 1
        if self.steps > _STEPS:
            raise GivesUp

    # -- objects ----------------------------------------------------------------------------------------

    def of(self, value: Any) -> Any:
        """What is known of a value that the source says."""
        kind = type(value)
        if kind in SCALARS and kind not in KEYS:
            return of_value(value)
        key: Any = (kind, value) if kind in KEYS else id(value)
        found = self.known.get(key)
        if found is None:
            kind_of = argument_type(value) if isinstance(value, Versioned) else of_value(value)
            found = self.known[key] = Known(value, kind_of)
        return found

    def met(self, look: str, held: Known | None, arg: Any, value: Any) -> Any:
        """What is known of a value that the walk has met, by this way of looking."""
        if isinstance(value, Slot):
            if value.value is PENDING and value.coroutine is not None:
                self.record.lost = True
                return self._coroutine(value)
            value = Typed(value.type) if value.value is PENDING else value.value
        at = self.record.add(look, held, arg, value)
        if type(value) is Typed:
            return value.type
        if value is UNBOUND or value is NOWHERE:
            return None
        found = self.of(value)
        if isinstance(found, Known):
            self.record.found(found, at)
        return found

    def _coroutine(self, slot: Slot) -> Known:
        """What is known of a coroutine whose arguments are still to come."""
        found = self.known.get(id(slot))
        if found is None:
            assert slot.coroutine is not None
            callee, args, kwargs = slot.coroutine
            found = self.known[id(slot)] = Known(slot, None, True)
            named = {name: self.met("", None, None, v) for name, v in kwargs.items()}
            found.call = (callee, tuple([self.met("", None, None, v) for v in args]), named)
        return found

    def container(self, kind: T | None) -> Known:
        """A container that is made in the region."""
        found = self.known.get(("made", kind))
        if found is None:
            found = self.known["made", kind] = Known(None, kind, True)
        return found

    def put_into(self, held: Known) -> None:
        """A container is changed: it may have other elements than were thought."""
        if held.type is not None and not held.type.lasting:
            held.type = lasting(held.type)
            raise Again

    def instance(self, cls: type, site: Any) -> Known:
        """An object that is made in the region, at this step: of all that are made there, what is known is
        kept as of one."""
        found = self.known.get((cls, site))
        if found is None:
            found = self.known[cls, site] = Known(None, None, True)
            found.cls = cls
        return found

    # -- attributes and elements ------------------------------------------------------------------------

    def load(self, held: Known, name: str) -> Any:
        """What is known of an attribute."""
        if held.fresh:
            return self._load_made(held, name)
        storage = self.memory.storage(held.thing, name)
        if storage is None:
            return self._now(held, name)
        if (id(storage), ALL) in self.changes:
            raise GivesUp
        self.sources[id(storage)] = storage
        self.record.storage(held, name, storage)
        field = (id(storage), name)
        self.loaded.add(field)
        if field not in self.fields:
            self.fields[field] = self._now(held, name)
        return self.fields[field]

    def _now(self, held: Known, name: str) -> Any:
        """What is known of an attribute as it is where the region begins."""
        found = self.view.attribute(held.thing, name)
        if found is HIDDEN:
            raise GivesUp
        return self.met("attribute", held, name, found)

    def of_module(self, form: Compiled, name: str) -> Any:
        """What is known of the module's data under a name that nothing is to come of."""
        found = self.view.of_module(form, name)
        if found is HIDDEN:
            return None
        names = form.globals
        field = (id(names), name)
        self.sources[id(names)] = names
        self.loaded.add(field)
        if field not in self.fields:
            self.fields[field] = self.met("data", None, (form, name), found)
        return self.fields[field]

    def store(self, held: Known, name: str, value: Any) -> None:
        """An attribute is set."""
        if held.fresh:
            self._store_made(held, name, value)
            return
        storage = self.memory.storage(held.thing, name)
        if storage is None:
            raise GivesUp
        self.record.storage(held, name, storage)
        self.change(held, name, storage)
        field = (id(storage), name)
        if field in self.fields:
            before = self.fields[field]
        else:
            found = self.view.attribute(held.thing, name)
            if found is HIDDEN:
                found = NOWHERE
                self.record.lost = True
            before = self.met("attribute", held, name, found)
        self._set(field, before, value)

    def _set(self, field: tuple[int, str], before: Any, value: Any) -> None:
        after = self.fields[field] = joined(before, value)
        if after is not before and field in self.loaded:
            raise Again

    def _load_made(self, held: Known, name: str) -> Any:
        cls = held.cls
        self.record.classes = True
        if cls is None:
            raise GivesUp
        if not self.memory.keeps_plainly(cls, name):
            if class_attribute(cls, "__dict__") is None and slots_safe(cls, "__getattribute__"):
                return self._of_class(held, cls, name)  # it has slots: of that name it can have nothing
            raise GivesUp
        field = (id(held), name)
        self.loaded.add(field)
        if field not in self.fields:
            self.fields[field] = self._of_class(held, cls, name)
        return self.fields[field]

    def _of_class(self, held: Known, cls: type, name: str) -> Any:
        """What is known of an attribute of an object made in the region, which it may have from its class."""
        found = class_attribute(cls, name)
        if found is None or name in getattr(cls, "__dataclass_fields__", ()):
            return None
        if not binds_quietly(found[1]):
            raise GivesUp
        if type(found[1]) is not FunctionType:
            return self.of(found[1]) if type(found[1]) in SCALARS else None
        return self._method(held, found[1])

    def _method(self, held: Known, raw: Any) -> Known:
        """A function of a class, looked up on an object that is made in the region."""
        method = self.known.get((id(held), raw))
        if method is None:
            method = self.known[id(held), raw] = Known(None, None, True)
            method.method = (raw, held)
        return method

    def _store_made(self, held: Known, name: str, value: Any) -> None:
        if held.cls is None or not self.memory.keeps_plainly(held.cls, name):
            raise GivesUp
        self.touched = True
        field = (id(held), name)
        before = value
        if field in self.fields:
            before = self.fields[field]
        elif class_attribute(held.cls, name) is not None:
            before = None
        self._set(field, before, value)

    def accessor(self, which: str, held: Known, name: str) -> FunctionType | None:
        """The function of a property that is looked at (``getter``) or set (``setter``); else None."""
        cls: Any = held.cls if held.fresh else type(held.thing)
        if cls is None:
            return None
        found = self.memory.getter(cls, name) if which == "getter" else self.memory.setter(cls, name)
        if type(found) is not FunctionType:
            return None
        if held.fresh:
            self.record.classes = True
        else:
            self.met(which, held, name, found)
        return found

    def getter_behind(self, cls: Any, held: Known, name: str) -> FunctionType | None:
        """The function of a property that ``super().name`` looks at; None if it is none."""
        if held.fresh:
            return None
        found = super_getter_of(cls, held.thing, name)
        if found is not None:
            self.met("getter behind", held, (cls, name), found)
        return found

    def method_behind(self, cls: Any, held: Known, name: str) -> Any:
        """What is known of ``super().name``, in a method of a class."""
        if held.fresh:
            return self._behind_made(cls, held, name)
        if not super_is_plain(cls, held.thing, name):
            raise GivesUp
        bound = getattr(super(cls, held.thing), name)
        return self.met("super", held, (cls, name), bound)

    def _behind_made(self, cls: Any, held: Known, name: str) -> Any:
        """The same of an object that is made in the region."""
        order = () if held.cls is None else class_mro(held.cls)
        if cls not in order:
            raise GivesUp
        self.record.classes = True
        behind = (base for base in order[order.index(cls) + 1 :] if name in vars(base))
        base = next(behind, None)
        raw: Any = None if base is None else vars(base)[name]
        if type(raw) is not FunctionType and raw is not _NO_INIT:
            raise GivesUp
        return self._method(held, raw)

    def looked_up(self, held: Known, lookup: Callable[[Any], Any]) -> Any:
        """What is known of the method that a ``with`` calls."""
        if held.fresh:
            if held.cls is None:
                raise GivesUp
            return self._of_class(held, held.cls, (LOOKUPS | ASYNC_LOOKUPS)[lookup])
        if not finds_quietly(lookup, held.thing):
            raise GivesUp
        return self.met("lookup", held, lookup, lookup(held.thing))

    def element(self, held: Any, key: Any) -> Any:
        """What is known of an element of a container."""
        if not isinstance(held, Known) or not isinstance(key, Known) or key.fresh:
            return None
        things = items_of(held.thing)
        if things is None or type(key.thing) not in KEYS or not self.stays(held):
            return None
        try:
            found = things[key.thing]
        except (LookupError, TypeError):
            self.record.lost = True
            return None  # so it will fail
        return self.met("element", held, self.record.key(key), found)

    def elements(self, held: Known, most: int) -> list[Any] | None:
        """What is known of all elements of a list or tuple; None where they may be others."""
        things = items_of(held.thing)
        self.record.lost = True
        if type(things) not in (list, tuple) or len(things) > most or not self.stays(held):
            return None
        return [self.met("", None, None, thing) for thing in things]

    def stays(self, held: Known) -> bool:
        """Whether a container is as it is now wherever the region looks at it."""
        things = held.thing
        if type(things) is tuple or isinstance(things, Versioned):
            return True
        if (id(things), ALL) in self.changes:
            return False
        if not self.view.unchanged(things):
            self.record.lost = True
            return False
        self.record.add("unchanged", held, None, True)
        self.sources[id(things)] = things
        return True

    def changed(self) -> tuple[tuple[Any, Any, T | None], ...]:
        """All fields that it may change, and their types."""
        fields = self.fields
        return tuple(
            [
                (storage, field, plain_type(fields.get(key)))
                for key, (_, field, storage) in self.changes.items()
            ]
        )

    def change(self, held: Known, field: Any, storage: Any) -> None:
        self.touched = True
        if field is ALL and id(storage) in self.sources:
            raise GivesUp  # the attributes of an object, changed as a dict, or elements that were looked at
        self.changes[id(storage), field] = (held, field, storage)
