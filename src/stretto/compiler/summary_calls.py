"""Calls in a walk that knows the objects of a region (see `summary_objects`): which function is called, and
what it is given."""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import contextlib
from functools import partial
from inspect import CO_GENERATOR
from types import FunctionType, MethodType
from typing import Any, Final, cast

from ..calls import BoundCall, Call
from ..declarations.bounds import Bounds
from ..declarations.registry import bounds_of, call_of
from ..drivers.coroutines import GONE, called
from ..drivers.tasks import Group, Task
from ..effects import Kind
from ..engine.history import ALL
from ..engine.printed import is_of_stream
from ..engine.slots import UNBOUND
from ..engine.tokens import MAKES_TASKS, RUNS_TASKS
from ..errors import UnsupportedConstruct
from ..flows import BoundFlow, Flow
from ..generator_flows import GeneratorFlow
from ..marks import PURSES
from . import ir, known
from .coroutines import awaited_target, called_by, gives_coroutine
from .functions import Compiled, compiled, helper, is_static, users_own
from .known_objects import (
    PLAIN_METACLASSES,
    SCALARS,
    class_attribute,
    construction_is_pure,
    is_plain_class,
    slots_safe,
)
from .semaphores import field_of, is_kind, is_way, passes, together
from .summary import Made, Summary
from .summary_bounds import storages_of
from .summary_fields import GivesUp, Known, Trip, joined, plain_type
from .summary_tasks import CANCELS, COMPLETES, ENTERS, GROUP, MAKES, RUNS, tasks_role
from .summary_views import HIDDEN, Shape, closed_over, resolved
from .texts import shown_paths
from .types import T, method_call, of_value
from .types_fields import lasting
from .verdicts import function_verdict

__all__ = ["Calls"]

_NONE: Final = of_value(None)
_TRUTH: Final = of_value(True)
#: So deep functions are followed.
_DEPTH: Final = 20


class _Given:
    """An argument on its way to the parameter that it is for."""

    __slots__ = ("known",)

    def __init__(self, known: Any) -> None:
        self.known = known


