"""What is told of a run while it goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

import stretto
from stretto import budget, call, flow
from stretto.journal.events import CallFinished
from stretto.journal.resuming import shared
from stretto.observe import events, listening, live
from stretto.observe.doing import Doing
from stretto.observe.events import Event, as_json, from_json
from stretto.testing import VirtualClock
from tests.waiting import PATIENCE


class World:
    failures = 0


@call.reads("web")
async def search(topic: str) -> list[str]:
    if topic == "bad":
        await asyncio.sleep(1)
        raise LookupError(topic)
    await asyncio.sleep(2)
    return [topic, topic]


@call.unordered(limit=1)
async def summarise(hits: list[str]) -> str:
    await asyncio.sleep(3)
    return hits[0]


@call.writes("mail:{to}")
async def send(to: str, text: str) -> None:
    await asyncio.sleep(1)


@call.unordered(retries=2)
async def flaky(n: int) -> int:
    if World.failures:
        World.failures -= 1
        raise ConnectionError("gone")
    return n


@call.unordered
async def words(n: int) -> AsyncIterator[str]:
    for i in range(n):
        await asyncio.sleep(1)
        yield f"word{i}"


@call.unordered(usd=1.0)
async def model(text: str) -> Any:
    usage = SimpleNamespace(input_tokens=7, output_tokens=3)
    return SimpleNamespace(model="small", usage=usage, cost=0.25)


@flow
def digest(topics: list[str], to: str) -> int:
    notes: list[str] = []
    for topic in topics:
        try:
            notes.append(summarise(search(topic)))
        except LookupError:
            pass
    send(to, "\n".join(notes))
    return len(notes)


def heard(work: Any) -> list[Event]:
    found: list[Event] = []
    with VirtualClock(validate=True), listening(found.append):
        work()
    return found


def story(found: list[Event]) -> list[str]:
    """Seconds, kinds, places and details, one line each."""
    zero = found[0].time
    told: list[str] = []
    for event in found:
        detail = [
            getattr(event, name)
            for name in ("place", "way", "waited", "last", "attempt", "error", "state")
            if getattr(event, name, None)
        ]
        told.append(" ".join(map(str, [round((event.time - zero) / 1e6), event.kind, *detail])))
    return told


def test_a_run() -> None:
    assert story(heard(lambda: digest(["tides", "bad"], "ann"))) == [
        "0 run_began",
        "0 issued for/0/search",
        "0 issued for/0/summarise",
        "0 waiting for/0/summarise data",
        "0 issued for/1/search",
        "0 issued for/1/summarise",
        "0 waiting for/1/summarise data",
        "0 issued send",
        "0 waiting send data",
        "0 started for/0/search start 1",
        "0 started for/1/search start 1",
        "1 failed for/1/search LookupError",
        "1 cancelled for/1/summarise",
        "2 finished for/0/search",
        "2 retired for/0/search",
        "2 started for/0/summarise data for/0/search 1",
        "5 finished for/0/summarise",
        "5 retired for/0/summarise",
        "5 retired for/1/search",
        "5 started send order for/0/summarise 1",
        "6 finished send",
        "6 retired send",
        "6 run_ended succeeded",
    ]


def test_what_came_back_for_nothing() -> None:
    @flow
    def failing() -> None:
        summarise(search("bad"))
        flaky(1)

    assert story(heard(lambda: pytest.raises(LookupError, failing)))[-5:] == [
        "1 failed search LookupError",
        "1 cancelled summarise",
        "1 discarded flaky",
        "1 retired search",
        "1 run_ended LookupError failed",
    ]


def test_attempts() -> None:
    World.failures = 2

    @flow
    def trying() -> int:
        return flaky(1)

    kinds = [
        f"{e.kind} {e.attempt}" for e in heard(trying) if isinstance(e, (events.Attempted, events.Started))
    ]
    assert kinds == ["started 1", "attempted 1", "started 2", "attempted 2", "started 3"]


def test_streams() -> None:
    @flow
    def counting() -> int:
        return sum(len(word) for word in words(3))

    assert story(heard(counting)) == [
        "0 run_began",
        "0 issued words",
        "0 retired words",
        "0 started words start 1",
        "1 first_item words",
        "3 finished words",
        "3 run_ended succeeded",
    ]


def test_a_stream_without_items_has_no_first_one() -> None:
    @flow
    def counting() -> int:
        return sum(len(word) for word in words(0))

    assert [event.kind for event in heard(counting)[1:-1]] == ["issued", "retired", "started", "finished"]


def test_limits_and_budgets() -> None:
    @flow
    def limited() -> None:
        summarise(["a"])
        summarise(["b"])
        with budget(usd=1.1):
            for text in ("a", "b", "c"):
                model(text)

    found = heard(lambda: pytest.raises(stretto.errors.BudgetExceeded, limited))
    ways = [(e.place, e.way) for e in found if isinstance(e, events.Waiting)]
    assert ("summarise#2", "limit") in ways
    assert ("for/1/model", "budget") in ways
    finished = [e for e in found if isinstance(e, events.Finished) and e.model]
    assert (finished[0].input_tokens, finished[0].output_tokens, finished[0].usd) == (7, 3, 0.25)


def test_what_was_recorded(tmp_path: object) -> None:
    journal = f"{tmp_path}/journal.db"
    with VirtualClock():
        digest.using(journal=journal)(["tides"], "ann")
    found: list[Event] = []
    with listening(found.append):
        forked = stretto.fork(shared(journal).runs()[0].id, before="send", journal=journal)
        forked.result(PATIENCE)
    ended = {e.place: e.recorded for e in found if isinstance(e, events.Finished)}
    assert ended == {"for/0/search": True, "for/0/summarise": True, "send": False}


class Searching:
    """Its operator makes calls."""

    def __getitem__(self, topics: list[str]) -> int:
        found = [search(topic) for topic in topics]
        send("ann", str(found))
        return len(found)


@flow
def asks_inside() -> int:
    count = Searching()[["tides"]]
    return count + flaky(1)


class TestInside:
    """Calls that are made by code which runs as a whole."""

    @pytest.mark.parametrize("recorded", [False, True])
    def test_they_are_told_of(self, tmp_path: Path, recorded: bool) -> None:
        @flow
        def asks(topics: list[str]) -> int:
            try:
                return Searching()[topics]
            except LookupError:
                return len(search("last"))

        journal = str(tmp_path / "journal.db")
        asked = asks.using(journal=journal) if recorded else asks
        lines = story(heard(lambda: asked(["tides", "bad"])))
        [place] = {line.split()[2].rpartition("/")[0] for line in lines if "search:1" in line}
        assert [line.replace(place, "...") for line in lines] == [
            "0 run_began",
            "0 issued .../search:1",
            "0 started .../search:1 inside 1",
            "2 finished .../search:1",
            "2 retired .../search:1",
            "2 issued .../search:2",
            "2 started .../search:2 inside 1",
            "3 failed .../search:2 LookupError",
            "3 retired .../search:2",
            "3 issued search",
            "3 started search order Searching()[topics] 1",
            "5 finished search",
            "5 retired search",
            "5 run_ended succeeded",
        ]
        if recorded:  # by the places that the journal has
            run = shared(journal).runs()[0].id
            places = [e.place for _, e in shared(journal).events(run) if isinstance(e, CallFinished)]
            assert places == [f"{place}/search:1", f"{place}/search:2", "search"]

    def test_where_they_stand(self) -> None:
        @flow
        def asks() -> int:
            return Searching()[["tides"]]

        issued = [e for e in heard(asks) if isinstance(e, events.Issued)]
        first = Searching.__getitem__.__code__.co_firstlineno
        assert [(e.call.rpartition(":")[2], e.effects, e.line) for e in issued] == [
            ("search", "reads web", first + 1),
            ("send", "writes mail:{to}", first + 2),
        ]
        assert issued[0].file.endswith("test_events.py")

    def test_what_was_recorded(self, tmp_path: Path) -> None:
        journal = str(tmp_path / "journal.db")
        with VirtualClock():
            asks_inside.using(journal=journal)()
        found: list[Event] = []
        with listening(found.append):
            stretto.fork(shared(journal).runs()[0].id, before="flaky", journal=journal).result(PATIENCE)
        ended = {e.place.rpartition("/")[2]: e.recorded for e in found if isinstance(e, events.Finished)}
        assert ended == {"search:1": True, "send:2": True, "flaky": False}

    def test_what_is_under_way_as_the_run_ends(self) -> None:
        @flow(timeout=1)
        def asks() -> int:
            return Searching()[["tides"]]

        lines = story(heard(lambda: pytest.raises(TimeoutError, asks)))
        kinds = [line.split()[1] for line in lines]
        assert kinds == ["run_began", "issued", "started", "cancelled", "run_ended"]

    def test_they_are_shown(self) -> None:
        doing, names = Doing(), list[str]()

        def look(event: Event) -> None:
            doing(event)
            names.extend(call.name for call in doing.running.values())

        @flow
        def asks() -> int:
            return Searching()[["tides"]]

        with VirtualClock(), listening(look):
            asks()
        assert list(dict.fromkeys(names)) == ["search", "send"]
        assert (doing.done, doing.running, doing.waiting) == (2, {}, {})


PLACE: ContextVar[str] = ContextVar("place", default="outside")


class Entering:
    """Sets a context variable around a run, and in each call."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, events.RunBegan):
            PLACE.set("the run")

    def inside(self, run: str, place: str) -> None:
        PLACE.set(f"{PLACE.get()}, {place}")


