"""What holds for every differential test."""

from __future__ import annotations

import gc

# A first import takes longer than a reference run may: it must not be a program's.
import numpy  # noqa: F401
import pydantic  # noqa: F401
import pytest


def pytest_configure(config: pytest.Config) -> None:
    """A program that fails leaves coroutines behind, as it would in asyncio; whichever test runs when they
    are collected would hear of it."""
    config.addinivalue_line("filterwarnings", "ignore:coroutine '.*' was never awaited:RuntimeWarning")


def pytest_collection_finish() -> None:
    """What is there by now stays: none of the thousands of collections of garbage looks at it again."""
    gc.collect()
    gc.freeze()
