"""Runs that are forked, and runs of a program that was edited since."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import Flow, call, errors, flow
from stretto.journal import open_journal
from stretto.journal.configured import shared
from stretto.journal.events import RunStarted, RunState
from stretto.journal.replay import Operation, preview
from tests.waiting import PATIENCE, until

made: list[object] = []


class World:
    stop: object = None


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    made.clear()
    World.stop = None
    yield


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "journal.db")


@call.unordered
async def ask(x: object) -> str:
    made.append(("ask", x))
    if World.stop == ("ask", x):
        await asyncio.sleep(1000)
    return f"about {x}"


@call.writes("log")
async def write(x: object) -> object:
    made.append(("write", x))
    if World.stop == ("write", x):
        await asyncio.sleep(1000)
    return x


@call.commutes("count")
async def tally(x: object) -> None:
    made.append(("tally", x))


@flow
def program(n: int) -> list[object]:
    found: list[object] = []
    for i in range(n):
        found.append(ask(i))
        tally(i)
        if i % 2:
            write(found[-1])
    write("end")
    return found


def edited(source: str, *, name: str = "program") -> Flow[..., Any]:
    """Another version of a flow of this module, under the same name."""
    import linecache

    filename = f"<edited {hash(source)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace = dict(globals())
    exec(compile(source, filename, "exec"), namespace)
    return namespace[name]  # type: ignore[no-any-return]


def stopped(run: Any, journal: str, *when: object) -> str:
    """Interrupt a run once these calls were made, and only one is under way; forgets what was made so far."""

    def there() -> bool:
        if run.done():
            run.result()
        return all(what in made for what in when) and run.progress().running <= 1

    until(there, lambda: made)
    run.interrupt()
    World.stop = None
    made.clear()
    shared(journal).flush()
    return str(run.id)


def interrupted(version: Flow[..., Any], journal: str, *args: object, stop: object, after: Any = ()) -> str:
    """Run until a call is under way that does not end, and stop there; the run's identifier."""
    World.stop = stop
    return stopped(version.using(journal=journal).start(*args), journal, stop, *after)


