"""Coroutines that stand for a call that has not begun.

What an async call gives in an ``async def`` is a real coroutine: it may be stored, given to code that nobody
knows, and it warns if nobody awaits it. As long as it has not begun, what it would call can be read from it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import CoroutineType, FrameType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary, ref

from ..budgets.budget import ENTERED
from .ambient import SCOPE, SEQUENTIAL, invoke_now, invoke_on_loop

if TYPE_CHECKING:
    from ..calls import Call

__all__ = ["GONE", "begun", "called", "contents", "coroutine_of", "following", "in_async_code"]

#: The frames of what is a part of the function around it, as far as this can be told from a frame.
_PARTS = frozenset({"<lambda>", "<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>"})
_SCALARS = (int, float, complex, bool, str, bytes, type(None))
_CREATED = inspect.CORO_CREATED
#: The last is that of fragments (see `stretto.compiler.fragments`).
_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE


def in_async_code(frame: FrameType | None) -> bool:
    """Whether a frame is that of an ``async def``, or of a part of one."""
    while frame is not None:
        code = frame.f_code
        if code.co_flags & _ASYNC:
            return True
        if code.co_name not in _PARTS and not frame.f_globals.get("__name__", "").startswith("asyncio."):
            return False
        frame = frame.f_back
    return False


def _following(iterator: Any, end: Any) -> Any:
    return next(iterator, end)


#: ``next`` as a part of an ``async def``: what a lazy iterator calls then is called from there.
following = FunctionType(
    _following.__code__.replace(co_flags=_following.__code__.co_flags | inspect.CO_ITERABLE_COROUTINE),
    globals(),
    "following",
)


def coroutine_of(callee: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """A coroutine that calls what gives one, when it is awaited. Arguments that do not fit are an error at
    once."""
    from ..calls import BoundCall, Call  # late: calls are made with what is here
    from ..flows import BoundFlow, Flow

    fn, given = callee, args
    if isinstance(callee, (BoundCall, BoundFlow)):
        given = (callee.instance, *args)
        fn = callee.call if isinstance(callee, BoundCall) else cast("BoundFlow[..., Any]", callee).flow
    if isinstance(fn, Flow):
        cast("Flow[..., Any]", fn).check(given, kwargs)
    elif not isinstance(fn, Call):
        fn(*given, **kwargs).close()
    else:
        wrapped = cast("Call[..., Any]", fn).fn
        if type(wrapped) is FunctionType and wrapped.__code__.co_flags & inspect.CO_COROUTINE:
            wrapped(*given, **kwargs).close()
    made: Any = _call(callee, args, kwargs)
    named = cast("object", callee)
    made.__name__ = getattr(named, "__name__", "call")
    made.__qualname__ = getattr(named, "__qualname__", made.__name__)
    return made


async def _call(callee: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    from ..calls import BoundCall, Call  # late, as above

    if isinstance(callee, BoundCall):
        callee, args = callee.call, (callee.instance, *args)
    if isinstance(callee, Call):
        return await _invoke(cast("Call[..., Any]", callee), args, kwargs)
    return await callee(*args, **kwargs)


async def _invoke(call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Make a call from async code: in the reference run before anything else goes on."""
    if SEQUENTIAL.get():
        return invoke_now(call, args, kwargs)
    scope = SCOPE.get()
    if scope is None:
        return await invoke_on_loop(call, args, kwargs)
    if ENTERED.get():
        from .paying import paid_on_loop

        return await paid_on_loop(call, args, kwargs, lambda call: scope.invoke_on_loop(call, args, kwargs))
    return await scope.invoke_on_loop(call, args, kwargs)


def contents(value: object) -> tuple[Any, tuple[Any, ...], dict[str, Any]] | None:
    """What such a coroutine would call, and with what; None of anything else, and of one that has begun."""
    if type(value) is not CoroutineType:
        return None
    coroutine = cast("CoroutineType[Any, Any, Any]", value)
    if coroutine.cr_code is not _call.__code__ or inspect.getcoroutinestate(coroutine) != _CREATED:
        return None
    found = cast("FrameType", coroutine.cr_frame).f_locals
    return found["callee"], found["args"], found["kwargs"]


def begun(value: Any) -> None:
    """It has been awaited, by somebody else making the call: it cannot be again."""
    found = contents(value)
    if found is not None:
        callee, args, kwargs = found
        first = [callee.__self__, *args] if type(callee) is MethodType else args
        fn = callee.__func__ if type(callee) is MethodType else callee
        _called[value] = fn, [_weak(v) for v in first], {name: _weak(v) for name, v in kwargs.items()}
    value.close()


def called(value: object) -> tuple[Any, list[Any], dict[str, Any]] | None:
    """As `contents`, also of one that somebody else has made the call of. What is not there any more, or
    cannot be told, is `GONE`."""
    found = contents(value)
    if found is not None:
        return found[0], list(found[1]), found[2]
    what = _called.get(value) if type(value) is CoroutineType else None
    if what is None:
        return None
    fn, args, kwargs = what
    return fn, [_strong(v) for v in args], {name: _strong(v) for name, v in kwargs.items()}


#: What coroutines called that somebody else has made the call of. It is not held for their sake.
_called: WeakKeyDictionary[Any, tuple[Any, list[Any], dict[str, Any]]] = WeakKeyDictionary()
#: In the place of an object that is not held.
GONE: Any = object()


def _weak(value: Any) -> Any:
    if type(value) in _SCALARS:
        return value
    try:
        return ref(value)
    except TypeError:
        return GONE


def _strong(value: Any) -> Any:
    if type(value) is not ref:
        return value
    found: Any = cast("ref[Any]", value)()
    return GONE if found is None else found
