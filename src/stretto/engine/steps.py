"""Simple steps: fragments, names, and the ways to leave."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, cast

from ..compiler import ir
from ..compiler.arrays import array_storage, is_array
from ..compiler.fragments import MISSING, Fragment
from ..compiler.guard import NeedsOrder
from ..compiler.known_objects import CONSTANT, SCALARS, slots_safe
from ..compiler.relaxations import relaxed
from ..compiler.types import Scalar, T, of_class, one_of
from .containers import Versioned
from .history import ALL, UNKNOWN, Change
from .history import MISSING as NOTHING
from .nodes import FragmentNode, Look, attempt, lent, natively, rebind
from .operands import OLDEST, Failure, argument_type, bound, certain, fetch, link, operand, plain, type_of
from .slots import PENDING, UNBOUND, Output, Slot
from .strands import Block, Strand
from .tokens import EVERYTHING, HEAP, Token

if TYPE_CHECKING:
    from .machine import Engine

__all__ = [
    "run_fragment",
    "step_assign",
    "step_break",
    "step_continue",
    "step_delete",
    "step_later",
    "step_move",
    "step_raise",
    "step_return",
    "step_run",
]


def step_run(engine: Engine, strand: Strand, block: Block, instr: ir.Run) -> Any:
    run_fragment(engine, strand, block, instr.fragment, instr.within)


def run_fragment(
    engine: Engine, strand: Strand, block: Block, fragment: Fragment, within: tuple[tuple[str, int], ...]
) -> None:
    """Run a fragment now if that is the same as running it in its turn; else leave it as a node."""
    frame = block.frame
    env = frame.env
    values: list[Any] = []
    kinds: list[T | None] = []
    waits = held = False
    for name in fragment.reads:
        v = env.get(name, UNBOUND)
        if isinstance(v, Slot) and v.value is not PENDING:
            v = env[name] = v.value
        kind = of_class(type(v))
        if kind is None:  # it may be more than a value
            if isinstance(v, Slot):
                waits = True
            elif v is UNBOUND:
                if not fragment.soft:
                    fragment = fragment.softened()
                v = MISSING
            elif isinstance(v, Versioned):
                held = True
                if v.pending():
                    waits = True
            kind = type_of(v)
        values.append(v)
        kinds.append(kind)
    given = values
    if held and not waits:
        # only for now: a node keeps the versions, which later changes leave as they are
        copies: dict[int, Any] = {}
        given = [lent(v, fragment, copies) for v in values]
    tokens = strand.tokens
    if fragment.trivial and not waits and not (fragment.heap and tokens):
        try:
            result = fragment.native(frame.cells)(*given)
        except NameError as error:
            raise Failure(error, own_line=False) from None
        bind(env, fragment, result)
        return
    if tokens and fragment.path is not None and relaxed("objects"):
        found = now_of_module(engine, strand, fragment, fragment.path)
        if found is not UNKNOWN:
            env[fragment.binds[0]] = found
            return
    types = tuple(certain(kinds, tokens) if waits else kinds)
    verdict = fragment.verdict(types)
    if not verdict.pure and waits and held:
        types = tuple(certain([argument_type(v) for v in values], tokens))
        verdict = fragment.verdict(types)
    before: list[Token] | None = None
    look: Look | None = None
    if tokens and (verdict.heap or not verdict.pure) and not fragment.settled:
        before = tokens.before_read(fragment.looks_at)
        if (
            before
            and relaxed("objects")
            and (waits or verdict.pure)
            and (fragment.closed or (not waits and fragment.constants and stay(engine, strand, fragment)))
        ):
            # which objects it looks at is known when its operands are there
            look = Look(strand.here, before)
            before = tokens.unknown()
            if not waits and not before:
                found = seen(engine, fragment, values, look)
                if found is None and fragment.shallow:
                    item = element(engine, fragment, values, look)
                    if item is not UNKNOWN:
                        env[fragment.binds[0]] = item
                        return
                waits = found is None
                given = found or given
    if before and not waits and fragment.asks and true_of_old(engine, strand, fragment, values):
        before = []
    if not waits and not before:
        try:
            if verdict.pure:
                result = natively(fragment.native(frame.cells), given, strand.exc)
            elif engine.end.following is strand and fragment.plain_change(types):
                result = natively(fragment.native(frame.cells), given, strand.exc)
            else:
                result = attempt(fragment, given, frame.cells, strand.exc)
        except NeedsOrder as needed:
            if engine.needed_order is not None and not fragment.plain_change(types):
                engine.needed_order((link(frame, fragment.lineno, within), fragment.text, None), needed)
        except BaseException as error:
            if strand.ctx_frame is frame:
                rebind(env, fragment, error)
            raise Failure(error, own_line=False, raised=True) from None
        else:
            bind(env, fragment, result)
            return
    for name in fragment.takes:
        env.pop(name, None)
    node = FragmentNode(
        strand, link(frame, fragment.lineno, within), block.place, fragment, values, frame.cells
    )
    engine.place(node, strand)
    if not verdict.pure and fragment.mutates is not None and fragment.plain_change(types):
        change_container(engine, strand, node, types)
    else:
        node.look = look
        if before:
            node.await_tokens(before)
        if not verdict.pure:
            node.token = Token(1)
            if fragment.stores is not None and fragment.plain_change(types):
                strand.write(fragment.stores, node.token, certain=True)
            else:
                strand.write(EVERYTHING, node.token, certain=not waits and not before)
    if fragment.soft or len(fragment.binds) != 1:
        for name, kind in zip(fragment.binds, fragment.types_of(verdict), strict=True):
            output = Output(name, kind, fragment.soft, fragment.soft)
            node.outputs.append((name, output))
            env[name] = output
    else:
        env[fragment.binds[0]] = node
        node.type = verdict.type
        if node.type is None and verdict.pure and fragment.shallow and fragment.closed:
            node.type = element_type(engine, strand, fragment, values)
    if node.gather(values) and node.missing == 0:
        engine.ready.append(node)


def now_of_module(engine: Engine, strand: Strand, fragment: Fragment, path: tuple[str, ...]) -> Any:
    """What a name of the module is, or an attribute of what it is bound to, where nothing is to come of it
    before this place; else `UNKNOWN`."""
    tokens, memory, here = strand.tokens, engine.memory, strand.here
    names = fragment.function.globals
    history = memory.histories.get(id(names))
    if (tokens and tokens.unknown()) or (history is not None and history.latest(path[0], here) is not None):
        return UNKNOWN
    found: Any = names.get(path[0], UNKNOWN)
    for name in path[1:]:
        if found is UNKNOWN or memory.attribute(found, name, here) is not NOTHING:
            return UNKNOWN
        found = getattr(found, name, UNKNOWN)
    return found


_NONE: set[int] = set()
_INDEXED = frozenset({list, tuple, dict})
#: Of so many elements a container is asked for their type.
_FEW = 16


def true_of_old(engine: Engine, strand: Strand, fragment: Fragment, values: list[Any]) -> bool:
    """Whether all that is asked is the truth of one object whose class does not say it: it is true, whatever
    is to come of its attributes."""
    test = fragment.expr.test if isinstance(fragment.expr, ast.IfExp) else None
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test = test.operand
    if not isinstance(test, ast.Name) or len(values) != 1 or isinstance(values[0], (Slot, Versioned)):
        return False
    cls = cast("Any", type(values[0]))  # pyright: ignore[reportUnknownArgumentType]
    known = cls not in SCALARS and slots_safe(cls, "__bool__", "__len__")
    return known and not (strand.tokens and strand.tokens.unknown()) and values[0] is not UNBOUND


def stay(engine: Engine, strand: Strand, fragment: Fragment) -> bool:
    """Whether the module's data that it names are plain values, and what is to come binds none of them."""
    names = fragment.function.globals
    if any(type(names.get(name)) not in CONSTANT for name in fragment.constants):
        return False
    return engine.memory.changing(names, strand.here) is None


