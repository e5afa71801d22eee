"""The compiled form of a function: a tree of regions whose leaves are operations.

Expressions are in A-normal form: every operand is an `Operand`, and only a `Fragment` holds Python
code. Regions are what may be split off and left behind when they wait for a value (see
`stretto.engine.strands`): the engine needs to know which names they may bind and whether they can end
otherwise than normally.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .passing import MAKERS

if TYPE_CHECKING:
    from .fragments import Fragment

__all__ = [
    "FAILURE",
    "Apply",
    "Assign",
    "Await",
    "Awaited",
    "Block",
    "Break",
    "CheckGroups",
    "Close",
    "Collect",
    "Const",
    "Continue",
    "Delegate",
    "Delete",
    "Emit",
    "EndTasks",
    "Finished",
    "For",
    "If",
    "Instr",
    "Iteration",
    "Later",
    "Load",
    "LoadAttribute",
    "LoadSuper",
    "LookUp",
    "Made",
    "Match",
    "Move",
    "Never",
    "NewValue",
    "Noted",
    "Operand",
    "Pairs",
    "Raise",
    "RaiseFirst",
    "Recorded",
    "Region",
    "Reraise",
    "Resume",
    "Return",
    "Run",
    "RunTasks",
    "StarDone",
    "StarEnd",
    "StarMatch",
    "StarNoted",
    "StoreAttribute",
    "Take",
    "Task",
    "Throw",
    "TryExcept",
    "TryFinally",
    "Unraisable",
    "Update",
    "ValueRead",
    "While",
    "Yield",
    "instructions",
    "leaves",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """An operand known when the function is compiled."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """An operand that is a global or free variable, looked up when the operation is issued."""

    name: str
    free: bool = False
    #: The name itself, and the attributes looked up on what it is bound to.
    first: str = field(init=False)
    rest: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        first, *rest = self.name.split(".")
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "rest", tuple(rest))


#: A local name, a constant, or a global.
Operand = str | Const | Load

Block = tuple["Instr", ...]

#: The name under which the steps of a ``with`` that leave on a failure find it.
FAILURE = "__failure"


@dataclass(slots=True, eq=False)
class Instr:
    """One step of a block. `lineno` is the user's line; `within` are the frames of comprehensions and lambdas
    that it runs in, each with the line of the frame around it."""

    lineno: int
    within: tuple[tuple[str, int], ...] = field(default=(), kw_only=True)


@dataclass(slots=True, eq=False)
class Region(Instr):
    """A step with steps inside, which can be left behind as a unit while what follows it goes on.

    Attributes:
        binds: the local names that it may bind or delete.
        joinable: it can only end normally (or by a failure), so what follows may be issued.
        label: its part of the place of what is inside.
        names: what it reads or binds that may have been bound before it.
        alone: a block of nothing but this region.
        effects: what it may write, by the types of `names` (see `stretto.compiler.summary`).
        advances: the names of generators that it may go on with (see `stretto.engine.generators`).
        takes: the temporaries that a loop goes over, or a call is given; nobody else needs them once it has
            begun.
    """

    label: str = ""
    binds: frozenset[str] = frozenset()
    joinable: bool = False
    unbinds: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    alone: Block = ()
    effects: dict[Any, Any] = field(default_factory=dict[Any, Any])
    advances: frozenset[str] = frozenset()
    takes: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Run(Instr):
    """Run a fragment of the user's own code."""

    fragment: Fragment


@dataclass(slots=True, eq=False)
class LoadAttribute(Run):
    """``target = source.name`` of a local name. Where it is a property, its function is called as in
    `access`."""

    target: str
    source: str
    name: str
    access: Apply


@dataclass(slots=True, eq=False)
class LoadSuper(Run):
    """``target = super(__class__, source).name`` of a local name."""

    target: str
    source: str
    name: str
    access: Apply


@dataclass(slots=True, eq=False)
class LookUp(Run):
    """``target = lookup(source)``: a special method of a context manager (see `managers`)."""

    target: str
    source: str
    lookup: Callable[[Any], Any]


@dataclass(slots=True, eq=False)
class StoreAttribute(Run):
    """``source.name = value`` of a local name."""

    source: str
    name: str
    value: Operand
    access: Apply


@dataclass(slots=True, eq=False)
class Take(Run):
    """``target = next(source)`` of a counter, or ``target = source.pop(...)`` of a list, perhaps with an
    index: `method` says which."""

    target: str
    source: Operand
    method: str
    index: int = -1


