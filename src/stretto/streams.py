"""Streams: what a call gives that is a generator, or returns an iterator.

A `Stream` is an iterator over the items of one such call, whatever the call is: a generator, an async
generator, or a function that returns an (async) iterator. Nothing of a generator has run before the first
item is asked for. In a flow a loop over the call takes the items itself, as they come (see
`stretto.engine.streams`); everything else asks for one after the other, here.
"""

from __future__ import annotations

import sys
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from .errors import ReturnTypeError

if TYPE_CHECKING:
    from types import TracebackType

    from .calls import Call

__all__ = [
    "BEGUN",
    "BUFFER",
    "END",
    "Begun",
    "Stage",
    "Stream",
    "Taker",
    "arrived_item",
    "ending",
    "opened",
    "quietly",
    "through",
    "unheard",
]

T = TypeVar("T")

#: Stands for the item behind the last one.
END: Any = object()

#: How many items of a stream may wait for the loop that takes them, where the call does not say.
BUFFER = 16


class Stage(Protocol):
    """Makes items of another kind of a stream's items, as they come. It has no effects."""

    def item(self, item: Any) -> list[Any]:
        """What one more item gives."""
        ...

    def end(self) -> list[Any]:
        """What is left when there are no more."""
        ...


class Taker(Protocol):
    """Takes items one by one out of a call that runs nowhere else."""

    def take(self) -> Any:
        """The next item; StopIteration if there is none."""
        ...

    def close(self) -> None:
        """End the call, if it has not ended."""
        ...


def through(stages: list[Stage], item: Any) -> list[Any]:
    """What stages, one behind the other, make of an item."""
    items = [item]
    for stage in stages:
        items = [made for one in items for made in stage.item(one)]
    return items


def ending(stages: list[Stage]) -> list[Any]:
    """What is left in stages, one behind the other, when there are no more items."""
    items: list[Any] = []
    for stage in stages:
        items = [made for one in items for made in stage.item(one)]
        items += stage.end()
    return items


class Stream(Iterator[T], AsyncIterator[T]):
    """The items of one call, in order, each given once; async code outside of flows says ``async for``.

    Attributes:
        call: the call.
        args, kwargs: what it was called with.
        opened: the iterator that its function has returned; None where that has still to be called.
        stages: what is made of the items on their way.
        where: the place in program order of the call, in a flow.
    """

    __slots__ = (
        "__weakref__",
        "_begun",
        "_over",
        "_taker",
        "args",
        "call",
        "kwargs",
        "opened",
        "stages",
        "where",
    )

    def __init__(
        self, call: Call[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], opened: Any = None,
        stages: tuple[Callable[[], Stage], ...] = (), where: tuple[Any, str] | None = None,
    ) -> None:  # fmt: skip
        self.call = call
        self.args = args
        self.kwargs = kwargs
        self.opened = opened
        self.stages = stages
        self.where = where
        self._taker: _Staged | None = None
        self._begun: Begun | None = None
        self._over = False

    def __repr__(self) -> str:
        return f"<stream of {self.call.name}>"

    def through(self, stage: Callable[[], Stage]) -> Stream[Any]:
        """The stream of what a stage makes of this one's items. This one is not to be used any more."""
        if self._taker is None and not self._over:
            return Stream(self.call, self.args, self.kwargs, self.opened, (*self.stages, stage), self.where)
        made: Stream[Any] = Stream(self.call, self.args, self.kwargs, self.opened, (stage,), self.where)
        made._taker = _Staged(_Rest(self), [stage()])
        return made

    def __iter__(self) -> Stream[T]:
        return self

    def __next__(self) -> T:
        if self._over:
            raise StopIteration
        taker = self._taker
        if taker is None:
            from .drivers.taking import taker_of  # late: it brings asyncio with it

            begun = self._begun = BEGUN.get()
            taker = self._taker = _Staged(taker_of(self), [stage() for stage in self.stages])
            if begun is not None:
                begun.add(taker)
        try:
            return cast("T", taker.take())
        except BaseException:
            self._end()
            raise

    def __aiter__(self) -> Stream[T]:
        return self

    async def __anext__(self) -> T:
        from .drivers.taking import awaited  # late, as above

        item = await awaited(self)
        if item is END:
            raise StopAsyncIteration
        return cast("T", item)

    def close(self) -> None:
        """End the call that the items come from, and wait until it has ended. No items come after that."""
        taker = self._end()
        if taker is not None:
            taker.close()

    def _end(self) -> Taker | None:
        self._over = True
        taker, self._taker = self._taker, None
        if taker is not None and self._begun is not None:
            self._begun.discard(taker)
        return taker

    def goes_on_with(self, taker: Taker) -> bool:
        """Whether its items come from there."""
        return self._taker is taker

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # as a generator does that nobody holds any more
        if self._taker is not None:
            quietly(self)


