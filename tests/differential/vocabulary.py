"""The words that test programs are made of: calls of every kind, code that nothing is known about, objects.

`vocabulary(call)` gives them for one implementation of ``@call``: Stretto's, or `Reference`'s, which only
runs the function. Resources are ``r``, below it ``r:{k}``, and ``q``, which has nothing to do with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

from stretto.calls import Call
from stretto.compiler.checkers import Checker

from .world import EVERYTHING, Operation, current

__all__ = ["Agent", "Bar", "Boom", "Box", "Reference", "Slotted", "vocabulary"]


class Boom(Exception):
    """A failure of the outside world."""


class Halt(Boom):
    """A narrower one."""


_FAILURES: tuple[type[Exception], ...] = (Boom, Halt, ValueError, KeyError, RuntimeError)


def _finish(operation: Operation) -> int:
    world = current()
    which = world.fails(operation)
    number = world.leave(operation)
    if which is not None:
        raise _FAILURES[which % len(_FAILURES)](f"{operation} failed")
    return number


def _now(name: str, kind: str, paths: tuple[str, ...], *values: object) -> int:
    """A sync call."""
    return _finish(current().enter(name, kind, paths, values))


async def _later(
    name: str, kind: str, paths: tuple[str, ...], *values: object, seen: tuple[str, ...] = ()
) -> int:
    """An async call."""
    world = current()
    operation = world.enter(name, kind, paths, values, seen=seen)
    try:
        await world.pause(operation)
    except asyncio.CancelledError:
        world.abandon(operation)
        raise
    return _finish(operation)


async def _ends(name: str, kind: str, paths: tuple[str, ...], *values: object) -> None:
    """What a stream does at its end; it does not fail, as nobody would hear of it where the stream is
    left."""
    world = current()
    operation = world.enter(name, kind, paths, values)
    await world.pause(operation)
    world.leave(operation)


def _ints(number: int) -> list[int]:
    return [(number >> 4 * i) % 10 for i in range(1, number % 4 + 1)]


class Box:
    """An object with state, whose operators are seen by the world."""

    def __init__(self, n: int, xs: list[int] | None = None) -> None:
        self.n = n
        self.xs = [] if xs is None else xs

    def __repr__(self) -> str:
        return f"Box({self.n})"

    def add(self, v: int) -> int:
        self.n += v
        self.xs.append(v)
        return self.n

    @property
    def loud(self) -> int:
        current().unknown("Box.loud", self.n)
        return self.n + 1

    def __add__(self, other: object) -> int:
        current().unknown("Box.__add__", self.n, other)
        return self.n + (other if isinstance(other, int) else 1)

    def __bool__(self) -> bool:
        current().unknown("Box.__bool__", self.n)
        return self.n % 2 == 0

    def __contains__(self, item: object) -> bool:
        current().unknown("Box.__contains__", item)
        return item == self.n

    def __iter__(self) -> Iterator[int]:
        current().unknown("Box.__iter__", self.n)
        return iter([self.n, *self.xs])

    def __str__(self) -> str:
        current().unknown("Box.__str__", self.n)
        return f"box {self.n}"


class Told:
    """A stream that tells the world what is written."""

    def __init__(self, out: Any) -> None:
        self.out = out

    def write(self, text: str) -> int:
        current().unknown("Told.write", text.partition(" at 0x")[0])
        return int(self.out.write(text))

    def flush(self) -> None:
        current().unknown("Told.flush")


class Agent:
    """An object with plain attributes."""

    def __init__(self, n: int, xs: list[int], peer: Any = None) -> None:
        self.n = n
        self.xs = xs
        self.d: dict[str, int] = {}
        self.peer = self if peer is None else peer


class Slotted:
    """The same, with slots."""

    __slots__ = ("d", "n", "peer", "xs")

    def __init__(self, n: int, xs: list[int], peer: Any = None) -> None:
        self.n = n
        self.xs = xs
        self.d: dict[str, int] = {}
        self.peer = self if peer is None else peer


def stir(agent: Any) -> None:
    """Unknown code that changes an object."""
    current().unknown("stir", agent.n, agent.xs)
    agent.n += 1
    agent.peer.xs.append(agent.n)


@dataclasses.dataclass
class Part:
    """A part of what a model answers."""

    n: int
    tag: str | None = None

    @property
    def loud(self) -> int:
        current().unknown("Part.loud", self.n)
        return self.n + 1


@dataclasses.dataclass
class Reply:
    """What a model answers, with annotated fields."""

    text: str
    parts: list[Part]
    best: Part | None
    counts: dict[str, int]
    weight: float = 0.5


V = TypeVar("V")


@dataclasses.dataclass
class Shaped(Generic[V]):
    """What a model answers, with a field whose type is said where it is asked."""

    value: V
    n: int


def _shape(named: Mapping[str, Any]) -> Checker:
    into = named.get("into", str)
    return Checker(Shaped[into])


class Louder(Part):
    """One of which a field runs code when it is looked at."""

    @property
    def tag(self) -> str:  # type: ignore[override]
        current().unknown("Louder.tag", self.n)
        return "loud"

    @tag.setter
    def tag(self, value: object) -> None:
        pass


class Pair(NamedTuple):
    left: int
    right: str


class Row(TypedDict):
    name: str
    size: int | None


def edit(answer: Any) -> None:
    """Unknown code that puts something else into fields than is annotated."""
    current().unknown("edit", answer.text)
    answer.text, answer.best = 5, Louder(3)


class Bar:
    """A progress bar: it gives the items of what it wraps, and says so in its turn."""

    def __init__(self, things: Any, label: str = "") -> None:
        self.things = things
        self.label = label
        self.seen = 0
        _now("Bar", "write", ("bar",), label)

    def __iter__(self) -> Iterator[Any]:
        _now("Bar.iter", "write", ("bar",), self.label)
        try:
            for thing in self.things:
                self.seen += 1
                yield thing
                _now("Bar.next", "write", ("bar",), self.label, self.seen)
        finally:
            current().unknown("Bar.end", self.label, self.seen)


class Span:
    """A context manager that says when it is entered and left."""

    def __init__(self, tag: object = "") -> None:
        self.tag = tag

    def __enter__(self) -> int:
        current().unknown("Span.enter", self.tag)
        return 1

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        current().unknown("Span.exit", self.tag, None if kind is None else kind.__name__)


class Quiet(Span):
    """One that swallows failures of the outside world."""

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> bool:  # type: ignore[override]
        super().__exit__(kind, error, trace)
        return kind is not None and issubclass(kind, (Boom, ValueError))


@contextmanager
def scope(tag: object = "") -> Iterator[int]:
    """A context manager written as a generator."""
    world = current()  # a generator that a run leaves behind ends whenever it is collected
    world.unknown("scope.enter", tag)
    try:
        yield 2
    finally:
        world.unknown("scope.exit", tag)


def note(*values: object) -> None:
    """Unknown code: ordered with everything."""
    current().unknown("note", *values)


def stamp() -> int:
    """Unknown code whose result depends on all that was changed before."""
    return current().unknown("stamp") % 10


def poke(xs: list[int], v: int = 7) -> list[int]:
    """Unknown code that changes its argument and gives it back."""
    xs.append(v)
    current().unknown("poke", xs)
    return xs


def keep(xs: list[int]) -> None:
    """Unknown code that holds on to its argument until `kept` looks at it."""
    current().kept = xs


def kept() -> int:
    """The sum of what was kept, as it is now."""
    return sum(current().kept)


def apply(f: Callable[[Any], Any], x: object) -> object:
    """Unknown code that calls back."""
    current().unknown("apply", x)
    return f(x)


def vocabulary(call: Any) -> dict[str, Any]:
    """Every word, for one implementation of ``@call``."""

    @call.reads("r:{k}")
    async def get(k: object) -> int:
        return await _later("get", "read", (f"r:{k}",), k) % 10

    @call.reads("r:{k}")
    def peek(k):  # type: ignore[no-untyped-def]
        return _now("peek", "read", (f"r:{k}",), k) % 10

    @call.reads("r")
    async def scan() -> list[int]:
        return _ints(await _later("scan", "read", ("r",)))

    @call.reads("q")
    async def look(x: object = 0) -> str:
        return "abcd"[: await _later("look", "read", ("q",), x) % 5]

    @call.writes("r:{k}")
    async def put(k: object, v: object) -> int:
        return await _later("put", "write", (f"r:{k}",), k, v) % 10

    @call.writes("r")
    def reset(v: object = None) -> None:
        _now("reset", "write", ("r",), v)

    @call.writes("q")
    async def tell(v):  # type: ignore[no-untyped-def]
        return await _later("tell", "write", ("q",), v) % 10

    @call.reads("r:{a}").writes("r:{b}")
    async def move(a: object, b: object) -> int:
        return await _later("move", "write", (f"r:{b}",), a, b, seen=(f"r:{a}",)) % 10

    @call.commutes("r:{k}")
    async def bump(k: object, v: object = 1) -> int:
        return await _later("bump", "commute", (f"r:{k}",), k, v) % 10

    @call.commutes("q")
    def tally(v: object) -> None:
        _now("tally", "commute", ("q",), v)

    @call
    async def record(*values: object) -> int:
        return await _later("record", "write", (EVERYTHING,), *values) % 10

    @call
    def act(x):  # type: ignore[no-untyped-def]
        return _now("act", "write", (EVERYTHING,), x) % 10

    @call.unordered
    async def ask(x: object) -> int:
        return await _later("ask", "free", (), x) % 10

    @call.unordered
    async def guess(x, *more, tone=0):  # type: ignore[no-untyped-def]
        return await _later("guess", "free", (), x, more, tone) % 10

    @call.unordered
    async def flag(x: object) -> bool:
        return await _later("flag", "free", (), x) % 2 == 0

    @call.unordered
    async def items(x: object) -> list[int]:
        return _ints(await _later("items", "free", (), x))

    @call.unordered
    async def things(x):  # type: ignore[no-untyped-def]
        return _ints(await _later("things", "free", (), x))

    @call.unordered
    async def maybe(x: object) -> int | None:
        number = await _later("maybe", "free", (), x)
        return None if number % 3 == 0 else number % 10

    @call.unordered
    async def pairs(x: object) -> dict[str, int]:
        number = await _later("pairs", "free", (), x)
        return {"abcd"[i]: (number >> 4 * i) % 10 for i in range(number % 4)}

    @call.unordered
    async def duo(x: object) -> tuple[int, int]:
        number = await _later("duo", "free", (), x)
        return number % 10, number // 10 % 10

    @call.unordered
    def make(x: object) -> Box:
        number = _now("make", "free", (), x)
        return Box(number % 10, _ints(number // 10))

    @call.pure
    async def word(x: object) -> str:
        return "wxyz"[: await _later("word", "free", (), x) % 5]

    @call.pure
    def calc(x: object, y: object = 0) -> int:
        return _now("calc", "free", (), x, y) % 10

    @call.unordered
    async def reply(x: object) -> Reply:
        number = await _later("reply", "free", (), x)
        parts = [Part(n, None if n % 3 == 0 else "abcd"[: n % 4]) for n in _ints(number)]
        best = parts[number % len(parts)] if parts else None
        return Reply("Yes no"[: number % 7], parts, best, {"a": number % 5, "b": number % 3})

    @call.unordered
    async def sloppy(x: object) -> Reply:
        """As `reply`, with fields that are not what they are annotated."""
        number = await _later("sloppy", "free", (), x)
        strange: Any = [None, 7, 1.5, "x", b"y"][number % 5]
        part = Part(strange, strange)
        return Reply(strange, [part, Part(1, "t")], None if number % 2 else part, {"a": strange}, strange)

    @call.unordered
    async def part_of(x: object) -> Shaped[Part]:
        number = await _later("part_of", "free", (), x)
        return Shaped(Part(number % 10, "abcd"[: number % 4]), number % 10)

    @call.unordered
    async def shape(x: object, *, into: Any = str) -> Shaped:  # type: ignore[type-arg]
        number = await _later("shape", "free", (), x)
        return Shaped("yes no"[: number % 7] if into is str else Part(number % 10, "x"), number % 10)

    if isinstance(shape, Call):
        shape.told, shape.settled = _shape, frozenset({"into"})

    @call.unordered
    async def pair(x: object) -> Pair:
        number = await _later("pair", "free", (), x)
        return Pair(number % 10, "abcd"[: number % 4])

    @call.unordered
    async def row(x: object) -> Row:
        number = await _later("row", "free", (), x)
        return {"name": "abcd"[: number % 4], "size": None if number % 3 == 0 else number % 10}

    @call.unordered
    async def replies(x: object) -> list[Reply]:
        number = await _later("replies", "free", (), x)
        return [Reply("text"[:n], [Part(n)], None, {}) for n in _ints(number)]

    @call.unordered
    async def deny(x: object) -> int:
        await _later("deny", "free", (), x)
        raise Boom("denied", x)

    @call.writes("r:{k}")
    async def spoil(k: object) -> int:
        await _later("spoil", "write", (f"r:{k}",), k)
        raise Halt("spoilt", k)

    @call.unordered
    async def chunks(x: object) -> AsyncIterator[int]:
        number = await _later("chunks", "free", (), x)
        for at in range(number % 5):
            yield await _later("chunks", "free", (), x, at) % 10

    @call.unordered(buffer=1)
    def bits(x):  # type: ignore[no-untyped-def]
        for at in range(_now("bits", "free", (), x) % 4):
            yield _now("bits", "free", (), x, at) % 10

    @call.pure
    async def words_of(x: object) -> AsyncIterator[str]:
        number = await _later("words_of", "free", (), x)
        for at in range(number % 4):
            yield "abcd"[at : at + 1 + number // 7 % 3]

    @call.reads("r:{k}")
    async def rows(k: object) -> AsyncIterator[int]:
        for at in range(await _later("rows", "read", (f"r:{k}",), k) % 5):
            yield await _later("rows", "read", (f"r:{k}",), k, at) % 10

    @call.reads("q")
    def lines(x: object = 0) -> Iterator[int]:
        for at in range(_now("lines", "read", ("q",), x) % 4):
            yield _now("lines", "read", ("q",), x, at) % 10

    @call.unordered
    async def dial(x: object) -> AsyncIterator[int]:
        number = await _later("dial", "free", (), x)

        async def given() -> AsyncIterator[int]:
            for at in range(number % 4):
                yield await _later("dial", "free", (), x, at) % 10

        return given()

    @call.writes("q")
    async def feed(x: object) -> AsyncIterator[int]:
        number = await _later("feed", "write", ("q",), x)
        try:
            for at in range(number % 4):
                yield await _later("feed", "write", ("q",), x, at) % 10
        finally:
            await _ends("feed ends", "write", ("q",), x)

    @call
    def acts(x):  # type: ignore[no-untyped-def]
        try:
            for at in range(3):
                yield _now("acts", "write", (EVERYTHING,), x, at) % 10
        finally:
            current().unknown("acts end", x)

    words = {name: value for name, value in locals().items() if name != "call"}
    unknown = (
        note,
        stamp,
        poke,
        keep,
        kept,
        apply,
        scope,
        stir,
        Box,
        Agent,
        Slotted,
        Span,
        Quiet,
        Boom,
        Halt,
        Bar,
        Part,
        Louder,
        Told,
        edit,
    )
    others = {"entries": _WITHOUT_SOURCE["entries"], "asyncio": asyncio}
    return words | {word.__name__: word for word in unknown} | others


#: Of a library whose source cannot be found, as in a compiled extension: when this is closed can be seen.
_WITHOUT_SOURCE: dict[str, Any] = {"current": current}
exec(
    """
