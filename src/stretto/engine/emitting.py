"""A flow that is a generator: its values leave in program order, each in its turn.

A ``yield`` is an operation like a call of code that nobody knows: what goes over the flow may do anything
before it comes back. So it happens as the oldest, and what has effects waits for it; what has none runs
ahead. Its value is what is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compiler import ir
from .failures import chain
from .nodes import NO_KWARGS, ORDERED, FunctionNode, Node, by_value, natively, unbound
from .operands import bound, operand, plain, trace_of
from .slots import PENDING, UNBOUND, Slot
from .strands import Block, Strand
from .tokens import EVERYTHING, Token

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["EmitNode", "step_delegate", "step_emit", "step_resume"]


class EmitNode(Node):
    """A value on its way to whoever goes over the flow.

    Attributes:
        values: the value alone.
        delegation: the ``yield from`` that it is of.
    """

    __slots__ = ("delegation", "values")

    def __init__(self, strand: Strand, trace: Any, place: Any, value: Any, held: Delegation | None) -> None:
        super().__init__(strand, trace, place, "yield")
        self.values = [value]
        self.delegation = held

    @property
    def item(self) -> Any:
        """The value, once it leaves."""
        return self.values[0]

    def proceed(self, engine: Engine) -> None:
        if not self.gather(self.values):
            return
        if self.lost is not None:
            engine.failed(self, unbound(self.lost))
            return
        self.values = [by_value(self.values[0], {})]
        self.state = ORDERED
        engine.in_order(self)

    def oldest(self, engine: Engine) -> None:
        if self.exc_context is engine.handled:
            self.exc_context = None  # what is thrown in has that only if it was raised there
        engine.start(self)

    def answered(self, sent: Any, error: BaseException | None) -> tuple[Any, BaseException | None]:
        """What the operation ends with, where this was sent or thrown in."""
        self.values = []
        held = self.delegation
        if held is None:
            return sent, error
        held.sent, held.error = sent, error
        return None, None


class Delegation:
    """What a ``yield from`` goes over: what is sent and thrown into the flow goes there first."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.iterator: Any = None
        self.begun = False
        #: What has been sent or thrown in, and not been handed on.
        self.sent: Any = None
        self.error: BaseException | None = None
        #: Nothing is left, and this is the value.
        self.over = False
        self.result: Any = None

    def go_on(self, source: Any) -> Any:
        """The next item (PEP 380)."""
        if not self.begun:
            self.begun = True
            self.iterator = iter(source)
        sent, self.sent = self.sent, None
        error, self.error = self.error, None
        iterator = self.iterator
        throw = None
        if error is not None:
            throw = self._thrower(error)
        try:
            if throw is not None:
                return throw(error)
            return next(iterator) if sent is None else iterator.send(sent)
        except StopIteration as stop:
            self.over = True
            self.result = stop.value
            self.iterator = None
        return None

    def _thrower(self, error: BaseException) -> Any:
        """What takes a failure that has been thrown in; it is raised here if nothing does."""
        if isinstance(error, GeneratorExit):
            close = getattr(self.iterator, "close", None)
            if close is not None:
                close()
            raise error
        throw = getattr(self.iterator, "throw", None)
        if throw is None:
            raise error
        return throw


class ResumeNode(FunctionNode):
    """A turn of a ``yield from`` that goes on with code that nobody knows.

    What is thrown into the flow goes to that code as if the flow handled nothing meanwhile. But a failure
    that comes of it is taken for one that was raised at the ``yield from``: what is handled there is its
    context.
    """

    __slots__ = ("delegation",)

    def __init__(self, strand: Strand, trace: Any, place: Any, site: str, held: Delegation) -> None:
        super().__init__(strand, trace, place, site, held.go_on, [held.source], NO_KWARGS, False, None, None)
        self.delegation = held

    def run(self) -> Any:
        handled = self.exc_context
        if handled is None or self.delegation.error is None:
            return super().run()
        try:
            return natively(self.call, [], None)
        except BaseException as error:
            chain(error, handled)
            raise


def step_emit(engine: Engine, strand: Strand, block: Block, instr: ir.Emit) -> Any:
    frame = block.frame
    value = operand(frame, instr.source)
    held = None
    if instr.held is not None:
        held = operand(frame, instr.held)
        assert isinstance(held, Delegation)
        if isinstance(value, Slot):
            return value
        if held.over:
            frame.env[instr.target] = held.result
            strand.exit = ("break", False)
            return None
    else:
        value = bound(engine, strand, block, instr, value)
    node = EmitNode(strand, trace_of(block, instr), block.place, value, held)
    _place(engine, strand, node, node.values)
    frame.env[instr.target] = node
    return None


def step_delegate(engine: Engine, strand: Strand, block: Block, instr: ir.Delegate) -> Any:
    frame = block.frame
    through = frame.env.get(instr.through or "", UNBOUND)
    if isinstance(through, Slot):
        if through.value is PENDING:
            return through
        through = through.value
    value = bound(engine, strand, block, instr, operand(frame, instr.source))
    held = frame.env[instr.target] = Delegation(plain(engine, strand, block, instr, value))
    if through is True:
        del frame.env[instr.through or ""]
        held.over, held.result = True, held.source
    return None


def step_resume(engine: Engine, strand: Strand, block: Block, instr: ir.Resume) -> Any:
    """In its turn, as code that nobody knows: what is gone over may be anything."""
    frame = block.frame
    held = frame.env[instr.held]
    assert isinstance(held, Delegation)
    if held.over:
        frame.env[instr.target] = None
        return None
    node = ResumeNode(strand, trace_of(block, instr), block.place, "yield from", held)
    _place(engine, strand, node, node.args)
    frame.env[instr.target] = node
    return None


def _place(engine: Engine, strand: Strand, node: Node, values: list[Any]) -> None:
    """Put an operation in order that may do anything."""
    engine.place(node, strand)
    node.token = Token(1)
    strand.write(EVERYTHING, node.token, certain=True)
    if node.gather(values):
        engine.ready.append(node)
