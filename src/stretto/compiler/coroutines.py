"""What gives a coroutine when it is called: async functions, flows made of one, and calls of one.

In an ``async def`` a declared async call gives a coroutine, as the function that it wraps would; elsewhere it
runs, and gives its value.
"""

from __future__ import annotations

import ast
import inspect
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, cast

from ..calls import BoundCall, Call
from ..flows import BoundFlow, Flow
from .walking import walk

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["asyncio_name", "awaited_target", "called_by", "gives_coroutine", "needs_loop"]

_AIO: tuple[Any, ...] = tuple(vars(kind)["aio"] for kind in (Call, Flow, BoundCall, BoundFlow))


def awaited_target(callee: Any) -> Any:
    """What is called: ``f.aio`` of a call or a flow is the call or flow itself."""
    if type(callee) is MethodType and callee.__func__ in _AIO:
        return callee.__self__
    return callee


def gives_coroutine(callee: Any) -> bool:
    """Whether calling this in an ``async def`` gives a coroutine, as far as Stretto understands it."""
    while type(callee) is partial:
        callee = callee.func
    if type(callee) is FunctionType:
        return bool(callee.__code__.co_flags & inspect.CO_COROUTINE)
    if isinstance(callee, BoundCall):
        callee = callee.call
    if isinstance(callee, Call):
        return callee.awaited
    if isinstance(callee, BoundFlow):
        callee = cast("BoundFlow[..., Any]", callee).flow
    if isinstance(callee, Flow):
        return callee.is_async
    if type(callee) is MethodType:
        return callee.__func__ in _AIO or gives_coroutine(callee.__func__)
    fn = called_by(callee)
    return fn is not None and bool(fn.__code__.co_flags & inspect.CO_COROUTINE)


#: Of classes that a ``class`` statement has made (Py_TPFLAGS_HEAPTYPE).
_MADE_IN_PYTHON = 1 << 9


def called_by(callee: Any) -> FunctionType | None:
    """The ``__call__`` of an object of the user's own, if that is a plain function."""
    kind = cast("type[Any]", type(callee))
    if (
        type(kind) is not type
        or not kind.__flags__ & _MADE_IN_PYTHON
        or kind.__module__.startswith("stretto.")
    ):
        return None
    for base in kind.__mro__:
        if "__call__" in base.__dict__:
            fn = base.__dict__["__call__"]
            return fn if type(fn) is FunctionType else None
    return None


def asyncio_name(function: Compiled, func: ast.expr) -> str:
    """The name of the function, or class, of asyncio that an expression means; empty if it means none."""
    parts: list[str] = []
    while isinstance(func, ast.Attribute):
        parts.append(func.attr)
        func = func.value
    if not isinstance(func, ast.Name) or func.id in function.scope.locals:
        return ""
    try:
        found = function.resolve_dotted(".".join([func.id, *reversed(parts)]))
    except KeyError:
        return ""
    module: str = getattr(found, "__module__", None) or ""
    name: str = getattr(found, "__qualname__", "")
    return name if module in ("asyncio", "_asyncio") or module.startswith("asyncio.") else ""


#: Functions of asyncio that work on the running loop when they are called.
_ON_THE_LOOP = frozenset(
    {
        "gather", "create_task", "ensure_future", "shield", "wait_for", "as_completed", "get_running_loop",
        "get_event_loop", "current_task", "all_tasks", "timeout", "timeout_at",
    }
)  # fmt: skip


def needs_loop(function: Compiled) -> bool:
    """Whether a plain function itself calls what works on the running loop."""
    found: bool | None = function.summaries.get("needs loop")
    if found is None:
        found = function.summaries["needs loop"] = any(
            isinstance(n, ast.Call) and asyncio_name(function, n.func) in _ON_THE_LOOP
            for n in walk(function.node)
        )
    return found
