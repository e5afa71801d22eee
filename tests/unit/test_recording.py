"""Runs that are recorded, interrupted and taken up, in one process."""

from __future__ import annotations

import asyncio
import functools
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import Done, Flow, call, errors, flow
from stretto.journal import configured, open_journal
from stretto.journal import ending as ending_module
from stretto.journal.configured import shared
from stretto.journal.ending import releasing
from stretto.journal.events import CallFinished, CallIntended, RunState
from stretto.journal.leases import Lease
from stretto.journal.replay import preview
from stretto.journal.store import StoredJournal
from tests.waiting import PATIENCE, time_is_up, until

made: list[object] = []


class World:
    """What the calls below do, and what stops them."""

    stop: object = None
    answer: object = None
    extra = False


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    made.clear()
    World.stop = World.answer = None
    World.extra = False
    yield


async def meet(what: object) -> None:
    made.append(what)
    if what == World.stop:
        await asyncio.sleep(1000)


@call.unordered
async def ask(x: object) -> str:
    await meet(("ask", x))
    return f"about {x}"


@call.writes("log")
async def write(x: object) -> int:
    await meet(("write", x))
    return len(made)


@call.writes("log", idempotent=True)
async def rewrite(x: object) -> str:
    await meet(("rewrite", x))
    return stretto.current().key


@call.writes("log", check=lambda x: World.answer)
def checked(x: object) -> str | None:
    made.append(("checked", x))
    while World.stop == ("checked", x):
        time.sleep(0.001)
    return "made"


@call.unordered
async def fail(x: object) -> None:
    await meet(("fail", x))
    raise LookupError(x)


def interrupted(program: Flow[Any, Any], *args: object, stop: object, slow: object = None) -> str:
    """Run until a call is under way, and stop there; the run's identifier. The time of the flow, or the call,
    that is slow is up when this is under way."""
    World.stop = stop
    run = program.start(*args)
    if slow is not None:
        until(lambda: slow in made, lambda: made)
        time_is_up(run)
    until(lambda: stop in made, lambda: made)
    run.stop(KeyboardInterrupt())
    World.stop = None  # a thread goes on then, and the run waits for it
    run.interrupt()
    made.clear()
    shared(program.journal or "").flush()
    return run.id


def resumed(program: Flow[Any, Any], run: str) -> Any:
    return stretto.resume(run, journal=program.journal).result(PATIENCE)


@flow
def several(n: int) -> list[object]:
    found: list[object] = []
    written = 0
    for i in range(n):
        found.append(ask(i))
        if i == 2:
            written = write("two")
    found.append(ask("last"[written * 0 :]))  # when the write is done
    return found


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "journal.db")


def test_what_was_done_is_not_done_again(journal: str) -> None:
    program = several.using(journal=journal)
    run = interrupted(program, 4, stop=("ask", "last"))
    assert resumed(program, run) == ["about 0", "about 1", "about 2", "about 3", "about last"]
    assert made == [("ask", "last")]
    with pytest.raises(errors.RunEndedAlready, match=r"has ended \(succeeded\)"):
        resumed(program, run)


@pytest.mark.parametrize("on_loop", [False, True])
def test_a_run_that_was_heard_to_have_stopped_can_be_taken_up_by_others(
    journal: str, monkeypatch: pytest.MonkeyPatch, on_loop: bool
) -> None:
    program = failing_at_first.using(journal=journal)
    release = StoredJournal.release

    def slowly(self: StoredJournal, lease: Lease) -> None:
        time.sleep(0.3)
        release(self, lease)

    monkeypatch.setattr(StoredJournal, "release", slowly)
    with pytest.raises(errors.JournalUnavailable, match="now and then"):
        asyncio.run(program.aio()) if on_loop else program()
    [record] = shared(journal).runs()
    with closing(open_journal(journal)) as other:
        monkeypatch.undo()
        other.release(other.acquire(record.id))