class Calls(Summary):
    """The part of the walk that knows calls."""

    def __init__(
        self, form: Compiled, types: dict[str, Any], depth: int, open_: set[Any], trip: Trip
    ) -> None:
        super().__init__(form, types, depth, open_)
        self.trip = trip
        #: What is known of semaphores under names of functions around.
        self.around: dict[str, Any] = {}
        #: The objects that loops are at.
        self.turns: dict[ir.For, Any] = {}

    def kind(self, source: ir.Operand) -> T | None:
        return plain_type(self.operand(source))

    def operand(self, source: ir.Operand) -> Any:
        if isinstance(source, ir.Const):
            if source.value is self.form.namespace:
                return self.trip.met("module", None, self.form, source.value)
            return self.trip.of(source.value)
        return super().operand(source)

    def quiet(self, source: ir.Operand) -> bool:
        found: Any = self.operand(source)
        if not isinstance(found, Known):
            return super().quiet(source)
        self.trip.record.classes = True
        cls = type(found.thing) if found.cls is None else found.cls
        return is_plain_class(cls) or slots_safe(cls, "__str__", "__repr__")

    def lasting(self, found: Any) -> Any:
        return found if isinstance(found, (Known, Made)) else lasting(found)

    def either(self, one: Any, other: Any) -> Any:
        return joined(one, other)

    def result(self, form: Compiled) -> Any:
        """What is known of what the function returns."""
        returns: list[Any] = list(self.returns)
        if not _ends(form.body):
            returns.append(self.trip.of(None))
        found = returns[0] if returns else None
        for other in returns[1:]:
            found = joined(found, other)
        return found

    # -- calls ------------------------------------------------------------------------------------------

    def apply(self, instr: ir.Apply) -> set[str]:
        if instr.through is not None:
            raise GivesUp  # whoever goes over the flow does what it wants meanwhile
        callee: Any
        if isinstance(instr, ir.Await) and self.is_task(instr):
            return self.tasks(instr, RUNS, [])
        callee, given, named = self.callee(instr)
        if instr.target is not None:
            self.types[instr.target] = None
        if isinstance(instr, ir.Awaited) and together():
            if passes(callee):
                return self.passage(instr, callee)
            if given and type(callee) is FunctionType and is_way(callee) and is_kind(given[0].cls):
                self.trip.touched = True
                return set()
        if role := tasks_role(callee):
            return self.tasks(instr, role, given)
        if type(instr) is not ir.Apply:
            callee = awaited_target(callee)
            asynchronous = is_static(callee) and gives_coroutine(callee)
            if isinstance(instr, ir.Made) and asynchronous:
                return self.coroutine(instr, callee, given)
            if not isinstance(instr, ir.Made) and not asynchronous:
                raise GivesUp  # what it returns is awaited
        elif gives_coroutine(callee):
            behind = callee.func if type(callee) is partial else callee
            if not isinstance(behind, (Call, BoundCall)):
                raise GivesUp
        named.update({name: self.operand(source) for name, source in instr.kwargs if name is not None})
        spread = any(name is None for name, _ in instr.kwargs) or any(star for star, _ in instr.args)
        given += [self.operand(source) for _, source in instr.args]
        if type(callee) is partial:
            lost = partial(self.trip.met, "", None, None)
            given[:0] = map(lost, callee.args)
            named = {**{name: lost(value) for name, value in callee.keywords.items()}, **named}
            callee = callee.func
        if isinstance(callee, BoundCall):
            callee = callee.call
        if isinstance(callee, Call):
            return self.declared(instr, callee)
        if instr.transforms:
            return set()
        stream = is_of_stream(callee)
        if stream is not None:
            return {stream}
        if isinstance(callee, BoundFlow):
            given.insert(0, self.trip.met("", None, None, callee.instance))
            callee = callee.flow
        elif type(callee) is MethodType:
            bound = self.trip.known.get(id(callee))
            given.insert(0, self.trip.met("self", bound, None, callee.__self__))
            callee = callee.__func__
        elif type(callee) in PLAIN_METACLASSES:
            return self.made(instr, cast("type", callee), given, named, spread)
        elif type(callee) is not FunctionType and not isinstance(callee, Flow):
            runs = called_by(callee)
            if runs is not None:
                self.trip.record.classes = True
                given.insert(0, self.trip.of(callee))
                callee = runs
        if isinstance(callee, GeneratorFlow):
            raise GivesUp  # what it changes, it changes when it is gone over
        if isinstance(callee, Flow):
            form = compiled(callee.fn)
            callee = callee.fn
        elif type(callee) is FunctionType:
            if callee.__code__.co_flags & CO_GENERATOR:
                raise GivesUp  # what it changes, it changes when it is gone over
            if not named and not spread:
                verdict = function_verdict(callee, tuple(map(plain_type, given)))
                if verdict.pure:
                    if instr.target is not None:
                        self.types[instr.target] = verdict.type
                    return set()
            if call_of(callee) is not None:
                raise GivesUp
            # what it changes is the same where it is run as a whole
            form = helper(callee) or (compiled(callee) if users_own(callee) else None)
        else:
            form = None
        if form is None:
            bounds = bounds_of(callee)
            if bounds is None:
                return self.foreign(instr, callee, given)
            if (bounds.own or bounds.held) and given and isinstance(given[0], Known) and given[0].fresh:
                raise GivesUp  # it is changed later, and may be looked at where the region has ended
            return self.bounded(bounds, given)
        found = self.walked(
            form, self.parameters(form, callee, given, named, spread), self.around_of(form, callee)
        )
        if instr.target is not None:
            self.types[instr.target] = found[1]
        return set(found[0])

    def passage(self, instr: ir.Apply, way: Any) -> set[str]:
        """The way into a semaphore, or out of one."""
        held = self.trip.met("self", self.trip.known.get(id(way)), None, way.__self__)
        self.trip.store(held, field_of(way.__self__), None)
        if instr.target is not None:
            self.types[instr.target] = self.trip.of(None)
        return set()

    def is_task(self, instr: ir.Await) -> bool:
        """Whether what is awaited is a task."""
        found: Any = self.operand(instr.callee)
        kind = plain_type(found)
        return (isinstance(found, Known) and type(found.thing) is Task) or (
            kind is not None and kind.cls is Task
        )

    def tasks(self, instr: ir.Apply, role: str, given: list[Any]) -> set[str]:
        """A call that has to do with tasks."""
        result: Any = None
        paths = set[str]()
        if role == GROUP:
            result = self.trip.instance(Group, instr)
        elif role == ENTERS:
            result = given[0] if given else self.operand(instr.callee)
        elif role == MAKES:
            if not instr.args or instr.args[0][0]:
                raise GivesUp
            paths = self.apply(ir.Await(instr.lineno, callee=instr.args[0][1])) | {MAKES_TASKS}
            result = T(Task)
        elif role == COMPLETES:
            raise GivesUp  # what it is given may be anything
        elif role == RUNS:
            paths = {RUNS_TASKS}
            result = None if isinstance(instr, ir.Await) else self.trip.of(None)
        elif role == CANCELS:
            paths = {MAKES_TASKS}
        if instr.target is not None:
            self.types[instr.target] = result
        return paths

    def callee(self, instr: ir.Apply) -> tuple[Any, list[Any], dict[str, Any]]:
        """What is called, and what it is given first, and by name."""
        if isinstance(instr, ir.Await):
            return self.awaited(instr)
        if isinstance(instr.callee, ir.Load):
            path = instr.callee.name
            value = resolved(self.form, path)
            if value is HIDDEN:
                raise GivesUp
            if is_of_stream(value) is not None:
                return value, [], {}  # another object each time
            self.trip.met("global", None, (self.form, path), value)
            return value, [], {}
        found: Any = self.operand(instr.callee)
        declared = method_call(plain_type(found))
        if declared is not None:
            return declared, [], {}
        if not isinstance(found, Known):
            raise GivesUp
        if found.method is not None:
            return found.method[0], [found.method[1]], {}
        if found.fresh:
            raise GivesUp
        return call_of(found.thing) or found.thing, [], {}

    def coroutine(self, instr: ir.Made, callee: Any, given: list[Any]) -> set[str]:
        """A coroutine is made, and nothing runs."""
        if instr.target is not None and instr.simple:
            made = Known(None, None, True)
            made.call = (callee, (*given, *(self.operand(source) for _, source in instr.args)), {})
            bound: dict[str, Any] = self.types
            bound[instr.target] = made
        return set()

    def awaited(self, instr: ir.Await) -> tuple[Any, list[Any], dict[str, Any]]:
        """What a coroutine calls that is awaited, where it has not begun."""
        found: Any = self.operand(instr.callee)
        if not isinstance(found, Known):
            raise GivesUp
        if found.call is None:
            what = called(found.thing)
            if what is None:
                raise GivesUp
            fn, args, kwargs = what
            met = self.trip.met
            met("called", found, "fn", fn)
            met("called", found, "shape", Shape(args, kwargs))
            given = [self.argument(found, i, v) for i, v in enumerate(args)]
            return fn, given, {name: self.argument(found, (name,), v) for name, v in kwargs.items()}
        return found.call[0], list(found.call[1]), dict(found.call[2])

    def argument(self, held: Known, at: Any, value: Any) -> Any:
        return self.trip.met("called", held, at, UNBOUND if value is GONE else value)

    def declared(self, instr: ir.Apply, call: Call[..., Any]) -> set[str]:
        if call.changes_receiver or not call.holds([name for name, _ in instr.kwargs]):
            raise GivesUp
        effects = call.effects
        if instr.target is not None:
            self.types[instr.target] = self.given(call, instr)
        if call.shows:
            paths = shown_paths(call, instr, self.kind, self.quiet)
            if paths is None:
                raise GivesUp
            return paths
        if call.streams and not call.opens:
            return set()  # nothing of it runs before a loop goes over it
        if effects.kind is Kind.PLAIN:
            raise GivesUp
        return {r.root for r in (*effects.writes, *effects.commutes)}

    def foreign(self, instr: ir.Apply, callee: Any, given: list[Any]) -> set[str]:
        """A call of what is neither declared nor has steps."""
        if callee is object.__init__:
            return set()
        if type(callee) is FunctionType:
            managed = _foreign_manager(callee, given)
            if managed is not None:
                if str(instr.target).startswith("__t"):
                    self.types[str(instr.target)] = managed
                return set()
        resource = known.recorded_resource(callee)
        if resource is None or resource == "random":
            raise GivesUp
        return set()

    def bounded(self, bounds: Bounds, given: list[Any]) -> set[str]:
        """A call of a function of which it is declared what it changes at most."""
        trip = self.trip
        trip.touched = True
        if bounds.own or bounds.held:
            held = given[0] if given else None
            if not isinstance(held, Known):
                raise GivesUp
            if not held.fresh:
                storages = storages_of(bounds, held.thing, trip.memory)
                if storages is None:
                    raise GivesUp
                trip.record.lost = True
                for storage in storages:
                    trip.change(held, ALL, storage)
        return set(bounds.paths)

    def made(
        self, instr: ir.Apply, cls: type, given: list[Any], named: dict[str, Any], spread: bool
    ) -> set[str]:
        """An object is made, which nobody else can see."""
        init = class_attribute(cls, "__init__")
        new: Any = cls.__new__
        if class_attribute(cls, "__del__") is not None:
            raise GivesUp
        if issubclass(cls, BaseException) and construction_is_pure(cls):
            return set()
        self.trip.record.classes = True
        held = self.trip.instance(cls, instr)
        paths = frozenset[str]()
        bound: dict[str, Any] = self.types
        bounds = bounds_of(cls)
        if bounds is not None:
            if instr.target is not None:
                bound[instr.target] = held
            return self.bounded(bounds, [held])
        if new is not object.__new__ or init is None:
            raise GivesUp
        if not construction_is_pure(cls):
            fn = init[1]
            form = compiled(fn) if type(fn) is FunctionType and users_own(fn) else None
            if form is None or form.is_async or form.generator:
                raise GivesUp
            paths, _ = self.walked(form, self.parameters(form, fn, [held, *given], named, spread))
        if instr.target is not None:
            bound[instr.target] = held
        return set(paths)

    def parameters(
        self, form: Compiled, fn: Any, given: list[Any], named: dict[str, Any], spread: bool
    ) -> dict[str, Any]:
        """What is known of the parameters of a function that is called like this."""
        if spread:
            return dict.fromkeys(form.params)
        if len(given) == form.simple_arity and not named:
            return dict(zip(form.params, given, strict=True))
        args = [_Given(one) for one in given]
        kwargs = {name: _Given(one) for name, one in named.items()}
        try:
            found = form.binder(fn)(*args, **kwargs)
        except TypeError:
            raise GivesUp from None  # so it will fail
        return {
            name: None
            if name in form.packed
            else (value.known if type(value) is _Given else self.default(value))
            for name, value in found.items()
        }

    def default(self, value: Any) -> Any:
        """What is known of a default, which is one object for all calls."""
        if type(value) in SCALARS:
            return self.trip.of(value)
        return self.trip.met("", None, None, value)

    def around_of(self, form: Compiled, fn: Any) -> dict[str, Any]:
        """What is known of the semaphores that a function finds under names of functions around it."""
        held = self.trip.known.get(id(fn))
        return {
            name: self.trip.met("closure", held, name, found)
            for name, found in closed_over(fn).items()
            if name not in form.declared
        }

    def walked(
        self, form: Compiled, types: dict[str, Any], around: dict[str, Any] | None = None
    ) -> tuple[frozenset[str], Any]:
        """What a function may write that is given this, and what it returns."""
        trip = self.trip
        if form.bounds is not None:
            held: Any = types[form.params[0]] if form.params else None
            return frozenset(self.bounded(form.bounds, [held])), form.bounds.type
        key = (form, tuple(types.values()), tuple((around or {}).values()))
        found = trip.done.get(key)
        if found is not None:
            return found
        if key in trip.walking:
            return frozenset(), None  # recursion adds nothing of its own
        if self.depth > _DEPTH:
            raise GivesUp
        trip.walking.add(key)
        inner = type(self)(form, types, self.depth + 1, self.open, trip)
        inner.around = around or {}
        try:
            paths = frozenset(inner.block(form.body))
        except UnsupportedConstruct:
            raise GivesUp from None
        trip.walking.discard(key)
        found = trip.done[key] = paths, inner.result(form)
        return found


def _foreign_manager(callee: Any, given: list[Any]) -> T | None:
    """What a method of a context manager of the standard library returns that changes nothing; else None."""
    held = given[0] if given else None
    if not isinstance(held, Known):
        return None
    kind: Any = type(held.thing) if held.cls is None else held.cls
    if kind in PURSES:
        return T(kind) if callee is kind.__enter__ else _NONE if callee is kind.__exit__ else None
    if kind is contextlib.nullcontext:
        return _NONE if callee is kind.__exit__ else None
    if kind is contextlib.suppress and callee in (kind.__enter__, kind.__exit__):
        # one that is made in the region is given classes alone
        plain = held.cls is not None or all(type(cls) is type for cls in held.thing._exceptions)
        return _TRUTH if plain else None
    return None


def _ends(block: ir.Block) -> bool:
    """Whether a block never runs to its end."""
    last = block[-1] if block else None
    if isinstance(last, ir.If):
        return _ends(last.then) and _ends(last.orelse)
    return isinstance(last, (ir.Return, ir.Raise, ir.Reraise, ir.Never))
