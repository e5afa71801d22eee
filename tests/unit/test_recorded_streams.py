"""Streams in runs that are recorded: their items are, in few records, and no program sees the beginning of
one making and the rest of another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import Flow, call, errors, flow, text
from stretto.cli import main
from stretto.journal.codecs import decode
from stretto.journal.configured import shared
from stretto.journal.events import CallFinished, CallIntended, Event, RunEnded, StreamReceived
from stretto.journal.items import Items
from stretto.journal.replay import preview

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
    written = 0


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    made.clear()
    World.stop = World.error = World.ends = None
    World.slow = False
    World.other = {}
    World.calls = World.written = 0
    yield


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
    for i in range(n if World.ends is None else World.ends):
        await turn(i)
        await meet(("chat", i))
        yield World.other.get(i, f"word{i} ")
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


@flow(timeout=0.3)
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


FLOWS: dict[str, Flow[Any, Any]] = {
    fn.name: fn
    for fn in (reading, writing, behind, early, failing, left_by_failure, two, lines, nested, opened)
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "journal.db")


def interrupted(program: Flow[Any, Any], *args: object, stop: object) -> str:
    """Run until something is under way, and stop there; the run's identifier."""
    World.stop = stop
    run = program.start(*args)
    deadline = time.monotonic() + 20
    while stop not in made and time.monotonic() < deadline:
        time.sleep(0.001)
    assert stop in made
    time.sleep(0.02)  # what else can go on does
    run.interrupt()
    World.stop = None
    World.slow = False
    made.clear()
    World.calls = 0
    shared(program.journal or "").flush()
    return run.id


def resumed(program: Flow[Any, Any], run: str) -> Any:
    return stretto.resume(run, journal=program.journal).result(20)


def events(url: str, run: str | None = None) -> list[Event]:
    journal = shared(url)
    journal.flush()
    return [event for _, event in journal.events(run or journal.runs()[0].id)]


def finished(url: str, name: str, run: str | None = None) -> list[CallFinished]:
    found = [event for event in events(url, run) if isinstance(event, CallFinished)]
    return [event for event in found if event.call.endswith(f":{name}")]


def items(event: CallFinished | StreamReceived) -> Any:
    data = event.items if isinstance(event, StreamReceived) else event.result
    return decode(data) if isinstance(data, bytes) else data


def received(url: str) -> list[StreamReceived]:
    return [event for event in events(url) if isinstance(event, StreamReceived)]


def again(url: str, run: str, name: str, count: int) -> str:
    """A run as it would be if its process had died when `count` of its events were on disk."""
    journal = shared(url)
    found = [event for _, event in journal.events(run)][:count]
    blobs = [(blob, journal.get_blob(blob)) for blob in journal.blobs(run)]
    first, *rest = found
    journal.restore(name, [_named(first, name), *rest], blobs)
    return name


def _named(started: Any, name: str) -> Any:
    from dataclasses import replace

    return replace(started, run=name)


def reference(program: Flow[Any, Any], *args: Any) -> tuple[Any, list[tuple[Any, ...]]]:
    """What the run comes to, and the writes that it makes."""
    value = program.sequential(*args)
    writes = [what for what in made if what[0] == "put"]
    made.clear()
    World.calls = 0
    return value, writes


def test_a_stream_is_one_record(url: str) -> None:
    assert reading.using(journal=url)(3) == ["about word0 ", "about word1 ", "about word2 "]
    [record] = finished(url, "chat")
    assert (record.place, items(record)) == ("chat", Items(["word0 ", "word1 ", "word2 "]))
    assert received(url) == []


def test_a_thousand_items_are_one_record(url: str) -> None:
    @flow
    def count(n: int) -> int:
        return sum(1 for _ in query(n))

    assert count.using(journal=url)(1000) == 1000
    assert len(events(url)) == 3
    [record] = finished(url, "query")
    assert len(items(record).items) == 1000


def test_before_a_write_its_items_are_on_record(url: str) -> None:
    World.slow = True
    writing.using(journal=url)(3)
    kinds = [type(event).__name__ for event in events(url) if not isinstance(event, CallFinished)]
    assert kinds == ["RunStarted", *["StreamReceived", "CallIntended"] * 3, "RunEnded"]
    assert [(event.first, items(event)) for event in received(url)] == [(i, [f"word{i} "]) for i in range(3)]


def test_what_is_behind_a_stream_needs_no_more(url: str) -> None:
    behind.using(journal=url)(3)
    assert received(url) == []