@dataclass(slots=True, eq=False)
class Move(Instr):
    """Bind a name to what another operand is bound to, ready or not."""

    target: str
    source: Operand


@dataclass(slots=True, eq=False)
class Assign(Instr):
    """Set a variable that nested functions see (a cell): done in order, as the oldest operation."""

    target: str
    source: str


@dataclass(slots=True, eq=False)
class Later(Instr):
    """Steps of the top level of a script, which are known once all that stands before them has been done."""

    steps: Callable[[], Block]


@dataclass(slots=True, eq=False)
class Delete(Instr):
    """Unbind a name."""

    target: str


@dataclass(slots=True, eq=False)
class Apply(Region):
    """Call something: an operation, a compiled function, or code that nobody knows.

    `args` holds ``(star, operand)``: star is 0 for an argument, 1 for ``*operand``; `kwargs` holds
    ``(name, operand)``, the name None for ``**operand``.
    """

    target: str | None = None
    callee: Operand = ""
    args: tuple[tuple[int, Operand], ...] = ()
    kwargs: tuple[tuple[str | None, Operand], ...] = ()
    simple: bool = True
    #: The target may be bound to a container that is a value.
    keep: bool = False
    #: The target, a temporary, may be bound to a generator that the engine runs.
    generates: bool = False
    #: So may one of the arguments.
    lends: bool = False
    text: str = ""
    #: For a call of a flow with a timeout: the region that its clock runs for, and whether this is inside it.
    timed: TryExcept | None = None
    under_clock: bool = False
    #: A ``yield from`` of a flow goes over it; this name says whether it runs as a part of the flow.
    through: str | None = None
    #: It makes a stream of a stream, of which nothing runs yet.
    transforms: bool = False


@dataclass(slots=True, eq=False)
class Awaited(Apply):
    """``await f(...)``. `apart` is the same as a call, and an `Await` of what it returns: for functions that
    are not async and yet return something to be awaited."""

    apart: Block = ()


@dataclass(slots=True, eq=False)
class Made(Apply):
    """A call in an ``async def`` that is not awaited where it stands: of an async function it makes a
    coroutine, and runs nothing."""


@dataclass(slots=True, eq=False)
class Await(Apply):
    """``await`` of anything else than a call, which is in `callee`: a coroutine is called by that. `kept`: a
    failure of it is raised by another step. `again`: it may have to be issued again."""

    kept: bool = False
    again: bool = False


@dataclass(slots=True, eq=False)
class If(Region):
    """Choose a block. The test is a name that holds a bool or something whose truth is asked.

    A `check` is the step that binds the test. As a part of the region, it is left behind with it: what waits
    is one thing, not two. `decided` is the same region without it.
    """

    test: Operand = ""
    then: Block = ()
    orelse: Block = ()
    check: Run | None = None
    decided: If | None = None


@dataclass(slots=True, eq=False)
class Iteration(Region):
    """One turn of a loop: what the next turn need not wait for."""

    body: Block = ()


@dataclass(slots=True, eq=False)
class Pairs:
    """What a loop iterates over, when that is made of several parts.

    `kind` is ``enumerate``, ``zip``, ``items``, ``values`` or ``keys``, or one of `passing.MAKERS`. `start`
    is where ``enumerate`` begins to count; `strict` says whether ``zip`` fails where one part is shorter than
    another; `given` is what it is given and does not go over.
    """

    kind: str
    parts: tuple[Operand | Pairs, ...]
    start: int = 0
    strict: bool = False
    given: tuple[Operand, ...] = ()
    #: Where it is made, and where each of its parts, and of what else it is given, stands.
    lineno: int = 0
    lines: tuple[int, ...] = ()

    @property
    def nested(self) -> bool:
        """Whether a row may be made of rows."""
        return any(isinstance(part, Pairs) for part in self.parts)

    @property
    def passes(self) -> bool:
        """Whether it only passes on what is in its parts, one after the other or otherwise."""
        return self.kind in MAKERS

    @property
    def exacting(self) -> bool:
        """Whether it has to be made as a whole: there is a strict ``zip`` in it, or what is no ``zip``."""
        own = self.strict or self.passes
        return own or any(isinstance(part, Pairs) and part.exacting for part in self.parts)


