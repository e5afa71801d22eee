"""Which journal is used where a run does not say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stretto import configuration, errors
from stretto.journal import configured


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRETTO_JOURNAL", raising=False)
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    configuration.unconfigure()
    yield
    configuration.unconfigure()


def project(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(text)
    configuration.unconfigure()  # a process looks for it once


def test_the_first_that_says_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert configuration.choice().url is None
    assert configured.current() is None
    project(tmp_path, '[tool.stretto]\njournal = "sqlite:///project.db"\n')
    assert configuration.choice().url == str(tmp_path / "project.db")
    monkeypatch.setenv("STRETTO_JOURNAL", "sqlite:///environment.db")
    assert configuration.choice().url == "sqlite:///environment.db"
    configuration.configure(journal="code.db")
    assert configuration.choice().url == "code.db"
    configuration.configure(journal=None)
    assert configuration.choice().url is None
    configuration.unconfigure()
    monkeypatch.setenv("STRETTO_JOURNAL", "")
    assert configuration.choice().url is None


def test_a_projects_file_lies_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, '[tool.stretto]\njournal = ".stretto/journal.db"\n')
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert configuration.choice().url == str(tmp_path / ".stretto/journal.db")
    project(tmp_path, '[tool.stretto]\njournal = "postgresql://host/db"\n')
    assert configuration.choice().url == "postgresql://host/db"
    project(tmp_path / "a", "")  # the nearest project counts, also if it says nothing
    assert configuration.choice().url is None


@pytest.mark.parametrize(
    "text",
    [
        "journal = [",
        "[tool.stretto]\njournal = 1\n",
        "[tool.stretto]\njournal = 'x://'",
        "[tool.stretto]\njournl = 'runs.db'\n",
    ],
)
def test_a_project_that_is_wrong(tmp_path: Path, text: str) -> None:
    project(tmp_path, text)
    with pytest.raises(errors.JournalUrlError, match="pyproject.toml"):
        configured.current()


def test_wrong_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.JournalUrlError, match="mysql"):
        configuration.configure(journal="mysql://host/db")
    monkeypatch.setenv("STRETTO_JOURNAL", "mysql://host/db")
    with pytest.raises(errors.JournalUrlError, match="STRETTO_JOURNAL.*mysql"):
        configured.current()


def test_one_journal_is_opened_once(tmp_path: Path) -> None:
    configuration.configure(journal="code.db")
    journal = configured.current()
    assert journal is not None
    assert configured.shared(tmp_path / "code.db") is journal
    assert configured.shared(f"sqlite:///{tmp_path}/code.db") is journal
    journal.close()
    again = configured.current()
    assert again is not None and again is not journal
    again.close()
