"""What a region may change of objects that are known when it is left behind.

The summary of a region (see `summary`) goes by types: that an attribute of some object is set may then be any
code, and concerns every object. Here the same steps are walked again with the objects themselves: the names
of the region are bound to objects, the attributes that it loads hold others, as long as it does not set them
itself. So the functions are known that its methods are, and are walked as well. If all that it may change is
found so, what follows waits for these few fields, and for nothing else.
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from itertools import count
from types import FunctionType
from typing import Any, Final

from ..drivers.tasks import Group, Task
from ..engine.containers import Versioned
from ..engine.history import ALL, Order
from ..engine.memory import Memory
from ..engine.tokens import CHANGES, EVERYTHING, HEAP
from ..marks import PURSE_MAKERS
from . import ir
from .arrays import array_storage, is_array
from .fragments import Fragment
from .functions import Compiled, compiled, is_static, users_own
from .known_objects import construction_is_pure, is_plain_class
from .managers import manages_quietly
from .semaphores import is_kind, is_semaphore
from .source import dotted
from .summary import Effect, bound_otherwise
from .summary_calls import Calls
from .summary_fields import Again, GivesUp, Known, Trip, plain_type
from .summary_views import HIDDEN, Script, View, content_of, resolved
from .types import CAUGHT, attribute_type
from .types_fields import keeps_promise
from .types_results import attribute_result

__all__ = ["told_apart"]

_DISPLAYS: Final = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
#: So often a walk is begun anew, when it turns out that something is set that it took to stay.
_AGAIN: Final = 6
#: So many scripts are kept of a region that is left behind with names of the same types.
_SCRIPTS: Final = 4
#: A loop over more objects than these is walked with an object that is not known.
_ELEMENTS: Final = 64


def told_apart(
    region: Any, frame: Any, memory: Memory, order: Order, *, called: bool, begun: bool
) -> Effect | None:
    """As `effect_of`, where all objects that the region may change can be told; else None."""
    form: Compiled = frame.form
    env = frame.env
    names = form.params if called else region.names
    kinds = tuple([type(env.get(name)) for name in names])
    kept: dict[Any, Any] = form.summaries if called else region.effects
    key = ("objects", begun, called, kinds)
    scripts: list[Script] = kept.setdefault(key, [])
    view = View(env, frame.cells, memory, order, begun)
    for script in scripts:
        effect = script.effect_of(view)
        if effect is not None:
            return effect
    failures: int = kept.get((*key, "failures"), 0)
    if failures > 2:
        return None
    trip = Trip(view)
    effect = _walked(region, form, trip, names, called=called)
    if effect is None:
        kept[*key, "failures"] = failures + 1
        return None
    made = trip.record.script(trip, effect)
    if made is not None:
        scripts.insert(0, made)
        del scripts[_SCRIPTS:]
    return effect


def _walked(region: Any, form: Compiled, trip: Trip, names: Sequence[str], *, called: bool) -> Effect | None:
    view = trip.view
    env = view.env
    met = {name: trip.met("name", None, name, env[name]) for name in names if name in env}
    fixed: Collection[str] = form.rebound if called else ()
    if view.begun and not called:
        fixed = bound_otherwise(region)
        met.update({name: plain_type(met[name]) for name in region.binds if name in met})
    around: dict[str, Any] = {}
    for name in form.closure:
        found = content_of(view.cells, name)
        if is_semaphore(found) and name not in form.declared:
            around[name] = trip.met("cell", None, name, found)
    for _ in range(_AGAIN):
        trip.begin()
        types: dict[str, Any] = {**met, **dict.fromkeys(fixed)}
        walk = _Objects(form, types, 0, set(), trip)
        walk.around = around
        try:
            paths = walk.block(form.body) if called else walk.instr(region)
        except Again:
            continue
        except GivesUp:
            return None
        if called:
            found = {"return": plain_type(walk.result(form))}
        else:
            found = {name: plain_type(walk.types.get(name)) for name in region.binds}
        found = {name: None if kind is CAUGHT else kind for name, kind in found.items()}
        if trip.touched:
            paths.add(CHANGES)
        return Effect(frozenset(paths), found, trip.changed())
    return None


class _Objects(Calls):
    """The walk."""

    def instr(self, instr: Any) -> set[str]:
        self.trip.step()
        if isinstance(instr, ir.LoadAttribute):
            return self.load(instr)
        if isinstance(instr, ir.LoadSuper):
            return self.load_super(instr)
        if isinstance(instr, ir.LookUp):
            return self.look_up(instr)
        if isinstance(instr, ir.StoreAttribute):
            return self.store(instr)
        if isinstance(instr, ir.Take):
            return self.take(instr)
        if isinstance(instr, ir.Update):
            self.types[instr.target] = plain_type(self.types.get(instr.target))  # the next version
        found = super().instr(instr)
        if isinstance(instr, ir.ValueRead) and instr.method == "getitem" and self.types[instr.target] is None:
            held, key = self.types.get(instr.source), self.operand(instr.args[0])
            self.types[instr.target] = self.trip.element(held, key)
        if EVERYTHING in found or HEAP in found:
            raise GivesUp
        return found

    def load(self, instr: ir.LoadAttribute) -> set[str]:
        held: Any = self.types.get(instr.source)
        kind = plain_type(held)
        if kind is not None and kind.cls in (Group, Task):
            self.types[instr.target] = self.trip.load(self.trip.instance(kind.cls, instr), instr.name)
            return set()
        if isinstance(held, Known) and held.type is not None:
            free, kind = attribute_type(held.type.cls, instr.name)
            if free or is_plain_class(held.type.cls):
                # declared so, or of a built-in object: to look at it runs no code
                self.types[instr.target] = kind if free else attribute_result(held.type, instr.name)
                return set()
        if isinstance(held, Known) and (held.held or held.cls is not None):
            getter = self.trip.accessor("getter", held, instr.name)
            if getter is not None:
                return self.accessed(instr.target, getter, held)
            self.types[instr.target] = self.trip.load(held, instr.name)
            return set()
        return self.run(instr.fragment)

    def accessed(self, target: str | None, fn: FunctionType, *given: Any) -> set[str]:
        """The function of a property is called."""
        form = compiled(fn) if users_own(fn) else None
        if form is None:
            raise GivesUp
        paths, result = self.walked(form, self.parameters(form, fn, list(given), {}, False))
        if target is not None:
            self.types[target] = result
        return set(paths)

    def load_super(self, instr: ir.LoadSuper) -> set[str]:
        held: Any = self.types.get(instr.source)
        if not isinstance(held, Known):
            raise GivesUp
        try:
            cls = self.form.resolve("__class__")
        except KeyError:
            raise GivesUp from None
        getter = self.trip.getter_behind(cls, held, instr.name)
        if getter is not None:
            return self.accessed(instr.target, getter, held)
        bound: dict[str, Any] = self.types
        bound[instr.target] = self.trip.method_behind(cls, held, instr.name)
        return set()

    def look_up(self, instr: ir.LookUp) -> set[str]:
        held: Any = self.types.get(instr.source)
        if not isinstance(held, Known):
            raise GivesUp
        self.types[instr.target] = self.trip.looked_up(held, instr.lookup)
        return set()

    def store(self, instr: ir.StoreAttribute) -> set[str]:
        held: Any = self.types.get(instr.source)
        if not isinstance(held, Known):
            raise GivesUp
        setter = self.trip.accessor("setter", held, instr.name)
        value: Any = self.operand(instr.value)
        if setter is not None:
            return self.accessed(None, setter, held, value)
        cls: Any = type(held.thing) if held.cls is None else held.cls
        there = value.thing if isinstance(value, Known) and not value.fresh else None
        if not keeps_promise(cls, instr.name, there, plain_type(value)):
            raise GivesUp
        self.trip.store(held, instr.name, value)
        return set()

    def take(self, instr: ir.Take) -> set[str]:
        if isinstance(instr.source, ir.Load):
            path = instr.source.name
            value = resolved(self.form, path)
            if value is HIDDEN:
                raise GivesUp
            held: Any = self.trip.met("global", None, (self.form, path), value)
        else:
            held = self.operand(instr.source)
        if not isinstance(held, Known):
            raise GivesUp
        wanted: Any = count if instr.method == "next" else list
        if held.fresh:
            if held.type is None or held.type.cls is not wanted:
                raise GivesUp
            self.trip.touched = True
        elif type(held.thing) is wanted:
            self.trip.change(held, ALL, held.thing)
        else:
            raise GivesUp
        self.types[instr.target] = None
        return set()

    def run(self, fragment: Fragment) -> set[str]:
        held: list[Any] = [self.types.get(n) for n in fragment.reads]
        bound: dict[str, Any] = self.types
        if _tells_of_a_failure(fragment):
            bound[fragment.binds[0]] = None
            return set()
        types = tuple(map(plain_type, held))
        verdict = fragment.verdict(types)
        receiver: Any = None
        if not verdict.pure:
            if fragment.mutates is None or not fragment.plain_change(types):
                raise GivesUp
            receiver = bound.get(fragment.mutates)
            if not isinstance(receiver, Known):
                raise GivesUp
            self.trip.touched = True
            if isinstance(receiver.thing, Versioned):
                raise GivesUp
            self.trip.put_into(receiver)
            bound.update({name: self.lasting(kind) for name, kind in bound.items()})
            if receiver.thing is not None and is_array(type(receiver.thing)):
                self.trip.record.lost = True  # of another one, whether it is a view would have to be asked
                if array_storage(receiver.thing) is not receiver.thing:
                    raise GivesUp
            if not receiver.fresh:
                self.trip.change(receiver, ALL, receiver.thing)
        kinds = fragment.types_of(verdict) if verdict.pure else (None,) * len(fragment.binds)
        for name, kind in zip(fragment.binds, kinds, strict=True):
            bound[name] = receiver if name == fragment.mutates else kind
        if verdict.pure and len(fragment.binds) == 1:
            (name,) = fragment.binds
            found: Any = verdict.type
            expr = fragment.expr
            if isinstance(expr, ast.Name) and len(held) == 1:
                found = held[0]
            elif isinstance(expr, (ast.Name, ast.Attribute)) and not held and found is None:
                found = self.named(expr)
            elif isinstance(expr, _DISPLAYS):
                found = self.trip.container(verdict.type)
            elif isinstance(expr, ast.Subscript):
                element = self.trip.element(self.part(expr.value), self.part(expr.slice))
                found = found if element is None else element
            elif isinstance(expr, ast.Call) and found is None:
                found = self.instance(fragment, expr)
            bound[name] = found
        return set()

    def named(self, expr: ast.expr) -> Any:
        """What is known of a function, class or module by a name of the module's, and of a semaphore."""
        path = dotted(expr)
        if path in self.around:
            return self.around[path]
        value = HIDDEN if path is None else resolved(self.form, path)
        if path is not None and is_semaphore(value):
            return self.trip.of_module(self.form, path)
        return self.trip.met("global", None, (self.form, path), value) if is_static(value) else None

    def instance(self, fragment: Fragment, call: ast.Call) -> Any:
        """What is known of an object that is made by running no code of the user's; None of anything else."""
        path = dotted(call.func)
        try:
            cls: Any = None if path is None else self.form.resolve_dotted(path)
        except KeyError:
            return None
        if type(cls) is FunctionType and cls in PURSE_MAKERS:
            self.trip.record.classes = True
            return self.trip.instance(PURSE_MAKERS[cls], fragment)
        if is_kind(cls):
            pass
        elif manages_quietly(cls):
            if not self.manages(call):
                return None
        elif type(cls) is not type or cls.__module__ == "builtins" or not construction_is_pure(cls):
            return None
        self.trip.record.classes = True
        kind: Any = cls
        return self.trip.instance(kind, fragment)

    def manages(self, call: ast.Call) -> bool:
        """Whether a context manager of the standard library is given nothing but ordinary classes."""
        for arg in call.args:
            path = dotted(arg)
            given = None if path is None else resolved(self.form, path)
            if type(given) is not type or not issubclass(given, BaseException):
                return False
        return not call.keywords

    def part(self, node: ast.expr) -> Any:
        """What is known of a part of an expression."""
        if isinstance(node, ast.Constant):
            return self.trip.of(node.value)
        return self.types.get(node.id) if isinstance(node, ast.Name) else None

    # -- loops over objects that are known --------------------------------------------------------------

    def loop(self, instr: ir.For | ir.While | ir.Iteration) -> set[str]:
        things = self.elements(instr) if isinstance(instr, ir.For) else None
        if not things:
            return super().loop(instr)
        assert isinstance(instr, ir.For)
        paths = set[str]()
        outer = self.turns.get(instr)
        for thing in things:
            self.turns[instr] = thing
            paths |= super().loop(instr)
        if outer is None:
            del self.turns[instr]
        else:
            self.turns[instr] = outer
        return paths

    def elements(self, instr: ir.For) -> list[Any] | None:
        """What a loop goes over, one after the other, where that is known."""
        source = instr.source
        if not isinstance(source, str) or instr.unpack is not None or instr.makers.get(source) is not None:
            return None
        held: Any = self.types.get(source)
        return self.trip.elements(held, _ELEMENTS) if isinstance(held, Known) else None

    def item(self, instr: ir.For) -> set[str]:
        paths = super().item(instr)
        thing = self.turns.get(instr)
        if thing is not None:
            self.types[instr.item] = thing
        return paths


def _tells_of_a_failure(fragment: Fragment) -> bool:
    """Whether it is a step of a ``with`` that says what the body has failed with."""
    return ir.FAILURE in fragment.reads and isinstance(fragment.expr, (ast.Attribute, ast.Call))