@dataclass(slots=True, eq=False)
class For(Region):
    """``for target in source``. The turn binds `item`; unpacking is the first step of its body."""

    source: Operand | Pairs = ""
    item: str = ""
    #: The outermost of a comprehension: what it goes over is asked for its iterator in the frame around.
    outermost: bool = False
    #: Then this step as the frame around has it; made when it is first needed.
    outside: For | None = None
    #: Simple targets, bound without a fragment where the item is a tuple of this length.
    unpack: tuple[str, ...] | None = None
    body: Iteration = field(default_factory=lambda: Iteration(0))
    orelse: Block = ()
    #: Of the names that it goes over, those that a call right before it binds and nothing else uses.
    makers: dict[Any, Apply] = field(default_factory=dict[Any, "Apply"])
    #: It is a ``yield from``, whose value goes by this name.
    result: str | None = None
    #: For a generator that has to be closed: the region that does so, and whether this is inside it.
    closer: TryFinally | None = None
    under_closer: bool = False


@dataclass(slots=True, eq=False)
class While(Region):
    """``while``: the steps of the test, the test, and the body are one turn."""

    body: Iteration = field(default_factory=lambda: Iteration(0))
    orelse: Block = ()


@dataclass(slots=True, eq=False)
class TryExcept(Region):
    """`handlers` is one block: steps that work out a type, `Match`, and so on, and a `Reraise`."""

    body: Block = ()
    handlers: Block = ()
    orelse: Block = ()


@dataclass(slots=True, eq=False)
class Match(Instr):
    """In a handler: if the failure matches, bind it, run the body, and leave the handlers."""

    type: Operand | None
    name: str | None
    body: Block


@dataclass(slots=True, eq=False)
class StarMatch(Match):
    """The same of ``except*``: if a part of the failure matches, bind that, run the body, and go on with the
    rest. The body is a ``try`` that notes what it fails with (`StarNoted`), and a `StarDone`."""


@dataclass(slots=True, eq=False)
class StarNoted(Instr):
    pass


@dataclass(slots=True, eq=False)
class StarDone(Instr):
    """The end of an ``except*``: `name` is what the failure was bound to."""

    name: str | None


@dataclass(slots=True, eq=False)
class TryFinally(Region):
    """``try: body finally: final``. With `leave`, it is a ``with``: `final` runs only where the body did
    not fail, and `leave` where it did. `manager` names what
    is entered; of an ``async with``, `way_out` what is called there."""

    body: Block = ()
    final: Block = ()
    leave: Block | None = None
    way_out: str | None = None
    manager: str | None = None


@dataclass(slots=True, eq=False)
class Break(Instr):
    """Leave a loop; `done` if it has run to its end, so that its ``else`` runs."""

    done: bool = False


@dataclass(slots=True, eq=False)
class Continue(Instr):
    pass


@dataclass(slots=True, eq=False)
class Return(Instr):
    source: Operand


@dataclass(slots=True, eq=False)
class Yield(Instr):
    """Leave a generator for a while, with a value."""

    target: str | None
    source: Operand


@dataclass(slots=True, eq=False)
class Emit(Instr):
    """A ``yield`` of a flow: a value leaves for whoever goes over the flow, in its turn, and what is sent
    comes back. With `held`, it is that of a ``yield from``: it ends the loop that it is in where nothing is
    left, and the value of the ``yield from`` goes by the name `target`."""

    target: str
    source: Operand
    held: str | None = None


@dataclass(slots=True, eq=False)
class Delegate(Instr):
    """Begin a ``yield from`` of a flow: what is gone over is held under the name `target`. Where the name
    `through` says so, all of it has been gone over, and `source` is the value."""

    target: str
    source: Operand
    through: str | None = None


@dataclass(slots=True, eq=False)
class Resume(Instr):
    """Go on with what a ``yield from`` goes over; its next item goes by the name `target`."""

    target: str
    held: str


@dataclass(slots=True, eq=False)
class Close(Instr):
    """Close the generator that a name holds, if it is neither done nor unstarted. What it then raises is
    reported and ignored, as where a generator dies; `loud`: it is raised, as by ``yield from``."""

    name: str
    loud: bool = False
    region: TryExcept | None = None


@dataclass(slots=True, eq=False)
class Throw(Instr):
    """Raise this where the generator is."""

    error: BaseException


@dataclass(slots=True, eq=False)
class Unraisable(Instr):
    """The handler around the closing of a generator."""


@dataclass(slots=True, eq=False)
class Raise(Instr):
    """A ``raise`` without an exception in it: the one being handled, again."""


