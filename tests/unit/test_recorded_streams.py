"""Streams in runs that are recorded: their items are, in few records, and no program sees the beginning of
one making and the rest of another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import call, errors, flow
from stretto.cli import main
from stretto.journal.codecs import decode, encode
from stretto.journal.configured import shared
from stretto.journal.events import CallFinished, CallIntended, Event, RunEnded
from stretto.journal.items import Items
from stretto.journal.replay import preview
from stretto.testing import VirtualClock
from tests.unit import streamed
from tests.unit.streamed import (
    FLOWS,
    World,
    again,
    behind,
    chat,
    early,
    events,
    finished,
    guarded,
    interrupted,
    items,
    lengths,
    made,
    mixed,
    named,
    outer,
    put,
    query,
    reading,
    received,
    reference,
    resumed,
    taking,
    two,
    writing,
)
from tests.waiting import PATIENCE, time_is_up, until


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    streamed.clean()
    yield


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "journal.db")


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
    assert run.result(PATIENCE) == expected
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
    run = interrupted(program, 4, stop=("chat", 3), after=[("ask", f"word{i} ") for i in range(3)])
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
    assert run.result(PATIENCE) == "word2 "
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
        journal.restore(name, [named(without[0], name), *without[1:]], [])
    made.clear()
    World.calls = 0
    assert resumed(program, "same") == "word2 "
    assert World.calls == 0 and on_record >= 3

    left = CallFinished(
        "chat", record.call, record.digest, 1,
        encode(Items(["word0 ", "word1 "], left=True)).data, None, 0, 0, 0,
    )  # fmt: skip
    program = taking.using(journal=url)
    program(6)
    started = events(url)[0]
    for name in ("on", "stops"):
        journal.restore(name, [named(started, name), left], [])
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
    words = "word0 word1 word2 "
    run = interrupted(behind.using(journal=url), 3, stop=("ask", words), after=[("put", words)])
    found = preview(shared(url), run)
    assert [op.place for op in found.reused] == ["chat", "put"]
    assert World.calls == 0


def test_forks(url: str) -> None:
    program = writing.using(journal=url)
    run = program.start(4)
    run.result(PATIENCE)
    made.clear()
    World.calls = 0
    forked = stretto.fork(run.id, before="for/2/put", journal=url)
    assert forked.result(PATIENCE) == [f"about word{i} " for i in range(4)]
    assert World.calls == 0
    assert [what for what in made if what[0] == "put"] == [("put", "word2 "), ("put", "word3 ")]
    made.clear()
    World.other = {0: "new "}
    forked = stretto.fork(run.id, before="chat", journal=url)
    assert forked.result(PATIENCE) == ["about new ", *(f"about word{i} " for i in range(1, 4))]
    assert World.calls == 1
    forked = stretto.fork(run.id, before="for/0/put", set={"chat": ["a", "b"]}, journal=url)
    assert forked.result(PATIENCE) == ["about a", "about b"]
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
    assert run.result(PATIENCE) == 400_000
    copy = again(url, run.id, "copy", len(events(url, run.id)) - 1)
    World.calls = 0
    assert resumed(program, copy) == 400_000
    assert World.calls == 0


def test_a_flow_that_ran_out_of_time(url: str) -> None:
    program = outer.using(journal=url)
    World.stop = ("chat", 2)
    run = program.start(4)
    there = [("chat", 2), ("put", "word0 "), ("put", "word1 ")]
    until(lambda: all(what in made for what in there), lambda: made)
    time_is_up(run)
    assert run.result(PATIENCE) == "late"
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


def test_under_a_virtual_clock(url: str) -> None:
    with VirtualClock():
        assert writing.using(journal=url)(3) == [f"about word{i} " for i in range(3)]
    assert finished(url, "chat")


def test_never_a_mixture(url: str) -> None:
    """Each making gives other items, and the run is cut off after every event: it ends as one that had each
    stream made once, or stops; and all that was ever written fits to how it ends."""
    World.fresh = World.slow = True
    program = mixed.using(journal=url)
    run = program.start(4)
    found = run.result(PATIENCE)
    World.slow = False
    written = _written(url, run.id)
    assert written == _writes(found)
    stopped = 0
    count = len(events(url, run.id))
    for at in range(2, count):
        copy = again(url, run.id, f"copy{at}", at)
        before = _written(url, copy)
        World.calls = 100
        try:
            found = resumed(program, copy)
        except errors.Orphaned as error:
            assert "item 1 was" in str(error)
            assert _written(url, copy) == before
            stopped += 1
            continue
        assert _written(url, copy) == _writes(found), at
        makings = [{word.split("making")[1].split()[0] for word in part} for part in _parts(found)]
        assert [len(part) for part in makings] == [1, 1, 1], at
    assert 0 < stopped < count - 3


def _parts(found: list[str]) -> tuple[list[str], list[str], list[str]]:
    return found[:3], found[3:7], found[7:]


def _writes(found: list[str]) -> list[str]:
    first, second, third = _parts(found)
    return [
        *(word.removeprefix("about ") for word in first),
        *(f"{word}{i}" for i, word in enumerate(second)),
        *third,
        f"because of {third[-1]}",
    ]


def _written(url: str, run: str) -> list[str]:
    found: dict[str, str] = {}
    for event in events(url, run):
        if isinstance(event, CallIntended):
            assert isinstance(event.arguments, bytes)
            [(word,), _] = decode(event.arguments)
            assert found.setdefault(event.place, word) == word
    return list(found.values())


def test_a_loop_that_an_older_failure_has_squashed(url: str) -> None:
    World.fresh = True
    program = FLOWS["squashed"].using(journal=url)
    run = program.start(3)
    found = run.result(PATIENCE)
    count = len(events(url, run.id))
    for at in range(2, count):
        copy = again(url, run.id, f"copy{at}", at)
        try:
            value = resumed(program, copy)
        except errors.Orphaned:
            continue
        assert len({word.split("making")[1] for word in value}) == 1, (at, value)
    assert len(found) == 3


def test_streams_that_hold_a_limit(url: str) -> None:
    @call.unordered(limit=1)
    async def inner(n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i

    @flow
    def use(n: int) -> list[int]:
        return [x + y for x in inner(n) for y in inner(x + 1)]

    assert use.using(journal=url)(3) == use.sequential(3)
    assert len(finished(url, "test_streams_that_hold_a_limit.<locals>.inner")) == 4


def test_a_write_in_code_that_runs_as_a_whole(url: str) -> None:
    class Log:
        def add(self, word: str) -> None:
            put(word)

    log = Log()

    @flow
    def use(n: int) -> int:
        count = 0
        for word in chat(n):
            list(map(log.add, [word]))
            count += 1
        return count

    World.slow = True
    assert use.using(journal=url)(3) == 3
    kinds = [type(event).__name__ for event in events(url) if not isinstance(event, CallFinished)]
    assert kinds == ["RunStarted", *["StreamReceived", "CallIntended"] * 3, "RunEnded"]


@flow
def secretly(n: int) -> int:
    count = 0
    for word in whispered(n):
        put(len(word))
        count += len(word)
    return count


@call.unordered(secret="return")
async def whispered(n: int) -> AsyncIterator[str]:
    World.calls += 1
    for i in range(n):
        await streamed.turn(i)
        yield World.other.get(i, "hush" * (i + 1))
    await streamed.turn(n)


def test_secret_items(url: str) -> None:
    World.slow = True
    program = secretly.using(journal=url)
    run = program.start(3)
    assert run.result(PATIENCE) == 24
    shared(url).flush()
    assert not any(b"hush" in path.read_bytes() for path in Path(url).parent.glob("journal.db*"))
    World.slow = False
    count = len(events(url, run.id))
    for at in range(2, count):
        assert resumed(program, again(url, run.id, f"copy{at}", at)) == 24
    World.other = {0: "psst"}
    copy = again(
        url, run.id, "other", next(i for i, e in enumerate(events(url, run.id)) if e in received(url)) + 1
    )
    with pytest.raises(errors.Orphaned, match="item 1 was <secret>, and now <secret>"):
        resumed(program, copy)
