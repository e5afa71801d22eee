"""Calls that are made by code which runs as a whole: cancelled with their run, asked about, answered."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import Flow, call, errors, flow
from stretto.journal.configured import shared
from stretto.journal.events import CallFinished
from tests.waiting import PATIENCE, time_is_up, until

made: list[object] = []


class World:
    """What holds a call up, and what a check answers."""

    hold = True
    answer: Callable[[], object] = staticmethod(lambda: False)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    made.clear()
    World.hold, World.answer = True, staticmethod(lambda: False)
    yield


async def meet(what: object) -> None:
    made.append(what)
    if World.hold:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            made.append("cancelled")
            raise


@call.unordered
async def ask(x: int) -> int:
    await meet(("ask", x))
    return x


@call.unordered
async def items(n: int) -> AsyncIterator[int]:
    for x in range(n):
        await meet(("item", x))
        yield x


def was_sent(x: int) -> object:
    made.append("checked")
    return World.answer()


async def was_sent_too(x: int) -> object:
    return was_sent(x)


@call.writes("mail", check=was_sent)
async def send(x: int) -> str:
    await meet(("send", x))
    return f"sent {x}"


@call.writes("post", check=was_sent_too)
async def post(x: int) -> str:
    await meet(("post", x))
    return f"posted {x}"


def whole(text: str, names: dict[str, object]) -> Any:
    """Code that is not compiled."""
    try:
        return eval(text, names)
    except errors.StrettoError:
        raise
    except Exception as error:
        return repr(error)
    finally:
        made.append("left")


@flow
def asks() -> object:
    return whole("[ask(1), ask(2)]", {"ask": ask})


@flow
def goes_over() -> object:
    return whole("list(items(3))", {"items": items})


@flow
def sends() -> object:
    return whole("[send(1), send(2)]", {"send": send})


@flow
def posts() -> object:
    return whole("post(1)", {"post": post})


def wait_for(what: object) -> None:
    until(lambda: what in made, lambda: made)


@pytest.mark.parametrize(
    ("program", "first", "journal"),
    [
        (asks, ("ask", 1), None),
        (asks, ("ask", 1), "journal.db"),
        (sends, ("send", 1), None),
        (sends, ("send", 1), "journal.db"),
        (goes_over, ("item", 0), None),  # such a stream is not recorded
    ],
)
def test_they_are_cancelled_with_the_run(
    program: Flow[[], object], first: object, journal: str | None, tmp_path: Path
) -> None:
    run = program.using(journal=None if journal is None else str(tmp_path / journal)).start()
    wait_for(first)
    run.cancel()
    with pytest.raises(errors.Cancelled):
        run.result(0)
    assert made == [first, "cancelled", "left"]


@pytest.mark.parametrize("journal", [None, "journal.db"])
def test_they_are_cancelled_with_the_task_that_awaits_the_run(journal: str | None, tmp_path: Path) -> None:
    async def main() -> None:
        program = asks.using(journal=None if journal is None else str(tmp_path / journal))
        task = asyncio.create_task(program.aio())
        while ("ask", 1) not in made:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, PATIENCE)

    asyncio.run(main())
    assert made == [("ask", 1), "cancelled", "left"]


def test_one_that_runs_out_of_time_is_cancelled_too() -> None:
    @flow(timeout=1000)
    def hurried() -> object:
        return whole("ask(1)", {"ask": ask})

    @flow
    def outer() -> str:
        try:
            return str(hurried())
        except TimeoutError as error:
            return str(error)

    run = outer.start()
    wait_for(("ask", 1))
    time_is_up(run)
    assert run.result(PATIENCE).endswith("took longer than its timeout of 1000 s")
    assert made == [("ask", 1), "cancelled", "left"]


def interrupted(program: Flow[[], object], journal: str, stop: object) -> str:
    run = program.using(journal=journal).start()
    wait_for(stop)
    run.interrupt()
    made.clear()
    World.hold = False
    return run.id


def fails() -> object:
    raise ConnectionError("nobody to ask")


@pytest.mark.parametrize(
    ("program", "first", "answer", "result", "again"),
    [
        (sends, ("send", 1), lambda: False, ["sent 1", "sent 2"], [("send", 1), ("send", 2)]),
        (sends, ("send", 1), lambda: stretto.Done("done"), ["done", "sent 2"], [("send", 2)]),
        (sends, ("send", 1), lambda: True, [None, "sent 2"], [("send", 2)]),
        (sends, ("send", 1), fails, "ConnectionError('nobody to ask')", []),
        (posts, ("post", 1), lambda: False, "posted 1", [("post", 1)]),
        (posts, ("post", 1), lambda: stretto.Done("done"), "done", []),
        (posts, ("post", 1), fails, "ConnectionError('nobody to ask')", []),
    ],
)
def test_their_checks_are_asked_and_what_they_raise_is_what_the_call_has_raised(
    program: Flow[[], object],
    first: object,
    answer: Callable[[], object],
    result: object,
    again: list[object],
    tmp_path: Path,
) -> None:
    journal = str(tmp_path / "journal.db")
    run = interrupted(program, journal, first)
    World.answer = staticmethod(answer)
    assert stretto.resume(run, journal=journal).result(PATIENCE) == result
    assert made == ["checked", *again, "left"]
    recorded = [e for _, e in shared(journal).events(run) if isinstance(e, CallFinished)]
    assert len(recorded) == (2 if isinstance(result, list) else 1)


def test_a_check_that_has_failed_has_failed_for_good(tmp_path: Path) -> None:
    """The call is not asked about again: nothing but what it has raised goes with what was done since."""
    journal = str(tmp_path / "journal.db")

    run = interrupted(then_holds, journal, ("send", 1))
    World.answer = staticmethod(fails)
    World.hold = True
    resumed = stretto.resume(run, journal=journal)
    wait_for(("ask", 3))
    resumed.interrupt()
    made.clear()
    World.hold, World.answer = False, staticmethod(lambda: True)
    assert stretto.resume(run, journal=journal).result(PATIENCE) == ["ConnectionError('nobody to ask')", 3]
    assert made == ["left", ("ask", 3)]


@flow
def then_holds() -> list[object]:
    found = whole("send(1)", {"send": send})
    return [found, ask(3 + 0 * len(found))]


class Sender:
    """Its operators make calls."""

    def __getitem__(self, x: int) -> str:
        return send(x)


def edited(source: str) -> Flow[..., Any]:
    """A flow of that source, under the name of the one above."""
    filename = f"<edited {hash(source)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace = dict(globals())
    exec(compile(source, filename, "exec"), namespace)
    return namespace["operators"]  # type: ignore[no-any-return]


OPERATORS = """\
@flow
def operators():
    sender = Sender()
    first = sender[1]
    second, third = [sender[n] for n in (2, 3)]
    return [first, second, third, ask(4)]
