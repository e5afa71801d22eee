"""Programs by hand, one or more per construct and per trap: reference run against overlapped run.

They stand in `constructs/*.txt`, each under a line ``=== title | (arguments)``. Every program meets several
worlds: some in which no call fails by chance, some in which many do.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .harness import Outcome, Program, compare, differences_from, measure, reference, report, sequential
from .loaded import forget

HERE = Path(__file__).parent / "constructs"

#: Salt and rate of the worlds that every program meets.
WORLDS = [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 12), (6, 12), (7, 30)]
if "STRETTO_FUZZ" in os.environ:  # fewer generated programs: fewer worlds too
    WORLDS = WORLDS[::3]
#: In these it is compiled anew: also in one where calls fail, before others have made anything ready.
COMPILED = {WORLDS[0], next(world for world in WORLDS if world[1])}


def programs() -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for path in sorted(HERE.glob("*.txt")):
        for part in path.read_text().split("=== ")[1:]:
            head, _, source = part.partition("\n")
            title, _, arguments = head.partition(" | ")
            found.append((f"{path.stem}: {title}", source.strip() + "\n", arguments))
    return found


TREES = {source for title, source, _ in programs() if title.startswith("task_trees: ")}
CASES = [pytest.param(source, arguments, id=title) for title, source, arguments in programs()]


def test_titles_differ() -> None:
    titles = [title for title, _, _ in programs()]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize(("source", "arguments"), CASES)
def test_the_reference_serves(source: str, arguments: str) -> None:
    """The reference run ends, twice in the same way."""
    for salt, rate in WORLDS:
        program = Program(source, arguments, salt, rate)
        run = sequential if source in TREES else reference
        first = run(program)
        assert first.ended in ("returned", "raised")
        assert first == run(program)


def expected_of(program: Program) -> Outcome:
    """The outcome that Stretto's runs are to have, its own reference run included. In which order tasks go on
    that others have made asyncio leaves open: there that is the measure."""
    own = sequential(program)
    if program.source in TREES:
        assert own.ended in ("returned", "raised"), own.crash
        return own
    expected = measure(program)
    found = list(compare(expected, own, "f.sequential"))
    if found:
        pytest.fail(report(program, found), pytrace=False)
    return expected


@pytest.mark.parametrize(("source", "arguments"), CASES)
def test_as_the_reference(source: str, arguments: str) -> None:
    for salt, rate in WORLDS:
        if (salt, rate) in COMPILED:
            forget()
        program = Program(source, arguments, salt, rate)
        found = differences_from(expected_of(program), program, seeds=(1, 2, 3))
        if found:
            pytest.fail(report(program, found), pytrace=False)
