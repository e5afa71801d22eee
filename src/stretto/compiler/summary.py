"""What a region may still write, given what is known of the types of its names.

A region that is left behind gives every resource that it may write a token for what follows. The fewer, the
more overlaps: so this is worked out with the types that the names have when the region is left behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from types import FunctionType
from typing import Any, cast

from ..calls import BoundCall, Call
from ..effects import Kind
from ..engine.containers import Versioned
from ..engine.operands import argument_type, certain
from ..engine.printed import is_of_stream
from ..engine.slots import PENDING, Gen, Slot
from ..engine.tokens import EVERYTHING, HEAP, MAKES_TASKS, RUNS_TASKS, Tokens
from ..flows import Flow
from . import ir, known
from .coroutines import awaited_target, gives_coroutine
from .emit import bound_by
from .fragments import Fragment
from .functions import Compiled, form_of, is_static
from .generators import admitted
from .texts import has_text, shown_paths
from .types import CAUGHT, Never, T, Wrapper, either, method_call, of_class, of_value
from .types_fields import lasting, loose
from .types_results import element, looked, updated
from .verdicts import function_verdict

__all__ = ["Effect", "Summary", "bound_otherwise", "effect_of"]

_BOOL = of_value(True)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a region may write (``""`` covers all), and the types of the names that it binds, or of what the
    function returns (under ``return``) or yields (under ``yield``)."""

    paths: frozenset[str]
    types: dict[str, T | None]
    #: The fields of objects that it may change, where all of them are known: the storage that each is in (see
    #: `engine.memory`), the field, and the type that its value has then in any case, if it has one.
    changes: tuple[tuple[Any, Any, T | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """Stands among the types for a generator that the engine runs: what it may write, it does when it is gone
    over."""

    form: Compiled
    kinds: tuple[T | None, ...]

    cls = None
    firm = True
    lasting = True


_NEVER = T(Never)
_UNKNOWN = Effect(frozenset({EVERYTHING}), {})
#: Iterating these runs no code of anybody's.
_ITERABLE = frozenset({list, tuple, dict, set, frozenset, str, bytes, bytearray, range})


def effect_of(region: Any, frame: Any, tokens: Tokens | None, *, called: bool, begun: bool) -> Effect:
    """What is known of a region that is being left behind.

    `tokens` are those of where it stands. `begun` says that part of it has run: then the types that its names
    have now say nothing about the types that they had where it began, which is where this starts.
    """
    form: Compiled = frame.form
    if called:
        types = {
            name: None if name in form.rebound else loose(_type_of(frame.env.get(name)))
            for name in form.params
        }
        return _function(form, types, 0, set())
    env = frame.env
    met: list[T | None] = []
    for name in region.names:
        v = env.get(name)
        if isinstance(v, Slot) and v.value is PENDING:
            met.append(v.type)
        else:
            met.append(_type_of(v) if v is not None or name in env else None)
    kinds = tuple(certain(met, tokens))
    found: Effect | None = region.effects.get((begun, kinds))
    if found is None:
        types = dict(zip(region.names, kinds, strict=True))
        if begun:
            types.update(dict.fromkeys(bound_otherwise(region)))
        walk = Summary(form, types, 0, set())
        paths = frozenset(walk.instr(region))
        found = Effect(paths, {name: _outside(walk.types.get(name)) for name in region.binds})
        if len(region.effects) > 256:
            region.effects.clear()
        region.effects[begun, kinds] = found
    return found


def _type_of(v: Any) -> T | None:
    known = of_class(type(v))
    if known is not None:
        return known
    if isinstance(v, Slot):
        if v.value is PENDING:
            found: T | None = v.type
            return found
        v = v.value
    if isinstance(v, Versioned):
        return cast("T", argument_type(v))
    if isinstance(v, Gen):
        return cast("T", Made(v.form, v.kinds))
    return of_value(v)


def _function(form: Compiled, types: dict[str, T | None], depth: int, open_: set[Any]) -> Effect:
    key = ("function", tuple(types.items()))
    found: Effect | None = form.summaries.get(key)
    if found is not None:
        return found
    if form.bounds is not None:
        from .summary_bounds import paths_of  # late: it tells of effects

        return Effect(frozenset(paths_of(form.bounds)), {"return": form.bounds.type, "yield": None})
    if depth > 20:
        return _UNKNOWN
    if (form, key) in open_:
        open_.add("met")  # recursion adds nothing of its own; but what is worked out inside is not the whole
        return Effect(frozenset(), {})
    open_.add((form, key))
    walk = Summary(form, dict(types), depth, open_)
    paths = frozenset(walk.block(form.body))
    open_.discard((form, key))
    known = {"return": _one(walk.returns), "yield": _one(walk.yields)}
    found = Effect(paths, {name: None if "met" in open_ else kind for name, kind in known.items()})
    if "met" not in open_ or not any(entry != "met" for entry in open_):
        open_.discard("met")
        form.summaries[key] = found
    return found


def _one(kinds: list[T | None]) -> T | None:
    """The type that all of them have."""
    return _outside(kinds[0]) if len(set(kinds)) == 1 else None


def _outside(kind: T | None) -> T | None:
    """A type as it is known outside of the region."""
    return None if kind is CAUGHT else kind


class Summary:
    """A walk through the steps of a function: what they may write, by the types that its names have."""

    def __init__(self, form: Compiled, types: dict[str, T | None], depth: int, open_: set[Any]) -> None:
        self.form = form
        self.types = types
        self.depth = depth
        #: Functions that are being worked out further out.
        self.open = open_
        self.returns: list[T | None] = []
        self.yields: list[T | None] = []

    def block(self, block: ir.Block) -> set[str]:
        paths: set[str] = set()
        for instr in block:
            found = self.instr(instr)
            if found:
                paths |= found
                if EVERYTHING in found or HEAP in found:
                    self.types = {name: self.lasting(kind) for name, kind in self.types.items()}
        return paths

    def instr(self, instr: Any) -> set[str]:
        if isinstance(instr, ir.Run):
            return self.run(instr.fragment)
        if isinstance(instr, ir.Move):
            self.types[instr.target] = self.operand(instr.source)
            return set()
        if isinstance(instr, ir.Apply):
            return self.apply(instr)
        if isinstance(instr, ir.ValueRead):
            self.types[instr.target] = looked(self.kind(instr.source), instr.method)
            sure = self.form.values.get(instr.source) is not None
            if sure or instr.method == "copy" or instr.plain is None:
                return set()
            return self.run(instr.plain)
        if isinstance(instr, ir.NewValue):
            self.types[instr.target] = self.display(instr)
            return set()
        if isinstance(instr, ir.Update):
            held = self.kind(instr.target)
            self.types[instr.target] = updated(held, instr.method, list(map(self.kind, instr.args)))
            return set()
        if isinstance(instr, ir.Assign):
            return {EVERYTHING}
        if isinstance(instr, (ir.For, ir.While, ir.Iteration)):
            return self.loop(instr)
        if isinstance(instr, ir.If):
            paths = set[str]() if instr.check is None else self.instr(instr.check)
            before = dict(self.types)
            paths |= self.block(instr.then)
            after, self.types = self.types, before
            paths |= self.block(instr.orelse)
            self.types = {n: self.either(t, after[n]) for n, t in self.types.items() if n in after}
            return paths
        if isinstance(instr, ir.TryExcept):
            return self.guarded(instr)
        if isinstance(instr, ir.TryFinally):
            # a failure leaves it anywhere; what then is in a container that only grows is in it at the end
            other = bound_otherwise(instr)
            self.types.update(dict.fromkeys(other))
            paths = {path for block in ir.blocks(instr) for path in self.block(block)}
            self.types.update(dict.fromkeys(other))
            return paths
        if isinstance(instr, (ir.RunTasks, ir.EndTasks)):
            return {RUNS_TASKS}
        if isinstance(instr, ir.Task):
            return self.block(instr.body) - {MAKES_TASKS, RUNS_TASKS}
        if isinstance(instr, ir.Return):
            self.returns.append(self.operand(instr.source))
            return set()
        if isinstance(instr, ir.Yield):
            self.yields.append(self.operand(instr.source))
            if instr.target is not None:
                self.types[instr.target] = None
            return set()
        if isinstance(instr, (ir.Emit, ir.Resume)):
            self.types[instr.target] = None
            return {EVERYTHING}  # whoever goes over the flow does what it wants meanwhile
        if isinstance(instr, ir.Delegate):
            self.types[instr.target] = None
            return set()
        if isinstance(instr, ir.Match):
            if instr.name:
                self.types[instr.name] = CAUGHT
            return self.block(instr.body)
        return set()

    def lasting(self, found: T | None) -> T | None:
        """What is known of a value when anything may have been changed."""
        return lasting(found)

    def guarded(self, instr: ir.TryExcept) -> set[str]:
        """A ``try``: what follows it comes from the end of its body, or of a handler that does not leave."""
        before = dict(self.types)
        paths = self.block(instr.body)
        paths |= self.block(instr.orelse)
        after, self.types = self.types, before
        self.forget(instr)  # a handler starts anywhere in the body
        paths |= self.block(instr.handlers)
        if all(_leaves_for_good(i.body) for i in instr.handlers if isinstance(i, ir.Match)):
            self.types = after
        else:
            self.forget(instr)
        return paths

    def loop(self, instr: ir.For | ir.While | ir.Iteration) -> set[str]:
        if isinstance(instr, ir.Iteration):
            return self.block(instr.body)
        paths: set[str] = set()
        for _ in range(4):
            before = dict(self.types)
            if isinstance(instr, ir.For):
                paths |= self.item(instr)
            paths |= self.block(instr.body.body)
            self.types = {n: self.either(before.get(n, t), t) for n, t in self.types.items()}
            if self.types == before:
                break
        else:
            self.forget(instr)
            if isinstance(instr, ir.For):
                paths |= self.item(instr)
            paths |= self.block(instr.body.body)
            self.forget(instr)
        if any(isinstance(i, (ir.Break, ir.Continue, ir.Resume)) for i in ir.instructions(instr.body.body)):
            # it may be left, or begun again, with any of the types in between
            self.forget(instr)
            if isinstance(instr, ir.For):
                paths |= self.item(instr)
            paths |= self.block(instr.body.body)
            self.forget(instr)
        return paths | self.block(instr.orelse)

    def item(self, instr: ir.For) -> set[str]:
        """Bind what a loop goes over; going over an unknown object may do anything."""
        names = instr.unpack or (instr.item,)
        for name in (*names, instr.item):
            self.types[name] = None
        if instr.result is not None:
            self.types[instr.result] = None
        if isinstance(instr.source, ir.Pairs):
            paths: set[str] = set()
            width = len(instr.source.parts) if instr.source.kind == "zip" else 2
            if instr.source.kind in ("enumerate", "zip", "items"):
                self.types[instr.item] = T(tuple, (None,) * width)
            elif instr.source.kind in ("reversed", "islice") and not instr.source.nested:
                self.types[instr.item] = element(self.kind(ir.gone_over(instr.source)[0]))
            for leaf in ir.gone_over(instr.source):
                made = self.operand(leaf)
                if isinstance(made, Made):
                    paths |= self.generated(made)[0]
                elif self.wrapped(instr, leaf) is not None and instr.source.kind == "enumerate":
                    paths |= self.wrapped(instr, leaf) or set()
                elif not self.iterable(leaf) and self.stream(instr.makers.get(leaf)) is None:
                    return {EVERYTHING}
            return paths
        source = self.operand(instr.source)
        stream = self.stream(instr.makers.get(instr.source))
        if isinstance(source, Made):
            paths, kind = self.generated(source)
        elif stream is not None:
            paths, kind = set[str](), stream.items.type
        elif (beside := self.wrapped(instr, instr.source)) is not None:
            inner = self.kind(instr.source)
            paths, kind = beside, element(inner.args[0]) if inner is not None else None
        elif not self.iterable(instr.source):
            return {EVERYTHING}
        else:
            paths, kind = set[str](), element(self.kind(instr.source))
        if instr.unpack is None:
            self.types[instr.item] = kind
        elif kind is not None and kind.cls is tuple and len(kind.args) == len(instr.unpack):
            self.types.update(zip(instr.unpack, kind.args, strict=True))
        return paths

    def wrapped(self, instr: ir.For, source: ir.Operand) -> set[str] | None:
        """What going over a wrapper may write beside; None of what is none, or wraps what is unknown."""
        found = self.kind(source) if source in instr.makers else None
        if found is None or not issubclass(found.cls, Wrapper) or self.form.generator or self.form.is_async:
            return None
        inner = found.args[0] if found.args else None
        if inner is None or inner.cls not in _ITERABLE:
            return None
        return {r.root for r in found.cls.call.effects.writes}

    def generated(self, made: Made) -> tuple[set[str], T | None]:
        """What going over a generator may write, and the type of what it yields."""
        types = dict(zip(made.form.params, made.kinds, strict=True))
        found = _function(made.form, types, self.depth + 1, self.open)
        return set(found.paths), found.types.get("yield")

    def stream(self, maker: ir.Apply | None) -> Call[..., Any] | None:
        """The call that a loop takes its items from as they come: that has no effects."""
        if maker is None or not isinstance(maker.callee, ir.Load):
            return None
        try:
            callee = self.form.resolve_dotted(maker.callee.name)
        except KeyError:
            return None
        if isinstance(callee, BoundCall):
            callee = callee.call
        if not isinstance(callee, Call):
            return None
        found = cast("Call[..., Any]", callee)
        return found if found.streams and not found.changes else None

    def iterable(self, source: ir.Operand) -> bool:
        if isinstance(source, str) and self.form.values.get(source) is not None:
            return True
        found = self.kind(source)
        return found is not None and found.cls in _ITERABLE

    def called(self, form: Compiled, types: dict[str, T | None], instr: ir.Apply) -> set[str]:
        taken = frozenset(name for name, kind in types.items() if isinstance(kind, Made))
        if taken:
            if not taken <= admitted(form):
                return {EVERYTHING}  # ordinary generators, then
            form = form.taking(taken)
        if form.generator:
            if instr.target is not None and (instr.generates or instr.target in self.form.generators):
                kinds = tuple(None if n in form.rebound else types[n] for n in form.params)
                self.types[instr.target] = cast("Any", Made(form, kinds))
            return set()
        found = _function(form, types, self.depth + 1, self.open)
        if instr.target is not None:
            self.types[instr.target] = found.types.get("return")
        return set(found.paths)

    def either(self, one: T | None, other: T | None) -> T | None:
        """What is known of a value that is one or the other."""
        return one if one == other else either(one, other)

    def display(self, instr: ir.NewValue) -> T | None:
        """The type of a container that is made."""
        kind: T | None = T(instr.kind, (_NEVER, _NEVER) if instr.kind is dict else (_NEVER,))
        for key, item in zip_longest(instr.keys, instr.items):
            kind = updated(kind, "setitem", [self.kind(part) for part in (key, item) if part is not None])
        return kind

    def forget(self, region: ir.Region) -> None:
        for name in region.binds:
            self.types[name] = None

    def kind(self, source: ir.Operand) -> T | None:
        """The type of an operand, where it is known."""
        found = self.operand(source)
        return None if isinstance(found, Made) else found

    def quiet(self, source: ir.Operand) -> bool:
        """Whether making a text of an operand runs no code of the program's."""
        return has_text(self.kind(source))

    def operand(self, source: ir.Operand) -> T | None:
        if isinstance(source, str):
            return self.types.get(source)
        if isinstance(source, ir.Const):
            return of_value(source.value)
        return None

    def run(self, fragment: Fragment) -> set[str]:
        types = tuple([self.types.get(n) for n in fragment.reads])
        verdict = fragment.verdict(types)
        if verdict.pure:
            self.types.update(zip(fragment.binds, fragment.types_of(verdict), strict=True))
            return set()
        for name in fragment.binds:
            self.types[name] = None
        return {fragment.stores or HEAP} if fragment.plain_change(types) else {EVERYTHING}

    def given(self, call: Any, instr: ir.Apply) -> T | None:
        """The type of what a declared call gives."""
        if call.iterates is None:
            checker = call.checker if call.told is None else call.told(self.form.named(instr))
            found: T | None = checker.type
            return found if not call.here else loose(found)
        name, at = call.iterates
        args: list[ir.Operand] = [source for star, source in instr.args if not star]
        sources: list[ir.Operand] = [args[at]] if at < len(args) else []
        sources = sources or [source for named, source in instr.kwargs if named == name]
        inner = self.kind(sources[0]) if sources and len(args) == len(instr.args) else None
        return T(call.wrapper, (inner,))

    def apply(self, instr: ir.Apply) -> set[str]:
        if instr.target is not None:
            self.types[instr.target] = None
        if instr.through is not None:
            self.types[instr.through] = None
            return {EVERYTHING}
        if isinstance(instr.callee, ir.Load):
            try:
                callee = self.form.resolve_dotted(instr.callee.name)
            except KeyError:
                return {EVERYTHING}
        else:
            callee = method_call(self.operand(instr.callee))
            if callee is None:
                return {EVERYTHING}
        callee = awaited_target(callee)
        if isinstance(callee, BoundCall):
            callee = callee.call
        if type(instr) is not ir.Apply:
            asynchronous = is_static(callee) and gives_coroutine(callee)
            if isinstance(instr, ir.Made) and asynchronous:
                return set()  # a coroutine is made, and nothing runs
            if isinstance(instr, ir.Awaited) and not asynchronous:
                return {EVERYTHING}  # what it returns is awaited
        elif not isinstance(callee, Call) and gives_coroutine(callee):
            return {EVERYTHING}
        if isinstance(callee, Call):
            if not callee.holds([name for name, _ in instr.kwargs]):
                return {EVERYTHING}
            if instr.target is not None:
                self.types[instr.target] = self.given(callee, instr)
            effects = callee.effects
            if callee.streams and not callee.opens:
                return set()  # nothing of it runs before a loop goes over it
            if effects.kind is Kind.PLAIN:
                return {EVERYTHING}
            if callee.shows:
                return shown_paths(callee, instr, self.kind, self.quiet) or {EVERYTHING}
            own = {HEAP} if callee.changes_receiver else set[str]()
            return own | {r.root for r in (*effects.writes, *effects.commutes)}
        if instr.transforms:
            return set()
        stream = is_of_stream(callee)
        if stream is not None:
            return {stream}
        if isinstance(callee, FunctionType) and instr.simple:
            verdict = function_verdict(callee, tuple(self.kind(a) for _, a in instr.args))
            if verdict.pure:
                if instr.target is not None:
                    self.types[instr.target] = verdict.type
                return set()
        if isinstance(callee, (FunctionType, Flow)):
            form = form_of(callee)
            if form is not None and instr.simple and len(instr.args) == len(form.params) and not form.packed:
                given = [self.operand(a) for _, a in instr.args]
                return self.called(form, dict(zip(form.params, given, strict=True)), instr)
            if form is not None:
                return self.called(form, dict.fromkeys(form.params), instr)
        resource = known.recorded_resource(callee)
        if resource is not None and resource != "random":
            return set()
        return {EVERYTHING}


def bound_otherwise(region: ir.Region) -> set[str]:
    """The names that a region binds, and not only to the next version of a container: of that, the type at
    some time is one that it had before as well."""
    grows = {i.target for i in ir.instructions((region,)) if isinstance(i, ir.Update)}
    for i in ir.instructions((region,)):
        if not isinstance(i, ir.Update) and not grows.isdisjoint(own := bound_by(i)):
            grows -= own
    return set(region.binds - grows)


_LEAVES = (ir.Break, ir.Continue, ir.Return, ir.Raise, ir.Reraise, ir.Never)


def _leaves_for_good(block: ir.Block) -> bool:
    """Whether what stands behind a block never follows it."""
    return bool(block) and isinstance(block[-1], _LEAVES)