"""


@pytest.mark.parametrize(
    "renamed",
    [
        {"sender": "mailer", "first": "one", "second": "two"},
        {"[n] for n in": "[number] for number in"},
        {"    first": "    unused = sender.__class__\n    first"},
    ],
)
def test_variables_that_are_renamed_move_no_call(
    renamed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = str(tmp_path / "journal.db")
    World.hold = False
    monkeypatch.setitem(globals(), "operators", edited(OPERATORS))
    program: Any = globals()["operators"].using(journal=journal)
    program()
    (record,) = shared(journal).runs()
    made.clear()
    forked = stretto.fork(record.id, before="ask", journal=journal)
    forked.result(PATIENCE)
    assert made == [("ask", 4)]
    text = OPERATORS
    for old, new in renamed.items():
        text = text.replace(old, new)
    monkeypatch.setitem(globals(), "operators", edited(text))
    made.clear()
    again = stretto.fork(record.id, before="ask", journal=journal)
    assert again.result(PATIENCE) == ["sent 1", "sent 2", "sent 3", 4]
    assert made == [("ask", 4)]


@call.writes("fax", check=was_sent)
async def lose(x: int) -> str:
    made.append(("lose", x))
    raise errors.OutcomeUnknown("the line was cut")


@flow
def loses() -> object:
    return whole("lose(1)", {"lose": lose})


def raises() -> object:
    raise ValueError("nobody answers")


@pytest.mark.parametrize(
    ("answer", "said"),
    [(raises, repr(ValueError("nobody answers"))), (lambda: stretto.Done("arrived"), "arrived")],
)
def test_what_was_said_of_a_write_that_was_lost_is_recorded(
    tmp_path: Path, answer: Callable[[], object], said: str
) -> None:
    """Also where it could not be told: a run that is taken up is told the same again."""
    World.answer = staticmethod(answer)
    journal = str(tmp_path / "journal.db")
    run = loses.using(journal=journal).start()
    assert run.result() == said
    ended = [e for _, e in shared(journal).events(run.id) if isinstance(e, CallFinished)]
    assert len(ended) == 1 and (ended[0].error is None) == (said == "arrived")
    assert made == [("lose", 1), "checked", "left"]
