"""Nodes: operations that have been issued and have not finished.

A node is the slot of its own result. It waits for its operands, perhaps for tokens and for its turn, runs
(itself, or in the driver), and leaves the program order when it has ended well. One that has failed stays,
until everything older has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ..compiler.fragments import MISSING, Fragment
from ..compiler.guard import NeedsOrder, call_guarded
from ..compiler.relaxations import relaxed
from ..compiler.types import of_value
from ..compiler.types_fields import used_of
from ..compiler.verdicts import function_verdict
from ..effects import Kind
from .containers import Versioned
from .history import UNKNOWN, Change, Order
from .instructions import AWAIT, NATIVE
from .interpreted import awaited
from .slots import PENDING, UNBOUND, Slot, Waiter
from .tokens import Token

if TYPE_CHECKING:
    from ..calls import Call
    from .machine import Engine
    from .strands import Strand, Trace

__all__ = [
    "AwaitNode",
    "BuildNode",
    "CallNode",
    "FailedNode",
    "FragmentNode",
    "FunctionNode",
    "Node",
    "unbound",
]

#: The keyword arguments of a call without any, which nothing changes.
NO_KWARGS: dict[str, Any] = {}

WAITING, ORDERED, QUEUED, RUNNING, DONE, FAILED, DEAD = range(7)
STATES = ("waiting", "ordered", "queued", "running", "done", "failed", "dead")


def unbound(name: str) -> UnboundLocalError:
    return UnboundLocalError(f"cannot access local variable '{name}' where it is not associated with a value")


class Look:
    """That an operation looks at objects, some of which may be changed before its place."""

    __slots__ = ("all", "order", "replaced")

    def __init__(self, order: Order, all: list[Token]) -> None:
        self.order = order
        #: The tokens of all changes before it.
        self.all = all
        #: The containers in whose place versions were put, by their place among the operands.
        self.replaced: dict[int, Any] = {}

    def restore(self, values: list[Any]) -> None:
        for at, value in self.replaced.items():
            values[at] = value
        self.replaced.clear()


class Node(Slot):
    """An operation in flight."""

    __slots__ = (
        "ctx", "exc", "exc_context", "following", "lost", "missing", "place", "preceding", "purse", "site",
        "snap", "squashed", "state", "token", "trace",
    )  # fmt: skip

    # Set when it is placed in order; when it has failed; where it is under a handler.
    following: Any
    preceding: Any
    exc: BaseException | None
    #: Tokens of what this failure has squashed, and loops that it has ended: they are woken when it is
    #: handled.
    squashed: list[Any]
    #: The names that the handler would see.
    snap: dict[str, Any] | None

    #: Whether it stands in the way of a call that commutes: it may fail, or must be seen in order.
    steady = False
    #: Whether it runs as if from inside the handler: what it raises has the context that it has to have.
    native = False
    #: How the driver runs it, if it does.
    how = NATIVE

    def __init__(self, strand: Strand, trace: Trace | None, place: Any, site: str) -> None:
        # a slot's fields are set here: one call less for each operation
        self.value = PENDING
        self.type: Any = None
        self.waiters: Waiter | list[Waiter] | None = None
        self.open = False
        self.state = WAITING
        self.missing = 0
        self.trace = trace
        self.place = place
        self.site = site
        #: The exception that was being handled where it was issued.
        self.exc_context = strand.exc
        self.token: Token | None = None
        #: The budgets whose blocks it is in (see `reservations`).
        self.purse: tuple[Any, ...] | None = strand.purse
        #: The name of an operand that turned out not to be bound.
        self.lost: str | None = None
        ctx = self.ctx = strand.ctx
        if ctx is not None:
            ctx.pending += 1
            self.snap = strand.snapshot()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.site} {STATES[self.state]}>"

    @property
    def label(self) -> str:
        return self.site

    def wake(self, engine: Engine) -> None:
        """Something that it waits for has come."""
        self.missing -= 1
        if self.missing == 0 and self.state == WAITING:
            engine.ready.append(self)

    def await_tokens(self, tokens: list[Token]) -> None:
        for token in tokens:
            token.waiters.append(self)
        self.missing += len(tokens)

    def gather(self, values: list[Any]) -> bool:
        """Put results in the place of slots; wait for those that have not come. True when all are there."""
        complete = True
        for i, v in enumerate(values):
            if isinstance(v, Slot):
                if v.value is PENDING:
                    v.wait(self)
                    self.missing += 1
                    complete = False
                    continue
                if v.value is UNBOUND:
                    self.lost = getattr(v, "name", "?")
                v = values[i] = v.value
            if isinstance(v, Versioned):
                for slot in v.pending():
                    slot.wait(self)
                    self.missing += 1
                    complete = False
        return complete

    def see(
        self, engine: Engine, values: list[Any], look: Look, only: frozenset[int] | None = None,
        parts: Callable[[Any], Any] | None = None,
    ) -> bool:  # fmt: skip
        """Take operands as they are at the node's own place, whatever is still to be made of the objects.

        A container with changes to come is replaced by the version that they make of it, if no operand leads
        to the container itself; what cannot be replaced is waited for. True when nothing has to be. `only`
        are the places of operands that may be replaced; for `parts`, see `Memory.see`.
        """
        memory = engine.memory
        kept = {id(v) for v in look.replaced.values()}
        found: list[Any] = []
        changes: list[Change] = []
        for at, value in enumerate(values):
            seen = memory.see(value, look.order, kept, parts)
            if seen is UNKNOWN:
                look.restore(values)
                left = [t for t in look.all if not t.settled]
                self.await_tokens(left)
                return not left
            if only is not None and at not in only and seen is not value and not isinstance(seen, Change):
                seen = memory.changing(value, look.order)
            if isinstance(seen, Change):
                changes.append(seen)
            found.append(seen)
        if changes:
            look.restore(values)
            for change in changes:
                change.waiters.append(self)
            self.missing += len(changes)
            return False
        complete = True
        for at, seen in enumerate(found):
            if seen is not values[at]:
                look.replaced[at] = values[at]
                values[at] = seen
                for slot in seen.pending():
                    slot.wait(self)
                    self.missing += 1
                    complete = False
        return complete

    def proceed(self, engine: Engine) -> None:
        """Everything waited for has come."""
        raise NotImplementedError

    def oldest(self, engine: Engine) -> None:
        """It is the oldest unfinished operation, and was waiting to be."""
        raise NotImplementedError


class FailedNode(Node):
    """A failure that happened while issuing; it holds the place where it happened."""

    __slots__ = ("own_line",)

    def __init__(self, strand: Strand, trace: Trace | None, place: Any, site: str, own_line: bool) -> None:
        super().__init__(strand, trace, place, site)
        #: Whether the line in `trace` has to be added to the traceback (else it is there already).
        self.own_line = own_line


class CallNode(Node):
    """A call of the outside world."""

    __slots__ = ("args", "call", "kwargs", "look", "reservation")

    # set where it is made: a constructor of its own would cost as much as the rest
    look: Look | None
    #: In the block of a budget, what decides whether it fits (see `reservations`).
    reservation: Any
    call: Call[..., Any]
    args: list[Any]
    kwargs: dict[str, Any]

    @property
    def steady(self) -> bool:  # type: ignore[override]
        effects = self.call.effects
        return not self.call.fails and (effects.free or effects.kind is Kind.COMMUTES)

    def proceed(self, engine: Engine) -> None:
        complete = self.gather(self.args)
        if self.kwargs:
            values = list(self.kwargs.values())
            complete = self.gather(values) and complete
            self.kwargs = dict(zip(self.kwargs, values, strict=True))
        if not complete:
            return
        if self.lost is not None:
            engine.failed(self, unbound(self.lost))
            if self.reservation is not None:
                self.reservation.passed_by(engine)
            return
        if self.look is not None:
            first = 1 if self.call.fixed_receiver else 0
            count = len(self.args) - first
            both = [*self.args[first:], *self.kwargs.values()]
            complete = self.see(engine, both, self.look, parts=engine.memory.led_to)
            self.args[first:], named = both[:count], both[count:]
            if named:
                self.kwargs = dict(zip(self.kwargs, named, strict=True))
            if not complete:
                return
        for v in (*self.args, *self.kwargs.values()):
            if isinstance(v, Versioned):
                copies: dict[int, Any] = {}
                self.args = [by_value(v, copies) for v in self.args]
                self.kwargs = {k: by_value(v, copies) for k, v in self.kwargs.items()}
                break
        self.ready(engine)

    def ready(self, engine: Engine) -> None:
        """Its arguments are there, and are its own."""
        if self.reservation is None or self.reservation.lets(engine):
            self.go(engine)

    def go(self, engine: Engine) -> None:
        """It may start, when it is its turn."""
        if self.call.changes:
            self.state = ORDERED
            engine.in_order(self)
        else:
            engine.start(self)

    def oldest(self, engine: Engine) -> None:
        engine.memory.forget_classes()
        engine.start(self)


def by_value(value: Any, copies: dict[int, Any]) -> Any:
    if isinstance(value, Versioned):
        made = copies.get(id(value))
        if made is None:
            made = copies[id(value)] = value.copy()
        return made
    return value


class BuildNode(Node):
    """Makes something of its operands: a copy of a container, a tuple of arguments."""

    __slots__ = ("build", "values")

    def __init__(
        self, strand: Strand, trace: Any, place: Any,
        build: Callable[[list[Any]], Any], values: list[Any],
    ) -> None:  # fmt: skip
        super().__init__(strand, trace, place, "")
        self.build = build
        self.values = values

    def proceed(self, engine: Engine) -> None:
        if not self.gather(self.values):
            return
        if self.lost is not None:
            engine.failed(self, unbound(self.lost))
            return
        copies: dict[int, Any] = {}
        engine.finish(self, self.build([by_value(v, copies) for v in self.values]))


class PassNode(Node):
    """Passes one operand on as it is, if it is bound."""

    __slots__ = ("name", "source")

    def __init__(self, strand: Strand, trace: Any, place: Any, source: Slot, name: str) -> None:
        super().__init__(strand, trace, place, "")
        self.source = source
        self.name = name
        self.open = True

    def proceed(self, engine: Engine) -> None:
        if self.source.value is UNBOUND:
            engine.failed(self, unbound(self.name))
        else:
            engine.finish(self, self.source.value)


class FragmentNode(Node):
    """A fragment that waits for its operands or for its turn."""

    native = True
    __slots__ = ("cells", "fragment", "look", "outputs", "values")

    def __init__(
        self, strand: Strand, trace: Trace | None, place: Any,
        fragment: Fragment, values: list[Any], cells: Mapping[str, Any],
    ) -> None:  # fmt: skip
        super().__init__(strand, trace, place, fragment.text)
        self.fragment = fragment
        self.values = values
        self.cells = cells
        self.outputs: list[tuple[str, Slot]] = []
        self.look: Look | None = None

    def proceed(self, engine: Engine) -> None:
        if not self.gather(self.values):
            return
        values = self.values
        fragment = self.fragment
        if self.look is not None and not self.looked(engine, self.look):
            return
        for v in values:
            if v is UNBOUND and not fragment.soft:
                fragment = self.fragment = fragment.softened()
        # a change happens in its turn: what it is made from may be changed by others before it
        if fragment.mutates is None or not fragment.plain_change(tuple([of_value(v) for v in values])):
            copies: dict[int, Any] = {}
            given = [lent(v, fragment, copies) for v in values]
            try:
                result = attempt(fragment, given, self.cells, self.exc_context)
            except NeedsOrder as needed:
                # handled below: what fails there must not have this in its context
                if engine.needed_order is not None:
                    engine.needed_order(self, needed)
            except BaseException as error:
                engine.failed(self, error)
                return
            else:
                engine.finish(self, result)
                return
        self.state = ORDERED
        engine.in_order(self)

    def looked(self, engine: Engine, look: Look) -> bool:
        """Whether what it looks at is there, now that its operands are."""
        fragment = self.fragment
        verdict = fragment.verdict(tuple([of_value(v) for v in self.values]))
        if verdict.pure and not verdict.heap:
            return True
        # what is promised of fields is not known of the types that there are now; it was when it was issued
        sure = verdict.pure or self.token is None
        if sure and fragment.closed:
            changes = engine.memory.holds(self.values, look.order) if fragment.shallow else None
            if changes is None:
                return self.see(engine, self.values, look, fragment.looked, None if verdict.pure else used_of)
            self.await_tokens(list(changes))
            return not changes
        left = [t for t in look.all if not t.settled]
        self.await_tokens(left)
        return not left

    def oldest(self, engine: Engine) -> None:
        # it is run later than it is lent to: what it is given must be its own
        copies: dict[int, Any] = {}
        self.values = [MISSING if v is UNBOUND else by_value(v, copies) for v in self.values]
        types = tuple(of_value(v) for v in self.values)
        if self.fragment.plain_change(types):
            try:
                result = natively(self.fragment.native(self.cells), self.values, self.exc_context)
            except BaseException as error:
                engine.failed(self, error)
            else:
                engine.finish(self, result)
        else:
            engine.start(self)

    def keep_bound(self, error: BaseException) -> None:
        """Let the handler see what was bound before the failure, if it is in the same function."""
        ctx = self.ctx
        if ctx is None or self.snap is None or self.trace is None:
            return
        if ctx.depth == self.trace[4]:
            rebind(self.snap, self.fragment, error)

    def run(self) -> Any:
        """What the driver runs in the user's own thread."""
        values, self.values = self.values, []
        try:
            return natively(self.fragment.native(self.cells), values, self.exc_context)
        finally:
            values.clear()  # here, and not when nobody holds this frame any more