class Begun:
    """The streams of one run that code which runs as a whole has begun with: they end with the run."""

    def __init__(self) -> None:
        self._takers: dict[Taker, None] = {}

    def add(self, taker: Taker) -> None:
        self._takers[taker] = None

    def discard(self, taker: Taker) -> None:
        self._takers.pop(taker, None)

    def __bool__(self) -> bool:
        return bool(self._takers)

    def close(self, result: object = None) -> None:
        """Close them, the last one first, but for the one that is the result."""
        while self._takers:
            taker, _ = self._takers.popitem()
            if not (isinstance(result, Stream) and result.goes_on_with(taker)):
                quietly(taker)


BEGUN: ContextVar[Begun | None] = ContextVar("stretto_begun", default=None)


def quietly(stream: Stream[Any] | Taker) -> None:
    """Close a stream that nobody uses any more: whoever does it does not hear what it raises then."""
    try:
        stream.close()
    except Exception as error:
        unheard(error, stream)


def unheard(error: BaseException, where: object = None) -> None:
    """Hand an exception to where CPython hands those of a generator that nobody holds any more."""
    told = "Exception ignored while closing"
    if sys.unraisablehook is sys.__unraisablehook__:  # which takes nothing that is not CPython's own
        head = f"{told} a generator" if where is None else f"{told}: {where!r}"
        sys.stderr.write(f"{head}\n{''.join(traceback.format_exception(error))}")
        return
    kind, trace = type(error), error.__traceback__
    about: Any = SimpleNamespace(
        exc_type=kind, exc_value=error, exc_traceback=trace, err_msg=told, object=where
    )
    sys.unraisablehook(about)


class _Staged:
    """A taker, and what is made of what it takes."""

    def __init__(self, taker: Taker, stages: list[Stage]) -> None:
        self.taker = taker
        self.stages = stages
        self.ready: deque[Any] = deque()
        self.ended = False

    def take(self) -> Any:
        if not self.stages:
            return self.taker.take()
        while not self.ready:
            if self.ended:
                raise StopIteration
            try:
                self.ready.extend(through(self.stages, self.taker.take()))
            except StopIteration:
                self.ended = True
                self.ready.extend(ending(self.stages))
            except BaseException:
                self.taker.close()
                raise
        return self.ready.popleft()

    def close(self) -> None:
        self.taker.close()


class _Rest:
    """What is left of a stream that has begun."""

    def __init__(self, stream: Stream[Any]) -> None:
        self.stream = stream

    def take(self) -> Any:
        return next(self.stream)

    def close(self) -> None:
        self.stream.close()


def opened(call: Call[..., Any], value: Any) -> Any:
    """The iterator that the function of a stream has returned."""
    if hasattr(value, "__aiter__"):
        return value if hasattr(value, "__anext__") else value.__aiter__()
    if hasattr(value, "__iter__"):
        return iter(value)
    raise ReturnTypeError(
        f"{_where(call)}: {call.name} is declared to return an iterator, and returned "
        f"{type(value).__name__}: {_shown(call, value)}. Correct the annotation or the value"
    )


def arrived_item(call: Call[..., Any], item: Any) -> Any:
    """An item of a stream, checked against the declaration."""
    checker = call.items
    if type(item) is not checker.exact and not (checker.always or checker.ok(item)):
        raise ReturnTypeError(
            f"{_where(call)}: {call.name} is declared to give items of type {checker.text}, and gave "
            f"{type(item).__name__}: {_shown(call, item)}. Correct the annotation or the item"
        )
    return item


def _where(call: Call[..., Any]) -> str:
    from .calls import where  # late: calls give streams

    return where(call.fn)


def _shown(call: Call[..., Any], value: Any) -> str:
    secret = call.secret is not None and call.secret.result
    return "<secret>" if secret else f"{value!r:.80}"
