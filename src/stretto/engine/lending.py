"""Who may be given a generator that the engine runs, and the ordinary generator for everybody else."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from ..compiler import ir
from ..compiler.functions import Compiled, compiled, helper, users_own
from ..compiler.generators import admitted
from ..compiler.relaxations import relaxed
from .functions import enter
from .generators import CREATED, Generator, created
from .operations import function_node
from .slots import Gen
from .strands import GEN, Block, Strand

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["borrowed", "make", "ordinary"]


def make(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, form: Compiled, fn: FunctionType,
    args: list[Any], kwargs: dict[str, Any],
) -> Any:  # fmt: skip
    """Make a generator: one that the engine runs where nobody else can see it, else an ordinary one."""
    target = instr.target
    if target is None:
        # it is dropped at once: all that can happen is that the arguments do not fit
        enter(engine, strand, block, form, fn, args, kwargs, instr, (block.place, instr.label))
        return None
    begun = enter(engine, strand, block, form, fn, args, kwargs, instr, (block.place, instr.label))
    begun.kind = GEN
    begun.region = begun.target = None
    gen = created(form, fn, begun, args, kwargs)
    env = block.frame.env
    if instr.generates or (target in block.frame.form.generators and not gen.closes):
        env[target] = gen
    else:
        env[target] = ordinary(engine, strand, block, instr, gen)
    return None


def ordinary(engine: Engine, strand: Strand, block: Block, instr: Any, gen: Generator) -> Any:
    """The same as an ordinary generator, or a slot of it; it has not begun."""
    assert gen.state == CREATED and gen.fn is not None
    args = [ordinary(engine, strand, block, instr, a) if isinstance(a, Generator) else a for a in gen.args]
    return function_node(engine, strand, block, instr, gen.fn, args, gen.kwargs)


def borrowed(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, callee: Any, args: list[Any],
    kwargs: dict[str, Any],
) -> Compiled | None:  # fmt: skip
    """Where arguments are generators: the form of the function that goes over them. Those that it does not
    merely go over are made ordinary ones in `args`."""
    given = [i for i, v in enumerate(args) if isinstance(v, Gen)]
    if not given:
        return None
    form = None
    if type(callee) is FunctionType:
        form = helper(callee)
        if form is None and relaxed("helpers") and users_own(callee):
            form = compiled(callee)
    names: set[str] = set()
    may: frozenset[str] = frozenset()
    if form is not None and form.simple_arity == len(args) and not kwargs:
        may = admitted(form)
    for i in given:
        gen = args[i]
        assert isinstance(gen, Generator)
        name = form.params[i] if form is not None and may else ""
        if name in may and not gen.closes:
            names.add(name)
        else:
            args[i] = ordinary(engine, strand, block, instr, gen)
    return form.taking(frozenset(names)) if form is not None and names else None
