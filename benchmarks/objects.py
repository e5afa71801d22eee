"""Objects that change their own state between calls: as a flow, and as one would write it by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from stretto import call, flow

from .measure import by_hand, by_turns
from .rows import Row

__all__ = ["objects"]

THINK = 0.5  #: seconds; each agent makes three such calls, one after the other


@call.unordered
async def think(about: str, seconds: float) -> str:
    await asyncio.sleep(seconds)
    return f"<{about}>"


@call.unordered
async def write(notes: list[str], seconds: float) -> str:
    await asyncio.sleep(seconds)
    return " ".join(notes)


class Agent:
    """Keeps what it has found out."""

    plan: str
    answer: str

    def __init__(self, goal: str) -> None:
        self.goal = goal
        self.notes: list[str] = []

    def step(self, seconds: float) -> None:
        self.plan = think(self.goal, seconds)
        self.notes.append(think(self.plan, seconds))
        self.answer = write(self.notes, seconds)


@flow
def agents(those: list[Agent], seconds: float) -> None:
    for agent in those:
        agent.step(seconds)


@flow
def agents_in_a_try(those: list[Agent], seconds: float) -> None:
    for agent in those:
        try:
            agent.step(seconds)
        except TimeoutError:
            agent.answer = ""


async def agents_by_hand(those: list[Agent], seconds: float) -> None:
    async def one(agent: Agent) -> None:
        agent.plan = await think.fn(agent.goal, seconds)
        agent.notes.append(await think.fn(agent.plan, seconds))
        agent.answer = await write.fn(agent.notes, seconds)

    await asyncio.gather(*[one(agent) for agent in those])


def objects(n: int, repeat: int) -> Iterator[Row]:
    """Agents that change their own state between calls; what it takes to issue them is taken off."""

    def some() -> list[Agent]:
        return [Agent(str(i)) for i in range(n)]

    for wanted, where in ((agents, ""), (agents_in_a_try, ", in a try")):
        one, two = some(), some()
        wanted(one, 0.0)
        by_hand(agents_by_hand(two, 0.0))
        assert [vars(a) for a in one] == [vars(a) for a in two]
        ours, floor, issue = by_turns(
            lambda wanted=wanted: wanted(some(), THINK),
            lambda: by_hand(agents_by_hand(some(), THINK)),
            lambda wanted=wanted: wanted(some(), 0.0),
            repeat=repeat,
        )
        chain = 3 * THINK
        detail = f"{ours:.2f} s, {issue:.2f} s of it to issue; by hand {floor:.2f} s"
        text = f"(q) {n:,} objects that change{where}, 3 calls each / one of them"
        yield Row(text, (ours - issue) / chain, "x", 1.3, detail)
