"""Where calls run: each test that asks for `on` is made for every executor."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

EXECUTORS = ("thread", "process", pytest.param("ray", marks=pytest.mark.xdist_group("ray")))
#: Those that can be killed.
APART = EXECUTORS[1:]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name, values in (("on", EXECUTORS), ("apart", APART)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, values)


@pytest.fixture(scope="session", autouse=True)
def ray_ends() -> Generator[None]:
    """The Ray that the first test starts that wants one is stopped by the last."""
    yield
    ray: Any = sys.modules.get("ray")
    if ray is not None:
        ray.shutdown()


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "file")
