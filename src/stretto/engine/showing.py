"""Calls that show something: ``print(x)``, ``sys.stdout.write(text)``.

Such a call changes a resource of its own, the stream, and is made in its turn, by the program's own thread.
But it makes a text of what it is given first, and that, or the stream, may be the program's own code, which
may do anything. So as long as the values have not come, it may change anything; it is settled when they have
and are seen to have texts of Python's own making, though its turn may come much later.
"""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, cast

from ..compiler import ir
from ..compiler.guard_ops import operand as runs_no_code
from ..compiler.known_objects import class_attribute
from ..compiler.methods import method_verdict
from ..compiler.relaxations import relaxed
from ..compiler.texts import has_text
from .containers import Versioned
from .nodes import ORDERED, FunctionNode, natively
from .operands import argument_type, certain, trace_of
from .operations import settled
from .printed import STDERR, STDOUT, WRITES, Late, all_shown, is_of_stream, path_of_file
from .slots import PENDING, Slot
from .tokens import EVERYTHING, Token

if TYPE_CHECKING:
    from .machine import Engine
    from .strands import Block, Strand, Trace

__all__ = ["ShowNode", "looked_up", "show_node", "write_node"]

#: So many are made along with one.
_MOST: Final = 200
#: Whether a call that shows something changes nothing else; of several judgements the greatest counts.
_YES, _UNSURE, _NO = range(3)


class _May(Token):
    """Settles when a write is known not to be one of anything, or has been made."""

    def wake(self, engine: Any) -> None:
        if self.missing:
            super().wake(engine)


class ShowNode(FunctionNode):
    """A call that shows something.

    Attributes:
        paths: the resources that it writes.
        shown: what it changes, if it changes nothing else, as things stood when it was issued.
        may: stands for a write of anything, as long as that is possible.
        quiet: whether it is known to run no code of the program's.
        along: those right behind it, which are made along with it: each on its own would cost a way to the
            program's thread and back.
        made: what came of it, and its failure, if it was made along with another.
    """

    __slots__ = ("along", "made", "may", "paths", "quiet", "shown")

    def __init__(
        self, strand: Strand, trace: Trace, place: Any, site: str, fn: Any, args: list[Any],
        kwargs: dict[str, Any], paths: tuple[str, ...],
    ) -> None:  # fmt: skip
        super().__init__(strand, trace, place, site, fn, args, kwargs, False, None, None)
        self.paths = paths
        self.shown = all_shown(paths)
        self.may: Token | None = None
        self.quiet = False
        self.along: list[ShowNode] = []
        self.made: tuple[Any, BaseException | None] | None = None

    def proceed(self, engine: Engine) -> None:
        may = self.may
        if may is not None:
            self.may = None
            values = [v.value if isinstance(v, Slot) else v for v in (*self.args, *self.kwargs.values())]
            shown = all_shown(self.paths)
            if EVERYTHING not in shown and shown <= self.shown:
                if all(_is_quiet(v, self.exc_context) for v in values):
                    self.quiet = True
                    may.wake(engine)
        super().proceed(engine)

    def oldest(self, engine: Engine) -> None:
        if self.made is not None:
            value, error = self.made
            self.made = None
            if error is None:
                engine.finish(self, value)
            else:
                engine.failed(self, error)
            return
        if self.quiet:
            entry: Any = self.following
            while type(entry) is ShowNode and entry.goes_along(self) and len(self.along) < _MOST:
                self.along.append(entry)
                entry = entry.following
        engine.start(self)

    def goes_along(self, other: ShowNode) -> bool:
        return self.quiet and self.state == ORDERED and self.made is None and self.purse is other.purse

    def run(self) -> Any:
        value = super().run()
        along, self.along = self.along, []
        for node in along:
            if node.state != ORDERED:  # it has been given up meanwhile
                break
            try:
                node.made = natively(node.call, [], node.exc_context), None
            except Exception as error:
                node.made = None, error
                break
        return value


