"""Flows over streams that are recorded, and what they are given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import stretto
from stretto import Flow, call, flow, text
from stretto.journal.codecs import decode
from stretto.journal.configured import shared
from stretto.journal.events import CallFinished, CallStarted, Event, StreamReceived
from tests.waiting import PATIENCE, until

made: list[tuple[Any, ...]] = []


class World:
    """What the calls below give, and what stops them."""

    stop: object = None
    #: By number, items that the next making of a stream gives instead.
    other: dict[int, Any] = {}
    error: Exception | None = None
    ends: int | None = None
    calls = 0
    #: Whether an item waits until something was written of the one before.
    slow = False
    #: Whether each making of a stream gives other items.
    fresh = False
    written = 0


def clean() -> None:
    made.clear()
    World.stop = World.error = World.ends = None
    World.slow = World.fresh = False
    World.other = {}
    World.calls = World.written = 0


async def meet(what: tuple[Any, ...]) -> None:
    made.append(what)
    if what == World.stop:
        await asyncio.sleep(1000)


async def turn(i: int) -> None:
    """What comes behind an item comes when the program has written of it, if the program does."""
    await asyncio.sleep(0.002)
    while World.slow and World.written < i:
        await asyncio.sleep(0.001)


@call.unordered
async def chat(n: int) -> AsyncIterator[str]:
    World.calls += 1
    tag = f"of making {World.calls} " if World.fresh else ""
    for i in range(n if World.ends is None else World.ends):
        await turn(i)
        await meet(("chat", i))
        yield World.other.get(i, f"word{i} {tag}")
    await turn(n)
    if World.error is not None:
        raise World.error


@call.unordered
def rows(n: int) -> Iterator[dict[str, Any]]:
    World.calls += 1
    for i in range(n):
        made.append(("row", i))
        yield World.other.get(i, {"id": i, "tags": [i]})


@call.unordered
async def query(n: int) -> Iterator[int]:
    World.calls += 1
    await meet(("query", n))
    return iter(range(n))


@call.unordered
async def ask(x: object) -> str:
    await meet(("ask", x))
    return f"about {x}"


@call.writes("log", idempotent=True)
async def put(x: object) -> None:
    await meet(("put", x))
    World.written += 1


@flow
def reading(n: int) -> list[str]:
    return [ask(word) for word in chat(n)]


@flow
def writing(n: int) -> list[str]:
    found = []
    for word in chat(n):
        put(word)
        found.append(ask(word))
    return found


@flow
def behind(n: int) -> str:
    words = "".join(chat(n))
    put(words)
    return ask(words)


@flow
def early(n: int) -> str:
    word = ""
    for word in chat(n):
        if ask(word) == "about word2 ":
            break
    put("after")
    return word


@flow
def failing(n: int) -> str:
    found = ""
    try:
        for word in chat(n):
            found += word
    except ValueError as error:
        put("handler")
        return f"{found}{error}"
    return found


@flow
def left_by_failure(n: int) -> str:
    found = ""
    try:
        for word in chat(n):
            found += word
            if ask(word) == "about word1 ":
                raise ValueError(word)
    except ValueError as error:
        put("handler")
        return f"{found}{error}"
    return found


@flow
def two(n: int) -> list[str]:
    found = []
    for i, (word, row) in enumerate(zip(chat(n), rows(n))):
        put(i)
        row["tags"].append(word)
        found.append(f"{row}")
    return found


@flow
def lines(n: int) -> list[str]:
    found = []
    for line in text.splitlines(poem(n)):
        put(line)
        found.append(line)
    return found


@call.unordered
async def poem(n: int) -> AsyncIterator[str]:
    World.calls += 1
    for i in range(n):
        await turn(i)
        await meet(("poem", i))
        yield f"a{i}\nb{i}"


@flow
def nested(n: int) -> list[str]:
    found = []
    for word in chat(n):
        for row in rows(2):
            put(f"{word}{row['id']}")
        found.append(word)
    return found


@flow
def opened(n: int) -> int:
    total = 0
    for x in query(n):
        put(x)
        total += x
    return total


@flow(timeout=1000)
def inner(n: int) -> int:
    count = 0
    for word in chat(n):
        put(word)
        count += 1
    return count


@flow
def outer(n: int) -> str:
    try:
        inner(n)
    except TimeoutError:
        ask("late")
        return "late"
    return "in time"


@flow
def guarded(n: int) -> list[str]:
    try:
        return writing(n)
    except Exception:  # it is not the program's affair
        return []


@flow
def taking(n: int) -> list[str]:
    return [word for word in chat(n)]


@flow
def lengths(n: int) -> int:
    return sum(len(word) for word in chat(n))


@flow
def mixed(n: int) -> list[str]:
    found = []
    for a in chat(n):
        put(a)
        found.append(ask(a))
        if a.startswith("word2"):
            break
    for b, row in zip(chat(n), rows(n)):
        found.append(b)
        put(f"{b}{row['id']}")
    try:
        for c in chat(n):
            found.append(c)
            put(c)
            if c.startswith("word1"):
                raise ValueError(c)
    except ValueError as error:
        put(f"because of {error}")
    return found


@call.unordered
async def late() -> str:
    await asyncio.sleep(0.02)
    raise LookupError


@flow
def squashed(n: int) -> list[str]:
    found = []
    try:
        found.append(late())
        for a in chat(n):
            found.append(a)
    except LookupError:
        put("failed")
    for b in chat(n):
        found.append(b)
        put(b)
    return found


FLOWS: dict[str, Flow[Any, Any]] = {
    fn.name: fn
    for fn in (
        reading,
        writing,
        behind,
        early,
        failing,
        left_by_failure,
        two,
        lines,
        nested,
        opened,
        mixed,
        squashed,
    )
}  # fmt: skip


def interrupted(program: Flow[Any, Any], *args: object, stop: object, after: Any = ()) -> str:
    """Run until something is under way, and these have ended, and stop there; the run's identifier."""
    World.stop = stop
    run = program.start(*args)
    # what does not stop has ended, for all others, when it says that it has begun
    until(lambda: all(what in made for what in (stop, *after)), lambda: made)
    run.interrupt()
    World.stop = None
    World.slow = False
    made.clear()
    World.calls = 0
    shared(program.journal or "").flush()
    return run.id


