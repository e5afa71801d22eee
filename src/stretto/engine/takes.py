"""Taking the next number of a counter, or an element out of a list: a change of that one object, whose value
is known before it is made.

What a counter gives next can be told from what it is, and what stands in a list from its version. So the
value is there at once, and the change is made as the oldest operation, like any other (see `memory`).
"""

from __future__ import annotations

from gc import get_referents
from itertools import count
from typing import TYPE_CHECKING, Any

from ..compiler import ir
from ..compiler.known_objects import attribute_is_plain
from .containers import List
from .history import ALL, Change, History
from .nodes import ORDERED, Node
from .operands import operand, trace_of
from .slots import PENDING, UNBOUND, Slot
from .steps import run_fragment
from .strands import Block, Frame, Strand
from .tokens import NAMES

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["TakeNode", "step_take"]

_KINDS: dict[str, Any] = {"next": count, "pop": list}
#: The value is not known before the change is made; nor is it known that all that changes is the object.
_LATE: Any = object()
_UNKNOWN: Any = object()


class TakeNode(Node):
    """The change itself."""

    __slots__ = ("held", "index", "method")

    def __init__(self, strand: Strand, trace: Any, place: Any, instr: ir.Take, held: Any) -> None:
        super().__init__(strand, trace, place, instr.fragment.text)
        self.held = held
        self.method = instr.method
        self.index = instr.index

    def proceed(self, engine: Engine) -> None:
        self.state = ORDERED
        engine.in_order(self)

    def oldest(self, engine: Engine) -> None:
        engine.finish(self, next(self.held) if self.method == "next" else self.held.pop(self.index))


def step_take(engine: Engine, strand: Strand, block: Block, instr: ir.Take) -> Any:
    frame = block.frame
    held = _held(strand, frame, instr.source)
    history = engine.memory.histories.get(id(held))
    value = _UNKNOWN
    if type(held) is _KINDS[instr.method]:
        value = (
            _next(held, history, strand)
            if instr.method == "next"
            else _element(held, instr.index, history, strand)
        )
    if value is _UNKNOWN:
        run_fragment(engine, strand, block, instr.fragment, instr.within)
        return
    if engine.end.following is strand and history is None:
        frame.env[instr.target] = next(held) if instr.method == "next" else held.pop(instr.index)
        return
    node = TakeNode(strand, trace_of(block, instr), block.place, instr, held)
    engine.place(node, strand)
    given = node if value is _LATE else value
    change = node.token = Change(
        strand.here, ALL, instr.method, given if instr.method == "next" else instr.index
    )
    strand.change(change, held, engine.memory)
    frame.env[instr.target] = given
    engine.ready.append(node)


def _held(strand: Strand, frame: Frame, source: ir.Operand) -> Any:
    """The object, where it is there and code that is not known cannot change it before; else `UNBOUND`."""
    tokens = strand.tokens
    if tokens and tokens.unknown():
        return UNBOUND
    if isinstance(source, ir.Load):
        if tokens and tokens.before_read(NAMES):
            return UNBOUND
        held = operand(frame, ir.Load(source.first)) if source.rest else operand(frame, source)
        for name in source.rest:
            if not attribute_is_plain(held, name):
                return UNBOUND
            held = getattr(held, name)
        return held
    assert isinstance(source, str)
    held = frame.env.get(source, UNBOUND)
    if isinstance(held, Slot):
        held = UNBOUND if held.value is PENDING else held.value
    return held


def _next(held: count[Any], history: History | None, strand: Strand) -> Any:
    """What a counter gives at this place."""
    state = _state(held)
    if state is None:
        return _LATE
    latest = None if history is None else history.latest(ALL, strand.here)
    if latest is None:
        return state[0]
    return latest.value + state[1] if type(latest.value) is int else _LATE


def _state(held: count[Any]) -> tuple[int, int] | None:
    """The number that a counter gives next, and its step; None where they are not both plain integers."""
    if any(type(thing) is not int for thing in get_referents(held) if thing is not count):
        return None
    try:
        first, *rest = repr(held)[len("count(") : -1].split(", ")
        return int(first), int(rest[0]) if rest else 1
    except ValueError:  # with more digits than are written
        return None


def _element(held: list[Any], index: int, history: History | None, strand: Strand) -> Any:
    """The element of a list at this place."""
    found: Any = held
    version = None if history is None else history.version(strand.here)
    if version is not None:
        if not isinstance(version, List):
            return _UNKNOWN
        found = version.root()
    try:
        value = found[index]
    except IndexError:
        return _UNKNOWN
    return value.value if isinstance(value, Slot) and value.value is not PENDING else value
