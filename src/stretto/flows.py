"""``@flow``: entry points, and their ways to run.

What decorates a flow reads its source and nothing else; the engine is imported when a flow first runs.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
from collections.abc import Callable, Collection, Coroutine, Generator, Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    cast,
    overload,
)

from .compiler.source import flow_node
from .drivers.ambient import CLOCK, SCOPE, SEQUENTIAL, reference_run
from .errors import DeclarationError, FlowArgumentError
from .options import check_options
from .secrecy import secrecy_of

if TYPE_CHECKING:
    from .compiler.functions import Compiled
    from .engine.machine import Outcome
    from .generator_flows import GeneratorFlow
    from .runs import Run

__all__ = ["AsyncFlow", "BoundAsyncFlow", "BoundFlow", "Flow", "flow"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
V = TypeVar("V")
Y = TypeVar("Y")


class Flow(Generic[P, R]):
    """A plain function whose calls overlap.

    Attributes:
        fn: the function as the user wrote it.
        name: how it is named in traces.
        timeout: seconds a run may take, or None.
        limit: how many operations may be in flight, or None for the default.
        secret: what of it is kept out of the journal; None if nothing is.
        journal: the URL of the journal of its runs; empty for none; None for the one that is configured.
        is_async: whether the function is an ``async def``.
    """

    #: The script that this process runs, if it was started for that (see `stretto.scripts`).
    running: ClassVar[Flow[..., Any] | None] = None
    is_async = False

    #: Whether it is a generator, whose values leave one by one.
    yields: ClassVar[bool] = False

    def __init__(self, fn: Callable[P, R], options: Mapping[str, Any]) -> None:
        self._node = flow_node(fn)
        functools.update_wrapper(self, fn)
        self.fn = cast("FunctionType", fn)
        self.name: str = options.get("name") or self.fn.__qualname__
        self.timeout: float | None = options.get("timeout")
        self.limit: int | None = options.get("limit")
        self.secret = secrecy_of(
            options.get("secret", False),
            fn,
            where=f"{self.fn.__code__.co_filename}:{self.fn.__code__.co_firstlineno}",
            name=self.name,
        )
        self.journal: str | None = None
        self._signature: inspect.Signature | None = None

    def __repr__(self) -> str:
        return f"<flow {self.name}>"

    @property
    def node(self) -> ast.FunctionDef | ast.AsyncFunctionDef:
        """The syntax of the function."""
        return self._node

    def using(self, *, journal: str | Path | None) -> Self:
        """The same flow, whose runs are written to a journal of their own.

        Args:
            journal: a URL, the path of a file, or None for none.
        """
        made = copy.copy(self)
        made.journal = "" if journal is None else str(journal)
        return made

    @property
    def form(self) -> Compiled:
        """The compiled form."""
        from .compiler.functions import compiled  # late: see the top of this module

        form = compiled(self.fn, self._node)
        assert form is not None
        return form

    def overdue(self) -> TimeoutError:
        """What is raised when it has taken too long."""
        return TimeoutError(f"the flow {self.name} took longer than its timeout of {self.timeout:g} s")

    def told(self, outcome: Outcome) -> Outcome:
        """How a journal is told that a run ended."""
        return outcome

    def check(self, args: Any, kwargs: Mapping[str, Any]) -> None:
        """`FlowArgumentError` if the flow cannot be called like this."""
        signature = self._signature
        if signature is None:
            signature = self._signature = inspect.signature(self.fn)
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            code = self.fn.__code__
            raise FlowArgumentError(
                f"{code.co_filename}:{code.co_firstlineno}: the flow {self.name}{signature} was called with "
                f"arguments that do not fit: {error}"
            ) from None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the flow overlapped, and return its result."""
        self.check(args, kwargs)
        piece = SCOPE.get()
        if piece is not None:
            piece.check()
        if SEQUENTIAL.get() or (piece is not None and piece.records):
            # in code that runs as a whole, in a run that is recorded: its calls are recorded as that code's
            return cast("R", self.fn(*args, **kwargs))
        run = self._run(args, kwargs)
        clock = CLOCK.get()
        if clock is not None:
            clock.drive(run)
            run.settle()
        else:
            run.drive_here()
        error = run.error()
        if error is None:
            return run.result()
        context = error.__context__
        _kept = run.kept()  # by this frame, to which the traceback leads
        try:
            raise error  # from here: one frame of ours in the traceback, not three
        except BaseException:
            error.__context__ = context  # where the flow was called in a handler, it has that at its end
            raise
        finally:
            del error, context, run  # it leads to this frame

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the flow overlapped on the running event loop."""
        self.check(args, kwargs)
        run = await self._run_without_blocking(args, kwargs)
        await run.drive_on_loop()
        error = run.error()
        if error is None:
            return run.result()
        context = error.__context__
        _kept = run.kept()
        try:
            raise error
        except BaseException:
            error.__context__ = context
            raise
        finally:
            del error, context, run

    def sequential(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The reference run: the function as CPython runs it, each call ending before the next begins."""
        self.check(args, kwargs)
        with reference_run():
            return cast("R", self.fn(*args, **kwargs))

    def start(self, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """Start the flow overlapped, and return a handle at once."""
        self.check(args, kwargs)
        run = self._run(args, kwargs)
        run.drive_elsewhere()
        return run

    async def _run_without_blocking(self, args: Any, kwargs: Mapping[str, Any]) -> Run[R]:
        """As `_run`, from an event loop: journals are looked for, and opened, elsewhere."""
        from .runs import run_without_blocking

        return await run_without_blocking(self, args, kwargs)

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(
        self: Flow[Concatenate[Any, Q], R], instance: object, owner: type | None = None, /
    ) -> BoundFlow[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        """A flow that is an attribute of a class is called with its instance, like a function."""
        return self if instance is None else BoundFlow(self, instance)

    def _run(self, args: Any, kwargs: Mapping[str, Any]) -> Run[R]:
        """A run that has not begun."""
        from .runs import Run, recording_of  # late: see the top of this module

        return Run(self, args, kwargs, recording=recording_of(self, args, kwargs))


class BoundFlow(Generic[P, R]):
    """A `Flow` looked up on an instance: the instance goes in as the first argument."""

    __slots__ = ("flow", "instance")

    def __init__(self, flow: Flow[..., R], instance: object) -> None:
        self.flow = flow
        self.instance = instance

    def __repr__(self) -> str:
        return f"<flow {self.flow.name} of {self.instance!r}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """As `Flow.__call__`."""
        return self.flow(self.instance, *args, **kwargs)

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """As `Flow.aio`."""
        return await self.flow.aio(self.instance, *args, **kwargs)

    def sequential(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """As `Flow.sequential`."""
        return self.flow.sequential(self.instance, *args, **kwargs)

    def start(self, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """As `Flow.start`."""
        return self.flow.start(self.instance, *args, **kwargs)

    def using(self, *, journal: str | Path | None) -> BoundFlow[P, R]:
        """As `Flow.using`."""
        return BoundFlow(self.flow.using(journal=journal), self.instance)


class BoundAsyncFlow(BoundFlow[P, R]):
    """An `AsyncFlow` looked up on an instance."""

    __slots__ = ()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """As `AsyncFlow.__call__`."""
        return cast("Coroutine[Any, Any, R]", self.flow(self.instance, *args, **kwargs))

    def using(self, *, journal: str | Path | None) -> BoundAsyncFlow[P, R]:
        """As `Flow.using`."""
        return BoundAsyncFlow(self.flow.using(journal=journal), self.instance)


class AsyncFlow(Flow[P, R]):
    """An ``async def`` function whose calls overlap. Calling it gives a coroutine, as its signature says."""

    is_async = True

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(
        self: AsyncFlow[Concatenate[Any, Q], R], instance: object, owner: type | None = None, /
    ) -> BoundAsyncFlow[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        return self if instance is None else BoundAsyncFlow(self, instance)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """A coroutine that runs the flow overlapped on the event loop that it is awaited on."""
        self.check(args, kwargs)
        piece = SCOPE.get()
        if piece is not None:
            piece.check()
        if SEQUENTIAL.get() or (piece is not None and piece.records):
            return cast("Coroutine[Any, Any, R]", self.fn(*args, **kwargs))
        work: Any = self.aio(*args, **kwargs)
        work.__name__ = self.fn.__name__  # which is named where nobody awaits it
        work.__qualname__ = self.fn.__qualname__
        return cast("Coroutine[Any, Any, R]", work)

    def sequential(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The reference run: the function as CPython and asyncio run it, each call ending before anything
        else goes on. It blocks, and has an event loop of its own."""
        from .drivers.reference import run_reference  # late: see the top of this module

        self.check(args, kwargs)
        with reference_run():
            return cast("R", run_reference(self.fn(*args, **kwargs)))


class _Decorator(Protocol):
    """What ``flow(name=...)`` gives."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncFlow[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, Generator[Y, S, V]], /) -> GeneratorFlow[P, Y, S, V]: ...
    @overload
    def __call__(self, fn: Callable[P, Iterator[Y]], /) -> GeneratorFlow[P, Y, Any, Any]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Flow[P, R]: ...
    def __call__(self, fn: Any, /) -> Any: ...


@overload
def flow(fn: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncFlow[P, R]: ...
@overload
def flow(fn: Callable[P, Generator[Y, S, V]], /) -> GeneratorFlow[P, Y, S, V]: ...
@overload
def flow(fn: Callable[P, Iterator[Y]], /) -> GeneratorFlow[P, Y, Any, Any]: ...
@overload
def flow(fn: Callable[P, R], /) -> Flow[P, R]: ...
@overload
def flow(
    *,
    name: str = ...,
    timeout: float | None = ...,
    limit: int | None = ...,
    secret: bool | str | Collection[str] = ...,
) -> _Decorator: ...
def flow(fn: Any = None, /, **options: Any) -> Any:
    """Make a function a flow: a `def`, or an `async def`, which gives a coroutine when it is called.

    Options: `name`; `timeout`, seconds a run may take before it raises TimeoutError; `limit`, how many
    operations may be in flight; `secret`, what is kept out of the journal: True for all arguments and the
    result, or the name of a parameter, or several, and ``"return"`` for the result. (What the flow raises is
    kept out with any of them.)

    Raises `UnsupportedConstruct` or `SourceNotFound`, with file and line, where the function cannot be
    compiled, and `DeclarationError` for a wrong option.
    """
    check_options(options, flow=True)
    if fn is None:
        return functools.partial(_flow, options=options)
    return _flow(fn, options)


def _flow(fn: Any, options: Mapping[str, Any]) -> Any:
    if isinstance(fn, (classmethod, staticmethod)):
        method = cast("classmethod[Any, ..., Any] | staticmethod[..., Any]", fn)
        return type(method)(_flow(method.__func__, options))
    if isinstance(fn, Flow):
        raise DeclarationError(f"{fn.name} is a flow already")
    function = cast("Callable[..., Any]", fn)
    if inspect.iscoroutinefunction(function):
        return AsyncFlow(function, options)
    if inspect.isgeneratorfunction(function):
        from .generator_flows import GeneratorFlow  # late: it is a kind of these

        return GeneratorFlow(function, options)
    return Flow(function, options)
