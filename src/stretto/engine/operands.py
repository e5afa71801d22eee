"""What every step uses: its operands, its place in the program, and its failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compiler import ir
from ..compiler.types import Never, T, either, holding, of_class, of_value
from ..compiler.types_fields import lasting
from .containers import List, Versioned
from .nodes import BuildNode, PassNode, unbound
from .slots import PENDING, UNBOUND, Output, Slot
from .strands import Block, Frame, Strand, Trace
from .tokens import Tokens

if TYPE_CHECKING:
    from .machine import Engine

__all__ = [
    "OLDEST",
    "ROOM",
    "Failure",
    "bound",
    "certain",
    "fetch",
    "link",
    "operand",
    "plain",
    "trace_of",
    "type_of",
]

_NEVER = T(Never)
#: What a strand waits for, when that is no value.
OLDEST, ROOM = "oldest", "room"


class Failure(Exception):
    """The user's program has failed at this step.

    `own_line` says that the traceback has no entry yet for the line itself; `around`, that it happened in the
    frame around the comprehension that the step is in; `raised`, that it was raised natively, as if from
    inside the handler: its context is what it has to be; `again`, that it goes on outwards: so is that, and
    its traceback has all lines of this function; `line`, where that was, if not where the step stands.
    """

    def __init__(
        self, error: BaseException, own_line: bool = True, around: bool = False, raised: bool = False,
        again: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.around = around
        self.line = 0
        self.raised = raised or again
        self.again = again
        self.error = error
        self.own_line = own_line


def fetch(frame: Frame, name: str) -> Any:
    """What a local name is bound to: a value, or a slot whose result has not come."""
    env = frame.env
    v = env.get(name, UNBOUND)
    if isinstance(v, Slot) and v.value is not PENDING:
        v = env[name] = v.value
    if v is UNBOUND:
        raise Failure(unbound(name))
    return v


def operand(frame: Frame, source: ir.Operand) -> Any:
    if type(source) is str:
        # as `fetch`: the commonest operand of all
        env = frame.env
        v = env.get(source, UNBOUND)
        if isinstance(v, Slot) and v.value is not PENDING:
            v = env[source] = v.value
        if v is UNBOUND:
            raise Failure(unbound(source))
        return v
    if type(source) is ir.Const:
        return source.value
    assert isinstance(source, ir.Load)
    return load(frame, source)


def load(frame: Frame, source: ir.Load) -> Any:
    """A global or free name, perhaps with attributes."""
    first = source.first
    cell = frame.cells.get(first)
    if cell is not None:
        try:
            value = cell.cell_contents
        except ValueError:
            raise Failure(
                NameError(
                    f"cannot access free variable '{first}' where it is not associated with a value in "
                    "enclosing scope"
                )
            ) from None
    else:
        try:
            value = frame.form.resolve(first)
        except KeyError:
            raise Failure(NameError(f"name '{first}' is not defined", name=first)) from None
    for name in source.rest:
        try:
            value = getattr(value, name)
        except Exception as error:
            raise Failure(error) from None
    return value


def type_of(v: Any) -> Any:
    if isinstance(v, Slot):
        return v.type
    if isinstance(v, Versioned):
        return of_class(v.kind)
    return of_value(v)


def certain(kinds: list[T | None], tokens: Tokens | None) -> list[T | None]:
    """What is known of types where code may run before that changes any object."""
    if tokens:
        for kind in kinds:
            if kind is not None and not kind.lasting:
                return list(map(lasting, kinds)) if tokens.unknown() else kinds
    return kinds


def argument_type(v: Any) -> Any:
    """The type of what a function is given; of a list that is a value, with that of its elements."""
    if type(v) is not List or v.data is None:
        return type_of(v)
    count, kind, put = v.told or (0, _NEVER, [])
    if kind is not None and (put or count < len(v.data)):
        for x in (*put, *v.data[count:]):
            kind = either(kind, None if isinstance(x, Output) and x.unsure else type_of(x))
            if kind is None:
                break
    v.told = (len(v.data), kind, [])
    return holding(list, (kind,))


def bound(engine: Engine, strand: Strand, block: Block, instr: Any, v: Any) -> Any:
    """An operand that may turn out not to be bound: if so, the failure is here and nowhere later."""
    if isinstance(v, Output) and v.unsure:
        node = PassNode(strand, trace_of(block, instr), block.place, v, v.name)
        engine.place(node, strand)
        v.wait(node)
        node.missing = 1
        return node
    return v


def plain(engine: Engine, strand: Strand, block: Block, instr: Any, value: Any) -> Any:
    """The value as an ordinary object (or a slot of one): containers that are values are copied."""
    if isinstance(value, Versioned) and not value.pending():
        return value.copy()
    if isinstance(value, Versioned) or (isinstance(value, Slot) and value.open):
        node = BuildNode(
            strand, trace_of(block, instr), block.place, _first, [value]
        )  # fmt: skip
        engine.place(node, strand)
        node.type = argument_type(value)
        if node.gather(node.values):
            engine.ready.append(node)
        return node
    return value


def _first(values: list[Any]) -> Any:
    return values[0]


def trace_of(block: Block, instr: ir.Instr) -> Trace:
    """Where a step is; made once for all the times that it is carried out in one running of its function."""
    frame = block.frame
    found = frame.traces.get(instr)
    if found is None:
        found = frame.traces[instr] = link(frame, instr.lineno, instr.within)
    return found


def link(frame: Frame, lineno: int, within: tuple[tuple[str, int], ...]) -> Trace:
    """Where something is, with everything around it (see `places.rooted`)."""
    form, depth = frame.form, frame.depth
    if not within:
        return (form, lineno, frame.trace, form.name, depth)
    around, name = frame.trace, form.name
    for inner, at in within:
        around = (form, at, around, name, depth)
        name = inner
    return (form, lineno, around, name, depth)
