"""Attributes of the user's objects: looked at as they will be, and set when it is their turn.

To set an attribute of an object of a plain class is a change of that one attribute. It is made as the oldest
operation, and noted in the memory until then, so that a younger look is given the value, or the slot of it,
at once (see `memory`).
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from ..compiler import ir
from ..compiler.accessors import super_getter_of
from ..compiler.fragments import Fragment
from ..compiler.known_objects import attribute_is_plain, super_is_plain
from ..compiler.managers import finds_quietly
from ..compiler.semaphores import is_semaphore, together
from ..compiler.types import attribute_type
from ..compiler.types_fields import field, keeps_promise
from .apply import call_function
from .containers import Versioned
from .history import ALL, MISSING, UNKNOWN, Change
from .nodes import NO_KWARGS, ORDERED, FragmentNode, Look, Node
from .operands import bound, link, operand, plain, trace_of, type_of
from .slots import PENDING, UNBOUND, Slot
from .steps import run_fragment
from .strands import Block, Frame, Strand
from .tokens import EVERYTHING, HEAP, Token

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["LoadNode", "StoreNode", "step_load", "step_load_super", "step_look_up", "step_store"]


class StoreNode(Node):
    """The setting of an attribute."""

    __slots__ = ("held", "name", "source")

    def __init__(
        self, strand: Strand, trace: Any, place: Any, text: str, held: Any, name: str, source: Any
    ) -> None:
        super().__init__(strand, trace, place, text)
        self.held = held
        self.name = name
        #: The value, or a slot of it.
        self.source = source

    def proceed(self, engine: Engine) -> None:
        source = self.source
        if isinstance(source, Slot):
            if source.value is PENDING:
                source.wait(self)
                self.missing += 1
                return
            self.source = source.value
        self.state = ORDERED
        engine.in_order(self)

    def oldest(self, engine: Engine) -> None:
        try:
            setattr(self.held, self.name, self.source)
        except BaseException as error:
            engine.failed(self, error)
        else:
            engine.finish(self, None)


class LoadNode(FragmentNode):
    """A look at an attribute whose object, or whose value, is still to come."""

    __slots__ = ("name", "source")

    def __init__(
        self, strand: Strand, trace: Any, place: Any, fragment: Fragment, held: Any, cells: Any, name: str
    ) -> None:
        super().__init__(strand, trace, place, fragment, [held], cells)
        self.name = name
        #: The slot that the attribute has been set to.
        self.source: Slot | None = None

    def proceed(self, engine: Engine) -> None:
        source = self.source
        if source is not None:
            engine.finish(self, source.value)
            return
        if not self.gather(self.values):
            return
        held = self.values[0]
        look = self.look
        if look is not None and held is not UNBOUND and not isinstance(held, Versioned):
            change = engine.memory.attribute(held, self.name, look.order)
            if change is MISSING:
                self.look = None  # nothing of it is to come
            elif change is not UNKNOWN:
                if change.method == "set":
                    value = change.value
                    if isinstance(value, Slot) and value.value is PENDING:
                        self.source = value
                        value.wait(self)
                        self.missing += 1
                        return
                    engine.finish(self, value.value if isinstance(value, Slot) else value)
                    return
                change.waiters.append(self)
                self.missing += 1
                return
        super().proceed(engine)


def step_load(engine: Engine, strand: Strand, block: Block, instr: ir.LoadAttribute) -> Any:
    frame = block.frame
    env = frame.env
    held = env.get(instr.source, UNBOUND)
    if isinstance(held, Slot) and held.value is not PENDING:
        held = env[instr.source] = held.value
    late = isinstance(held, Slot)
    if not late and (held is UNBOUND or isinstance(held, Versioned)):
        run_fragment(engine, strand, block, instr.fragment, instr.within)
        return None
    tokens = strand.tokens
    before = tokens.before_read(HEAP) if tokens else None
    unknown = tokens.unknown() if before and tokens else ()
    sure = not late and not unknown
    memory = engine.memory
    getter = memory.getter(type(held), instr.name) if sure else False
    if getter is not True and getter is not False:
        return call_function(engine, strand, block, instr.access, getter, [held], NO_KWARGS)
    change = memory.change(held, instr.name, strand.here) if sure and before else None
    if change is not None and change is not UNKNOWN and change.method == "set":
        value = change.value
        if isinstance(value, Slot) and value.value is not PENDING:
            value = change.value = value.value
        env[instr.target] = value
        return None
    if not before or (sure and (change is None or change is UNKNOWN)):
        # nothing is to come of it, or it is looked at in its turn
        if change is None and (getter is True or (before and attribute_is_plain(held, instr.name))):
            try:
                env[instr.target] = getattr(held, instr.name)
                return None
            except AttributeError:
                pass  # the same with its line, below
        run_fragment(engine, strand, block, instr.fragment, instr.within)
        return None
    kind: Any = None
    if late and not unknown and held.type is not None:
        if not held.type.firm:
            sure, kind = field(held.type, instr.name)
        if not sure:
            sure, kind = attribute_type(held.type.cls, instr.name)
    if change is not None:
        # of any change of the object: it may be gone, and the class asked instead
        sure = change.field is not ALL or memory.keeps_quietly(held, instr.name)
        kind = None if change.method else change.value
    fragment = instr.fragment
    node = LoadNode(
        strand, link(frame, instr.lineno, instr.within), block.place, fragment, held, frame.cells, instr.name
    )
    engine.place(node, strand)
    node.look = Look(strand.here, before)
    node.await_tokens(list(unknown))
    if not sure:
        # of what kind it is, and so whether to look at it does something, is not known
        node.token = Token(1)
        strand.write(EVERYTHING, node.token, certain=False)
    else:
        node.type = kind
    env[instr.target] = node
    if node.gather(node.values) and node.missing == 0:
        engine.ready.append(node)
    return None


def step_load_super(engine: Engine, strand: Strand, block: Block, instr: ir.LoadSuper) -> Any:
    """A method of a class behind this one: classes are asked, so no change to come of an object matters."""
    frame = block.frame
    held = _settled(strand, frame, instr.source)
    if held is not UNBOUND:
        cls: Any = None
        with suppress(ValueError):  # it is being made
            cls = frame.cells["__class__"].cell_contents
        if super_is_plain(cls, held, instr.name):
            behind = cast("object", super(cls, held))
            frame.env[instr.target] = getattr(behind, instr.name)
            return None
        getter = super_getter_of(cls, held, instr.name)
        if getter is not None:
            return call_function(engine, strand, block, instr.access, getter, [held], NO_KWARGS)
    run_fragment(engine, strand, block, instr.fragment, instr.within)
    return None


def step_look_up(engine: Engine, strand: Strand, block: Block, instr: ir.LookUp) -> Any:
    """A special method of a context manager, which its class is asked for."""
    held = operand(block.frame, instr.source)
    if not (is_semaphore(held) and together()):  # which stays what it is
        held = _settled(strand, block.frame, instr.source)
    if held is not UNBOUND and finds_quietly(instr.lookup, held):
        block.frame.env[instr.target] = instr.lookup(held)
        return
    run_fragment(engine, strand, block, instr.fragment, instr.within)


def _settled(strand: Strand, frame: Frame, name: str) -> Any:
    """An object whose class is known, and stays what it is; else `UNBOUND`."""
    env = frame.env
    held = env.get(name, UNBOUND)
    if isinstance(held, Slot) and held.value is not PENDING:
        held = env[name] = held.value
    if isinstance(held, (Slot, Versioned)) or (strand.tokens and strand.tokens.unknown()):
        return UNBOUND
    return held


def step_store(engine: Engine, strand: Strand, block: Block, instr: ir.StoreAttribute) -> Any:
    frame = block.frame
    env = frame.env
    held = env.get(instr.source, UNBOUND)
    if isinstance(held, Slot) and held.value is not PENDING:
        held = env[instr.source] = held.value
    tokens = strand.tokens
    storage = setter = None
    if not isinstance(held, (Slot, Versioned)) and held is not UNBOUND and not (tokens and tokens.unknown()):
        storage = engine.memory.storage(held, instr.name)
        if storage is None:
            setter = engine.memory.setter(type(held), instr.name)
        else:
            given = operand(frame, instr.value)
            late = isinstance(given, (Slot, Versioned))
            if not keeps_promise(type(held), instr.name, None if late else given, type_of(given)):
                storage = None  # what was judged by the field's annotation may be wrong
    if storage is None and setter is None:
        run_fragment(engine, strand, block, instr.fragment, instr.within)
        return None
    source = bound(engine, strand, block, instr, operand(frame, instr.value))
    value = plain(engine, strand, block, instr, source)
    if setter is not None:
        return call_function(engine, strand, block, instr.access, setter, [held, value], NO_KWARGS)
    if engine.end.following is strand:
        setattr(held, instr.name, value)
        return None
    node = StoreNode(
        strand, trace_of(block, instr), block.place, instr.fragment.text, held, instr.name, value
    )
    engine.place(node, strand)
    change = node.token = Change(strand.here, instr.name, "set", value)
    strand.change(change, storage, engine.memory)
    if isinstance(value, Slot):
        value.wait(node)
        node.missing = 1
    else:
        engine.ready.append(node)
    return None
