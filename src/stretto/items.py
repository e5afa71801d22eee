"""Flows that are generators, being gone over: what drives them from one value to the next.

They are Python's own generators, over a run: sending, throwing and closing mean what they mean anywhere. A
value that leaves the flow is an operation of the engine's, which ends with what the consumer does. What can
run ahead does so while the consumer has the value.
"""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

from .configuration import choice, chosen
from .drivers.ambient import CLOCK, SEQUENTIAL
from .drivers.errands import Errands, Looped
from .engine.failures import forget, in_context
from .errors import NotRecordable
from .runs import Run
from .streams import unheard

if TYPE_CHECKING:
    from .drivers.virtual import VirtualErrands
    from .flows import Flow

__all__ = ["Stepped", "on_loop", "overlapped"]


def overlapped(
    flow: Flow[..., Any], args: Any, kwargs: Mapping[str, Any], *, now: bool = False
) -> Generator[Any, Any, Any]:
    """The values of a flow, which begins with the first that is asked for, or right now."""
    values = _values(flow, args, kwargs, _begin(flow, args, kwargs) if now else None)
    if now:
        next(values)  # so that it can be closed before the first value
    _open.add(values)
    return values


def _begin(flow: Flow[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Errands | VirtualErrands:
    _refuse_journal(flow)
    run = Run(flow, args, kwargs)
    clock = CLOCK.get()
    return Errands(run) if clock is None else clock.errands(run)


def _values(
    flow: Flow[..., Any], args: Any, kwargs: Mapping[str, Any], errands: Errands | VirtualErrands | None
) -> Generator[Any, Any, Any]:
    if errands is None:
        errands = _begin(flow, args, kwargs)
    else:
        try:
            yield
        except BaseException as error:
            errands.run.stop(error)
    thrown = None
    while (task := errands.work()) is not None:
        sent = thrown = None
        try:
            sent = yield task.item
        except BaseException as error:
            thrown = error
        if thrown is not None and sys.is_finalizing():
            raise thrown  # there is nobody any more to go on with the run
        task.answer(sent, thrown)
        task = sent = None
    errands.end()
    try:
        return _result(errands.run, thrown)
    finally:
        thrown = None  # it holds this frame


def _result(run: Run[Any], thrown: BaseException | None) -> Any:
    """What the flow returned, or the failure that it ended with; `thrown` is what was thrown in last."""
    outcome = run.engine.outcome
    assert outcome is not None
    error = outcome.error
    if error is None:
        return outcome.value
    if error is not thrown:
        _in_context(error, run.engine.handled)
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context


def _in_context(error: BaseException, before: BaseException | None) -> None:
    """Where the last value is asked for, something else may be handled than `before`, at the first."""
    now = sys.exception()
    if now is before:
        return
    if before is not None:
        forget(error, before, None)
    link, seen = error, {id(error)}
    while link is not now and (context := link.__context__) is not None and id(context) not in seen:
        link = context
        seen.add(id(link))
    in_context(link, now)


async def on_loop(flow: Flow[..., Any], args: Any, kwargs: Mapping[str, Any]) -> AsyncGenerator[Any, Any]:
    """The values of a flow, on the running loop."""
    if flow.journal is not None or chosen() or CLOCK.get() is not None:  # a clock cannot wait for a thread
        _refuse_journal(flow)
    else:
        await asyncio.to_thread(_refuse_journal, flow)  # it looks for a file
    run = Run(flow, args, kwargs)
    looped = Looped(run)
    thrown = None
    while (task := await looped.work()) is not None:
        sent = thrown = None
        try:
            sent = yield task.item
        except BaseException as error:
            thrown = error
        task.answer(sent, thrown)
        task = sent = None
    await looped.end()
    try:
        _result(run, thrown)
    finally:
        thrown = None


class Stepped(Generator[Any, Any, Any]):
    """A generator of the plain function, which knows while it runs that it is a reference run."""

    def __init__(self, source: Generator[Any, Any, Any]) -> None:
        self._source = source

    def __iter__(self) -> Generator[Any, Any, Any]:
        return self

    def __next__(self) -> Any:
        return self._step(self._source.__next__)

    def send(self, value: Any, /) -> Any:
        return self._step(self._source.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._source.throw, *error)

    def close(self) -> None:
        self._step(self._source.close)

    @staticmethod
    def _step(step: Callable[..., Any], *given: Any) -> Any:
        token = SEQUENTIAL.set(True)
        try:
            return step(*given)
        finally:
            SEQUENTIAL.reset(token)


def _refuse_journal(flow: Flow[..., Any]) -> None:
    """Values that leave a flow are not recorded: say so before anything runs."""
    if flow.journal == "" or (flow.journal is None and choice().url is None):
        return
    code = flow.fn.__code__
    raise NotRecordable(
        flow.name, "is a flow that yields, and its values are not recorded",
        f"have {code.co_filename}:{code.co_firstlineno} return a list, or run without a journal "
        "(`--no-journal`, or `.using(journal=None)`)",
    )  # fmt: skip


#: Those that have begun and not ended. At the end of the process they are closed while there still are
#: threads to go on with them.
_open: weakref.WeakSet[Generator[Any, Any, Any]] = weakref.WeakSet()


def _close_all() -> None:
    for values in list(_open):
        try:
            values.close()
        except BaseException as error:
            unheard(error, values)


getattr(threading, "_register_atexit", atexit.register)(_close_all)  # before threads can be started no more
