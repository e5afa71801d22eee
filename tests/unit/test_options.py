"""What the options of calls and flows may be."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from stretto import budget, call, errors, flow
from stretto.drivers.retries import LONGEST, pause
from stretto.testing import VirtualClock


@pytest.mark.parametrize("name", ["timeout", "limit", "retries", "usd", "breaker", "cpus", "gpus", "buffer"])
@pytest.mark.parametrize("number", [10**400, -(10**400), math.inf, math.nan, True])
def test_numbers_beyond_all_bounds(name: str, number: Any) -> None:
    with pytest.raises(errors.DeclarationError, match=f"the option {name}= is"):
        call.unordered(**{name: number})
    if name in ("timeout", "limit"):
        with pytest.raises(errors.DeclarationError, match=f"the option {name}= is"):
            flow(**{name: number})


def test_pauses_grow_to_an_end() -> None:
    draw = random.Random(1)
    assert all(0 <= pause(attempt, draw) <= LONGEST for attempt in (1, 9, 10, 2000, 10**9))


@pytest.mark.parametrize("dollars", [1e300, math.inf])
def test_what_costs_more_than_any_budget_is_refused(dollars: float) -> None:
    @call.unordered(usd=lambda: dollars)
    async def dear() -> int:
        raise NotImplementedError

    @call.unordered(usd=0.01)
    async def told() -> dict[str, float]:
        return {"cost": dollars}

    @flow
    def both() -> list[str]:
        said: list[str] = []
        for ask in (dear, told, told):
            try:
                with budget(usd=1, per=f"both {dollars}"):
                    ask()
            except errors.BudgetExceeded as error:
                said.append(str(error))
        return said

    with VirtualClock():
        first, last = both()
    assert "dear needs up to $1e+12, and $1 is left" in first and "told needs" in last
