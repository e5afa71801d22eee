"""A PostgreSQL of the tests' own, as the tests of the journal have it, and folders in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.conftest import postgres, server

__all__ = ["folder", "postgres", "server"]

MEMORY = Path("/dev/shm")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where the machine has such: what is killed here is processes, never the machine,
    and what a process wrote to a file outlives it without a disk, which was most of what was waited for."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="stretto-crash-", dir=MEMORY) as made:
        yield Path(made)