def seen(engine: Engine, fragment: Fragment, values: list[Any], look: Look) -> list[Any] | None:
    """The operands as they are at this place, to be looked at; None where something has to be waited for."""
    memory = engine.memory
    given: list[Any] = []
    copies: dict[int, Any] = {}
    if fragment.shallow and memory.holds(values, look.order) == []:
        return values
    for at, value in enumerate(values):
        found = memory.see(value, look.order, _NONE)
        if found is UNKNOWN or isinstance(found, Change):
            return None
        if isinstance(found, Versioned):
            if (found is not value and at not in fragment.looked) or found.pending():
                return None
            found = lent(found, fragment, copies)
        given.append(found)
    return given


def element(engine: Engine, fragment: Fragment, values: list[Any], look: Look) -> Any:
    """What changes to come will have made of an element: a value, or a slot of it."""
    held, key = fragment.element(values)
    if type(key) not in SCALARS or isinstance(held, Versioned):
        return UNKNOWN
    history = engine.memory.histories.get(id(held))
    version = None if history is None else history.version(look.order)
    if not isinstance(version, Versioned):
        return UNKNOWN
    try:
        return version.root()[key]
    except (LookupError, TypeError):
        return UNKNOWN  # it fails, in its turn


def element_type(engine: Engine, strand: Strand, fragment: Fragment, values: list[Any]) -> T | None:
    """What type an element of a container has, whatever the key will be: where nothing is to come of it, and
    there are a few of immutable types."""
    held: Any = fragment.element(values)[0]
    if type(held) not in _INDEXED or not 0 < len(held) <= _FEW:
        return None
    tokens = strand.tokens
    if tokens and (tokens.unknown() or engine.memory.changing(held, strand.here) is not None):
        return None
    parts: list[Any] = list(held.values() if isinstance(held, dict) else held)  # pyright: ignore
    found = one_of([of_class(type(v)) for v in parts])
    return found if found is not None and (found.cls in SCALARS or found.cls is Scalar) else None


