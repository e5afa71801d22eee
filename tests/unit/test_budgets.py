"""Budgets: what the calls in a block may cost, decided in program order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto import Budget, budget, call, errors, explain, flow, route, way
from stretto.budgets.accounts import DOLLAR
from stretto.errors import BudgetExceeded, RoutesExhausted
from stretto.testing import VirtualClock, without

#: What was called, in the order in which it began.
began: list[Any] = []
_keys = itertools.count()


@call.unordered(usd=0.10)
async def ask(n: int, used: float = 0.02, seconds: float = 1) -> dict[str, Any]:
    began.append(n)
    await asyncio.sleep(seconds)
    return {"n": n, "cost": used}


@call.unordered(usd=0.10)
async def broken(error: type[Exception]) -> None:
    await asyncio.sleep(1)
    raise error("no")


@call.writes("log", usd=0.01)
async def log(text: str) -> None:
    began.append(text)


@call.unordered(tokens_of=lambda text: len(text))
async def chat(text: str) -> dict[str, Any]:
    await asyncio.sleep(1)
    return {"text": text, "usage": {"total_tokens": len(text) // 2}}


@call.unordered
async def free(n: int) -> int:
    await asyncio.sleep(1)
    return n


@call.unordered(usd=0.10)
async def coin(n: int) -> int:
    await asyncio.sleep(1)
    return n


@flow
def asks(n: int, usd: float) -> tuple[list[int], str, int]:
    found: list[int] = []
    with budget(usd=usd) as bound:
        try:
            for i in range(n):
                found.append(ask(i)["n"])
        except BudgetExceeded as error:
            return found, str(error), bound.spent.calls
    return found, "", bound.spent.calls


def both(run: Any, *args: Any) -> tuple[Any, float, float]:
    """What the reference run and the overlapped one give, which is the same; and how long each takes."""
    with VirtualClock() as clock:
        expected = run.sequential(*args)
        slow = clock.now
    with VirtualClock(seed=3) as clock:
        assert run(*args) == expected
        return expected, clock.now, slow


def test_calls_that_fit_in_any_case_overlap() -> None:
    found, fast, slow = both(asks, 10, 1.0)
    assert found == (list(range(10)), "", 10)
    assert fast == pytest.approx(1, abs=0.01) and slow == 10


def test_others_wait_until_it_is_known_what_the_first_have_used() -> None:
    found, fast, slow = both(asks, 20, 1.0)
    assert found == (list(range(20)), "", 20)
    assert 2 <= fast < slow == 20


def test_the_first_that_does_not_fit_fails_in_its_place() -> None:
    (found, error, calls), _, _ = both(asks, 60, 0.5)
    assert found == list(range(21)) and calls == 21
    assert error == (
        "ask needs up to $0.1, and $0.08 is left of budget(usd=0.5). Raise the budget, or catch this where "
        "less will do"
    )


def test_a_write_that_does_not_fit_is_never_made() -> None:
    @flow
    def writes(n: int) -> int:
        with budget(usd=0.035):
            for i in range(n):
                log(f"line {i}")
        return n

    for run in (writes, writes.sequential):
        began.clear()
        with pytest.raises(BudgetExceeded, match=r"log needs up to \$0\.01, and \$0\.005 is left"):
            run(10)
        assert began == ["line 0", "line 1", "line 2"]


def test_a_call_fits_in_all_blocks_that_it_is_in() -> None:
    @flow
    def nested() -> list[str]:
        told: list[str] = []
        with budget(usd=0.25, tokens=100) as outer:
            for usd in (0.15, 1.0, 1.0):
                try:
                    with budget(usd=usd):
                        for i in range(4):
                            ask(i, 0.05)
                except BudgetExceeded as error:
                    told.append(str(error).partition(" Raise")[0])
            told.append(f"{outer.spent.usd:g} {outer.spent.calls}")
        return told

    found, _, _ = both(nested)
    assert found == [
        "ask needs up to $0.1, and $0.05 is left of budget(usd=0.15).",
        "ask needs up to $0.1, and $0.05 is left of budget(usd=0.25, tokens=100).",
        "ask needs up to $0.1, and $0.05 is left of budget(usd=0.25, tokens=100).",
        "0.2 4",
    ]


def test_a_block_begins_before_what_is_before_it_has_ended() -> None:
    @flow
    def two(n: int) -> int:
        first = ask(n)
        with budget(usd=0.1, per=None):
            second = ask(n)
        return first["n"] + second["n"]

    assert both(two, 3)[1] == pytest.approx(1, abs=0.01)


def bounded(i: int) -> int:
    with budget(usd=0.5):
        x = coin(i)
        if x > 100:
            x = coin(x)
    return free(x)


class Bounded:
    def __init__(self) -> None:
        self.own = budget(usd=5)
        self.n = 0

    def step(self, i: int) -> int:
        with self.own:
            self.n += 1
            return coin(i)


def test_nothing_waits_for_the_end_of_a_block() -> None:
    """Not where it is left behind, in helpers, or in methods."""

    @flow
    def branches(n: int) -> list[int]:
        found: list[int] = []
        for i in range(n):
            if coin(i) >= 0:
                with budget(usd=1.0):
                    found.append(coin(i))
            found.append(free(i))
        return found

    @flow
    def helpers(n: int) -> list[int]:
        return [bounded(i) for i in range(n)]

    @flow
    def methods(n: int) -> list[int]:
        one = Bounded()
        return [one.step(i) for i in range(n)]

    assert both(branches, 6)[1] == pytest.approx(2, abs=0.01)
    assert both(helpers, 6)[1] == pytest.approx(2, abs=0.01)
    assert both(methods, 6)[1] == pytest.approx(1, abs=0.01)


def test_tokens() -> None:
    @flow
    def talk() -> int:
        count = 0
        try:
            with budget(tokens=100):
                for i in range(50):
                    chat("x" * 20)
                    count += 1
        except BudgetExceeded as error:
            assert "up to 20 tokens, and 10 are left" in str(error)
        return count

    assert both(talk)[0] == 9


def test_what_raised_has_cost_nothing_but_what_ran_out_of_time_has() -> None:
    @flow
    def fails(kind: Any) -> int:
        count = 0
        with budget(usd=0.5), contextlib.suppress(BudgetExceeded):
            for _ in range(20):
                try:
                    broken(kind)
                except kind:
                    count += 1
        return count

    assert both(fails, ValueError)[0] == 20
    assert both(fails, TimeoutError)[0] == 5


def test_around_a_flow() -> None:
    @flow
    def spends(n: int) -> int:
        return sum([ask(i)["n"] for i in range(n)])

    with VirtualClock(), budget(usd=0.3) as bound:
        assert spends(5) == 10
        assert spends.sequential(5) == 10
        with pytest.raises(BudgetExceeded):
            spends(5)
    assert bound.spent.usd == pytest.approx(0.22, abs=0.001) and bound.spent.calls == 11
    with VirtualClock():
        assert spends(20) == 190  # the block has been left


def test_a_name_is_shared() -> None:
    key = f"customer:{next(_keys)}"

    @flow
    def serve(n: int) -> int:
        with budget(usd=0.3, per=key):
            for i in range(n):
                ask(i, 0.1)
        return n

    with VirtualClock():
        assert serve(2) == 2
        with pytest.raises(BudgetExceeded, match=f"per='{key}'"):
            serve(2)
    with pytest.raises(errors.DeclarationError, match=r"has usd=1 here and usd=0\.3 elsewhere"):
        budget(usd=1, per=key)


def test_seconds() -> None:
    @flow
    def slow(n: int) -> tuple[int, str]:
        at = 0
        try:
            with budget(seconds=2.5):
                for _ in range(n):
                    at = ask(at)["n"] + 1
        except BudgetExceeded as error:
            return at, str(error)
        return at, ""

    with VirtualClock() as clock:
        assert slow(2) == (2, "")
        assert clock.now == 2
    with VirtualClock() as clock:
        assert slow(5) == (2, "the 2.5 s of budget(seconds=2.5) are over")
        assert clock.now == 2.5
    with VirtualClock():
        assert slow.sequential(5) == (2, "the 2.5 s of budget(seconds=2.5) are over")
    with VirtualClock() as clock, budget(seconds=1.5):
        with pytest.raises(BudgetExceeded, match="are over"):
            slow(2)
        assert clock.now == 1.5


def test_the_seconds_of_a_block_that_is_left_are_over_for_nobody() -> None:
    @flow
    def leaves(n: int) -> int:
        for i in range(n):
            with budget(seconds=1.5):
                if ask(i)["n"] == n - 2:
                    break
        return ask(7, seconds=5)["n"]

    assert both(leaves, 4)[0] == 7


def test_async_flows_and_what_runs_as_a_whole() -> None:
    @flow
    async def gathers(n: int) -> Any:
        with budget(usd=0.3) as bound:
            try:
                await asyncio.gather(*[asyncio.wait_for(ask(i, 0.1), 60) for i in range(n)])
            except BudgetExceeded as error:
                return str(error), bound.spent.calls
        return n, bound.spent.calls

    with VirtualClock() as clock:
        assert clock.run(gathers(3)) == (3, 3)
    with VirtualClock() as clock:
        told, calls = clock.run(gathers(4))
        assert told.startswith("ask needs up to $0.1, and $0 is left") and calls == 3


def test_code_that_nobody_knows_is_bounded_too() -> None:
    source = "def whole(ask, n):\n    exec('')\n    return [ask(i, 0.1)['n'] for i in range(n)]\n"
    space: dict[str, Any] = {}
    exec(source, space)
    whole = space["whole"]

    @flow
    def runs(n: int) -> Any:
        with budget(usd=0.25):
            return whole(ask, n)

    with VirtualClock():
        assert runs(2) == [0, 1]
        with pytest.raises(BudgetExceeded, match=r"and \$0\.05 is left"):
            runs(3)


def test_a_budget_is_entered_by_with_alone() -> None:
    @flow
    def stacked() -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(budget(usd=1))
            ask(1)

    with pytest.raises(errors.DeclarationError, match=r"the block of a budget is a `with` statement"):
        stacked()


def test_what_is_wrong_with_a_budget() -> None:
    for wrong, message in [
        ({}, "a budget bounds something"),
        ({"usd": 0}, r"budget\(usd=\.\.\.\) is US dollars, more than 0; found 0"),
        ({"usd": "1"}, "found '1'"),
        ({"tokens": 1.5}, "a whole number, more than 0; found 1.5"),
        ({"seconds": True}, "found True"),
        ({"usd": 1, "per": 3}, "is a name such as"),
    ]:
        with pytest.raises(errors.DeclarationError, match=message):
            budget(**wrong)  # type: ignore[arg-type]
    with pytest.raises(errors.DeclarationError, match=r"the option usd= is US dollars .* found -1"):
        call.unordered(usd=-1)(free.fn)


def test_prices_that_nobody_knows_refuse() -> None:
    @call.unordered
    async def complete(prompt: str, model: str = "nobody:none", max_tokens: int = 10) -> str:
        raise AssertionError("it must not start")

    @call.unordered(usd=lambda n: "much")
    async def odd(n: int) -> str:
        raise AssertionError("it must not start")

    @flow
    def one(which: int) -> Any:
        with budget(usd=1):
            return odd(1) if which == 0 else complete("hello") if which == 1 else complete("x", max_tokens=-1)

    for run in (one, one.sequential):
        with pytest.raises(errors.DeclarationError, match="usd= gave 'much'"):
            run(0)
        with pytest.raises(errors.UnknownPrice, match=r"the model 'nobody:none', whose price nobody knows"):
            run(1)
        with pytest.raises(errors.UnknownPrice, match="without saying max_tokens"):
            run(2)


def test_prices_of_the_list() -> None:
    @call.unordered
    async def complete(prompt: str, model: str, max_tokens: int) -> Any:
        return {"model": model, "usage": {"prompt_tokens": 1000, "completion_tokens": 100}}

    @flow
    def one(model: str) -> Any:
        with budget(usd=1) as bound:
            complete("hello " * 1000, model, 1000)
        return bound.spent

    dear, cheap = one("openai:gpt-4o"), one("openai:gpt-4o-mini")
    assert 1 > dear.usd > 10 * cheap.usd > 0


def test_explain_tells() -> None:
    told = str(explain(asks))
    assert "bounds what is called in the block" in told
    assert "in order, when everything" not in told


@call.unordered(usd=0.01)
async def small(text: str) -> str:
    await asyncio.sleep(1)
    if "hard" in text:
        raise ValueError("too hard")
    return text


@call.unordered(usd=0.04)
async def great(text: str) -> str:
    await asyncio.sleep(1)
    return text.upper()


either = route(way(small, cost=1), way(great, cost=4), name="either")


@flow
def eithers(texts: list[str], usd: float) -> list[str]:
    found: list[str] = []
    try:
        with budget(usd=usd):
            for text in texts:
                try:
                    found.append(either(text))
                except RoutesExhausted as error:
                    found.append(str(error).splitlines()[-1].strip())
    except BudgetExceeded as error:
        found.append(str(error))
    return found


def test_a_route_takes_the_ways_that_fit() -> None:
    # nothing tells what they have cost, so each counts with all the ways that it could have taken
    found, _, _ = both(eithers, ["a", "hard", "b", "hard", "c", "d"], 0.12)
    assert found[:3] == ["a", "HARD", "b"]
    assert found[3].startswith("small (") and found[3].endswith("ValueError: too hard")
    assert found[4] == "c" and found[5].startswith(
        "either needs up to $0.01, and $0 is left of budget(usd=0.12)"
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 9), st.integers(0, 9), st.sampled_from(["free", "write", "routed"]), st.booleans()
        ),
        max_size=14,
    ),
    st.integers(1, 40), st.integers(0, 50), st.booleans(),
)  # fmt: skip
def test_never_exceeded_by_more_than_was_under_way(
    jobs: list[tuple[int, int, str, bool]], most: int, seed: int, relaxed: bool
) -> None:
    """Whatever calls ask for and use, less or more: what is decided is decided as line by line, and what is
    sent beyond that was sent when it fitted."""
    sent: list[int] = []

    @call.unordered(usd=lambda asked, used, n: asked)
    async def free_one(asked: int, used: int, n: int) -> dict[str, Any]:
        sent.append(asked)
        await asyncio.sleep(1 + n % 3)
        return {"cost": used}

    @call.writes("it", usd=lambda asked, used, n: asked)
    async def write(asked: int, used: int, n: int) -> dict[str, Any]:
        began.append(n)
        return {"cost": used}

    @call.unordered(usd=lambda asked, used, n: asked / 2)
    async def cheap(asked: int, used: int, n: int) -> dict[str, Any]:
        await asyncio.sleep(1)
        if n % 2:
            raise ValueError("too hard")
        return {"cost": used / 2}

    @call.unordered(usd=lambda asked, used, n: asked)
    async def dear(asked: int, used: int, n: int) -> dict[str, Any]:
        await asyncio.sleep(1)
        return {"cost": used / 2}  # which way is taken hangs on how they have fared, and so on time

    routed = route(way(cheap, cost=1), way(dear, cost=2), name="routed")

    @flow
    def work(bound: Budget) -> Any:
        done = 0
        try:
            with bound:
                for n, (asked, used, kind, depends) in enumerate(jobs):
                    if depends and done % 2:
                        done += free_one(asked, used, n)["cost"]
                    if kind == "write":
                        write(asked, used, n)
                    elif kind == "free":
                        free_one(asked, used, n)
                    else:
                        try:
                            routed(asked, used, n)
                        except RoutesExhausted:
                            done += 100
                    done += 1
        except BudgetExceeded as error:
            return done, str(error)
        return done, bound.spent.usd

    began.clear()
    with VirtualClock():
        expected = work.sequential(budget(usd=most)), list(began), sum(sent)
    began.clear()
    sent.clear()
    bound = budget(usd=most)
    with VirtualClock(seed=seed, validate=True), contextlib.ExitStack() as stack:
        if not relaxed:
            stack.enter_context(without("budgets"))
        got = work(bound), list(began)
    assert got == expected[:2]
    account = bound.account
    assert account.ahead == (0, 0)
    over = [max(used - asked, 0) for asked, used, _, _ in jobs]
    wasted = bound.spent.wasted
    assert wasted * DOLLAR == account.wasted.usd
    assert bound.spent.usd - wasted <= most + max(over, default=0)
    assert wasted <= most + sum(over)
    assert relaxed or not wasted
