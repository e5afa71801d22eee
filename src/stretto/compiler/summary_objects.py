"""What a region may change of objects that are known when it is left behind.

The summary of a region (see `summary`) goes by types: that an attribute of some object is set may then be any
code, and concerns every object. Here the same steps are walked again with the objects themselves: the names
of the region are bound to objects, the attributes that it loads hold others, as long as it does not set them
itself. If all that it may change is found so, what follows waits for these few fields, and for nothing else.
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import ast
from inspect import CO_GENERATOR
from types import FunctionType, MethodType
from typing import Any, Final

from ..calls import BoundCall, Call
from ..declarations.registry import call_of
from ..effects import Kind
from ..engine.containers import Versioned
from ..engine.memory import ALL, MISSING, UNKNOWN, Change, Memory, Order
from ..engine.slots import PENDING, UNBOUND, Slot
from ..engine.tokens import CHANGES, EVERYTHING, HEAP
from ..flows import Flow
from ..generator_flows import GeneratorFlow
from . import ir
from .fragments import Fragment
from .functions import Compiled, compiled, helper
from .known_objects import SCALARS
from .summary import Effect, Made, Summary
from .types import T, of_class, of_value
from .verdicts import function_verdict

__all__ = ["told_apart"]

_DISPLAYS: Final = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
#: So often a walk is begun anew, when it turns out that something is set that it took to stay.
_AGAIN: Final = 6


class Known:
    """In the place of a type: the one object that a name is bound to. Without an object, one that is made in
    the region, which nobody else can see."""

    __slots__ = ("fresh", "thing", "type")

    def __init__(self, thing: Any, kind: T | None, fresh: bool = False) -> None:
        self.thing = thing
        self.type = kind
        self.fresh = fresh


class _GivesUp(Exception):
    """It may change something that is not known."""


class _Again(Exception):
    """A field that was taken to stay is set."""


class _Trip:
    """What a walk, with the functions that it goes through, has met."""

    def __init__(self, memory: Memory, order: Order) -> None:
        self.memory = memory
        self.order = order
        #: What is known of a field wherever the region looks at it, by storage and name.
        self.fields: dict[tuple[int, str], Any] = {}
        self.known: dict[Any, Known] = {}
        self.begin()

    def begin(self) -> None:
        """The walk begins, or begins anew."""
        self.loaded: set[tuple[int, str]] = set()
        #: The storages that something was loaded from.
        self.sources: dict[int, Any] = {}
        self.changes: dict[tuple[int, Any], tuple[Any, Any]] = {}
        self.walking: set[Compiled] = set()
        #: Whether it changes anything at all, things of its own included: who is handed those looks at them.
        self.touched = False

    def of(self, value: Any) -> Any:
        """What is known of a value."""
        if isinstance(value, Slot):
            if value.value is PENDING:
                return value.type
            value = value.value
        if isinstance(value, Versioned):
            return of_class(value.kind)
        if value is UNBOUND:
            return None
        if type(value) in SCALARS:
            return of_value(value)
        found = self.known.get(id(value))
        if found is None:
            found = self.known[id(value)] = Known(value, of_value(value))
        return found

    def made(self, kind: T | None) -> Known:
        """A container that is made in the region."""
        found = self.known.get(("made", kind))
        if found is None:
            found = self.known["made", kind] = Known(None, kind, True)
        return found

    def change(self, storage: Any, field: Any) -> None:
        self.touched = True
        if field is ALL and id(storage) in self.sources:
            raise _GivesUp  # the attributes of an object, changed as a dict
        self.changes[id(storage), field] = (storage, field)


def _plain(found: Any) -> T | None:
    if isinstance(found, Made):
        return None
    kind: T | None = found.type if isinstance(found, Known) else found
    return kind


def _joined(one: Any, other: Any) -> Any:
    """What is known of a value that is one or the other."""
    if one is other:
        return one
    kind = _plain(one)
    return kind if kind == _plain(other) else None


def told_apart(
    region: Any, frame: Any, memory: Memory, order: Order, *, called: bool, begun: bool
) -> Effect | None:
    """As `effect_of`, where all objects that the region may change can be told; else None."""
    form: Compiled = frame.form
    env = frame.env
    names = form.params if called else region.names
    key = ("objects", begun, called, tuple([type(env.get(name)) for name in names]))
    attempts: dict[Any, Any] = form.summaries if called else region.effects
    failures: int = attempts.get(key, 0)
    if failures > 2:
        return None
    trip = _Trip(memory, order)
    for _ in range(_AGAIN):
        trip.begin()
        types: dict[str, Any] = {name: trip.of(env[name]) for name in names if name in env}
        fixed = form.rebound if called else region.binds if begun else frozenset[str]()
        types.update(dict.fromkeys(fixed))
        walk = _Objects(form, types, 0, set(), trip)
        try:
            paths = walk.block(form.body) if called else walk.instr(region)
        except _Again:
            continue
        except _GivesUp:
            break
        if called:
            kinds = {_plain(kind) for kind in walk.returns}
            found = {"return": kinds.pop() if len(kinds) == 1 else None}
        else:
            found = {name: _plain(walk.types.get(name)) for name in region.binds}
        if trip.touched:
            paths.add(CHANGES)
        return Effect(frozenset(paths), found, tuple(trip.changes.values()))
    attempts[key] = failures + 1
    return None


class _Objects(Summary):
    """The walk."""

    def __init__(
        self, form: Compiled, types: dict[str, Any], depth: int, open_: set[Any], trip: _Trip
    ) -> None:
        super().__init__(form, types, depth, open_)
        self.trip = trip

    def kind(self, source: ir.Operand) -> T | None:
        return _plain(self.operand(source))

    def instr(self, instr: Any) -> set[str]:
        if isinstance(instr, ir.LoadAttribute):
            return self.load(instr)
        if isinstance(instr, ir.StoreAttribute):
            return self.store(instr)
        found = super().instr(instr)
        if EVERYTHING in found or HEAP in found:
            raise _GivesUp
        return found

    def load(self, instr: ir.LoadAttribute) -> set[str]:
        held: Any = self.types.get(instr.source)
        trip = self.trip
        if not isinstance(held, Known) or held.fresh:
            return self.run(instr.fragment)
        storage = trip.memory.storage(held.thing, instr.name)
        if storage is None:
            self.types[instr.target] = self.now(held.thing, instr.name)
            return set()
        if (id(storage), ALL) in trip.changes:
            raise _GivesUp
        trip.sources[id(storage)] = storage
        field = (id(storage), instr.name)
        trip.loaded.add(field)
        if field not in trip.fields:
            trip.fields[field] = self.now(held.thing, instr.name)
        self.types[instr.target] = trip.fields[field]
        return set()

    def now(self, thing: Any, name: str) -> Any:
        """What is known of an attribute as it is where the region begins."""
        trip = self.trip
        change = trip.memory.attribute(thing, name, trip.order)
        if change is UNKNOWN or (isinstance(change, Change) and change.field is ALL):
            raise _GivesUp
        if change is MISSING:
            try:
                return trip.of(getattr(thing, name))
            except AttributeError:
                return None  # so it will fail
        return trip.of(change.value) if change.method == "set" else None

    def store(self, instr: ir.StoreAttribute) -> set[str]:
        held: Any = self.types.get(instr.source)
        trip = self.trip
        if not isinstance(held, Known) or held.fresh:
            raise _GivesUp
        storage = trip.memory.storage(held.thing, instr.name)
        if storage is None:
            raise _GivesUp
        trip.change(storage, instr.name)
        field = (id(storage), instr.name)
        before = trip.fields[field] if field in trip.fields else self.now(held.thing, instr.name)
        after = trip.fields[field] = _joined(before, self.operand(instr.value))
        if after is not before and field in trip.loaded:
            raise _Again
        return set()

    def run(self, fragment: Fragment) -> set[str]:
        held = [self.types.get(n) for n in fragment.reads]
        types = tuple(map(_plain, held))
        verdict = fragment.verdict(types)
        receiver: Any = None
        if not verdict.pure:
            if fragment.mutates is None or not fragment.plain_change(types):
                raise _GivesUp
            receiver = self.types.get(fragment.mutates)
            if not isinstance(receiver, Known):
                raise _GivesUp
            self.trip.touched = True
            if not receiver.fresh:
                self.trip.change(receiver.thing, ALL)
        bound: dict[str, Any] = self.types
        for name in fragment.binds:
            bound[name] = receiver if name == fragment.mutates else None
        if verdict.pure and len(fragment.binds) == 1:
            (name,) = fragment.binds
            found: Any = verdict.type
            if isinstance(fragment.expr, ast.Name) and len(held) == 1:
                found = held[0]
            elif isinstance(fragment.expr, _DISPLAYS):
                found = self.trip.made(verdict.type)
            bound[name] = found
        return set()

    def apply(self, instr: ir.Apply) -> set[str]:
        given: list[Any] = [self.operand(a) for _, a in instr.args]
        callee: Any
        if isinstance(instr.callee, ir.Load):
            try:
                callee = self.form.resolve_dotted(instr.callee.name)
            except KeyError:
                raise _GivesUp from None
        else:
            method: Any = self.operand(instr.callee)
            callee = method.thing if isinstance(method, Known) else None
            if call_of(callee) is not None:
                raise _GivesUp
            if type(callee) is MethodType:
                given.insert(0, self.trip.of(callee.__self__))
                callee = callee.__func__
        if instr.target is not None:
            self.types[instr.target] = None
        if isinstance(callee, BoundCall):
            callee = callee.call
        if isinstance(callee, Call):
            if callee.changes_receiver or not callee.holds([name for name, _ in instr.kwargs]):
                raise _GivesUp
            effects = callee.effects
            if instr.target is not None:
                self.types[instr.target] = callee.checker.type
            if callee.streams and not callee.opens:
                return set()  # nothing of it runs before a loop goes over it
            if effects.kind is Kind.PLAIN:
                raise _GivesUp
            return {r.root for r in (*effects.writes, *effects.commutes)}
        if instr.transforms:
            return set()
        if isinstance(callee, GeneratorFlow):
            callee = callee.fn
        if isinstance(callee, FunctionType) and callee.__code__.co_flags & CO_GENERATOR:
            raise _GivesUp  # what it changes, it changes when it is gone over
        if type(callee) is FunctionType and instr.simple:
            verdict = function_verdict(callee, tuple(map(_plain, given)))
            if verdict.pure:
                if instr.target is not None:
                    self.types[instr.target] = verdict.type
                return set()
        form: Compiled | None = None
        if isinstance(callee, Flow):
            form = compiled(callee.fn)
        elif type(callee) is FunctionType:
            form = helper(callee)
        if form is None:
            if isinstance(instr.callee, ir.Load):
                return super().apply(instr)
            raise _GivesUp
        if instr.simple and len(given) == len(form.params) and not form.packed:
            return self.called(form, dict(zip(form.params, given, strict=True)), instr)
        return self.called(form, dict.fromkeys(form.params), instr)

    def called(self, form: Compiled, types: dict[str, Any], instr: ir.Apply) -> set[str]:
        walking = self.trip.walking
        if form in walking or self.depth > 20:
            raise _GivesUp
        walking.add(form)
        inner = _Objects(form, types, self.depth + 1, self.open, self.trip)
        paths = inner.block(form.body)
        walking.discard(form)
        if instr.target is not None:
            kinds = set(inner.returns)
            self.types[instr.target] = kinds.pop() if len(kinds) == 1 else None
        return paths
