"""Which plain functions are walked step by step, instead of being run as a whole.

A function that may come to a declared call is walked, so that its calls overlap. One that holds no call is
run natively, which is quickest. If it changes an object, though, running it as a whole is a write of
everything. So one that does nothing long, and sets attributes or changes containers (a method that notes
something in its own object), is walked as well: then each change is one of its own object. So is one that
does nothing but print, where it has no loop.
"""

from __future__ import annotations

from functools import partial
from inspect import CO_GENERATOR
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from ..calls import BoundCall, Call
from ..errors import UnsupportedConstruct
from ..flows import Flow
from . import ir, known
from .coroutines import awaited_target
from .known_objects import PLAIN_METACLASSES, class_attribute
from .relaxations import relaxed

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["glances", "may_call", "only_changes", "sets_up", "takes"]

#: Longer ones run natively.
_STEPS: Final = 40
#: Special methods that steps call.
_CALLED: Final = ("__call__", "__enter__", "__exit__", "__aenter__", "__aexit__")
_PLAIN: Final = (ir.Run, ir.Move, ir.Return, ir.If, ir.ValueRead, ir.NewValue, ir.Update)


def may_call(form: Compiled) -> bool:
    """Whether running a function may reach a call of the outside world."""
    from .functions import helper  # late: it asks this

    shows = loops = False
    for instr in ir.instructions(form.body):
        loops = loops or isinstance(instr, (ir.For, ir.While))
        if not isinstance(instr, ir.Apply):
            continue
        if not isinstance(instr.callee, ir.Load):
            return True
        try:
            callee = awaited_target(form.resolve_dotted(instr.callee.name))
        except KeyError:
            continue
        if type(callee) is partial:
            callee = callee.func
        if isinstance(callee, Call) and callee.shows:
            shows = True
        elif isinstance(callee, (Call, Flow, BoundCall)) or known.recorded_resource(callee) is not None:
            return True
        elif isinstance(callee, FunctionType):
            found = helper(callee)
            if found is not None and found.only_shows:
                shows = True
            elif found is not None and not found.changes:
                return True
    form.only_shows = shows and not loops
    return form.only_shows


def sets_up(init: FunctionType) -> bool:
    """Whether an ``__init__`` only sets attributes: it is walked where it would have to wait as a whole."""
    from .functions import compiled, users_own  # late: they ask this

    form = compiled(init) if relaxed("helpers") and users_own(init) else None
    if form is None or form.is_async:
        return False
    found: bool | None = form.summaries.get("sets up")
    if found is None:
        form.summaries["sets up"] = False  # one that makes another of its own goes on for long
        try:
            found = not may_call(form) and _changes(form)
        except UnsupportedConstruct:
            found = False
        form.summaries["sets up"] = found
    return found


def takes(init: FunctionType) -> bool:
    """Whether an ``__init__`` takes a number from a counter, say: as a whole it would change anything."""
    from .functions import compiled, users_own  # late: they ask this

    form = compiled(init) if relaxed("helpers") and users_own(init) else None
    if form is None:
        return False
    found: bool | None = form.summaries.get("takes")
    if found is None:
        try:
            found = any(isinstance(step, ir.Take) for step in ir.instructions(form.body))
        except UnsupportedConstruct:
            found = False
        form.summaries["takes"] = found
    return found


def glances(fn: FunctionType) -> Compiled | None:
    """The compiled form of a function that only looks at objects, in a few steps: it is walked where it would
    have to wait as a whole, so that each look waits for the changes of its own object."""
    from .functions import compiled, users_own  # late: they ask this

    form = compiled(fn) if relaxed("helpers") and users_own(fn) else None
    if form is None or form.is_async:
        return None
    found: bool | None = form.summaries.get("glances")
    if found is None:
        form.summaries["glances"] = False  # one that calls itself goes on for long
        try:
            found = not may_call(form) and _short(form)
        except UnsupportedConstruct:
            found = False
        form.summaries["glances"] = found
    return form if found else None


def only_changes(form: Compiled) -> bool:
    """Whether a function without calls changes objects, in a few steps and without a loop."""
    name = form.name
    if name.startswith("__") and name.endswith("__") and name not in _CALLED:
        return False  # nothing but code that is run as a whole calls it
    return _changes(form)


def _short(form: Compiled) -> bool:
    """Whether a function looks at attributes, in a few steps and without a loop."""
    if not relaxed("objects") or form.fn.__code__.co_flags & CO_GENERATOR or form.scope.cells:
        return False
    steps = list(ir.instructions(form.body))
    return (
        len(steps) <= _STEPS
        and all(isinstance(step, _PLAIN) for step in steps)
        and any(isinstance(step, (ir.LoadAttribute, ir.LoadSuper)) for step in steps)
    )


def _changes(form: Compiled) -> bool:
    from .functions import helper  # late: it asks this

    if not relaxed("objects") or form.fn.__code__.co_flags & CO_GENERATOR or form.scope.cells:
        return False
    steps = list(ir.instructions(form.body))
    if len(steps) > _STEPS:
        return False
    found = False
    for step in steps:
        if isinstance(step, ir.Apply):
            try:
                callee = form.resolve_dotted(step.callee.name) if isinstance(step.callee, ir.Load) else None
            except KeyError:
                return False
            if type(callee) is FunctionType:
                inner = helper(callee) is not None
            else:
                cls: Any = callee
                init = class_attribute(cls, "__init__") if type(cls) in PLAIN_METACLASSES else None
                inner = init is not None and type(init[1]) is FunctionType and sets_up(init[1])
            if not inner:
                return False
            found = True
        elif not isinstance(step, _PLAIN):
            return False
        elif isinstance(step, ir.Take) and step.method == "next" and step.source in form.scope.locals:
            return False  # of a generator, maybe, which goes when the function does
        elif isinstance(step, (ir.StoreAttribute, ir.Take)):
            found = True
        elif isinstance(step, ir.Run) and step.fragment.mutates is not None and step.fragment.may_change:
            found = True
    return found
