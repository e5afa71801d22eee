"""Where an operation stands in the program: its identity, and its lines in a traceback."""

from __future__ import annotations

import ast
import dis
import os
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import TYPE_CHECKING, Any

from ..compiler.syntax import function_def
from .nodes import FailedNode, FragmentNode, Node

if TYPE_CHECKING:
    from ..compiler.functions import Compiled

__all__ = ["emptied", "path", "rooted", "users"]

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
#: What the names of the machinery's files begin with; machine code has them as they were where it was built.
_OURS = (_HERE,) if __file__.endswith(".py") else (_HERE, os.path.join("src", "stretto") + os.sep)
_SUSPENDED = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
_MACHINERY = ("asyncio", "concurrent", "threading.py", "uvloop")


def path(place: Any, site: str = "") -> str:
    """The place of an operation as text: ``digest/for/3/search``. It does not depend on timing, nor on lines
    that are added elsewhere."""
    parts: list[str] = [site] if site else []
    while place is not None:
        place, label = place
        parts.append(str(label))
    return "/".join(reversed(parts))


def rooted(error: BaseException, node: Node, depth: int) -> BaseException:
    """Give an exception the traceback that the reference run would have given it in the function at `depth`:
    the user's lines, from that function's down to where it was raised. It is another exception where a
    `StopIteration` has come out of a generator."""
    own_line = node.own_line if isinstance(node, FailedNode) else not isinstance(node, FragmentNode)
    trace = users(error.__traceback__)
    link = node.trace
    while link is not None and link[4] >= depth:
        form, lineno, caller, name, at = link
        if own_line:
            trace = _line(form, lineno, name, trace)
        own_line = True
        if isinstance(error, StopIteration) and (
            name == "<genexpr>"
            or (form.generator and name == form.name and (caller is None or depth <= caller[4] < at))
        ):
            error.__traceback__ = trace
            stopped = RuntimeError("generator raised StopIteration")
            stopped.__cause__ = stopped.__context__ = error
            error, trace = stopped, None
        link = caller
    error.__traceback__ = trace
    return error


def users(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the machinery's frames."""
    entries: list[TracebackType] = []
    seen_user = False
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        ours = filename.startswith(_OURS)
        carrier = not seen_user and any(m in filename for m in _MACHINERY)
        if not ours and not carrier:
            seen_user = True
            entries.append(trace)
            _empty(trace.tb_frame.f_back)
        trace = trace.tb_next
    made: TracebackType | None = None
    for entry in reversed(entries):
        lineno: Any = entry.tb_lineno  # None where the code does not tell, whatever typeshed says
        made = TracebackType(made, entry.tb_frame, entry.tb_lasti, -1 if lineno is None else lineno)
    return made


def emptied(error: BaseException) -> None:
    """The same, once the run that an exception has ended is over."""
    seen: set[int] = set()
    found: list[BaseException | None] = [error]
    while found:
        at = found.pop()
        if at is None or id(at) in seen:
            continue
        seen.add(id(at))
        trace = at.__traceback__
        while trace is not None:
            _empty(trace.tb_frame.f_back)
            trace = trace.tb_next
        found += (at.__cause__, at.__context__)


def _empty(frame: FrameType | None) -> None:
    """Let go of what the machinery's frames below one of the user's hold: they have ended, and a traceback
    that leads to them would keep generators from being closed."""
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        if frame.f_code.co_flags & _SUSPENDED:
            return  # it may go on
        try:
            frame.clear()
        except RuntimeError:
            return  # it is still running
        frame = frame.f_back


def _line(form: Compiled, lineno: int, name: str, following: TracebackType | None) -> TracebackType:
    """A traceback entry for a line of the user's function that no real frame stands for."""
    found = form.lines.get((lineno, name))
    if found is None:
        where = {"lineno": lineno, "end_lineno": lineno, "col_offset": -1, "end_col_offset": -1}  # no columns
        statement = ast.Raise(ast.Name("error", ast.Load(), **where), None, **where)
        never = ast.Expr(ast.Yield(None, **where), **where)
        none = ast.arguments([], [], None, [], [], None, [])
        function = function_def("line", none, [statement, never], **where)
        if name == form.name:  # it begins where the user's function does, as the code of fragments
            function.lineno = form.lineno
            function.end_lineno = max(lineno, form.lineno)
        module = compile(ast.Module([function], []), form.filename, "exec")
        [made] = (c for c in module.co_consts if isinstance(c, CodeType))
        table = _all_at(lineno - made.co_firstlineno, len(made.co_code) // 2)
        made = made.replace(co_name=name, co_qualname=form.qualname, co_linetable=table)
        # what looks for an instruction that is not there may look for ever
        at = next(i.offset for i in dis.get_instructions(made) if i.opname == "RAISE_VARARGS")
        found = form.lines[lineno, name] = made, at
    code, at = found
    # Of a generator that has not begun: from its frame no others lead, which would last as long as it does.
    return TracebackType(following, FunctionType(code, {})().gi_frame, at, lineno)


def _all_at(delta: int, units: int) -> bytes:
    """The table of lines of code all of which is so many lines below its first, also before a generator has
    begun (`Objects/locations.md` in CPython tells its form)."""
    number = delta << 1 if delta >= 0 else (-delta << 1) | 1
    table = bytearray()
    while units > 0:
        count = min(units, 8)
        table.append(0b1_1101_000 | count - 1)  # an entry without columns
        while number >= 64:
            table.append(64 | number & 63)
            number >>= 6
        table.append(number)
        units, number = units - count, 0
    return bytes(table)