def test_a_run_that_was_cancelled_on_its_loop_can_be_taken_up_by_others(
    journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = several.using(journal=journal)
    World.stop = ("ask", "last")
    held, release = threading.Event(), StoredJournal.release

    def slowly(self: StoredJournal, lease: Lease) -> None:
        assert held.wait(PATIENCE)
        release(self, lease)

    monkeypatch.setattr(StoredJournal, "release", slowly)

    async def main() -> None:
        task = asyncio.create_task(program.aio(4))
        await asyncio.to_thread(until, lambda: World.stop in made, lambda: made)
        task.cancel()
        await asyncio.to_thread(until, lambda: releasing)
        await asyncio.wait([task], timeout=0.1)
        assert not task.done()  # not before its lease is given back
        held.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        monkeypatch.undo()
        [record] = shared(journal).runs()
        with closing(open_journal(journal)) as other:
            other.release(other.acquire(record.id))

    asyncio.run(main())


def test_a_run_whose_lease_is_being_given_back_is_waited_for_each_time(
    journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it was taken up and has stopped again before it was noted to be free the first time."""
    program = several.using(journal=journal)
    go_on, noted, note = threading.Event(), threading.Event(), ending_module._released

    def late(run: str, ending: Any) -> None:
        assert go_on.wait(PATIENCE)
        note(run, ending)
        noted.set()

    monkeypatch.setattr(ending_module, "_released", late)
    run = interrupted(program, 4, stop=("ask", "last"))
    monkeypatch.undo()
    held, release = threading.Event(), StoredJournal.release

    def slowly(self: StoredJournal, lease: Lease) -> None:
        assert held.wait(PATIENCE)
        release(self, lease)

    monkeypatch.setattr(StoredJournal, "release", slowly)
    World.stop = ("ask", "last")
    again = stretto.resume(run, journal=journal)
    until(lambda: World.stop in made, lambda: made)
    again.stop(KeyboardInterrupt())
    until(lambda: releasing[run] is again.recording.releasing)
    go_on.set()
    assert noted.wait(PATIENCE)
    assert releasing[run] is again.recording.releasing
    held.set()
    with pytest.raises(KeyboardInterrupt):
        again.result(PATIENCE)
    World.stop = None
    assert resumed(program, run)[-1] == "about last"


@call.unordered
def unlucky() -> None:
    raise errors.JournalUnavailable("now and then")


@flow
def failing_at_first() -> None:
    unlucky()


def test_a_write_that_may_have_happened_stops_the_run(journal: str) -> None:
    program = several.using(journal=journal)
    run = interrupted(program, 4, stop=("write", "two"))
    # it was cancelled in the middle, and nobody knows how far it came
    with pytest.raises(errors.InDoubt, match=r"write\('two'\) at for/2/write .*\n.*stretto settle"):
        resumed(program, run)
    assert shared(journal).run(run).state is RunState.IN_DOUBT
    assert ("write", "two") not in made


def test_one_that_may_be_repeated_is(journal: str) -> None:
    @flow
    def main() -> str:
        ask(1)
        return rewrite("x")

    globals()["main"] = main
    main.fn.__qualname__ = "main"
    program = main.using(journal=journal)
    run = interrupted(program, stop=("rewrite", "x"))
    key = resumed(program, run)
    events = [e for _, e in shared(journal).events(run) if isinstance(e, CallIntended)]
    assert [(e.key, e.attempt) for e in events] == [(key, 1), (key, 2)]
    assert made == [("rewrite", "x")]


@flow
def asks_whether() -> str | None:
    return checked("y")


@pytest.mark.parametrize(
    ("answer", "result", "again"),
    [(False, "made", True), (True, None, False), (Done("it was"), "it was", False)],
)
def test_one_that_can_be_asked_about_is(journal: str, answer: object, result: object, again: bool) -> None:
    program = asks_whether.using(journal=journal)
    run = interrupted(program, stop=("checked", "y"))  # its thread goes on, and nobody hears of its result
    World.answer = answer
    assert resumed(program, run) == result
    assert (("checked", "y") in made) is again


@flow
def handles(x: int) -> str:
    try:
        fail(x)
    except LookupError as error:
        return ask(error.args)
    return "never"


def test_failures_are_answered_too(journal: str) -> None:
    program = handles.using(journal=journal)
    run = interrupted(program, 5, stop=("ask", (5,)))
    assert resumed(program, run) == "about (5,)"
    assert made == [("ask", (5,))]


@flow
def reads() -> list[object]:
    found: list[object] = [time.time(), random.random(), os.getenv("HOME")]
    ask("after" * bool(found[2]))
    return found


def test_what_was_read_is_read_again(journal: str) -> None:
    program = reads.using(journal=journal)
    run = interrupted(program, stop=("ask", "after"))
    finished = [e for _, e in shared(journal).events(run) if isinstance(e, CallFinished)]
    assert [e.call for e in finished] == ["time:time", "random:Random.random", "os:getenv"]
    before = time.time()
    found = resumed(program, run)
    assert found[0] < before and found[2] == os.getenv("HOME")


@flow
def edited() -> str:
    if World.extra:
        write("new")
    x = ask("kept")
    written = 0
    if not World.extra:
        written = write("gone")
    return ask(f"{x}!"[written * 0 :])


def test_a_program_that_no_longer_makes_a_write_is_stopped_before_the_next(journal: str) -> None:
    program = edited.using(journal=journal)
    run = interrupted(program, stop=("ask", "about kept!"))
    World.extra = True
    with pytest.raises(errors.Orphaned, match=r"write#2 \(.*:write\)") as raised:
        resumed(program, run)
    assert "The flow's own lines are what they were" in str(raised.value)
    assert ("write", "new") not in made
    World.extra = False  # once the program is put back, the run goes on
    resumed(program, run)
    assert ("write", "gone") not in made


@call.unordered
async def odd(x: int) -> object:
    return iter([x])


@flow
def unrecordable() -> object:
    try:
        odd(1)
    except errors.NotRecordable as error:
        return str(error)
    return "never"


def test_a_result_that_cannot_be_recorded_fails_its_call(journal: str) -> None:
    assert unrecordable.using(journal=None)() == "never"
    text = unrecordable.using(journal=journal)()
    assert isinstance(text, str) and "odd: its result cannot be recorded" in text and "list_iterator" in text


def test_configured(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRETTO_JOURNAL", journal)
    assert several(1) == ["about 0", "about last"]
    (record,) = shared(journal).runs()
    assert (record.flow.endswith(":several"), record.state, record.calls) == (True, RunState.SUCCEEDED, 2)
    several.using(journal=None)(1)
    assert len(shared(journal).runs()) == 1


def test_of_every_kind(journal: str) -> None:
    program = several.using(journal=journal)
    assert asyncio.run(program.aio(1)) == ["about 0", "about last"]
    assert program.start(1).result(PATIENCE) == ["about 0", "about last"]
    assert program.sequential(1) == ["about 0", "about last"]
    states = [r.state for r in shared(journal).runs()]
    assert states == [RunState.SUCCEEDED] * 2

    failing = broken.using(journal=journal)
    with pytest.raises(LookupError):
        failing()
    assert shared(journal).runs()[0].state is RunState.FAILED
    World.stop = ("ask", 0)
    run = program.start(1)
    run.cancel()
    assert shared(journal).run(run.id).state is RunState.CANCELLED


@flow
def broken() -> None:
    ask(1)
    raise LookupError


def test_an_unknown_run(journal: str) -> None:
    with pytest.raises(errors.RunNotFound, match="no run 'nothing'"):
        stretto.resume("nothing", journal=journal)


def test_two_cannot_run_one(journal: str) -> None:
    program = several.using(journal=journal)
    World.stop = ("ask", 0)
    run = program.start(1)
    try:
        with pytest.raises(errors.LeaseHeld):
            stretto.resume(run.id, journal=journal)
    finally:
        run.interrupt()


def test_outside_of_a_run_every_call_has_a_key_of_its_own() -> None:
    assert stretto.current().key != stretto.current().key
    assert stretto.current().run == ""


def test_a_journal_that_is_full_ends_the_run_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    journal = str(tmp_path / "small.db")
    monkeypatch.setitem(configured._shared, str(Path(journal).resolve()), open_journal(journal, max_pages=12))

    @flow
    def long() -> int:
        for i in range(3000):
            ask(str(i) * 100)
            if i % 10 == 0:
                write(i)
        return 1

    long.fn.__qualname__ = "long"
    with pytest.raises(errors.JournalFull, match="small.db"):
        long.using(journal=journal)()


@flow
def inner(x: int) -> str:
    rewrite(x)
    return ask(x)


@flow
def through_native_code(n: int) -> str:
    return functools.reduce(lambda text, x: text + inner(x), range(n), "")


def test_a_flow_in_code_that_runs_as_a_whole_is_a_part_of_the_run(journal: str) -> None:
    program = through_native_code.using(journal=journal)
    assert program(2) == "about 0about 1"
    (record,) = shared(journal).runs()
    assert (record.flow.rpartition(":")[2], record.calls) == ("through_native_code", 4)


@flow(timeout=1000)
def in_a_hurry(x: object) -> str:
    write(("began", x))
    return ask(("slow", x))


@flow
def patient(n: int) -> list[object]:
    found: list[object] = []
    for x in range(n):
        try:
            found.append(in_a_hurry(x))
        except TimeoutError as error:
            found.append(str(error))
            write(("gave up", x))
    found.append(ask("last"[0 * len(str(found)) :]))  # when all that has come
    return found


def test_a_flow_that_ran_out_of_time_does_so_again(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the run would go on where it did not, and its writes would be orphans."""
    program = patient.using(journal=journal)
    slow = True

    async def meeting(what: object) -> None:
        made.append(what)
        if (slow and what == ("ask", ("slow", 1))) or what == World.stop:
            await asyncio.sleep(1000)

    monkeypatch.setitem(globals(), "meet", meeting)
    run = interrupted(program, 3, stop=("ask", "last"), slow=("write", ("began", 1)))
    slow = False
    beforehand = preview(shared(journal), run)
    assert [found.place for found in beforehand.to_run] == ["ask"]
    assert beforehand.orphaned == beforehand.not_reached == []
    found = resumed(program, run)
    message = "the flow in_a_hurry took longer than its timeout of 1000 s"
    assert found == ["about ('slow', 0)", message, "about ('slow', 2)", "about last"]
    assert [what for what in made if what[0] == "write"] == []  # type: ignore[index]


@call.unordered(timeout=1000)
def thread(x: object) -> str:
    made.append(("thread", x))
    while World.stop is not None:
        time.sleep(0.001)
    return "in time"


@flow
def too_late() -> str:
    try:
        text = thread(1)
    except TimeoutError:
        text = "too late"
    return text + ask("last"[0 * len(text) :])


def test_a_call_in_a_thread_that_took_too_long_is_not_made_again(journal: str) -> None:
    program = too_late.using(journal=journal)
    run = interrupted(program, stop=("ask", "last"), slow=("thread", 1))
    assert resumed(program, run) == "too lateabout last"
    assert made == [("ask", "last")]


def test_a_run_that_was_cancelled_on_a_loop_can_be_taken_up(journal: str) -> None:
    program = several.using(journal=journal)
    World.stop = ("ask", "last")

    async def main() -> None:
        task = asyncio.create_task(program.aio(4))
        await asyncio.to_thread(until, lambda: World.stop in made, lambda: made)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    World.stop = None
    made.clear()
    (record,) = shared(journal).runs()
    assert resumed(program, record.id)[-1] == "about last"
    assert made == [("ask", "last")]


async def trouble(x: object) -> bool:
    raise ConnectionError("nobody to ask")


@call.writes("log", check=trouble)
async def troubled(x: object) -> None:
    await meet(("troubled", x))


@flow
def asks_in_vain() -> str:
    try:
        troubled(1)
    except ConnectionError as error:
        write(str(error))
    return ask("last")


def test_a_check_that_fails_has_failed_for_good(journal: str) -> None:
    program = asks_in_vain.using(journal=journal)
    run = interrupted(program, stop=("troubled", 1))
    World.stop = ("write", "nobody to ask")
    again = stretto.resume(run, journal=journal)
    until(lambda: World.stop in made, lambda: made)
    again.interrupt()
    World.stop = None
    shared(journal).flush()
    with pytest.raises(errors.InDoubt, match="write"):  # and not troubled, of which all is known
        resumed(program, run)
