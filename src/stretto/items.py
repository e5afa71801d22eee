"""Flows that are generators, being gone over: what drives them from one value to the next.

They are Python's own generators, over a run: sending, throwing and closing mean what they mean anywhere. A
value that leaves the flow is an operation of the engine's, which ends with what the consumer does. What can
run ahead does so while the consumer has the value.
"""

from __future__ import annotations

import atexit
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

from .budgets.of_runs import of_run
from .drivers.ambient import CLOCK, SEQUENTIAL, reference_run
from .drivers.errands import Errands, Looped
from .engine.failures import forget, in_context
from .runs import Run, recording_of, run_without_blocking
from .streams import unheard

if TYPE_CHECKING:
    from .budgets.budget import Entered
    from .drivers.virtual import VirtualErrands
    from .flows import Flow

__all__ = ["Stepped", "made", "on_loop", "overlapped"]


def made(flow: Flow[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Run[Any]:
    """A run of a flow that yields, which begins when its values are gone over."""
    return Run(flow, args, kwargs, recording=recording_of(flow, args, kwargs))


def overlapped(begin: Callable[[], Run[Any]], *, now: bool = False) -> Generator[Any, Any, Any]:
    """The values of a run, which begins with the first that is asked for, or right now."""
    values = _values(begin, _going_over(begin()) if now else None)
    if now:
        next(values)  # so that it can be closed before the first value
    _open.add(values)
    return values


def _going_over(run: Run[Any]) -> Errands | VirtualErrands:
    clock = CLOCK.get()
    return Errands(run) if clock is None else clock.errands(run)


def _values(
    begin: Callable[[], Run[Any]], errands: Errands | VirtualErrands | None
) -> Generator[Any, Any, Any]:
    if errands is None:
        errands = _going_over(begin())
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
        if thrown is not None:
            if sys.is_finalizing():
                raise thrown  # there is nobody any more to go on with the run
            _interrupt(errands.run, thrown)
        task.answer(sent, thrown)
        task = sent = None
    errands.end()
    try:
        if thrown is not None and _at_exit:
            raise thrown
        return _result(errands.run, thrown)
    finally:
        thrown = None  # it holds this frame


def _interrupt(run: Run[Any], thrown: BaseException) -> None:
    """What is recorded can be taken up, if nobody had had enough of it: so nothing more of it is run."""
    if run.recording is not None and (_at_exit or isinstance(thrown, KeyboardInterrupt)):
        run.stop(thrown if isinstance(thrown, KeyboardInterrupt) else KeyboardInterrupt())


def _result(run: Run[Any], thrown: BaseException | None) -> Any:
    """What the flow returned, or the failure that it ended with; `thrown` is what was thrown in last."""
    error = run.error()
    if error is None:
        return run.result()
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
    run = await run_without_blocking(flow, args, kwargs)
    looped = Looped(run)
    thrown = None
    while (task := await looped.work()) is not None:
        sent = thrown = None
        try:
            sent = yield task.item
        except BaseException as error:
            thrown = error
            _interrupt(run, error)
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
        self._budget: tuple[Entered, ...] | None = None

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

    def _step(self, step: Callable[..., Any], *given: Any) -> Any:
        if self._budget is None:
            self._budget = () if SEQUENTIAL.get() else of_run()
        with reference_run(self._budget):
            return step(*given)


#: Those that have begun and not ended. At the end of the process they are closed while there still are
#: threads to go on with them.
_open: weakref.WeakSet[Generator[Any, Any, Any]] = weakref.WeakSet()
_at_exit = False


def _close_all() -> None:
    global _at_exit
    _at_exit = True
    for values in list(_open):
        try:
            values.close()
        except BaseException as error:
            unheard(error, values)


getattr(threading, "_register_atexit", atexit.register)(_close_all)  # before threads can be started no more
