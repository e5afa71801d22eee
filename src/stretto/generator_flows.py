"""``@flow`` on a generator function: its values leave in program order, each as soon as it is certain."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from .calls import where
from .drivers.ambient import SCOPE, SEQUENTIAL
from .errors import DeclarationError
from .flows import BoundFlow, Flow

if TYPE_CHECKING:
    from pathlib import Path

    from .compiler.functions import Compiled

__all__ = ["BoundGeneratorFlow", "GeneratorFlow"]

P = ParamSpec("P")
Q = ParamSpec("Q")
Y = TypeVar("Y")
S = TypeVar("S")
V = TypeVar("V")


class GeneratorFlow(Flow[P, Generator[Y, S, V]], Generic[P, Y, S, V]):
    """A generator function whose calls overlap. What it is called for is a generator."""

    yields = True

    def __init__(self, fn: Callable[P, Generator[Y, S, V]], options: Mapping[str, Any]) -> None:
        super().__init__(fn, options)
        if self.timeout is not None:
            raise DeclarationError(
                f"{where(fn)}: the flow {self.name} yields, and cannot have a timeout=: how long it takes is "
                "up to whoever goes over it. Give its calls a timeout=, or end the loop over it in time"
            )

    @property
    def form(self) -> Compiled:
        """The compiled form."""
        return super().form.emits

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Generator[Y, S, V]:
        """The values, of a run that begins with the first that is asked for."""
        self.check(args, kwargs)
        piece = SCOPE.get()
        if piece is not None:
            piece.check()
        if SEQUENTIAL.get() or (piece is not None and piece.records):
            return cast("Generator[Y, S, V]", self.fn(*args, **kwargs))
        from .items import made, overlapped  # late, as in `stretto.flows`

        return overlapped(partial(made, self, args, kwargs))

    def aio(self, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Y, S]:  # type: ignore[override]
        """The values, for ``async for``, of a run on the running event loop."""
        self.check(args, kwargs)
        from .items import on_loop

        return on_loop(self, args, kwargs)

    def sequential(self, *args: P.args, **kwargs: P.kwargs) -> Generator[Y, S, V]:
        """The reference run: the function as CPython runs it, each call ending before the next begins."""
        self.check(args, kwargs)
        from .items import Stepped

        return Stepped(self.fn(*args, **kwargs))

    def start(self, *args: P.args, **kwargs: P.kwargs) -> Generator[Y, S, V]:  # type: ignore[override]
        """As a call, but what can run early does so at once."""
        self.check(args, kwargs)
        from .items import made, overlapped

        return overlapped(partial(made, self, args, kwargs), now=True)

    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(
        self: GeneratorFlow[Concatenate[Any, Q], Y, S, V], instance: object, owner: type | None = None, /
    ) -> BoundGeneratorFlow[Q, Y, S, V]: ...
    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        return self if instance is None else BoundGeneratorFlow(self, instance)


class BoundGeneratorFlow(BoundFlow[P, Generator[Y, S, V]], Generic[P, Y, S, V]):
    """A `GeneratorFlow` looked up on an instance: the instance goes in as the first argument."""

    __slots__ = ()

    def aio(self, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Y, S]:  # type: ignore[override]
        """As `GeneratorFlow.aio`."""
        flow: Any = self.flow
        return cast("AsyncGenerator[Y, S]", flow.aio(self.instance, *args, **kwargs))

    def start(self, *args: P.args, **kwargs: P.kwargs) -> Generator[Y, S, V]:  # type: ignore[override]
        """As `GeneratorFlow.start`."""
        flow: Any = self.flow
        return cast("Generator[Y, S, V]", flow.start(self.instance, *args, **kwargs))

    def using(self, *, journal: str | Path | None) -> BoundGeneratorFlow[P, Y, S, V]:
        """As `Flow.using`."""
        return BoundGeneratorFlow(self.flow.using(journal=journal), self.instance)
