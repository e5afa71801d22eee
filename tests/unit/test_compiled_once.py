"""What is compiled of a flow is compiled once, however often it runs."""

from __future__ import annotations

from typing import Any

import pytest

from stretto import call, flow
from stretto.compiler import fragments, guard
from stretto.testing import VirtualClock


@call.unordered
async def ask(x: int) -> int:
    return x


@flow
def over_cells(n: int) -> int:
    total = 0

    def add(x: int) -> None:
        nonlocal total
        total += x

    for i in range(n):
        add(ask(i))
        if total % 7 == 3:
            total += 1
    return total


@flow
def functions_of_functions(n: int) -> list[int]:
    def times(k: int) -> Any:
        return lambda x: ask(x * k)

    return [times(i)(n) + i % 2 for i in range(n)]


@pytest.mark.parametrize("program", [over_cells, functions_of_functions], ids=lambda program: program.name)
def test_once(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fragment whose names live in cells is a function anew for each run, and the same code."""
    made: list[str] = []
    build = guard.build

    def counting(unit: Any, node: Any, *rest: Any, **more: Any) -> None:
        made.append(node.name)
        build(unit, node, *rest, **more)

    monkeypatch.setattr(guard, "build", counting)
    native = fragments.Fragment._compile
    monkeypatch.setattr(
        fragments.Fragment, "_compile", lambda self: (made.append(self.text), native(self))[1]
    )
    with VirtualClock():
        few = program(20)
        assert few == program.sequential(20)
        made.clear()
        assert program(20) == few
        program(60)
    assert not made
