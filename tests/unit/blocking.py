"""Nothing of Stretto's blocks the event loop that it runs on: `blockbuster` raises where something does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, BlockingError

from stretto import call, flow


@pytest.fixture(autouse=True)
def guard() -> Iterator[None]:
    found = BlockBuster()
    found.activate()
    yield
    found.deactivate()


@call.unordered
def slow(x: int) -> int:
    time.sleep(0.001)
    return x


@call.reads("disk")
async def quick(x: int) -> int:
    await asyncio.sleep(0)
    return x


@call.unordered
async def rude(x: int) -> int:
    time.sleep(0.001)
    return x


def unknown(path: Path) -> str:
    time.sleep(0.001)
    return path.read_text()


@flow
def mixed(path: Path) -> list[object]:
    found: list[object] = []
    for i in range(5):
        found.append(slow(i))
        if quick(i) % 2:
            found.append(unknown(path))
            time.sleep(0.001)
    return found


@flow
def impolite() -> int:
    return rude(1)


@flow
def outer(path: Path) -> list[object]:
    return [*mixed(path), unknown(path)]


@pytest.mark.parametrize("program", [mixed, outer])
def test_a_direct_call(program: object, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    assert program(path) == program.sequential(path)  # type: ignore[operator,attr-defined]


def test_on_a_running_loop(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    wanted = mixed.sequential(path)
    assert asyncio.run(mixed.aio(path)) == wanted
    assert mixed.start(path).result() == wanted


def test_the_guard_is_on() -> None:
    with pytest.raises(BlockingError):
        impolite()
