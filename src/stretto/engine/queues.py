"""Queues along which causes travel (see `stretto.engine.causes`).

Apart, and not compiled to machine code: there nothing can be derived from a deque.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .causes import CausalEngine

__all__ = ["Ready", "Runnable", "Settled"]


class Settled(deque[Any]):
    """Those that are to be told that something is there, each with the cause."""

    def __init__(self, engine: CausalEngine) -> None:
        super().__init__()
        self.engine = engine

    def append(self, waiter: Any) -> None:
        super().append((waiter, self.engine.cause))

    def extend(self, waiters: Iterable[Any]) -> None:
        cause = self.engine.cause
        super().extend([(waiter, cause) for waiter in waiters])

    def popleft(self) -> Any:
        waiter, cause = super().popleft()
        self.engine.told(waiter, cause)
        return waiter


class Ready(deque[Any]):
    """Nodes that can go on."""

    def __init__(self, engine: CausalEngine) -> None:
        super().__init__()
        self.engine = engine

    def popleft(self) -> Any:
        node = super().popleft()
        self.engine.goes_on(node)
        return node


class Runnable(deque[Any]):
    """Points of issue that can go on."""

    def __init__(self, engine: CausalEngine) -> None:
        super().__init__()
        self.engine = engine

    def append(self, strand: Any) -> None:
        self.engine.resumed(strand)
        super().append(strand)

    def popleft(self) -> Any:
        strand = super().popleft()
        self.engine.cause = strand.why
        return strand
