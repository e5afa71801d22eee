"""CPython's own tests, their methods run as flows: they end as in CPython, and ever more are compiled."""

from __future__ import annotations

import pytest

from .compare import compare
from .expected import COMPILED, DIFFERING
from .suite import MODULES, provide

# Each way takes a process of its own.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("way", ["flow", "walked"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.xdist_group(f"cpython {name}")) for name in MODULES]
)
def test_as_in_cpython(name: str, way: str) -> None:
    known = DIFFERING[way]
    module = compare(name, way, provide())
    differing = {test.name: f"{test.got}, not {test.expected}\n{test.detail}" for test in module.differing}
    unknown = {test: how for test, how in differing.items() if test not in known}
    assert not unknown, "\n\n".join(f"{test}: {how}" for test, how in unknown.items())
    mended = [test.name for test in module.tests if test.same and test.name in known]
    assert not mended, f"take off the list in expected.py: {mended}"
    every = len(module.tests) + len(module.refused)
    assert len(module.tests) * 100 >= every * COMPILED.get(name, 0), f"refused: {dict(module.constructs)}"
