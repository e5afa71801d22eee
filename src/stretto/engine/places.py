"""Where an operation stands in the program: its identity, and its lines in a traceback."""

from __future__ import annotations

import ast
import os
import sys
from types import CodeType, FunctionType, TracebackType
from typing import TYPE_CHECKING, Any

from .nodes import FailedNode, FragmentNode, Node

if TYPE_CHECKING:
    from ..compiler.functions import Compiled

__all__ = ["path", "rooted", "users"]

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
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
        ours = filename.startswith(_HERE)
        carrier = not seen_user and any(m in filename for m in _MACHINERY)
        if not ours and not carrier:
            seen_user = True
            entries.append(trace)
        trace = trace.tb_next
    made: TracebackType | None = None
    for entry in reversed(entries):
        lineno: Any = entry.tb_lineno  # None where the code does not tell, whatever typeshed says
        made = TracebackType(made, entry.tb_frame, entry.tb_lasti, -1 if lineno is None else lineno)
    return made


def _line(form: Compiled, lineno: int, name: str, following: TracebackType | None) -> TracebackType:
    """A traceback entry for a line of the user's function that no real frame stands for."""
    code = form.lines.get((lineno, name))
    if code is None:
        where = {"lineno": lineno, "end_lineno": lineno, "col_offset": -1, "end_col_offset": -1}  # no columns
        statement = ast.Raise(ast.Name("error", ast.Load(), **where), None, **where)
        none = ast.arguments([], [], None, [], [], None, [])
        function = ast.FunctionDef("line", none, [statement], [], None, None, **where)
        if sys.version_info >= (3, 12):
            function.type_params = []
        if name == form.name:  # it begins where the user's function does, as the code of fragments
            function.lineno = form.lineno
            function.end_lineno = max(lineno, form.lineno)
        module = compile(ast.Module([function], []), form.filename, "exec")
        [made] = (c for c in module.co_consts if isinstance(c, CodeType))
        code = form.lines[lineno, name] = made.replace(co_name=name, co_qualname=form.qualname)
    marker = _Marker()
    try:
        FunctionType(code, {"error": marker})()
    except _Marker as raised:
        entry = raised.__traceback__
        assert entry is not None and entry.tb_next is not None
        entry = entry.tb_next
        # With the instruction that it was at: what looks for one that is not there may look for ever.
        return TracebackType(following, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    raise AssertionError


class _Marker(Exception):
    """Raised only to make a frame."""
