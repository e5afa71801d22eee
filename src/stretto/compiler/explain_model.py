"""What `explain` knows of values, and what it says of operations."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..calls import Call
from ..effects import Kind
from .types import T

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["Info", "Operation", "Section", "Span", "Trip", "comes_from", "cover", "joined", "merged"]


@dataclass(slots=True, eq=False)
class Info:
    """What is known of a value.

    Attributes:
        type: its exact type, if that is certain.
        late: whether it may still be under way when the walk comes here.
        origin: why its type is not known, and what would make it known (with a place for the type).
        needs: the values that are there when it is.
        of: what is waited for, in words.
        blamed: the place that was named already as the reason why the type is not known.
        value: it is a container that is a value, here already, though what it holds may be late.
        within: what it was made of in a region that was left behind.
        gate: it is a semaphore or a lock of asyncio, or a budget, or the way in or out of one.
    """

    type: T | None = None
    late: bool = False
    origin: tuple[str, str] | None = None
    needs: tuple[Info, ...] = ()
    of: str = ""
    value: bool = False
    blamed: Any = None
    within: tuple[Info, ...] = ()
    gate: bool = False


@dataclass(slots=True, eq=False)
class Span:
    """A loop, or a region, as a range of program order; `deciders` are what the next turn waits for."""

    low: int
    high: int
    deciders: tuple[Info, ...] = ()
    #: The loops around it, where it is a region that is left behind.
    loops: tuple[Span, ...] = ()
    line: int = 0


@dataclass(slots=True, eq=False)
class Operation:
    """Something that a line does.

    Attributes:
        kind: call, helper, recorded, shown, plain, checked, change, unknown, whole, variable, branch, loop,
            try or value.
        name, says: the two columns of the report.
        text: the operation as source.
        effects: the declared effects, as text.
        resources: what it may touch.
        ordered_by: what it waits for, apart from its inputs.
        stops_overlap: whether later calls wait for it that otherwise would not.
        remedy: what would free it.
    """

    kind: str
    name: str
    text: str
    says: str
    file: str
    line: int
    mark: str
    effects: str = ""
    resources: tuple[str, ...] = ()
    ordered_by: list[str] = field(default_factory=list[str])
    stops_overlap: bool = False
    remedy: str = ""
    shown: bool = True
    #: The dotted name by which a table of effects would speak of it.
    about: str = ""
    inner: Section | None = None
    call: Call[..., Any] | None = None
    #: Where it comes in program order, and the loops around it: ranges of such numbers.
    at: int = 0
    loops: tuple[Span, ...] = ()
    #: A stop if something comes before it, and after it something that does not need its result anyway.
    suspect: bool = False
    #: What it makes, and what it cannot do without: its operands, and the decisions before it.
    result: Info | None = None
    #: The region that waits with it, where it stands behind a decision.
    scope: Span | None = None
    inputs: tuple[Info, ...] = ()

    @property
    def overlaps(self) -> bool:
        return self.mark == "overlaps"

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "name": self.name, "text": self.text, "says": self.says,
            "effects": self.effects,
            "resources": list(self.resources), "ordered_by": self.ordered_by,
            "stops_overlap": self.stops_overlap, "remedy": self.remedy or None,
        }  # fmt: skip


class Section:
    """A function on the way: its operations by line."""

    def __init__(self, form: Compiled) -> None:
        self.form = form
        self.lines: dict[int, list[Operation]] = {}
        node = form.node
        body: list[Any] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        if len(body) > 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        last: int = max((getattr(n, "end_lineno", 0) or 0) for n in body)
        head: Iterable[int] = ()
        if not isinstance(node, ast.Lambda):
            head = range(node.lineno, max(node.lineno + 1, node.body[0].lineno))
        self.numbers: list[int] = sorted({*head, *range(body[0].lineno, last + 1)})

    def outline(self) -> Any:
        """The same for two walks that found the same."""
        return tuple(
            (n, o.kind, o.text, o.says, o.stops_overlap) for n, ops in self.lines.items() for o in ops
        )


def comes_from(result: Info | None, infos: Iterable[Info]) -> bool:
    """Whether one of these cannot be there before that is."""
    stack, seen = list(infos), set[int]()
    while stack:
        info = stack.pop()
        if info is result:
            return True
        if id(info) not in seen:
            seen.add(id(info))
            stack.extend(info.needs)
    return False


def joined(infos: Iterable[Info]) -> Info:
    """What is known of a value that is one of these."""
    first, *rest = infos = list(infos) or [Info(T(type(None)))]
    if all(info is first for info in rest):
        return first
    same = all(info.type == first.type for info in rest)
    origin = next((info.origin for info in infos if info.origin and (info.type is None or not same)), None)
    return Info(
        first.type if same else None,
        any(info.late for info in infos),
        origin,
        tuple(infos),
        next((info.of for info in infos if info.of), ""),
        all(info.value for info in infos),
        next((info.blamed for info in infos if info.blamed is not None), None),
    )


def merged(info: Info) -> Info:
    """A container that is a value, made into an ordinary object: it is there when all that it holds is."""
    return Info(info.type, info.late, info.origin, (info,), info.of)


class Trip:
    """What all functions of one walk share."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        #: What was found in the turn before, of every loop.
        self.earlier: list[Operation] = []
        self.loops: tuple[Span, ...] = ()
        self.quiet = 0
        self.clock = 0
        self.walks = 0
        #: Values that a decision has waited for, in the order of the walk.
        self.settled: list[Info] = []

    def judge(self) -> None:
        """Say of each operation what comes before and after it."""
        calls = [o for o in self.operations if o.call is not None]
        for o in self.operations:
            if o.suspect:
                waiting = [c for c in calls if c.overlaps or _kind(c) in (Kind.COMMUTES, Kind.PLAIN)]
                end = o.at if o.scope is None else o.scope.high
                before = any(c.at < o.at or _together(o, c) for c in calls)
                after = any(
                    _together(o, c) or (c.at > end and not comes_from(o.result, c.inputs)) for c in waiting
                )
                if before and after:
                    o.stops_overlap, o.mark = True, "stops"
                elif o.kind == "unknown" and o.name == "plain code":
                    o.mark, o.shown = "plain", False
            if o.call is not None and o.call.effects.reads and o.overlaps:
                roots = [r.root for r in o.call.effects.reads]
                for c in calls:
                    writes = (*c.call.effects.writes, *c.call.effects.commutes) if c.call else ()
                    if (c.at < o.at or _together(o, c)) and any(
                        cover(w.root, r) for w in writes for r in roots
                    ):
                        o.ordered_by.append(f"{c.name} (line {c.line})")
                if o.ordered_by:
                    o.ordered_by = list(dict.fromkeys(o.ordered_by))
                    o.says += f", after earlier writes: {', '.join(o.ordered_by)}"


def _together(o: Operation, other: Operation) -> bool:
    """Whether another turn of a loop does the other, without having to wait for the result of the one."""
    loops = o.loops if o.scope is None else o.scope.loops
    return any(
        loop.low <= other.at <= loop.high and not comes_from(o.result, loop.deciders) for loop in loops
    )


def _kind(o: Operation) -> Kind:
    assert o.call is not None
    kind: Kind = o.call.effects.kind
    return kind


def cover(a: str, b: str) -> bool:
    return not a or not b or a == b or a.startswith(b + ":") or b.startswith(a + ":")