def change_container(engine: Engine, strand: Strand, node: FragmentNode, types: tuple[T | None, ...]) -> None:
    """Note a change to come of a built-in container."""
    fragment = node.fragment
    assert fragment.mutates is not None
    changed = node.values[fragment.reads.index(fragment.mutates)]
    if isinstance(changed, (Slot, Versioned)):
        node.token = Token(1)
        strand.write(HEAP, node.token, certain=True)  # which one is not known yet
        return
    if is_array(type(changed)):  # pyright: ignore[reportUnknownArgumentType]
        changed = array_storage(changed)
        if changed is None:
            node.token = Token(1)
            strand.write(HEAP, node.token, certain=True)  # others may have the same memory
            return
    method, field, value = fragment.change
    made = Change(strand.here, ALL)
    if method:
        field, value = _given(node, field), _given(node, value)
        keyed = method == "append" or type(field if method == "set" else value) in SCALARS
        if keyed and not isinstance(value, Versioned) and not (isinstance(value, Slot) and value.open):
            if method != "set" or type(changed) is dict:
                made = Change(strand.here, field if method == "set" else ALL, method, value)
    node.token = made
    strand.change(made, changed, engine.memory)


def _given(node: FragmentNode, part: Any) -> Any:
    """A part of a change: a constant, or what a name is bound to."""
    if isinstance(part, ir.Const):
        return part.value
    return None if part is None else node.values[node.fragment.reads.index(part)]


def bind(env: dict[str, Any], fragment: Fragment, result: Any) -> None:
    binds = fragment.binds
    if len(binds) == 1 and result is not MISSING:
        env[binds[0]] = result
    elif binds:
        for name, value in fragment.results(result).items():
            if value is MISSING:
                env.pop(name, None)
            else:
                env[name] = value


def step_move(engine: Engine, strand: Strand, block: Block, instr: ir.Move) -> Any:
    frame = block.frame
    frame.env[instr.target] = bound(engine, strand, block, instr, operand(frame, instr.source))


def step_assign(engine: Engine, strand: Strand, block: Block, instr: ir.Assign) -> Any:
    if engine.end.following is not strand:
        return OLDEST
    if instr.target:
        frame = block.frame
        if instr.source:
            v = plain(engine, strand, block, instr, fetch(frame, instr.source))
            if isinstance(v, Slot):
                frame.env[instr.source] = v
                return v
            frame.cells[instr.target].cell_contents = v
    return None


def step_delete(engine: Engine, strand: Strand, block: Block, instr: ir.Delete) -> Any:
    env = block.frame.env
    v = env.get(instr.target, UNBOUND)
    if isinstance(v, Output) and v.unsure and v.value is PENDING:
        return v
    fetch(block.frame, instr.target)
    del env[instr.target]
    return None


def step_later(engine: Engine, strand: Strand, block: Block, instr: ir.Later) -> Any:
    if engine.end.following is not strand:
        return OLDEST
    at = block.pc
    block.code = (*block.code[:at], *instr.steps(), *block.code[at:])
    return None


def step_return(engine: Engine, strand: Strand, block: Block, instr: ir.Return) -> Any:
    strand.exit = ("return", bound(engine, strand, block, instr, operand(block.frame, instr.source)))


def step_break(engine: Engine, strand: Strand, block: Block, instr: ir.Break) -> Any:
    strand.exit = ("break", instr.done)


def step_continue(engine: Engine, strand: Strand, block: Block, instr: ir.Continue) -> Any:
    strand.exit = ("continue", None)


def step_raise(engine: Engine, strand: Strand, block: Block, instr: ir.Raise) -> Any:
    if strand.exc is None:
        raise Failure(RuntimeError("No active exception to reraise"))
    raise Failure(strand.exc, own_line=False)
