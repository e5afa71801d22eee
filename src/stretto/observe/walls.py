"""Code that nothing is known of, and that ran as a whole, in its turn: what follows it had to wait.

`stretto run --suggest` listens to a run, and tells afterwards which lines these were, what they were about to
do when the check stopped, and how long they stood in the way. It costs nothing where nobody listens.
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from ..compiler.functions import users_own
from ..compiler.known_objects import class_attribute, class_module, class_name
from ..main_module import main_name
from ..runs import listeners

if TYPE_CHECKING:
    from ..compiler.guard import NeedsOrder
    from ..engine.machine import Engine

__all__ = ["Wall", "Walls", "watching"]


#: The end of what is said of changes of objects.
_CHANGE = "that was not made here"


@dataclass(slots=True)
class Wall:
    """A line of code that ran as a whole, in its turn.

    Attributes:
        file, line, text: where it stands, and what it is.
        reason: what it was about to do when the check stopped.
        inside: the file and line of that, where it is in a function that the line calls.
        about: the dotted name by which a table would speak of it; empty where there is none.
        kind: what that is: ``class``, ``attribute`` or ``function``.
        times: how often it ran.
        held: for how many seconds it waited for its turn, and ran, and what follows with it, in all.
    """

    file: str
    line: int
    text: str
    reason: str
    inside: tuple[str, int]
    about: str
    kind: str
    times: int = 0
    held: float = 0.0
    waiting: deque[float] = field(default_factory=deque[float])
    running: dict[Any, float] = field(default_factory=dict[Any, float])


class Walls:
    """Listens to runs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.found: dict[tuple[str, int, str], Wall] = {}

    def listen(self, engine: Engine) -> None:
        engine.needed_order = self.stopped
        engine.started = self.observed
        engine.piece_ended = self.left

    def stopped(self, at: Any, needed: NeedsOrder) -> None:
        """The check of some code has stopped, so it runs as a whole."""
        if needed.reason.endswith(_CHANGE):
            return  # a change of an object in its turn; in the way is what is not known
        trace, text, fn = at if type(at) is tuple else (at.trace, at.site, getattr(at, "fn", None))
        key = _key(trace, text)
        wall = self.found.get(key)
        if wall is None:
            about, kind = named(needed.about)
            if not about or (kind == "function" and of_library(fn)):
                about, kind = named(fn)
            inside = needed.inner if needed.inner != key[:2] else ("", 0)
            wall = self.found[key] = Wall(*key, needed.reason, inside, about, kind)
        wall.times += 1
        wall.waiting.append(self.clock())

    def observed(self, node: Any) -> None:
        """Its turn has come."""
        if node.native and node.trace is not None:
            wall = self.found.get(_key(node.trace, node.site))
            if wall is not None and wall.waiting:
                wall.running[node] = wall.waiting.popleft()

    def left(self, node: Any) -> None:
        """It has ended."""
        if getattr(node, "native", False) and node.trace is not None:
            wall = self.found.get(_key(node.trace, node.site))
            if wall is not None and (since := wall.running.pop(node, None)) is not None:
                wall.held += self.clock() - since

    def __iter__(self) -> Iterator[Wall]:
        """Those that stood in the way longest first."""
        return iter(sorted(self.found.values(), key=lambda wall: (-wall.held, wall.file, wall.line)))


def _key(trace: Any, text: str) -> tuple[str, int, str]:
    return trace[0].filename, trace[1], text


@contextlib.contextmanager
def watching(clock: Callable[[], float] = time.monotonic) -> Generator[Walls]:
    """Inside the ``with``, runs that begin are listened to."""
    walls = Walls(clock)
    listeners.append(walls.listen)
    try:
        yield walls
    finally:
        listeners.remove(walls.listen)


def of_library(fn: Any) -> bool:
    """Whether a function is somebody else's: then it is what a table would speak of, not what it calls."""
    fn = fn.__func__ if type(fn) is MethodType else fn
    return isinstance(fn, FunctionType) and not users_own(fn)


def named(about: Any) -> tuple[str, str]:
    """The dotted name by which a table speaks of something, and what that is; empty where it has none."""
    if type(about) is tuple:
        cls, name = about
        found = class_attribute(cls, name)
        owner = cls if found is None else found[0]
        callable_ = found is not None and not isinstance(found[1], property) and callable(found[1])
        return f"{_dotted(owner)}.{name}", "function" if callable_ else "attribute"
    if isinstance(about, type):
        return _dotted(about), "class"
    if type(about) is MethodType:
        about = about.__func__
    module, name = getattr(about, "__module__", None), getattr(about, "__qualname__", None)
    if type(module) is not str or type(name) is not str:
        owner = getattr(about, "__objclass__", None)  # a method of a type that is written in C
        if isinstance(owner, type) and type(name) is str:
            return f"{class_module(owner)}.{name}", "function"
        return "", ""
    if module == "builtins" or "<" in name:
        return "", ""
    if isinstance(about, FunctionType) or callable(about):
        return f"{_module(module)}.{name}", "function"
    return "", ""


def _dotted(cls: type) -> str:
    return f"{_module(class_module(cls))}.{class_name(cls)}"


def _module(name: str) -> str:
    return main_name() if name == "__main__" else name
