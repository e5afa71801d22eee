"""Fixtures that several files of tests use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stretto import configuration
from stretto.journal import Journal, open_journal
from stretto.journal.secrets import VARIABLE
from tests.unit.secretive import World, made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of its own: what the machine is configured to is none of these tests' concern."""
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(configuration.VARIABLE, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    configuration.unconfigure()
    yield tmp_path
    configuration.unconfigure()


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    journal = open_journal(folder / ".stretto" / "journal.db")
    yield journal
    journal.close()


@pytest.fixture
def secretive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user who has no key of secrets yet."""
    monkeypatch.delenv(VARIABLE)
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "data"))
    made.clear()
    World.hold = World.edited = False
    World.other = 0
    yield
