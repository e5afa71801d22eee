"""Generated programs: reference run against overlapped run.

``STRETTO_FUZZ=20000 pytest tests/differential/test_generated.py`` runs that many new programs, split over
the themes; without it the same programs are run each time. `fuzz.py` does the same without end.
"""

from __future__ import annotations

import os
import time

import pytest

from .fuzz import SEEDS, program
from .generate import PROFILES, Random, generate
from .generate.asyncs import asynchronous
from .generate.purses import bounded
from .harness import (
    Difficult,
    compare,
    costing,
    differences,
    limited,
    measure,
    overlapped,
    reference,
    report,
    sequential,
)  # fmt: skip
from .reduce import reduce

PROGRAMS = int(os.environ.get("STRETTO_FUZZ", "3800"))
#: Programs have names, by which `fuzz.py` finds them again.
NAMES = str(time.time_ns()) if "STRETTO_FUZZ" in os.environ else "0"
#: Tests for each theme, so that they can be shared out.
PARTS = 4


@pytest.mark.timeout(60 + PROGRAMS // 10)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("theme", PROFILES)
def test_as_the_reference(theme: str, part: int) -> None:
    for number in range(part, -(-PROGRAMS // len(PROFILES)), PARTS):
        name = f"{theme}-{NAMES}-{number}"
        test = program(name)
        try:
            found = differences(test, SEEDS)
        except Difficult:
            continue
        if found:
            small, why = reduce(test, found, SEEDS)
            pytest.fail(f"fuzz.py --only {name}\n\n{report(small, why)}", pytrace=False)


@pytest.mark.timeout(60 + PROGRAMS // 10)
@pytest.mark.parametrize("theme", PROFILES)
def test_asyncio_as_the_reference(theme: str) -> None:
    """The same programs as asyncio code: the reference is `asyncio.run`."""
    for number in range(max(4, PROGRAMS // (8 * len(PROFILES)))):
        program = asynchronous(generate(Random(f"async-{theme}-{number}"), PROFILES[theme]))
        if program is None:
            continue
        try:
            found = differences(program, (1, 2))
        except Difficult:
            continue
        if found:
            pytest.fail(report(*reduce(program, found, (1, 2))), pytrace=False)


@pytest.mark.timeout(60 + PROGRAMS // 10)
@pytest.mark.parametrize("theme", PROFILES)
def test_limits_change_nothing(theme: str) -> None:
    """Where few calls may run at once, some of them in one place: no other outcome, and nothing waits for
    ever."""
    for number in range(max(4, PROGRAMS // (8 * len(PROFILES)))):
        program = generate(Random(f"limited-{theme}-{number}"), PROFILES[theme])
        try:
            expected = measure(program)
        except Difficult:
            continue
        found = list(compare(expected, limited(program, number), f"limited, seed {number}"))
        assert not found, report(program, found)


@pytest.mark.timeout(60 + PROGRAMS // 10)
@pytest.mark.parametrize("theme", PROFILES)
def test_budgets_bound_the_same(theme: str) -> None:
    """With statements in blocks of budgets, where calls cost something: they raise at the same places."""
    exceeded = 0
    for number in range(max(4, PROGRAMS // (15 * len(PROFILES)))):
        program = bounded(generate(Random(f"budgets-{theme}-{number}"), PROFILES[theme]))
        if program is None:
            continue
        expected = costing(lambda program=program: sequential(program))
        if expected.ended == "hung" or expected.error.startswith("RecursionError"):
            continue
        exceeded += expected.error.startswith("BudgetExceeded")
        got = costing(lambda program=program, number=number: overlapped(program, number))
        found = list(compare(expected, got, f"with budgets, seed {number}"))
        assert not found, report(program, found)
    assert exceeded or PROGRAMS < 2000


@pytest.mark.parametrize("theme", PROFILES)
def test_the_reference_is_deterministic(theme: str) -> None:
    for number in range(50):
        program = generate(Random(f"{theme}-{number}"), PROFILES[theme])
        try:
            first, second = reference(program), reference(program)
        except Difficult:
            continue
        if first.ended != "hung":
            assert first == second, program


def test_programs_run_far() -> None:
    """Most programs return, and make calls: a generator of early failures would test nothing."""
    ended: list[str] = []
    calls: list[int] = []
    for number in range(600):
        theme = list(PROFILES)[number % len(PROFILES)]
        try:
            outcome = reference(generate(Random(f"far-{number}"), PROFILES[theme]))
        except Difficult:
            ended.append("difficult")
            continue
        ended.append(outcome.ended)
        calls.append(outcome.calls)
    assert ended.count("difficult") + ended.count("hung") < len(ended) // 100
    assert ended.count("returned") > len(ended) * 0.45
    assert sorted(calls)[len(calls) // 2] >= 4


def test_programs_overlap() -> None:
    """Equal outcomes are worth something only if calls do overlap: without it the clock would go as far."""
    one_by_one = together = 0.0
    for number in range(120):
        program = generate(Random(f"overlap-{number}"), PROFILES["everything"])
        try:
            if reference(program).ended == "hung":
                continue
        except Difficult:
            continue
        alone, overlap = sequential(program, 1).time, overlapped(program, 1).time
        assert overlap <= alone + 0.001, f"longer than one by one: {overlap} > {alone}\n{program}"
        one_by_one += alone
        together += overlap
    assert together < one_by_one * 0.9
