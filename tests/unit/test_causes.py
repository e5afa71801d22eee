"""Why calls started when they did, under a virtual clock: which is exact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stretto import call, flow
from stretto.journal.configured import shared
from stretto.observe import RunExplanation, explain_run
from stretto.observe.paths import Model
from stretto.observe.timeline import Timeline
from stretto.testing import VirtualClock


@call.unordered
async def think(seconds: float, *about: object) -> str:
    await asyncio.sleep(seconds)
    return "thought"


@call.reads("web")
async def look(seconds: float, *about: object) -> str:
    await asyncio.sleep(seconds)
    return "seen"


@call.writes("web")
async def put(seconds: float, *about: object) -> str:
    await asyncio.sleep(seconds)
    return "put"


@call.commutes("web", fails=False)
async def count(seconds: float, *about: object) -> str:
    await asyncio.sleep(seconds)
    return "counted"


@call
async def do(seconds: float, *about: object) -> str:
    await asyncio.sleep(seconds)
    return "done"


@call.unordered(limit=2)
async def few(seconds: float, *about: object) -> str:
    await asyncio.sleep(seconds)
    return "one of few"


@call.unordered
async def fail(seconds: float, *about: object) -> str:
    await asyncio.sleep(seconds)
    raise ValueError("failed")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., RunExplanation]]:
    """Runs a flow on a virtual clock, and says where the time went."""
    url = str(tmp_path / "journal.db")

    def explained(fn: Any, *args: Any) -> RunExplanation:
        with VirtualClock(validate=True):
            try:
                fn.using(journal=url)(*args)
            except ValueError:
                pass
        [newest] = shared(url).runs(limit=1)
        return explain_run(newest.id, journal=url)

    yield explained
    shared(url).close()


def told(found: RunExplanation) -> list[tuple[str, float, str]]:
    """The critical path: what, how long, how it waited."""
    return [(step.call.place, step.call.seconds, step.call.kind) for step in found.path]


def lengths(found: RunExplanation) -> tuple[float, float, float]:
    assert found.ideal is not None
    return found.sequential / 1e6, found.took / 1e6, found.ideal / 1e6


def test_a_chain(run: Callable[..., RunExplanation]) -> None:
    @flow
    def chain() -> str:
        a = think(1)
        b = think(3, a)
        c = think(2)
        return think(1, b, c)

    found = run(chain)
    assert told(found) == [("think", 1, "start"), ("think#2", 3, "data"), ("think#4", 1, "data")]
    assert lengths(found) == (7, 5, 5) and found.gaps == 0


def test_a_decision(run: Callable[..., RunExplanation]) -> None:
    @flow
    def decides() -> str:
        a = think(2)
        if a == "thought":
            return think(1)
        return "nothing"

    found = run(decides)
    assert told(found) == [("think", 2, "start"), ("think#2", 1, "control")]
    assert lengths(found) == (3, 3, 3)


def test_what_is_not_declared(run: Callable[..., RunExplanation]) -> None:
    @flow
    def logs() -> str:
        a = look(4)
        do(1, "a")
        b = look(2)
        return think(1, a, b)

    found = run(logs)
    assert told(found) == [
        ("look", 4, "start"), ("do", 1, "order"), ("look#2", 2, "effect"), ("think", 1, "data"),
    ]  # fmt: skip
    assert lengths(found) == (8, 8, 5)
    free, *others = found.places
    assert free.name == "do" and free.saving == 3_000_000 and "@call.unordered" in free.remedy
    assert [(place.path_time, place.saving) for place in others] == [
        (4_000_000, 0), (2_000_000, 0), (1_000_000, 0),
    ]  # fmt: skip
    assert free.change is not None and free.change.text == "@call"


def test_a_write_waits_for_its_turn(run: Callable[..., RunExplanation]) -> None:
    @flow
    def writes() -> None:
        think(3)
        put(1)
        look(1)

    found = run(writes)
    assert told(found) == [("think", 3, "start"), ("put", 1, "order"), ("look", 1, "effect")]
    assert lengths(found) == (5, 5, 3)
    [write] = [place for place in found.places if place.name == "put"]
    assert (write.effects, write.saving) == ("writes web", 2_000_000)


def test_a_limit(run: Callable[..., RunExplanation]) -> None:
    @flow
    def many() -> list[str]:
        return [few(1, n) for n in range(6)]

    found = run(many)
    assert [kind for _, _, kind in told(found)] == ["start", "limit", "limit"]
    assert lengths(found) == (6, 3, 1)
    [place] = found.places
    assert (place.made, place.on_path, place.saving) == (6, 3, 2_000_000)
    assert place.remedy.startswith("raise limit=2")
    assert place.change is not None and place.change.text == "@call.unordered(limit=2)"


def test_certainty(run: Callable[..., RunExplanation]) -> None:
    @flow
    def counts() -> None:
        think(2)
        count(1)
        count(1)

    found = run(counts)
    assert told(found) in (
        [("think", 2, "start"), ("count", 1, "order")],
        [("think", 2, "start"), ("count#2", 1, "certain")],
    )
    assert {call.kind for call in found.timeline.calls} == {"start", "order", "certain"}
    assert lengths(found) == (4, 3, 2)


def test_room(run: Callable[..., RunExplanation]) -> None:
    @flow(limit=2)
    def narrow() -> None:
        for n in range(4):
            think(1, n)

    found = run(narrow)
    assert "room" in {call.kind for call in found.timeline.calls}
    assert found.took > 1_000_000 and found.ideal == 1_000_000


def test_a_handler(run: Callable[..., RunExplanation]) -> None:
    @flow
    def handles() -> str:
        think(3)
        try:
            fail(1)
        except ValueError:
            return think(1, "again")
        return "fine"

    found = run(handles)
    assert told(found) == [("think", 3, "start"), ("think#2", 1, "order")]
    assert lengths(found) == (5, 4, 3)


def test_a_helper_and_a_loop(run: Callable[..., RunExplanation]) -> None:
    found = run(helped)
    assert told(found) == [
        ("for/1/step/think", 2, "start"),
        ("for/1/step/think#2", 1, "data"),
        ("think", 1, "data"),
    ]
    (file, line), (_, below) = found.path[0].call.line, found.path[1].call.line
    assert Path(file).samefile(__file__) and below == line + 1
    assert lengths(found) == (7, 4, 4)


def step(n: int) -> str:
    a = think(n)
    return think(1, a)


@flow
def helped() -> str:
    notes = []
    for n in (1, 2, 0):
        notes.append(step(n))
    return think(1, ", ".join(notes))


def test_a_run_that_fails(run: Callable[..., RunExplanation]) -> None:
    @flow
    def fails() -> None:
        a = think(1)
        fail(1, a)
        do(1)

    found = run(fails)
    assert told(found) == [("think", 1, "start"), ("fail", 1, "data")]
    assert found.path[-1].call.failed and found.timeline.state.value == "failed"


KINDS = [think, look, put, do, few, count]


@flow
def generated(steps: list[tuple[int, float, tuple[int, ...], bool]]) -> None:
    results: dict[int, str] = {}
    for number, (kind, seconds, needs, decides) in enumerate(steps):
        given = [results[need] for need in needs]
        if decides and given and given[0] == "never":
            return
        if kind == 0:
            results[number] = think(seconds, *given)
        elif kind == 1:
            results[number] = look(seconds, *given)
        elif kind == 2:
            results[number] = put(seconds, *given)
        elif kind == 3:
            results[number] = do(seconds, *given)
        elif kind == 4:
            results[number] = few(seconds, *given)
        else:
            results[number] = count(seconds, *given)


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[int, float, tuple[int, ...], bool]]:
    length = draw(st.integers(1, 12))
    return [
        (
            draw(st.integers(0, len(KINDS) - 1)),
            draw(st.integers(0, 8)) / 4,
            tuple(draw(st.lists(st.integers(0, number - 1), max_size=3))) if number else (),
            draw(st.booleans()),
        )
        for number in range(length)
    ]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(programs())
@example(
    [
        *[(0, 0.0, (), False)] * 3,
        (5, 0.5, (), False),
        (0, 0.0, (), False),
        (0, 0.25, (), False),
        (5, 0.0, (5,), False),
    ]
)
def test_lengths(run: Callable[..., RunExplanation], steps: list[Any]) -> None:
    """What must hold of every run."""
    found = run(generated, steps)
    timeline = found.timeline
    assert len(timeline.calls) == len(steps)
    path = found.path
    assert found.ideal is not None and found.ideal <= found.took <= found.sequential
    # under the virtual clock nothing but calls takes time
    assert sum(step.gap for step in path) == 0
    assert sum(step.call.took for step in path) == found.took
    for earlier, later in zip(path, path[1:], strict=False):
        assert earlier.call.ended == later.call.started
    for made in timeline.calls:
        assert made.last is None or made.last.ended <= made.started
        assert made.ready <= made.started
        # it started as soon as it could
        assert made.started == (made.last.ended if made.last is not None else 0)
    model = Model(timeline)
    assert model.took(lambda call: False, lambda call: True) == found.took
    assert all(place.saving <= found.took - found.ideal for place in found.places)


def test_a_run_of_an_older_version_has_no_causes() -> None:
    from tests.contract.stored import EVENTS

    timeline = Timeline(EVENTS)
    assert not timeline.caused and timeline.calls
    found = RunExplanation("stored", EVENTS)
    assert found.ideal is None and found.path == [] and found.places == []
