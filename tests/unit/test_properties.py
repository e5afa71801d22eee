"""How long properties, and methods that only look, take on a clock of their own; what they hold up."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from stretto import call, flow
from stretto.testing import VirtualClock

COUNT = 20


@call.unordered
async def ask(x: int) -> int:
    await asyncio.sleep(1)
    if x < 0:
        raise ValueError(x)
    return x


class Thought:
    def __init__(self, n: int) -> None:
        self._score = n
        self.scored = False

    @property
    def score(self) -> int:
        return self._score

    @score.setter
    def score(self, value: int) -> None:
        self.scored = True
        self._score = value

    @property
    def answer(self) -> int:
        return ask(self.score) + ask(self._score + 1)

    def looked_at(self) -> int:
        return self.score


class Doubled(Thought):
    @property
    def score(self) -> int:
        return 2 * super().score

    @score.setter
    def score(self, value: int) -> None:
        self.scored = True
        self._score = value // 2


@flow
def scored(thoughts: list[Thought]) -> list[int]:
    found: list[int] = []
    for thought in thoughts:
        thought.score = ask(thought.score)
        thought.score += ask(thought.score)
        found.append(thought.looked_at())
    return found


@flow
def answered(thoughts: list[Thought]) -> list[int]:
    found: list[int] = []
    for thought in thoughts:
        answer = thought.answer
        thought.score = ask(answer)
        found.append(thought.score)
    return found


@flow
def tried(thoughts: list[Thought]) -> None:
    for thought in thoughts:
        try:
            thought.score = thought.answer
            thought.score += ask(thought.score)
        except ValueError:
            thought.score = 0


@flow
def indexed(thoughts: list[Thought]) -> None:
    for i in range(len(thoughts)):
        if ask(i) > 3:
            thoughts[i].score = thoughts[i].answer


@flow
def by_key(thoughts: list[Thought]) -> list[int]:
    table = dict(enumerate(thoughts))
    for i in range(len(thoughts)):
        table[i].score = ask(thoughts[i].score)
        table[i]._score += ask(table[i]._score)
    return [thoughts[i].score for i in range(len(thoughts))]


@flow
def made(thoughts: list[Thought]) -> list[int]:
    found: list[int] = []
    for i in range(len(thoughts)):
        thought = Thought(i)
        try:
            thought.score = ask(i)
        except ValueError:
            thought.score = 0
        found.append(thought.score)
    return found


@flow
def mended(thoughts: list[Thought]) -> None:
    for thought in thoughts:
        thought._score = ask(thought.score)
        if thought._score > 3:
            thought.scored, thought._score = False, 3
        thought._score = ask(thought.score)


@pytest.mark.parametrize("kind", [Thought, Doubled])
@pytest.mark.parametrize(
    ("wanted", "chain"),
    [(scored, 2), (answered, 2), (tried, 2), (indexed, 2), (by_key, 2), (made, 1), (mended, 2)],
)
def test_objects_that_share_nothing_take_as_long_as_one(
    wanted: Any, chain: float, kind: type[Thought]
) -> None:
    with VirtualClock(validate=True) as clock:
        wanted([kind(i) for i in range(COUNT)])
        assert clock.now == pytest.approx(chain)


class Numbered:
    ids = itertools.count()

    def __init__(self, n: int) -> None:
        self.id = next(Numbered.ids)
        self.n = n
        self.open = [n, n + 1]

    def work(self) -> int:
        while self.open:
            self.n = ask(self.open.pop(0))
        return self.n


@flow
def numbered(count: int) -> list[int]:
    found: list[int] = []
    for i in range(count):
        one = Numbered(ask(i))
        two = Numbered(ask(next(Numbered.ids)))
        one.n = ask(one.n)
        found.append(one.id + two.id)
    return found


@flow
def worked(count: int) -> list[int]:
    found: list[int] = []
    for i in range(count):
        one = Numbered(i)
        found.append(one.work())
    return found


@pytest.mark.parametrize(("wanted", "chain"), [(numbered, 2), (worked, 1)])
def test_what_is_taken_is_known_at_once(wanted: Any, chain: float) -> None:
    with VirtualClock(validate=True) as clock:
        wanted(COUNT)
        assert clock.now == pytest.approx(chain)


class Wary:
    """Where more than the function of a property runs, it is run in its turn, as a whole."""

    def __init__(self, n: int) -> None:
        self.n = n

    @property
    def answer(self) -> int:
        return ask(self.n)

    def __getattr__(self, name: str) -> int:
        return self.n


@flow
def wary(things: list[Wary]) -> int:
    total = 0
    for thing in things:
        total += thing.answer
    return total


def test_a_class_that_answers_for_attributes_is_asked_in_order() -> None:
    with VirtualClock(validate=True) as clock:
        wary([Wary(i) for i in range(4)])
        assert clock.now == pytest.approx(4)
