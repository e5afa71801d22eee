"""What is configured, and who says so."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stretto import call, configuration, configure, errors, flow
from stretto.cli import main
from stretto.configuration import held, unknown, value
from stretto.configuration.files import lines_of
from stretto.configuration.settings import SETTINGS
from stretto.declarations import project
from stretto.journal import configured
from stretto.testing import VirtualClock


@pytest.fixture(autouse=True)
def clean(folder: Path) -> Iterator[None]:
    yield
    project.rules.load(None, {})


def write(folder: Path, text: str, name: str = "stretto.toml") -> None:
    (folder / name).write_text(text)
    configuration.unconfigure()


def test_the_last_that_says_something_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (value("in_flight"), held(SETTINGS["in_flight"]).kind) == (None, "default")
    write(folder, "[tool.stretto]\nin_flight = 50\nflush = 1\n", "pyproject.toml")
    assert (value("in_flight"), value("flush")) == (50, 1.0)
    write(folder, "# ours\nin_flight = 60\n")
    assert (value("in_flight"), value("flush")) == (60, 1.0)
    assert held(SETTINGS["in_flight"]).where == f"{folder}/stretto.toml:2"
    assert held(SETTINGS["flush"]).where == f"{folder}/pyproject.toml:3"
    monkeypatch.setenv("STRETTO_IN_FLIGHT", "70")
    assert value("in_flight") == 70
    configure(in_flight=80)
    assert (value("in_flight"), value("flush")) == (80, 1.0)
    configure(flush=2)
    assert (value("in_flight"), value("flush")) == (80, 2.0)
    (folder / "inner").mkdir()
    monkeypatch.chdir(folder / "inner")
    monkeypatch.delenv("STRETTO_IN_FLIGHT")
    write(folder, "in_flight = 60\n")
    assert value("in_flight") == 60
    write(folder / "inner", "")  # the nearest folder counts
    assert value("in_flight") is None


def test_what_is_set_holds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, 'journal = "runs.db"\nin_flight = 3\nlease = 7\nflush = 0.5\n')
    monkeypatch.setenv("STRETTO_PATIENCE", "4")
    most = [0, 0]

    @call.unordered
    async def slow(n: int) -> int:
        import asyncio

        most[0] += 1
        most[1] = max(most)
        await asyncio.sleep(1)
        most[0] -= 1
        return n

    @flow
    def many() -> int:
        return sum([slow(i) for i in range(10)])

    with VirtualClock():
        assert many.using(journal=None)() == 45
    assert most[1] <= 3
    journal: Any = configured.current()
    assert journal.where == str(folder / "runs.db")
    assert (journal._ttl, journal._db._patience) == (7.0, 4.0)
    journal.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "in_flght = 3",
            r"toml:1: there is no setting 'in_flght'; did you mean 'in_flight'\? There are: journal, ",
        ),
        ("\nflush = 0", r"stretto.toml:2: flush is a positive number of seconds; found 0"),
        ("in_flight = 1.5", "is a positive integer; found 1.5"),
        ("in_flight = true", "is a positive integer; found True"),
        (f"in_flight = {10**400}", "is a positive integer; found 1000"),
        (f"flush = {10**400}", "is a positive number of seconds; found 1000"),
        ("lease = 1e300", "is a positive number of seconds; found 1e"),
        (r'journal = "a\u0000b"', "names no journal: there is a zero byte in it"),
        ("journal = 'postgresql://[a'", "names no journal: Invalid IPv6 URL"),
        ("effects = 3", "effects is a table of names and effects; found 3"),
        ("secret_key = 'x'", "that is said by the environment variable STRETTO_SECRET_KEY alone"),
        ("[limits]\nweb = { rte = 3 }", r"there is no limit 'rte'; did you mean 'rate'\?"),
        (
            '[effects]\n"a.b" = { effect = "pure", timeot = 3 }',
            r"stretto.toml:2: a.b: .*did you mean 'timeout'\?",
        ),
    ],
)
def test_what_is_wrong(folder: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, text)
    with pytest.raises(errors.DeclarationError, match=said):
        value("flush")
        project.load(folder, catalogue=False)
    assert main(["config"]) == 1
    assert "stretto.toml" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "no file", "itself", "not UTF-8"])
def test_what_is_no_file_of_settings(folder: Path, kind: str) -> None:
    file = folder / "stretto.toml"
    match kind:
        case "a folder":
            file.mkdir()
        case "a pipe":
            os.mkfifo(file)
        case "not UTF-8":
            file.write_bytes(b"# \xff")
        case _:
            file.symlink_to(folder / "nowhere" if kind == "no file" else file)
    configuration.unconfigure()
    with pytest.raises(errors.ConfigurationError, match=r"stretto\.toml cannot be read, and might"):
        value("flush")


def test_wrong_variables_and_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRETTO_LEASE", "soon")
    with pytest.raises(
        errors.ConfigurationError, match="variable STRETTO_LEASE is a positive number of seconds"
    ):
        value("lease")
    with pytest.raises(errors.ConfigurationError, match="stretto.configure: in_flight is a positive integer"):
        configure(in_flight=0)
    assert value("in_flight") is None


def test_lines() -> None:
    text = '[a]\nx.y = 1\n"z.w" = 2\n[[b.c]]\n# x = 3\n x=4\n[tool."a b"] # that\nq = """\n[no]\n"""\n'
    found = lines_of(text)
    assert found["a",] == 1 and found["a", "x", "y"] == 2 and found["a", "z.w"] == 3
    assert found["b", "c", "x"] == 6 and found["tool", "a b", "q"] == 8


def test_a_run_tells_once_of_a_variable_that_is_misspelt(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @flow
    def nothing() -> int:
        return 1

    monkeypatch.setattr(unknown, "_looked", False)
    monkeypatch.setenv("STRETTO_IN_FLIGTH", "3")
    monkeypatch.setenv("STRETTO_OF_SOMEBODY_ELSE", "3")
    assert [nothing(), nothing()] == [1, 1]
    assert capsys.readouterr().err == (
        "stretto: nothing looks at the environment variable STRETTO_IN_FLIGTH; "
        "did you mean 'STRETTO_IN_FLIGHT'?\n"
    )


def test_it_is_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        folder,
        "[tool.stretto]\nin_flight = 50\n[tool.stretto.limits]\nweb = { limit = 3 }\n",
        "pyproject.toml",
    )
    write(folder, 'journal = "postgresql://ann:sesame@host/db"\n[effects]\na.b = "pure"\n"a.c" = "pure"\n')
    monkeypatch.setenv("STRETTO_FLUSH", "0.1")
    monkeypatch.setenv("STRETTO_SECRET_KEY", "ab" * 32)
    monkeypatch.setenv("STRETTO_JOURNL", "x")
    assert main(["config"]) == 0
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["journal", "postgresql://ann:PASSWORD@host/db", f"{folder}/stretto.toml:1"]
    assert lines[1] == ["in_flight", "50", f"{folder}/pyproject.toml:2"]
    assert lines[2] == ["flush", "0.1", "STRETTO_FLUSH"]
    assert lines[7] == ["secret_key", "(not", "shown)", "STRETTO_SECRET_KEY"]
    assert lines[8] == ["effects", "2", "names", f"{folder}/stretto.toml:2"]
    assert lines[9] == ["limits", "1", "names", f"{folder}/pyproject.toml:3"]
    assert "STRETTO_JOURNL; did you mean 'STRETTO_JOURNAL'?" in err
    assert main(["config", "--json"]) == 0
    out = capsys.readouterr().out
    assert "sesame" not in out and "abab" not in out
    told = json.loads(out)
    assert told["unknown_variables"] == ["STRETTO_JOURNL"]
    rows = {row["name"]: row for row in told["settings"]}
    assert rows["lease"]["value"] == 15 and rows["lease"]["from"] == "default"
    assert rows["in_flight"]["line"] == 2
    assert rows["limits"]["value"] == {"web": {"limit": 3}}
