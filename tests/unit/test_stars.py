"""``except*`` where something is awaited: a region like other ``try``s, whose handlers are steps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stretto import call, explain, flow
from stretto.errors import UnsupportedConstruct
from stretto.testing import VirtualClock


@call.unordered
async def ask(x: int) -> int:
    await asyncio.sleep(1)
    return x


@call.unordered
async def deny(x: int) -> int:
    await asyncio.sleep(1)
    raise ValueError(x)


async def group_of(x: int) -> Any:
    out = 0
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(deny(x))
            group.create_task(ask(x))
            group.create_task(deny(x + 1))
    except* ValueError:
        out = await ask(x)
    return out


@flow
async def groups(count: int) -> Any:
    return await asyncio.gather(*(group_of(x) for x in range(count)))


def test_what_is_in_it_overlaps() -> None:
    with VirtualClock(validate=True) as clock:
        assert clock.run(groups(5)) == list(range(5))
        assert (
            clock.now == 6
        )  # all groups at once, then one handler after the other: who fails first is first


def test_explain_looks_into_its_handlers() -> None:
    found = explain(groups)
    assert "ask" in str(found)
    assert not [line for line in str(found).splitlines() if "as a whole" in line]


def test_what_is_raised_again_is_refused() -> None:
    with pytest.raises(UnsupportedConstruct, match="raise without a value"):

        @flow
        async def again() -> None:
            try:
                await ask(1)
            except* ValueError:
                raise