def resumed(program: Flow[Any, Any], run: str) -> Any:
    return stretto.resume(run, journal=program.journal).result(PATIENCE)


def events(url: str, run: str | None = None) -> list[Event]:
    journal = shared(url)
    journal.flush()
    found = [event for _, event in journal.events(run or journal.runs()[0].id)]
    return [event for event in found if not isinstance(event, CallStarted)]  # how fast it is does not matter


def finished(url: str, name: str, run: str | None = None) -> list[CallFinished]:
    found = [event for event in events(url, run) if isinstance(event, CallFinished)]
    return [event for event in found if event.call.endswith(f":{name}")]


def items(event: CallFinished | StreamReceived) -> Any:
    data = event.items if isinstance(event, StreamReceived) else event.result
    return decode(data) if isinstance(data, bytes) else data


def received(url: str, run: str | None = None) -> list[StreamReceived]:
    return [event for event in events(url, run) if isinstance(event, StreamReceived)]


def again(url: str, run: str, name: str, count: int) -> str:
    """A run as it would be if its process had died when `count` of its events were on disk."""
    journal = shared(url)
    found = [event for _, event in journal.events(run)][:count]
    blobs = [(blob, journal.get_blob(blob)) for blob in journal.blobs(run)]
    first, *rest = found
    journal.restore(name, [named(first, name), *rest], blobs)
    return name


def named(started: Any, name: str) -> Any:
    return replace(started, run=name)


def reference(program: Flow[Any, Any], *args: Any) -> tuple[Any, list[tuple[Any, ...]]]:
    """What the run comes to, and the writes that it makes."""
    value = program.sequential(*args)
    writes = [what for what in made if what[0] == "put"]
    made.clear()
    World.calls = 0
    return value, writes