@pytest.mark.parametrize("name", FLOWS)
def test_resumed_at_every_event(name: str, url: str) -> None:
    program = FLOWS[name]
    World.slow = name in ("writing", "lines")
    if name == "failing":
        World.error = ValueError("the end")
    expected, writes = reference(program, 4)
    recorded = program.using(journal=url)
    run = recorded.start(4)
    assert run.result(20) == expected
    World.slow = False
    count = len(events(url, run.id))
    for at in range(2, count):
        copy = again(url, run.id, f"copy{at}", at)
        before = events(url, copy)
        made.clear()
        World.calls = 0
        assert resumed(recorded, copy) == expected, at
        on_record = {
            event.place
            for event in before
            if isinstance(event, CallFinished) and event.error is None and event.call.endswith(":put")
        }
        assert len([what for what in made if what in writes]) == len(writes) - len(on_record), at
        whole = [event for event in before if isinstance(event, CallFinished) and _is_stream(event)]
        if len(whole) == sum(_is_stream(event) for event in events(url, run.id)):
            assert World.calls == 0, f"a stream that is recorded was made again, at {at}"


def _is_stream(event: Event) -> bool:
    return isinstance(event, CallFinished) and event.result is not None and isinstance(items(event), Items)


def test_taken_up_in_the_midst_without_writes(url: str) -> None:
    program = reading.using(journal=url)
    run = interrupted(program, 4, stop=("chat", 3))
    assert finished(url, "chat") == received(url) == []
    World.other = {3: "other "}
    assert resumed(program, run) == ["about word0 ", "about word1 ", "about word2 ", "about other "]
    # made again as a whole; what was asked of its items was not asked again
    assert made == [*(("chat", i) for i in range(4)), ("ask", "other ")]


def test_taken_up_in_the_midst_with_the_same_items(url: str) -> None:
    program = writing.using(journal=url)
    World.slow = True
    run = interrupted(program, 4, stop=("put", "word2 "))
    World.other = {3: "other "}  # which nothing depends on
    assert resumed(program, run) == [f"about {word} " for word in ("word0", "word1", "word2", "other")]
    assert [what for what in made if what[0] == "put"] == [("put", "word2 "), ("put", "other ")]


@pytest.mark.parametrize(
    ("world", "found"),
    [
        ({"other": {1: "other "}}, "item 2 was 'word1 ', and now 'other '"),
        ({"ends": 2}, "item 3 was 'word2 ', and now there is none, since it has ended"),
        ({"ends": 1, "error": OSError("no line")}, "and now there is none, since it failed with OSError: no"),
    ],
)
def test_taken_up_in_the_midst_with_other_items(url: str, world: dict[str, Any], found: str) -> None:
    program = guarded.using(journal=url)
    World.slow = True
    run = interrupted(program, 4, stop=("put", "word2 "))
    before = len(events(url, run))
    for name, value in world.items():
        setattr(World, name, value)
    with pytest.raises(errors.Orphaned) as caught:
        resumed(program, run)
    said = str(caught.value)
    assert "the stream chat at writing/chat had given 3 items" in said
    assert found in said and f"stretto fork {run} --before writing/chat" in said
    assert ("put", "other ") not in made
    after = events(url, run)[before:]
    assert not [event for event in after if isinstance(event, (CallIntended, RunEnded))]
    # another time it may give the same
    World.other, World.ends, World.error = {}, None, None
    assert resumed(program, run) == [f"about word{i} " for i in range(4)]


def test_items_are_recorded_as_received(url: str) -> None:
    two.using(journal=url)(2)
    [record] = finished(url, "rows")
    assert items(record).items == [{"id": 0, "tags": [0]}, {"id": 1, "tags": [1]}]