@pytest.fixture
def version(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a version of the program where resuming looks for it."""
    return functools.partial(monkeypatch.setitem, globals(), "program")


LINES_ABOVE = """\
@flow
def program(n):
    found = []
    ask("new")
    for unused in range(2):
        ask(unused + 100)
    for i in range(n):
        ask("more")
        found.append(ask(i))
        tally(i)
        if i % 2:
            write(found[-1])
    write("end")
    ask("last")
    return found
"""


# -- forks --------------------------------------------------------------------------------------------


def test_what_comes_before_is_shared(journal: str) -> None:
    run = program.using(journal=journal).start(4)
    assert run.result() == ["about 0", "about 1", "about 2", "about 3"]
    made.clear()
    forked = stretto.fork(run.id, before="for/2/ask", journal=journal)
    assert forked.result() == ["about 0", "about 1", "about 2", "about 3"]
    assert [what for what in made if what[0] == "write"] == [("write", "about 3"), ("write", "end")]  # type: ignore[index]
    assert sorted(what[1] for what in made if what[0] != "write") == [2, 2, 3, 3]  # type: ignore[index]
    record = shared(journal).run(forked.id)
    assert (record.forked_from, record.state, record.calls) == (run.id, RunState.SUCCEEDED, 11)


def test_a_result_is_set(journal: str) -> None:
    run = program.using(journal=journal).start(4)
    run.result()
    made.clear()
    forked = stretto.fork(run.id, before="for/1/ask", set={"for/1/ask": "mine"}, journal=journal)
    assert forked.result() == ["about 0", "mine", "about 2", "about 3"]
    assert ("write", "mine") in made
    assert ("ask", 1) not in made


def test_a_fork_needs_nothing_of_the_other_run_once_they_have_parted(journal: str, tmp_path: Path) -> None:
    run = program.using(journal=journal).start(4)
    run.result()
    made.clear()
    World.stop = ("ask", 3)
    forked = stretto.fork(run.id, before="for/2/ask", journal=journal)
    stopped(forked, journal, ("ask", 3), ("tally", 2))
    other = open_journal(tmp_path / "other.db")
    here = shared(journal)
    try:
        other.restore(forked.id, [event for _, event in here.events(forked.id)], [])
    finally:
        other.close()
    resumed = stretto.resume(forked.id, journal=str(tmp_path / "other.db"))
    assert resumed.result() == ["about 0", "about 1", "about 2", "about 3"]
    assert ("write", "about 1") not in made and ("ask", 0) not in made


def test_a_fork_that_is_stopped_before_the_parting_goes_on(journal: str) -> None:
    run = interrupted(program, journal, 4, stop=("write", "about 1"))
    forked = stretto.fork(run, before="for/3/ask", journal=journal)
    with pytest.raises(errors.InDoubt, match=r"settle \w+ for/1/write --retry"):
        forked.result()
    assert shared(journal).run(forked.id).state is RunState.IN_DOUBT


def test_parting_where_an_edit_has_moved_it(journal: str, version: Any) -> None:
    run = program.using(journal=journal).start(4)
    run.result()
    made.clear()
    version(edited(LINES_ABOVE))
    forked = stretto.fork(run.id, before="for/1/write", journal=journal)
    assert forked.result() == ["about 0", "about 1", "about 2", "about 3"]
    assert [what for what in made if what[0] == "write"] == [  # type: ignore[index]
        ("write", "about 1"), ("write", "about 3"), ("write", "end"),
    ]  # fmt: skip
    assert ("ask", 0) not in made and ("ask", 1) not in made


def test_what_is_wrong_with_a_fork(journal: str) -> None:
    run = program.using(journal=journal).start(4)
    run.result()
    with pytest.raises(errors.JournalError, match=r"no call is recorded at 'nowhere'"):
        stretto.fork(run.id, before="nowhere", journal=journal)
    with pytest.raises(errors.JournalError, match=r"4 calls of ask; name one by its place:\n +for/0/ask\n"):
        stretto.fork(run.id, before="ask", journal=journal)
    with pytest.raises(errors.RunNotFound):
        stretto.fork("0", before="for/1/ask", journal=journal)
    assert len(shared(journal).runs()) == 1


def test_a_fork_that_never_comes_to_where_it_parts(journal: str, version: Any) -> None:
    run = program.using(journal=journal).start(2)
    run.result()
    version(edited("@flow\ndef program(n):\n    return ask(0)\n"))
    with pytest.raises(errors.ForkMissed, match="without coming to it"):
        stretto.fork(run.id, before="for/1/write", journal=journal).result()


# -- edits --------------------------------------------------------------------------------------------


def test_lines_above_move_nothing(journal: str, version: Any) -> None:
    """Calls and loops of the same names are added above what is recorded: it is found all the same."""
    run = interrupted(program, journal, 4, stop=("ask", 3), after=[("tally", 2)])
    version(edited(LINES_ABOVE))
    assert stretto.resume(run, journal=journal).result() == ["about 0", "about 1", "about 2", "about 3"]
    asked = [what[1] for what in made if what[0] == "ask"]  # type: ignore[index]
    assert sorted(map(str, asked)) == ["100", "101", "3", "last", "more", "more", "more", "more", "new"]
    assert [what for what in made if what[0] == "write"] == [("write", "about 3"), ("write", "end")]  # type: ignore[index]


def test_edited_and_edited_back(journal: str, version: Any) -> None:
    before = program
    run = interrupted(program, journal, 4, stop=("ask", 1), after=[("tally", 0)])
    version(edited(LINES_ABOVE))
    World.stop = ("ask", "last")
    stopped(stretto.resume(run, journal=journal), journal, World.stop, ("write", "end"))
    version(before)
    assert stretto.resume(run, journal=journal).result() == ["about 0", "about 1", "about 2", "about 3"]
    assert made == []


WITHOUT = "@flow\ndef program(n):\n    write('other')\n    return ask(0)\n"


def test_a_write_that_is_not_made_any_more(journal: str, version: Any) -> None:
    run = interrupted(program, journal, 2, stop=("write", "end"))
    version(edited(WITHOUT))
    with pytest.raises(errors.Orphaned, match=r"comes to a new write, write .*\n    for/0/tally ") as caught:
        stretto.resume(run, journal=journal).result()
    assert f"stretto resume {run} --accept-orphans" in str(caught.value)
    assert ("write", "other") not in made
    with pytest.raises(
        errors.JournalError, match=r"no write is recorded at 'x'. Recorded writes:\n    for/0/t"
    ):
        stretto.resume(run, journal=journal, accept=["x"])
    with pytest.raises(errors.Orphaned) as caught:
        stretto.resume(run, journal=journal, accept=["for/1/write", "for/0/tally"]).result()
    assert "for/1/write" not in str(caught.value) and "for/1/tally" in str(caught.value)
    with pytest.raises(errors.Orphaned, match="for/1/write"):  # what was accepted is not kept
        stretto.resume(run, journal=journal).result()
    assert stretto.resume(run, journal=journal, accept=True).result() == "about 0"
    assert ("write", "other") in made


def test_what_was_accepted_is_asked_for_again_when_the_run_was_stopped(journal: str, version: Any) -> None:
    run = interrupted(program, journal, 2, stop=("write", "end"))
    version(edited("@flow\ndef program(n):\n    ask('first')\n    write('other')\n    ask(write('more'))\n"))
    World.stop = ("ask", "more")
    stopped(stretto.resume(run, journal=journal, accept=True), journal, ("ask", "more"))
    with pytest.raises(errors.Orphaned, match="for/1/write"):
        stretto.resume(run, journal=journal).result()
    assert stretto.resume(run, journal=journal, accept=True).result() is None
    assert set(made) == {("ask", "more")}  # no write is made twice


# -- beforehand ---------------------------------------------------------------------------------------


def places(operations: list[Operation]) -> list[str]:
    return [operation.place for operation in operations]


def test_a_dry_run_does_nothing(journal: str) -> None:
    run = interrupted(program, journal, 4, stop=("ask", 3), after=[("tally", 2)])
    found = preview(shared(journal), run)
    assert made == []
    assert not found.edited
    assert sorted(places(found.reused)) == [
        "for/0/ask", "for/0/tally", "for/1/ask", "for/1/tally", "for/1/write", "for/2/ask", "for/2/tally",
    ]  # fmt: skip
    assert places(found.to_run)[0] == "for/3/ask"
    assert (found.in_doubt, found.orphaned, found.not_reached, found.unknown) == ([], [], [], [])


def test_a_dry_run_of_an_edited_program(journal: str, version: Any) -> None:
    run = interrupted(program, journal, 4, stop=("ask", 3), after=[("tally", 2)])
    version(edited(LINES_ABOVE))
    found = preview(shared(journal), run)
    assert found.edited and made == []
    assert len(found.reused) == 7
    assert set(places(found.to_run)) >= {"ask", "for/0/ask#2", "for#2/3/ask#4"}
    assert found.orphaned == []
    version(edited(WITHOUT))
    found = preview(shared(journal), run)
    assert places(found.to_run) == ["write", "ask"]
    assert found.reused == []
    version(edited("@flow\ndef program(n):\n    return ask(0)\n"))
    found = preview(shared(journal), run)
    assert found.to_run == [] if found.reused else places(found.to_run) == ["ask"]


def test_a_dry_run_shows_what_is_in_doubt(journal: str) -> None:
    run = interrupted(program, journal, 4, stop=("write", "about 1"))
    found = preview(shared(journal), run)
    assert places(found.in_doubt) == ["for/1/write"]
    assert found.in_doubt[0].changes


@call.reads("a", limit=1)
async def one_at_a_time(x: object) -> object:
    made.append(("one", x))
    return x


@flow
def narrow() -> object:
    first = one_at_a_time(ask(1))
    second = one_at_a_time(5)
    third = one_at_a_time(6)
    write(first)
    return [second, third]


@pytest.mark.parametrize("before", ["write", "one_at_a_time", "one_at_a_time#2", "ask"])
def test_a_call_that_waits_for_its_turn_is_in_nobodys_way(journal: str, before: str) -> None:
    run = narrow.using(journal=journal).start()
    assert run.result() == [5, 6]
    assert stretto.fork(run.id, before=before, journal=journal).result(PATIENCE) == [5, 6]


def test_two_runs_cannot_part_at_a_reading(journal: str) -> None:
    run = reading.using(journal=journal).start()
    run.result()
    with pytest.raises(errors.JournalError, match="is a reading, and no call"):
        stretto.fork(run.id, before="time", journal=journal)


@flow
def reading() -> float:
    ask(1)
    return time.time()


def place_of(what: Any) -> str:
    """Where the program makes this call."""
    name, given = what
    if name == "write":
        return {"about 1": "for/1/write", "mine": "for/3/write", "end": "write#2"}[given]
    return f"for/{given}/{name}"


@pytest.mark.parametrize("before", ["for/0/ask", "for/2/ask", "for/1/write", "write#2"])
def test_a_dry_run_of_a_fork_wherever_it_was_killed(journal: str, before: str) -> None:
    """What it shares with the other run and has not come to yet is foreseen as well."""
    run = program.using(journal=journal).start(4)
    run.result()
    forked = stretto.fork(run.id, before=before, set={"for/3/ask": "mine"}, journal=journal)
    forked.result()
    here = shared(journal)
    here.flush()
    events = [event for _, event in here.events(forked.id)]
    doubtful = 0
    for count in range(2, len(events)):  # what was set is there from the start
        name = f"killed-{count}"
        assert isinstance(events[0], RunStarted)
        here.restore(name, [replace(events[0], run=name), *events[1:count]], [])
        made.clear()
        found = preview(here, name)
        assert made == []
        if found.in_doubt:
            doubtful += 1
            continue
        assert (found.orphaned, found.not_reached, found.unknown) == ([], [], [])
        assert stretto.resume(name, journal=journal).result() == ["about 0", "about 1", "about 2", "mine"]
        now = {place_of(what) for what in made}
        assert len(now) == len(made)
        assert now >= set(places(found.to_run))
        # what hangs on results that are to come is not foreseen
        assert not now & set(places(found.reused))
        assert len(found.to_run) + len(found.reused) >= 9
    assert doubtful < len(events) / 2


def test_a_dry_run_of_a_fork_of_an_edited_program(journal: str, version: Any) -> None:
    run = interrupted(program, journal, 4, stop=("ask", 3), after=[("tally", 2)])
    version(edited(LINES_ABOVE))
    forked = stretto.fork(run, before="for/2/tally", journal=journal)
    forked.result()
    here = shared(journal)
    here.flush()
    events = [event for _, event in here.events(forked.id)]
    assert isinstance(events[0], RunStarted)
    here.restore("killed", [replace(events[0], run="killed"), *events[1:2]], [])
    made.clear()
    found = preview(here, "killed")
    assert {"for/0/tally", "for/1/tally", "for/1/write"} <= set(places(found.reused))
    assert "for/2/tally" not in places(found.reused)
    assert found.orphaned == [] and made == []
