"""What a flow reads of random generators and of the environment comes out again in a run that is taken up."""

from __future__ import annotations

import array
import os
import random
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stretto
from stretto import Flow, call, flow
from stretto.journal.configured import shared
from stretto.journal.events import CallFinished
from stretto.journal.replay import preview
from tests.waiting import PATIENCE

ours = random.Random()
theirs = np.random.default_rng()
held: list[bool] = []


@pytest.fixture(autouse=True)
def held_up() -> Iterator[None]:
    held[:] = [True]
    yield


@call.writes("log")
def note(found: object) -> None: ...


@call.unordered
def hold(found: object) -> None:
    while held:
        time.sleep(0.001)


def interrupted(program: Flow[[], Any], tmp_path: Path) -> tuple[str, str]:
    """A run that was interrupted after it has noted something: its journal, and its identifier."""
    journal = str(tmp_path / "journal.db")
    run = program.using(journal=journal).start()
    while not any(
        isinstance(e, CallFinished) and "note" in e.call for _, e in shared(journal).events(run.id)
    ):
        time.sleep(0.001)
    run.stop(KeyboardInterrupt())
    held.clear()
    with pytest.raises(KeyboardInterrupt):
        run.result(PATIENCE)
    return journal, run.id


def taken_up(program: Flow[[], Any], tmp_path: Path) -> Any:
    """What a flow that was interrupted returns. Had it come to something else than it has noted, it would be
    stopped."""
    journal, run = interrupted(program, tmp_path)
    assert not preview(shared(journal), run).orphaned
    return stretto.resume(run, journal=journal).result(PATIENCE)


class Card:
    """The program's own: it is no copy that is picked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.played = 0


@flow
def shuffles() -> object:
    cards = [Card(name) for name in "abcdefgh"]
    first = cards[0]
    random.shuffle(cards)
    numbers = array.array("i", range(9))
    ours.shuffle(x=numbers)
    found = [[card.name for card in cards], list(numbers), cards.index(first) >= 0]
    note(found)
    hold(found)
    return found


@flow
def picks() -> object:
    cards = [Card(name) for name in "abcdefgh"]
    random.choice(cards).played += 1
    for card in random.sample(cards, 3):
        card.played += 10
    for card in random.choices(population=cards, k=4):
        card.played += 100
    secrets.choice(cards).played += 1000
    colours = random.sample(["red", "green"], counts=[4, 5], k=6)
    found = [[card.played for card in cards], colours, random.choices("xyz", [1, 2, 3], k=5)]
    note(found)
    hold(found)
    return found


@flow
def unseeded() -> object:
    generator, theirs = random.Random(), np.random.default_rng()
    found = [generator.random(), sorted(range(5), key=lambda _: generator.random())]
    random.seed()
    found += [ours.random(), random.SystemRandom().random(), theirs.random(3).tolist()]
    note(found)
    hold(found)
    return found


@flow
def arrays() -> object:
    numbers = np.arange(6)
    theirs.shuffle(numbers)
    np.random.shuffle(numbers)
    found = [numbers.tolist(), np.random.normal(size=2).tolist(), theirs.choice(9, size=3).tolist()]
    np.random.seed()
    found.append(float(np.random.rand()))
    note(found)
    hold(found)
    return found


@pytest.mark.parametrize("program", [shuffles, picks, unseeded, arrays])
def test_random_numbers_come_out_again(program: Flow[[], Any], tmp_path: Path) -> None:
    assert taken_up(program, tmp_path)


@flow
def seeded() -> object:
    random.seed(7)
    np.random.seed(7)
    generator = random.Random(7)
    numbers = list(range(9))
    random.shuffle(numbers)
    generator.shuffle(numbers)
    found = [numbers, random.choice(numbers), np.random.rand(), generator.random()]
    note(found)
    hold(found)
    return [*found, random.random(), np.random.rand(), generator.random()]


def test_seeded_numbers_are_those_of_the_reference_run(tmp_path: Path) -> None:
    held.clear()
    expected = seeded.sequential()
    held[:] = [True]
    assert taken_up(seeded, tmp_path) == expected


@pytest.mark.parametrize("length", [0, 1, 2, 3, 10, 200])
@pytest.mark.parametrize(
    "draw",
    [
        lambda xs: random.shuffle(xs),
        lambda xs: random.sample(xs, len(xs) // 2),
        lambda xs: random.choices(xs, k=5),
        lambda xs: random.choice(xs),
        lambda xs: random.sample(xs, counts=[2] * len(xs), k=len(xs)),
        lambda xs: random.shuffle(tuple(xs)),
        lambda xs: random.shuffle({}),
    ],
)
def test_what_is_recorded_changes_nothing_of_what_is_drawn(
    draw: Callable[[list[int]], Any], length: int, tmp_path: Path
) -> None:
    """Element by element, and the generator goes on as it would."""

    @flow
    def drawn() -> object:
        xs = list(range(length))
        random.seed(length)
        try:
            found = draw(xs)
        except (IndexError, TypeError) as error:
            found = repr(error)
        return [found, xs, random.random()]

    assert drawn.using(journal=str(tmp_path / "journal.db"))() == drawn.sequential()


@flow
def environment() -> object:
    found = [
        os.environ["STRETTO_ONE"],
        "STRETTO_TWO" in os.environ,
        "STRETTO_TWO" not in os.environ,
        sorted(name for name, _ in os.environ.items() if name.startswith("STRETTO_")),
        os.environ.get("STRETTO_TWO"),
        os.getpid(),
        str(Path.cwd()),
    ]
    note(found)
    hold(found)
    return [*found, os.environ["STRETTO_API_KEY"], os.getenv("STRETTO_API_KEY")]


def test_the_environment_is_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRETTO_ONE", "1")
    monkeypatch.setenv("STRETTO_API_KEY", "sesame")
    journal, run = interrupted(environment, tmp_path)
    monkeypatch.setenv("STRETTO_ONE", "2")
    monkeypatch.setenv("STRETTO_TWO", "2")
    monkeypatch.setenv("STRETTO_API_KEY", "open")
    monkeypatch.chdir(tmp_path)
    found = stretto.resume(run, journal=journal).result(PATIENCE)
    assert found[:3] == ["1", False, True]
    assert "STRETTO_TWO" not in found[3] and found[4] is None
    assert found[6] != str(tmp_path)
    # a secret is read again, and not told
    assert found[7:] == ["open", "open"]
    assert "sesame" not in repr(list(shared(journal).events(run)))


def test_a_variable_that_is_missing_is_missed_as_it_was() -> None:
    @flow
    def missing() -> str:
        try:
            return os.environ["STRETTO_NONE"]
        except KeyError as error:
            return repr(error)

    assert missing() == missing.sequential() == "KeyError('STRETTO_NONE')"