@dataclass(slots=True, eq=False)
class Reraise(Instr):
    """No handler matched: the failure goes on outwards."""


@dataclass(slots=True, eq=False)
class StarEnd(Reraise):
    """The end of all ``except*``: raise what is left of the failure, and what the handlers have raised."""


@dataclass(slots=True, eq=False)
class RaiseFirst(Region):
    """Raise the first failure in a list in which None stands for none, with the traceback that it has."""

    source: str = ""


@dataclass(slots=True, eq=False)
class Never(Instr):
    """Bind a name to a result that will never come: what needs it waits until it is squashed."""

    target: str


@dataclass(slots=True, eq=False)
class Task(Region):
    """What runs as a task of asyncio of its own: the tasks that it makes are its own, too (see
    `stretto.engine.tasks`)."""

    body: Block = ()


@dataclass(slots=True, eq=False)
class EndTasks(Instr):
    """The end of a task: those run that it has made and that have not begun."""


@dataclass(slots=True, eq=False)
class CheckGroups(Instr):
    """Tasks have run: raise what the groups raise that they are in, if some have failed."""


@dataclass(slots=True, eq=False)
class RunTasks(Instr):
    """Run the tasks that were made and have not begun, if there is anything in one of the `sources` to wait
    for, or if there are no such."""

    sources: tuple[Operand, ...] = ()


@dataclass(slots=True, eq=False)
class Noted(Instr):
    """Bind a name to the failure of a task."""

    target: str


@dataclass(slots=True, eq=False)
class Finished(Instr):
    """The function that a task runs has been issued to its end, or its failure has been noted."""


@dataclass(slots=True, eq=False)
class Recorded(Instr):
    """A task has been issued, or left behind: whoever awaits it finds how it ends."""


@dataclass(slots=True, eq=False)
class NewValue(Instr):
    """Bind a name to a new container that is a value: ``kind`` is list, dict or set."""

    target: str
    kind: type
    items: tuple[Operand, ...] = ()
    keys: tuple[Operand, ...] = ()


@dataclass(slots=True, eq=False)
class Update(Instr):
    """Give a container that is a value its next version (``append``, ``add``, ``extend``, ``setitem``; or
    ``repeat``, for ``[x] * n``)."""

    target: str
    method: str
    args: tuple[Operand, ...]
    #: The same statement as plain code, for a name that turns out to hold an ordinary object.
    plain: Fragment | None = None


@dataclass(slots=True, eq=False)
class Collect(Update):
    """Append a result as it is: nothing waits for it here, so it may never come."""


@dataclass(slots=True, eq=False)
class ValueRead(Instr):
    """Look at a container without needing its elements (``len``, ``bool``, ``getitem``, ``in``, ``get``)."""

    target: str
    source: str
    method: str
    args: tuple[Operand, ...]
    plain: Fragment | None = None


def leaves(source: Operand | Pairs) -> list[Operand]:
    """What a loop goes over, part by part, and what else that is made of."""
    if isinstance(source, Pairs):
        return [*(leaf for part in source.parts for leaf in leaves(part)), *source.given]
    return [source]


def gone_over(source: Operand | Pairs) -> list[Operand]:
    """What a loop goes over, part by part."""
    if isinstance(source, Pairs):
        return [leaf for part in source.parts for leaf in gone_over(part)]
    return [source]


def shared_out(source: Operand | Pairs) -> list[Operand]:
    """Of what a loop goes over, that of which it takes an item for each turn."""
    if isinstance(source, Pairs):
        return [] if source.passes else [leaf for part in source.parts for leaf in shared_out(part)]
    return [source]


def instructions(block: Block) -> Iterator[Instr]:
    """Every step in a block and in the regions inside, in the order of the source."""
    for instr in block:
        yield instr
        for inner in blocks(instr):
            yield from instructions(inner)


def blocks(instr: Instr) -> tuple[Block, ...]:
    """The blocks directly inside a step."""
    if not isinstance(instr, (Region, Match)):
        return ()
    if isinstance(instr, If):
        arms = (instr.then, instr.orelse)
        return arms if instr.check is None else ((instr.check,), *arms)
    if isinstance(instr, (For, While)):
        return (instr.body.body, instr.orelse)
    if isinstance(instr, TryExcept):
        return (instr.body, instr.handlers, instr.orelse)
    if isinstance(instr, TryFinally):
        return (instr.body, instr.final, instr.leave or ())
    if isinstance(instr, (Match, Iteration, Task)):
        return (instr.body,)
    return ()