@call.unordered
async def seen() -> str:
    return PLACE.get()


@call.unordered(limit=1)
def seen_in_a_thread() -> str:
    return PLACE.get()


@call.unordered
async def seen_as_items() -> AsyncIterator[str]:
    yield PLACE.get()


@flow
def looking() -> list[str]:
    found = [seen(), seen_in_a_thread()]
    for item in seen_as_items():
        found.append(item)
    return found


def test_handlers_may_set_context_variables_of_calls(tmp_path: object) -> None:
    expected = [f"the run, {place}" for place in ("seen", "seen_in_a_thread", "seen_as_items")]
    recorded = looking.using(journal=f"{tmp_path}/journal.db")
    with listening(Entering()):
        assert looking() == recorded() == expected
        assert asyncio.run(looking.aio()) == expected
        assert PLACE.get() == "outside"
    assert looking() == ["outside"] * 3


def test_what_has_ended_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    watches: list[live.Watch] = []

    class Seen(live.Watch):
        def began(self) -> None:
            watches.append(self)
            super().began()

    monkeypatch.setattr(live, "Watch", Seen)

    @flow
    def working(n: int) -> list[str]:
        found: list[str] = []
        for i in range(n):
            number = flaky(i)
            text = str(number)  # code of the flow's own, for which the next call waits
            found.extend(words(number))
            found.append(summarise([text]))
        return found

    with VirtualClock(), listening(lambda event: None):
        working(5)
    [watch] = watches
    assert watch._places == {}
    assert watch._attempts == {}