def show_node(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, call: Any, args: list[Any],
    kwargs: dict[str, Any],
) -> ShowNode | None:  # fmt: skip
    """Issue a call of what is declared to show something; None if it shows it to nobody knows whom."""
    if call.fn is print:
        path = path_of_file(kwargs)
        return None if path is None else _issue(engine, strand, block, instr, print, args, kwargs, (path,))
    paths = tuple([r.root for r in call.effects.writes])
    return _issue(engine, strand, block, instr, call.run_here, args, kwargs, paths)


def write_node(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, callee: Any, args: list[Any],
    kwargs: dict[str, Any],
) -> ShowNode | None:  # fmt: skip
    """Issue a call of a method of stdout or stderr that shows something; None of anything else."""
    path: str | None
    if type(callee) is Late:
        path = callee.stream if callee.method in WRITES else None
    elif strand.tokens and strand.tokens.unknown():
        return None  # it may be another's by then
    else:
        path = is_of_stream(callee)
    if path is None or not relaxed("purity"):
        return None
    return _issue(engine, strand, block, instr, callee, args, kwargs, (path,))


def looked_up(strand: Strand, block: Block, instr: ir.Apply, callee: Any) -> Any:
    """What is called, where that is an attribute of a stream, and which stream this is hangs on what comes
    before: it is looked up when it is called."""
    source = instr.callee
    if not isinstance(source, ir.Load) or len(source.rest) != 2 or source.rest[0] not in (STDOUT, STDERR):
        return callee
    if not (strand.tokens and strand.tokens.unknown()) or block.frame.form.resolve(source.first) is not sys:
        return callee
    return Late(*source.rest)


def _issue(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, fn: Any, args: list[Any],
    kwargs: dict[str, Any], paths: tuple[str, ...],
) -> ShowNode:  # fmt: skip
    node = ShowNode(strand, trace_of(block, instr), block.place, instr.label, fn, args, kwargs, paths)
    engine.place(node, strand)
    token = node.token = Token(1)
    values = [*args, *kwargs.values()]
    tokens = strand.tokens
    unknown = tokens.unknown() if tokens else []
    quiet = _UNSURE
    if not unknown:
        quiet = _NO if EVERYTHING in node.shown else _YES
        for v in values:
            quiet = max(quiet, _judged(engine, strand, v))
    if quiet == _NO:
        strand.write(EVERYTHING, token, certain=True)
    else:
        node.quiet = quiet == _YES
        for path in node.shown - {EVERYTHING}:
            strand.write(path, token, certain=True)
        if quiet == _UNSURE:
            node.may = may = _May()
            token.waiters.append(may)
            strand.write(EVERYTHING, may, certain=False)
            node.await_tokens(unknown)
    complete = node.gather(args)
    if kwargs:
        complete = node.gather(list(kwargs.values())) and complete
    if complete and node.missing == 0:
        engine.ready.append(node)
    return node


def _judged(engine: Engine, strand: Strand, value: Any) -> int:
    if not isinstance(value, Slot):
        return _YES if _is_quiet(value, strand.exc) or _own_text(engine, strand, value) else _NO
    if value.value is not PENDING:
        return _judged(engine, strand, value.value)
    (kind,) = certain([argument_type(value)], strand.tokens)
    return _YES if relaxed("purity") and has_text(kind) else _UNSURE


def _is_quiet(value: Any, handled: BaseException | None) -> bool:
    """Whether making a text of a value runs no code of the program's; that of what is being handled is taken
    to have no effects."""
    if isinstance(value, Versioned) or value is handled or value is sys.stdout or value is sys.stderr:
        return True
    return relaxed("purity") and runs_no_code(value, "__str__", "__repr__")


def _own_text(engine: Engine, strand: Strand, value: Any) -> bool:
    """Whether the program's own code that makes the text of a value has no effects."""
    cls = cast("type[Any]", type(value))
    found = class_attribute(cls, "__str__")
    if found is None or found[0] is object:
        found = class_attribute(cls, "__repr__")
    if found is None or type(found[1]) is not FunctionType or not relaxed("purity"):
        return False
    return method_verdict(found[1], value, (), settled(engine, strand)).pure
