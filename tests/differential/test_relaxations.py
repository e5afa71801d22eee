"""The relaxations, each switched off in turn, and all of them: the outcome is always the same."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

import pytest

from stretto.compiler.relaxations import RELAXATIONS, without
from stretto.errors import DeclarationError

from .generate import PROFILES, Random, generate
from .harness import Difficult, Program, differences_from, measure, overlapped, report, sequential
from .test_constructs import CASES, TREES, expected_of

#: What is switched off: each relaxation alone, and all of them.
OFF = [*((name,) for name in RELAXATIONS), (*RELAXATIONS,)]
GENERATED = 18 if "STRETTO_FUZZ" in os.environ else 90


def check(program: Program, switched_off: Sequence[tuple[str, ...]] = OFF) -> None:
    """One reference run for all: relaxations have no part in it, nor in ``f.sequential``."""
    expected = expected_of(program) if program.source in TREES else measure(program)
    for off in switched_off:
        with without(*off):
            found = differences_from(expected, program, (1,))
        if found:
            pytest.fail(f"without {' and '.join(off)}: {report(program, found)}", pytrace=False)


@pytest.mark.slow
@pytest.mark.parametrize(("source", "arguments"), CASES)
def test_constructs(source: str, arguments: str) -> None:
    check(Program(source, arguments))
    check(Program(source, arguments, salt=5, rate=12), OFF[-1:])  # calls fail: by the base rule alone


@pytest.mark.parametrize("theme", PROFILES)
def test_generated(theme: str) -> None:
    for number in range(GENERATED // len(PROFILES)):
        with contextlib.suppress(Difficult):
            check(generate(Random(f"without-{number}"), PROFILES[theme]))


AGENTS = """
class Agent:
    def __init__(self, n):
        self.n = n
        self.notes = []

def step(a):
    a.plan = ask(a.n)
    a.notes.append(ask(a.plan))
    a.answer = ask(a.notes)

@flow
def main(agents):
    for a in agents:
        step(a)
    return [a.answer for a in agents]
"""


def test_objects_change_side_by_side() -> None:
    many = Program(AGENTS, "([Agent(i) for i in range(30)],)")
    relaxed = overlapped(many, 1).time
    assert relaxed < sequential(many, 1).time / 5
    with without("objects"):
        assert overlapped(many, 1).time > relaxed * 4


REGIONS = AGENTS.replace(
    "    a.answer", "    if flag(a.plan):\n        a.notes.append(ask(a.n))\n    a.answer"
)


def test_decisions_of_one_object_do_not_hold_up_others() -> None:
    many = Program(REGIONS, "([Agent(i) for i in range(30)],)")
    assert overlapped(many, 1).time < sequential(many, 1).time / 4


def _time(program: Program) -> float:
    return overlapped(program, 1).time / sequential(program, 1).time


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("values", "xs = [ask(i) for i in range(9)]\n    return [ask(x) for x in xs]"),
        ("objects", "m[0] = ask(1)\n    return [get(i) for i in range(9)], m[0]"),
        ("purity", "return [ask(str(ask(i))) for i in range(9)]"),
        ("helpers", "return [helper(i) for i in range(9)]"),
    ],
)
def test_each_lets_more_overlap(name: str, source: str) -> None:
    program = Program(
        f"def helper(i):\n    return ask(ask(i))\n\n@flow\ndef main(m):\n    {source}\n", "([0],)"
    )
    relaxed = _time(program)
    with without(name):
        assert _time(program) > relaxed * 1.5


def test_an_unknown_name() -> None:
    with pytest.raises(DeclarationError, match=r"no relaxation 'speed'.*values, objects, purity, helpers"):
        with without("speed"):
            pass