def entries(x):
    try:
        for at in range(3):
            yield current().unknown("entry", x, at) % 10
    finally:
        current().unknown("entries end", x)
""",
    _WITHOUT_SOURCE,
)


_PARTS = ("<lambda>", "<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>")


def in_async_code() -> bool:
    """Whether the function that calls a word is an ``async def``."""
    frame = sys._getframe(2)
    while frame.f_code.co_name in _PARTS or frame.f_globals.get("__name__", "").startswith("asyncio."):
        assert frame.f_back is not None
        frame = frame.f_back
    return bool(frame.f_code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR))


def _stepped(source: Any) -> Iterator[Any]:
    """An async generator that never waits, gone over by code that is not async."""
    try:
        while True:
            try:
                source.__anext__().send(None)
            except StopIteration as stop:
                item = stop.value
            except StopAsyncIteration:
                return
            yield item
    finally:
        with contextlib.suppress(StopIteration):
            source.aclose().send(None)


class _Items:
    """An async generator that never waits, as an iterator of both kinds; it ends where nobody holds it any
    more."""

    def __init__(self, source: Any) -> None:
        self._items = _stepped(source)

    def __iter__(self) -> _Items:
        return self

    def __next__(self) -> Any:
        return next(self._items)

    def __aiter__(self) -> _Items:
        return self

    async def __anext__(self) -> Any:
        for item in self._items:
            return item
        raise StopAsyncIteration

    def close(self) -> None:
        self._items.close()  # type: ignore[attr-defined]

    def __enter__(self) -> _Items:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


class Reference:
    """``@call`` and ``@flow`` as plain CPython has them: they do nothing. A plain function that calls an
    async word gets its value."""

    class _Call:
        def __call__(self, fn: Any = None, **options: object) -> Any:
            if fn is None:
                return self
            if inspect.isasyncgenfunction(fn):
                return functools.wraps(fn)(lambda *args, **kwargs: _Items(fn(*args, **kwargs)))
            if not inspect.iscoroutinefunction(fn):
                return fn

            @functools.wraps(fn)
            def run(*args: object, **kwargs: object) -> object:
                if in_async_code():
                    return fn(*args, **kwargs)
                try:
                    fn(*args, **kwargs).send(None)
                except StopIteration as stop:
                    given = stop.value
                    return _Items(given) if inspect.isasyncgen(given) else given
                raise AssertionError("a call waited in the reference run")

            return run

        def reads(self, *resources: str) -> Reference._Call:
            return self

        writes = commutes = reads

        @property
        def unordered(self) -> Reference._Call:
            return self

        pure = unordered

    call = _Call()

    @staticmethod
    def flow(fn: Callable[..., Any]) -> Callable[..., Any]:
        return fn
