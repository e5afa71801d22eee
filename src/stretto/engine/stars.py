"""``except*``, where something is awaited in the ``try``: its handlers are steps like others.

Each handler is given the part of the failure that matches, and the next one the rest. What a handler fails
with is noted, and the others run all the same. In the end it is raised, with what none of them took. (How
CPython puts that together is in `interpreted`.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compiler import ir
from .interpreted import part_of, put_together
from .operands import Failure, operand
from .slots import Slot
from .strands import HANDLER, SEQ, Block, Special, Strand

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["step_star_done", "step_star_end", "step_star_match", "step_star_noted"]


def step_star_match(engine: Engine, strand: Strand, block: Special, instr: ir.StarMatch) -> Any:
    frame = block.frame
    rest, raised = _state(block)
    if rest is None:
        return None
    assert instr.type is not None
    kind = operand(frame, instr.type)
    if isinstance(kind, Slot):
        return kind
    try:
        found, rest = part_of(rest, kind)
    except Exception as error:
        raise Failure(error) from None
    block.pending = rest, raised
    if found is None:
        return None
    if instr.name is not None:
        frame.env[instr.name] = found
        if strand.ctx_frame is frame:
            strand.names = (*strand.names, instr.name)
    strand.exc = found
    strand.stack.append(Block(SEQ, instr.body, frame, None, block.place))


def step_star_noted(engine: Engine, strand: Strand, block: Special, instr: ir.StarNoted) -> Any:
    outer = strand.stack[_star(strand)]
    rest, raised = _state(outer)
    outer.pending = rest, (*raised, block.item)


def step_star_done(engine: Engine, strand: Strand, block: Block, instr: ir.StarDone) -> Any:
    outer = strand.stack[_star(strand)]
    strand.exc = outer.item
    if instr.name is not None:
        block.frame.env.pop(instr.name, None)


def step_star_end(engine: Engine, strand: Strand, block: Special, instr: ir.StarEnd) -> Any:
    rest, raised = _state(block)
    error = put_together(block.item, raised, rest)
    if error is None:
        return
    index = _star(strand)
    del strand.stack[index:]
    strand.handling = block.saved
    raise Failure(error, own_line=False, again=True)


def _state(block: Block) -> Any:
    """What no handler has taken yet, and what they have raised."""
    return (block.item, ()) if block.pending is None else block.pending


def _star(strand: Strand) -> int:
    """Where the handlers of the innermost ``try`` with ``except*`` are on the stack."""
    index = len(strand.stack) - 1
    while strand.stack[index].kind != HANDLER or not any(
        isinstance(step, ir.StarEnd) for step in strand.stack[index].code[-1:]
    ):
        index -= 1
    return index
