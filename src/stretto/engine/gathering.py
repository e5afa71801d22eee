"""Issuing what is gathered (see `stretto.compiler.gathering`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compiler import ir
from .containers import Versioned
from .operands import Failure, fetch, operand
from .slots import Slot
from .strands import Block, Strand
from .versions import update

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["step_collect", "step_never", "step_raise_first"]


def step_collect(engine: Engine, strand: Strand, block: Block, instr: ir.Collect) -> Any:
    update(engine, strand, block, instr, instr.target, "append", [operand(block.frame, instr.args[0])])


def step_never(engine: Engine, strand: Strand, block: Block, instr: ir.Never) -> Any:
    block.frame.env[instr.target] = Slot()


def step_raise_first(engine: Engine, strand: Strand, block: Block, instr: ir.RaiseFirst) -> Any:
    failures = fetch(block.frame, instr.source)
    if isinstance(failures, Slot):
        return failures
    assert isinstance(failures, Versioned)
    waits = failures.pending()
    if waits:
        return waits
    for failure in failures.root():
        if isinstance(failure, Slot):
            failure = failure.value
        if failure is not None:
            raise Failure(failure, own_line=False)
    return None
