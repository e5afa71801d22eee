"""Steps on containers that are values: making one, its next version, and looking at one."""

from __future__ import annotations

from operator import mul
from typing import TYPE_CHECKING, Any

from ..compiler import ir
from ..compiler.types import of_value
from ..compiler.types_results import looked, updated
from .containers import Dict, List, Set, Versioned
from .operands import Failure, argument_type, bound, fetch, operand, plain, trace_of, type_of
from .operations import function_node
from .slots import PENDING, UNBOUND, Slot
from .steps import run_fragment
from .strands import Block, Frame, Strand
from .updates import UpdateNode, change, look, needs

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["step_look", "step_new", "step_update"]

_COUNTS = (of_value(0), of_value(True))


def step_new(engine: Engine, strand: Strand, block: Block, instr: ir.NewValue) -> Any:
    frame = block.frame
    if instr.kind is list:
        frame.env[instr.target] = List([element(engine, strand, block, instr, i) for i in instr.items])
        return
    items = [element(engine, strand, block, instr, i) for i in instr.items]
    keys = [element(engine, strand, block, instr, k) for k in instr.keys]
    frame.env[instr.target] = Set([]) if instr.kind is set else Dict({})
    if instr.kind is set:
        for item in items:
            update(engine, strand, block, instr, instr.target, "add", [item])
    else:
        for key, item in zip(keys, items, strict=True):
            update(engine, strand, block, instr, instr.target, "setitem", [key, item])


def element(engine: Engine, strand: Strand, block: Block, instr: ir.Instr, source: ir.Operand) -> Any:
    return plain(engine, strand, block, instr, operand(block.frame, source))


def step_update(engine: Engine, strand: Strand, block: Block, instr: ir.Update) -> Any:
    frame = block.frame
    held = frame.env.get(instr.target, UNBOUND)
    if held is UNBOUND or (isinstance(held, Slot) and held.value is UNBOUND):
        assert instr.plain is not None
        run_fragment(engine, strand, block, instr.plain, instr.within)
        return
    args = [
        operand(frame, a) if instr.method == "extend" else element(engine, strand, block, instr, a)
        for a in instr.args
    ]
    update(engine, strand, block, instr, instr.target, instr.method, args)


def update(
    engine: Engine, strand: Strand, block: Block, instr: Any, target: str, method: str, args: list[Any]
) -> None:
    """Bind a name to the next version of what it holds."""
    frame = block.frame
    held = fetch(frame, target)
    if method == "repeat" and type_of(args[0]) not in _COUNTS:
        # anything may be asked to multiply, in its turn
        made = plain(engine, strand, block, instr, held)
        frame.env[target] = function_node(engine, strand, block, instr, mul, [made, args[0]], {})
        return
    needed = [a for a in needs(method, args) if isinstance(a, Slot)]
    if method == "extend" and not needed:
        items = args[0]
        if not isinstance(items, (Versioned, list, tuple)) or (isinstance(items, list) and strand.tokens):
            # any iterable, to be gone through in its turn
            needed = [listed(engine, strand, block, instr, items)]
            args = list(needed)
    if not isinstance(held, Slot) and not needed:
        try:
            frame.env[target] = change(held, method, args)
        except Exception as error:
            raise Failure(error) from None
        return
    node = UpdateNode(strand, trace_of(block, instr), block.place, held, method, args, True)
    node.type = updated(argument_type(held), method, [type_of(a) for a in args])
    engine.place(node, strand)
    frame.env[target] = node
    _await(engine, node, held, needed)


def listed(engine: Engine, strand: Strand, block: Block, instr: ir.Instr, items: Any) -> Any:
    """The list of what an iterable gives: a slot, unless nothing has to come before."""
    return function_node(engine, strand, block, instr, list, [items], {})


def _await(engine: Engine, node: UpdateNode, held: Any, needed: list[Any]) -> None:
    for item in (held, *needed):
        if isinstance(item, Slot):
            item.wait(node)
            node.missing += 1
    if node.missing == 0:
        engine.ready.append(node)


def _sure(frame: Frame, name: str, held: Any) -> bool:
    """Whether a name can only turn out to hold a container that is a value, or nothing."""
    return isinstance(held, Slot) and frame.form.values.get(name) is not None


def step_look(engine: Engine, strand: Strand, block: Block, instr: ir.ValueRead) -> Any:
    frame = block.frame
    env = frame.env
    method = instr.method
    if method == "copy":
        env[instr.target] = plain(engine, strand, block, instr, fetch(frame, instr.source))
        return
    held = env.get(instr.source, UNBOUND)
    if isinstance(held, Slot) and held.value is not PENDING:
        held = env[instr.source] = held.value
    if method == "touch" and (isinstance(held, Versioned) or _sure(frame, instr.source, held)):
        bound(engine, strand, block, instr, held)
        return
    if method == "touch" or not (isinstance(held, Versioned) or _sure(frame, instr.source, held)):
        assert instr.plain is not None
        run_fragment(engine, strand, block, instr.plain, instr.within)
        return
    args = [operand(frame, a) for a in instr.args]
    needed = [a for a in needs(method, args) if isinstance(a, Slot)]
    if isinstance(held, Versioned) and not needed:
        try:
            env[instr.target] = look(held, method, args)
        except Exception as error:
            raise Failure(error) from None
        return
    node = UpdateNode(strand, trace_of(block, instr), block.place, held, method, args, False)
    engine.place(node, strand)
    env[instr.target] = node
    node.type = looked(argument_type(held), method)
    if method in ("len", "bool"):
        node.open = False
    _await(engine, node, held, needed)