def test_left_and_then_wanted_again(url: str) -> None:
    """An edit: the same items come again, and it goes on; or others do."""
    program = early.using(journal=url)
    run = program.start(6)
    assert run.result(20) == "word2 "
    count = next(i for i, event in enumerate(events(url)) if isinstance(event, CallIntended))
    before = events(url)[:count]
    [record] = [e for e in before if isinstance(e, CallFinished) and _is_stream(e)]
    assert items(record).left
    on_record = len(items(record).items)
    journal = shared(url)
    # as if the edited program had not asked for the word at which it leaves
    without = [e for e in before if not (isinstance(e, CallFinished) and e.place == "for/2/ask")]
    assert len(without) == len(before) - 1
    for name in ("same", "other"):
        journal.restore(name, [_named(without[0], name), *without[1:]], [])
    made.clear()
    World.calls = 0
    assert resumed(program, "same") == "word2 "
    assert World.calls == 0 and on_record >= 3

    left = CallFinished(
        "chat", record.call, record.digest, 1,
        stretto.journal.codecs.encode(Items(["word0 ", "word1 "], left=True)).data, None, 0, 0, 0,
    )  # fmt: skip
    program = taking.using(journal=url)
    program(6)
    started = events(url)[0]
    for name in ("on", "stops"):
        journal.restore(name, [_named(started, name), left], [])
    made.clear()
    assert resumed(program, "on") == [f"word{i} " for i in range(6)]
    World.other = {0: "x"}
    with pytest.raises(errors.Orphaned, match="item 1 was 'word0 ', and now 'x'"):
        resumed(program, "stops")


def test_a_dry_run(url: str) -> None:
    program = writing.using(journal=url)
    World.slow = True
    run = interrupted(program, 3, stop=("put", "word1 "))
    found = preview(shared(url), run)
    assert [op.place for op in found.to_run] == ["chat"]
    assert [op.place for op in found.reused] == []
    run = interrupted(behind.using(journal=url), 3, stop=("ask", "word0 word1 word2 "))
    found = preview(shared(url), run)
    assert [op.place for op in found.reused] == ["chat", "put"]
    assert World.calls == 0


def test_forks(url: str) -> None:
    program = writing.using(journal=url)
    run = program.start(4)
    run.result(20)
    made.clear()
    World.calls = 0
    forked = stretto.fork(run.id, before="for/2/put", journal=url)
    assert forked.result(20) == [f"about word{i} " for i in range(4)]
    assert World.calls == 0
    assert [what for what in made if what[0] == "put"] == [("put", "word2 "), ("put", "word3 ")]
    made.clear()
    World.other = {0: "new "}
    forked = stretto.fork(run.id, before="chat", journal=url)
    assert forked.result(20) == ["about new ", *(f"about word{i} " for i in range(1, 4))]
    assert World.calls == 1
    forked = stretto.fork(run.id, before="for/0/put", set={"chat": ["a", "b"]}, journal=url)
    assert forked.result(20) == ["about a", "about b"]
    assert World.calls == 1


def test_an_item_that_cannot_be_recorded(url: str) -> None:
    @call.unordered
    async def odd() -> AsyncIterator[object]:
        yield 1
        yield lambda: None

    @flow
    def use() -> list[object]:
        return [x for x in odd()]

    with pytest.raises(errors.NotRecordable, match=r"odd: item 2 cannot be recorded"):
        use.using(journal=url)()


def test_large_items(url: str) -> None:
    World.other = dict.fromkeys(range(4), "x" * 100_000)
    program = lengths.using(journal=url)
    run = program.start(4)
    assert run.result(20) == 400_000
    copy = again(url, run.id, "copy", len(events(url, run.id)) - 1)
    World.calls = 0
    assert resumed(program, copy) == 400_000
    assert World.calls == 0


def test_a_flow_that_ran_out_of_time(url: str) -> None:
    program = outer.using(journal=url)
    World.stop = ("chat", 2)
    run = program.start(4)
    deadline = time.monotonic() + 20
    while ("ask", "late") not in made and time.monotonic() < deadline:
        time.sleep(0.001)
    assert run.result(20) == "late"
    World.stop = None
    count = len(events(url, run.id))
    for at in range(count - 4, count):
        if not any(isinstance(e, CallFinished) and e.call == "timeout" for e in events(url, run.id)[:at]):
            continue
        copy = again(url, run.id, f"copy{at}", at)
        made.clear()
        World.calls = 0
        assert resumed(program, copy) == "late"
        assert World.calls == 0 and ("put", "word0 ") not in made


def test_shown(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    writing.using(journal=url)(3)
    run = shared(url).runs()[0].id
    assert main(["show", run, "--journal", url]) == 0
    told = capsys.readouterr().out
    [line] = [line for line in told.splitlines() if line.lstrip().startswith("chat")]
    assert "done" in line and "3 items: ['word0 ', 'word1 ', 'word2 ']" in line
    assert main(["explain", run, "--journal", url]) == 0


def test_natively_it_is_refused(url: str) -> None:
    @flow
    def use(n: int) -> str:
        return next(chat(n))

    with pytest.raises(errors.NotRecordable, match="loop over the call itself in the flow"):
        use.using(journal=url)(3)
    assert World.calls == 0
