"""What the calls of a test program act upon, and what it remembers of a run.

Every change to a resource is an `Operation`. Two operations on conflicting paths are ordered, others are
not, so a run is a partial order; an operation's `mark` is a digest of all that came before it in that
order. Two runs with the same set of marks made the same changes in the same order per resource, however
unrelated changes were interleaved. A read's version is the set of marks it can see.

What a call does (its result, whether it fails) is a function of its name, its arguments and, for reads,
the version; how long it takes, of its name, its arguments and the run's seed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, TypeVar

from .canonical import canonical

_F = TypeVar("_F", bound=Callable[..., Any])

__all__ = ["EVERYTHING", "Operation", "World", "current", "digest", "entered"]

#: The path of what nothing is known about: it conflicts with every resource.
EVERYTHING = ""

#: Seconds that calls take.
_TIMES = (0, 0.001, 0.01, 0.01, 0.1, 0.1, 0.5, 1, 1, 2, 5)

_SIMPLE = frozenset({int, str, bool, float, type(None)})


def digest(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


def covers(a: str, b: str) -> bool:
    """Whether one of two paths covers the other."""
    return not a or not b or a == b or a.startswith(b + ":") or b.startswith(a + ":")


def sourceless(fn: _F) -> _F:
    """The same function, whose source nobody finds: so nothing is known about it, and it runs as a whole.
    What it looks at is changed by calls under way."""
    code: CodeType = fn.__code__  # type: ignore[attr-defined]
    fn.__code__ = code.replace(co_filename="<unknown code>")  # type: ignore[attr-defined]
    return fn


@dataclass(eq=False)
class Operation:
    """One call or one run of unknown code."""

    name: str
    kind: str  # "write", "commute", "read" or "free"
    paths: tuple[str, ...]  # what it changes or, of a read, sees
    arguments: str
    mark: str = ""
    seen: tuple[str, ...] = ()  # what a write sees besides
    values: tuple[object, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return f"{self.name}{self.arguments}"

    def conflicts(self, other: Operation) -> bool:
        if self.kind == "commute" and other.kind == "commute":
            return False
        return (
            any(covers(a, b) for a in self.paths for b in other.paths)
            or any(covers(a, b) for a in self.seen for b in other.paths if other.kind != "read")
            or any(covers(a, b) for a in self.paths for b in other.seen if self.kind != "read")
        )


class World:
    """The outside of one run."""

    def __init__(self, *, salt: int = 0, rate: int = 0, seed: int | None = None) -> None:
        self.salt = salt
        self.rate = rate
        self.seed = seed
        self.changes: list[Operation] = []
        self.answered: Counter[str] = Counter()
        self.active: list[Operation] = []
        self.violations: list[str] = []
        self.calls = 0
        self.closed = False
        self.kept: list[int] = []

    # What calls do, in the order in which one call does it.

    def enter(
        self,
        name: str,
        kind: str,
        paths: tuple[str, ...],
        values: tuple[object, ...],
        *,
        seen: tuple[str, ...] = (),
    ) -> Operation:
        """A call begins. A change is made here and now; `leave` checks that it was left alone."""
        self.calls += 1
        if all(type(v) in _SIMPLE for v in values):
            operation = Operation(name, kind, paths, repr(values), seen=seen)
        else:
            operation = Operation(name, kind, paths, canonical(values), seen=seen, values=values)
        if self.closed:
            self.violations.append(f"{operation} began after the flow had returned")
        if kind in ("write", "commute"):
            for other in self.active:
                if other.kind in ("write", "commute") and operation.conflicts(other):
                    self.violations.append(f"{operation} began while {other} was running")
            operation.mark = digest(name, operation.arguments, self._past(operation))
            self.changes.append(operation)
        elif kind == "read":
            operation.mark = self._past(operation)
        self.active.append(operation)
        return operation

    def leave(self, operation: Operation) -> int:
        """A call ends; the number that its result is made of."""
        self.active.remove(operation)
        name, arguments, seen = operation.name, operation.arguments, operation.mark
        if operation.kind == "read":
            if self._past(operation) != seen or any(
                o.kind in ("write", "commute") and o.conflicts(operation) for o in self.active
            ):
                seen = f"torn: it changed while {operation} was reading"
        elif operation.kind in ("commute", "free"):
            seen = ""
        if operation.values and canonical(operation.values) != arguments:
            seen = f"the arguments of {operation} changed while it was running"
            if operation.kind in ("write", "commute"):
                self.violations.append(seen)
        if operation.kind in ("read", "free"):
            self.answered[f"{operation} at {seen}" if seen else str(operation)] += 1
        return int(digest(self.salt, name, arguments, seen), 16)

    def abandon(self, operation: Operation) -> None:
        """A call is cancelled."""
        self.active.remove(operation)
        if operation.kind in ("write", "commute"):
            self.violations.append(f"{operation} was cancelled while it was running")

    def fails(self, operation: Operation) -> int | None:
        """Which failure this call meets, if any."""
        number = int(digest(self.salt, "failure", operation.name, operation.arguments), 16)
        return number // 100 if number % 100 < self.rate else None

    async def pause(self, operation: Operation) -> None:
        """The time that a call takes; none in the reference run."""
        if self.seed is not None:
            number = int(digest(self.salt, "time", self.seed, operation.name, operation.arguments), 16)
            await asyncio.sleep(_TIMES[number % len(_TIMES)])

    @sourceless
    def unknown(self, name: str, *values: object) -> int:
        """Code that nothing is known about runs."""
        operation = self.enter(name, "write", (EVERYTHING,), values)
        self.active.remove(operation)
        return int(operation.mark, 16)

    def _past(self, operation: Operation) -> str:
        return digest(sorted(other.mark for other in self.changes if operation.conflicts(other)))

    # What is asked of it afterwards.

    def writes(self) -> dict[str, list[str]]:
        """The ordered changes per path."""
        found: dict[str, list[str]] = {}
        for change in self.changes:
            if change.kind == "write":
                for path in change.paths:
                    found.setdefault(path or "(unknown code)", []).append(str(change))
        return found

    def commutes(self) -> dict[str, list[str]]:
        """The unordered changes per path, sorted."""
        found: dict[str, list[str]] = {}
        for change in self.changes:
            if change.kind == "commute":
                for path in change.paths:
                    found.setdefault(path, []).append(str(change))
        return {path: sorted(names) for path, names in found.items()}

    def marks(self) -> list[str]:
        return sorted(change.mark for change in self.changes)


_current: World | None = None


def current() -> World:
    """The world of the run under way."""
    assert _current is not None, "a call of the vocabulary outside any run"
    return _current


@contextmanager
def entered(world: World) -> Iterator[World]:
    """Make this world the one that calls act upon."""
    global _current
    before, _current = _current, world
    try:
        yield world
    finally:
        _current = before