def rebind(env: dict[str, Any], fragment: Fragment, error: BaseException) -> None:
    """Bind what a fragment had bound when it failed: a handler in the same function sees it."""
    for name, value in fragment.bound_at(error).items():
        if value is MISSING:
            env.pop(name, None)
        else:
            env[name] = value


def lent(value: Any, fragment: Fragment, copies: dict[int, Any]) -> Any:
    """An operand as a fragment is given it: a value is copied (once) if the result may hold on to it."""
    if isinstance(value, Versioned):
        return by_value(value, copies) if fragment.keeps else value.borrow()
    return MISSING if value is UNBOUND else value


def attempt(
    fragment: Fragment, values: list[Any], cells: Mapping[str, Any], context: BaseException | None
) -> Any:
    """Run a fragment if nothing in it needs its turn; `NeedsOrder` otherwise."""
    if fragment.opaque or not (fragment.trivial or relaxed("purity")):
        raise NeedsOrder("it holds calls that cannot be taken apart", fragment.lineno)
    types = tuple([of_value(v) for v in values])
    if fragment.trivial or fragment.verdict(types).pure:
        return natively(fragment.native(cells), values, context)
    return natively(fragment.guarded(cells), values, context)


def natively(fn: Callable[..., Any], values: list[Any], context: BaseException | None) -> Any:
    """Call a function as if from inside the handler of `context`."""
    if context is None:
        return fn(*values)
    trace, outer = context.__traceback__, context.__context__
    try:
        raise context
    except BaseException:
        context.__traceback__ = trace
        context.__context__ = outer
        return fn(*values)


