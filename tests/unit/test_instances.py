"""How long methods take on a clock of their own, in parts of a flow that are left behind."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from stretto import call, flow
from stretto.compiler import summary_objects
from stretto.testing import VirtualClock
from tests.unit.steps import lines_run

COUNT = 20


@call.unordered
async def ask(x: object) -> str:
    await asyncio.sleep(1)
    return f"{x}!"


@call.unordered
async def sure(x: object) -> bool:
    await asyncio.sleep(1)
    return True


class Client:
    def __init__(self) -> None:
        self.sent = 0

    def ask(self, x: object) -> str:
        self.sent += 1
        return ask(x)

    async def ask_later(self, x: object) -> str:
        self.sent += 1
        return await ask(x)


class Agent:
    def __init__(self, n: int, client: Client | None = None) -> None:
        self.n = n
        self.failed = 0
        self.notes: list[str] = []
        self.client = client or Client()

    def step(self, x: object, again: bool = False) -> str:
        """Three calls, one after the other."""
        self.plan = self.client.ask(x)
        self.remember(self.client.ask(self.plan))
        self.answer = self.client.ask(self.notes[-1])
        if again:
            self.step(x)
        return self.answer

    def remember(self, x: str) -> None:
        self.notes.append(x)
        self.n += 1

    async def step_later(self, x: object) -> str:
        self.plan = await self.client.ask_later(x)
        self.remember(await self.client.ask_later(self.plan))
        self.answer = await self.client.ask_later(self.notes[-1])
        return self.answer


class Careful(Agent):
    def step(self, x: object, again: bool = False) -> str:
        return super().step(x, again)


class Session:
    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def __enter__(self) -> Agent:
        self.agent.n += 1
        return self.agent

    def __exit__(self, *failure: object) -> None:
        self.agent.n -= 1


@flow
def tried(agents: list[Agent]) -> None:
    for agent in agents:
        try:
            agent.step(agent.n)
        except TimeoutError:
            agent.failed += 1


@flow
def named(agents: list[Agent]) -> None:
    for agent in agents:
        try:
            agent.step(x=agent.n, again=False)
        except TimeoutError:
            agent.failed += 1


@flow
def decided(agents: list[Agent]) -> None:
    for agent in agents:
        if sure(agent.n):
            agent.step(agent.n)


@flow
def by_index(agents: list[Agent]) -> None:
    for i in range(len(agents)):
        try:
            agents[i].step(i)
        except TimeoutError:
            agents[i].failed += 1


@flow
def by_index_of_its_own(agents: list[Agent]) -> None:
    own = [Agent(i) for i in range(len(agents))]
    for i in range(len(own)):
        try:
            own[i].step(i)
        except TimeoutError:
            own[i].failed += 1


@flow
def in_pairs(agents: list[Agent]) -> None:
    for i, agent in enumerate(agents):
        if sure(i):
            agent.step(i)


@flow
def managed(agents: list[Agent]) -> None:
    for agent in agents:
        with Session(agent) as held, contextlib.suppress(TimeoutError):
            held.step(held.n)


@flow
def turns(agents: list[Agent]) -> list[str]:
    found: list[str] = []
    for agent in agents:
        answer = ""
        for turn in range(3):
            answer = agent.step(turn)
            if sure(answer):
                break
        found.append(answer)
    return found


@flow
def made(agents: list[Agent]) -> list[str]:
    found: list[str] = []
    for i in range(len(agents)):
        agent = Agent(i)
        try:
            agent.step(i)
        except TimeoutError:
            agent.failed += 1
        found.append(agent.answer)
    return found


@flow
def noted(agents: list[Agent]) -> None:
    for agent in agents:
        agent.remember(ask(agent.n))
        agent.remember(agent.step(agent.n))


@flow
async def gathered(agents: list[Agent]) -> list[str]:
    return await asyncio.gather(*[agent.step_later(agent.n) for agent in agents])


@flow
async def gathered_in_a_try(agents: list[Agent]) -> list[str | None]:
    async def one(agent: Agent) -> str | None:
        try:
            return await agent.step_later(agent.n)
        except TimeoutError:
            agent.failed += 1
            return None

    return await asyncio.gather(*[one(agent) for agent in agents])


FLOWS: list[tuple[Any, float]] = [
    (tried, 3),
    (named, 3),
    (decided, 4),
    (by_index, 3),
    (by_index_of_its_own, 3),
    (in_pairs, 4),
    (managed, 3),
    (turns, 4),
    (made, 3),
    (noted, 3),
    (gathered, 3),
    (gathered_in_a_try, 3),
]


def elapsed(wanted: Any, agents: list[Agent]) -> float:
    with VirtualClock(validate=True) as clock:
        found = wanted(agents)
        if asyncio.iscoroutine(found):
            clock.run(found)
        return clock.now


@pytest.mark.parametrize("kind", [Agent, Careful])
@pytest.mark.parametrize(("wanted", "chain"), FLOWS)
def test_objects_that_share_nothing_take_as_long_as_one(wanted: Any, chain: float, kind: type[Agent]) -> None:
    assert elapsed(wanted, [kind(i) for i in range(COUNT)]) == pytest.approx(chain)


def test_objects_that_share_one_are_ordered_by_it() -> None:
    shared = Client()
    agents = [Agent(i, shared) for i in range(4)]
    # what they share is a number: it is counted up in turn, and their calls need not wait for that
    assert elapsed(tried, agents) == pytest.approx(3)
    assert shared.sent == 12
    one = Agent(1)
    assert elapsed(tried, [one, one, one]) > 3
    assert one.n == 4


def test_a_region_like_one_before_is_not_walked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[object] = []
    walked = summary_objects._walked

    def counted(*args: Any, **named: Any) -> Any:
        walks.append(args)
        return walked(*args, **named)

    monkeypatch.setattr(summary_objects, "_walked", counted)
    elapsed(tried, [Agent(i) for i in range(COUNT)])
    few = len(walks)
    elapsed(tried, [Agent(i) for i in range(10 * COUNT)])
    assert len(walks) - few <= 4


@flow
def counted(agent: Agent, count: int) -> None:
    for i in range(count):
        try:
            agent.n += len(ask(i))
            if i % 3 == 0:
                raise TimeoutError
        except TimeoutError:
            agent.failed += 1


def test_one_object_changed_in_many_parts_costs_each_the_same() -> None:
    def steps(count: int) -> int:
        with VirtualClock():
            return lines_run(lambda: counted(Agent(0), count))

    steps(10)
    assert steps(400) < 5 * steps(100)


def test_a_class_that_is_patched_between_two_runs() -> None:
    agents = [Agent(i) for i in range(3)]
    assert elapsed(tried, agents) == pytest.approx(3)
    before = Agent.remember
    try:
        Agent.remember = lambda self, x: setattr(agents[0], "n", 100)  # type: ignore[method-assign]
        with VirtualClock():
            tried(agents)
        assert agents[0].n == 100
    finally:
        Agent.remember = before  # type: ignore[method-assign]