def test_a_handler_that_fails_is_told_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", shown.append)

    def failing(event: Event) -> None:
        raise ValueError(event.kind)

    found: list[Event] = []
    with listening(failing):
        found += heard(lambda: digest(["tides"], "ann"))
    assert [str(args.exc_value) for args in shown] == ["run_began"]
    assert found[-1].kind == "run_ended"


def test_nobody_listens_behind_the_with() -> None:
    found = heard(lambda: digest(["tides"], "ann"))
    count = len(found)
    with VirtualClock():
        digest(["tides"], "ann")
    assert len(found) == count


def test_the_schema() -> None:
    """What others rely on. In a version, kinds and fields may be added, and nothing else may change."""
    known = {cls.kind: [field.name for field in fields(cls)] for cls in get_args(Event)}
    assert events.SCHEMA == 1
    head = ["run", "time", "place"]
    usage = ["model", "input_tokens", "output_tokens", "usd"]
    assert known == {
        "run_began": ["run", "time", "flow"],
        "issued": [*head, "call", "file", "line", "effects", "stream"],
        "waiting": [*head, "way", "on"],
        "started": [*head, "attempt", "waited", "last", "needs"],
        "first_item": head,
        "attempted": [*head, "attempt", "error"],
        "finished": [*head, "recorded", *usage],
        "failed": [*head, "error", "recorded"],
        "cancelled": head,
        "discarded": head,
        "retired": head,
        "run_ended": ["run", "time", "state", "error"],
    }


def test_there_and_back() -> None:
    for event in heard(lambda: digest(["tides", "bad"], "ann")):
        told = as_json(event)
        assert from_json(told) == event
        assert from_json({**told, "later": 1}) == event
    assert from_json({"schema": 1, "event": "of a later Stretto"}) is None
    with pytest.raises(ValueError, match="expected an event of schema 1, and found schema 2"):
        from_json({"schema": 2, "event": "issued"})
    with pytest.raises(ValueError, match="'issued' that lacks something"):
        from_json({"schema": 1, "event": "issued"})