class FunctionNode(Node):
    """A call of something that is neither a declared call nor compiled."""

    native = True
    __slots__ = ("args", "fn", "guard", "kwargs", "reader", "resource")

    def __init__(
        self, strand: Strand, trace: Trace, place: Any, site: str,
        fn: Any, args: list[Any], kwargs: dict[str, Any], guard: bool, resource: str | None, reader: Any,
    ) -> None:  # fmt: skip
        super().__init__(strand, trace, place, site)
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        #: Whether it may turn out to need no order.
        self.guard = guard and relaxed("purity")
        #: What it reads, if it is a read that is recorded, and how.
        self.resource = resource
        self.reader = reader if resource is not None else None

    def proceed(self, engine: Engine) -> None:
        complete = self.gather(self.args)
        if self.kwargs:
            values = list(self.kwargs.values())
            complete = self.gather(values) and complete
            self.kwargs = dict(zip(self.kwargs, values, strict=True))
        if not complete:
            return
        copies: dict[int, Any] = {}
        self.args = [by_value(v, copies) for v in self.args]
        self.kwargs = {k: by_value(v, copies) for k, v in self.kwargs.items()}
        if self.lost is not None:
            engine.failed(self, unbound(self.lost))
            return
        if self.guard:
            try:
                result = self.guarded()
            except NeedsOrder as needed:
                if engine.needed_order is not None:
                    engine.needed_order(self, needed)
            except BaseException as error:
                engine.failed(self, error)
                return
            else:
                engine.finish(self, result)
                return
        self.state = ORDERED
        engine.in_order(self)

    def guarded(self) -> Any:
        if self.resource is not None:
            return self.call()
        if type(self.fn) is FunctionType and not self.kwargs:
            if function_verdict(self.fn, tuple([of_value(v) for v in self.args])).pure:
                return natively(self.fn, self.args, self.exc_context)
        return natively(lambda: call_guarded(self.fn, self.args, self.kwargs), [], self.exc_context)

    def oldest(self, engine: Engine) -> None:
        engine.start(self)

    def run(self) -> Any:
        """What the driver runs in the user's own thread."""
        return natively(self.call, [], self.exc_context)

    def call(self) -> Any:
        if self.reader is not None:
            return self.reader(self.place, self.site, self.fn, self.args, self.kwargs)
        # what nobody else holds goes when the call has ended, here and not on the engine's thread
        args, self.args = self.args, []
        return self.fn(*args, **self.kwargs)


class AwaitNode(FunctionNode):
    """Something that is awaited on the driver's event loop, in its turn: what `fn` returns, or, where that is
    `itself`, its argument."""

    __slots__ = ()

    how = AWAIT

    def outcome(self) -> Coroutine[Any, Any, Any]:
        """What the driver runs on the loop."""
        return awaited(self.fn, self.args, self.kwargs)
