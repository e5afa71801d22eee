"""Tasks that a flow makes: what ``asyncio.create_task`` and ``asyncio.TaskGroup`` give there.

No loop runs a flow's own lines, so these are not asyncio's. The engine runs what a task stands for (see
`stretto.engine.tasks`). What is here is what the program holds of it, and what code that nobody knows may ask
of it: such code runs when everything before it has been done, so what it is told is definite.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from types import CoroutineType, TracebackType
from typing import Any

from ..engine.slots import Slot
from ..errors import UnsupportedConstruct
from .coroutines import begun

__all__ = ["Completion", "Failed", "Group", "Record", "Task", "group_error"]


class Failed:
    """That a task has failed, and the traceback that its failure had then."""

    __slots__ = ("error", "trace")

    def __init__(self, error: BaseException, trace: TracebackType | None) -> None:
        self.error = error
        self.trace = trace

    @property
    def cancelled(self) -> bool:
        return isinstance(self.error, asyncio.CancelledError)

    def again(self, kept: bool = False) -> BaseException:
        """The error, as whoever awaits the task raises it: with its traceback only once, as in asyncio, if
        that is not `kept`."""
        if self.cancelled:
            return asyncio.CancelledError()
        trace = self.trace
        if not kept:
            self.trace = None
        return self.error.with_traceback(trace)


class Record:
    """How a task has ended, or will: its result and its failure, there or still to come."""

    __slots__ = ("failure", "result")

    def __init__(self, result: Any, failure: Any) -> None:
        self.result = result
        self.failure = failure


class Task:
    """A task of a flow.

    Attributes:
        coro: what it runs: a coroutine, there or still to come.
        scope: stands for the task that has made it.
        number: how many that one had made before.
        group: the group that it is in.
        place: where it was made.
        record: how it ends, once it has begun, in program order.
        settled: the same, once everything up to its end has been done.
    """

    __slots__ = ("__weakref__", "coro", "group", "name", "number", "place", "record", "scope", "settled")

    def __init__(
        self, coro: Any, scope: object, number: int, group: Group | None, name: Any, place: Any
    ) -> None:
        self.coro = coro
        self.scope = scope
        self.number = number
        self.group = group
        self.name = f"Task-{number + 1}" if name is None else str(name)
        self.place = place
        self.record: Record | None = None
        self.settled: Record | None = None

    def __repr__(self) -> str:
        return f"<Task {'finished' if self.done() else 'pending'} name={self.name!r}>"

    def close(self) -> None:
        """What it runs has been run, or never will be."""
        coro: Any = self.coro.value if isinstance(self.coro, Slot) else self.coro
        if type(coro) is CoroutineType:
            begun(coro)

    def done(self) -> bool:
        return self.settled is not None

    def cancelled(self) -> bool:
        return (
            self.settled is not None and self.settled.failure is not None and self.settled.failure.cancelled
        )

    def result(self) -> Any:
        if self.settled is None:
            raise asyncio.InvalidStateError("Result is not set.")
        if self.settled.failure is not None:
            raise self.settled.failure.again()
        return self.settled.result

    def exception(self) -> BaseException | None:
        if self.settled is None:
            raise asyncio.InvalidStateError("Exception is not set.")
        failure = self.settled.failure
        if failure is not None and failure.cancelled:
            raise failure.again()
        return None if failure is None else failure.error

    def cancel(self, msg: Any = None) -> bool:
        if self.settled is None:
            raise UnsupportedConstruct(
                f"{self!r} cannot be cancelled by code that the flow does not run itself: cancel it in the "
                "function that has made it"
            )
        return False

    def get_name(self) -> str:
        return self.name

    def set_name(self, value: object) -> None:
        self.name = str(value)

    def get_coro(self) -> Any:
        return self.coro

    def add_done_callback(self, fn: Any, *, context: Any = None) -> None:
        raise UnsupportedConstruct(
            "a flow's tasks tell nobody that they are done (add_done_callback): await the task, and do there "
            "what the callback does"
        )

    def __await__(self) -> Generator[Any, Any, Any]:
        if self.settled is None:
            raise UnsupportedConstruct(
                f"{self!r} is awaited by code that the flow does not run itself, and has not begun: await it "
                "in the flow, or in a function that holds calls"
            )
        return self.result()
        yield


class Completion:
    """What going over ``asyncio.as_completed`` gives, the one of that `number`: awaiting it gives the next of
    `tasks` that ends."""

    __slots__ = ("__weakref__", "number", "tasks")

    def __init__(self, tasks: tuple[Task, ...], number: int) -> None:
        self.tasks = tasks
        self.number = number

    def __await__(self) -> Generator[Any, Any, Any]:
        raise UnsupportedConstruct(
            "what asyncio.as_completed gives is awaited by code that the flow does not run itself: await it "
            "in the loop over it"
        )
        yield


class Group:
    """A task group of a flow: what `asyncio.TaskGroup` gives there.

    Attributes:
        errors: the failures of its tasks, as they have become real.
        aborting: whether it has been left for that, or otherwise than by the end of its block: its tasks that
            have not begun are cancelled.
    """

    __slots__ = ("__weakref__", "aborting", "entered", "errors")

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.aborting = self.entered = False

    def __repr__(self) -> str:
        state = " cancelling" if self.aborting else " entered" if self.entered else ""
        errors = f" errors={len(self.errors)}" if self.errors else ""
        return f"<TaskGroup{errors}{state}>"

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> Task:
        raise UnsupportedConstruct(
            "a task of a flow's task group can only be made by code that the flow runs itself, and not by a "
            "function that is given to another, as to map()"
        )

    async def __aenter__(self) -> Group:
        raise UnsupportedConstruct("a flow's task group can only be entered by the flow's own code")

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        raise UnsupportedConstruct("a flow's task group can only be left by the flow's own code")


def group_error(errors: list[BaseException]) -> BaseException:
    """What a task group raises at its end."""
    made = BaseExceptionGroup("unhandled errors in a TaskGroup", errors)
    made.__suppress_context__ = True
    return made
