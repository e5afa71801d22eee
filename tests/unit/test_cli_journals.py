"""The commands about journals, as a user types them: which journal, `ls`, and wrong usage."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import sys
from pathlib import Path

import pytest

from stretto import configuration
from stretto.journal import Journal, open_journal, sqlite
from stretto.journal.configured import shared
from stretto.journal.events import RunState, now
from tests.unit.journals import (
    DAY,
    HOUR,
    dead,
    done,
    ended,
    fill,
    intended,
    listed,
    stretto,
)

pytestmark = pytest.mark.usefixtures("folder")

ONE = "from stretto import flow\n\n@flow\ndef one() -> int:\n    return 1\n"


class TestList:
    def test_newest_first_with_its_columns(
        self, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fill(journal, "old", [done("a"), done("b"), ended(time=now() - HOUR)], age=2 * HOUR)
        fill(journal, "new", [done("a")], release=False)
        assert stretto("ls") == 0
        head, new, old = capsys.readouterr().out.splitlines()
        assert head.split() == ["id", "flow", "state", "started", "took", "calls"]
        assert re.fullmatch(r"new  report:digest  running +(just now|\d s ago) +\S+ \S+ so far +1", new)
        assert re.fullmatch(r"old  report:digest  succeeded  2 h ago +1 h 0 min +2", old)

    def test_json_is_one_array(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        fill(journal, "r1", [done("a"), ended()], age=HOUR)
        [run] = listed(capsys)
        assert (run["id"], run["flow"], run["state"], run["calls"]) == ("r1", "report:digest", "succeeded", 1)
        assert run["started"] < run["ended"] and run["ended"].endswith("Z")
        assert run["seconds"] == pytest.approx(3600, abs=60)
        assert run["owner"] is None

    def test_nobody_runs_it_any_more(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        fill(journal, "alive", release=False)
        fill(journal, "dead", owner=dead(), release=False)
        fill(journal, "left")
        fill(journal, "elsewhere", owner="1/2/another/machine", release=False)
        states = {run["id"]: run["state"] for run in listed(capsys)}
        assert states == {
            "alive": "running",
            "dead": "interrupted",
            "left": "interrupted",
            "elsewhere": "running",
        }
        assert [run["id"] for run in listed(capsys, "--state interrupted")] == ["left", "dead"]
        assert [run["id"] for run in listed(capsys, "--state running --limit 1")] == ["elsewhere"]

    def test_filters(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        fill(journal, "a", [ended()], age=3 * DAY)
        fill(journal, "b", [ended(RunState.FAILED)], age=2 * DAY, flow="report:other")
        fill(journal, "c", [ended(RunState.IN_DOUBT)], age=HOUR)

        def ids(options: str) -> str:
            return "".join(run["id"] for run in listed(capsys, options))

        assert ids("") == "cba"
        assert ids("--flow report:digest") == ids("--flow digest") == "ca"
        assert ids("--state failed") == "b"
        assert ids("--state in-doubt") == ids("--state 'in doubt'") == "c"
        assert ids("--since 50h") == "cb"
        assert ids("--until 50h") == "a"
        assert ids("--since 2.5d --until 1d") == "b"
        assert ids("--since 2000-01-01 --until=2000-01-02T10:00") == ""
        assert ids("--limit 2") == "cb"
        assert ids("--flow digest --limit 1") == "c"

    def test_no_runs(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        assert listed(capsys) == []
        assert stretto("ls") == 0
        assert capsys.readouterr() == ("", "no runs yet\n")
        fill(journal, "a")
        assert stretto("ls --flow digets") == 0
        assert capsys.readouterr() == ("", "no such runs; did you mean digest?\n")

    def test_says_when_there_are_more(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        for number in range(51):
            fill(journal, f"r{number}")
        assert stretto("ls") == 0
        out, err = capsys.readouterr()
        assert len(out.splitlines()) == 51 and "newest 50" in err
        assert len(listed(capsys)) == 51

    @pytest.mark.parametrize(
        "command, says",
        [
            ("ls --state runing", "there is no state 'runing'; did you mean running?"),
            ("ls --flo x", "there is no option --flo; did you mean --flow?"),
            ("ls --since yesterday", "--since takes a date (2026-03-31)"),
            ("ls --limit 0", "--limit takes a number from 1 on, and found '0'"),
            ("ls --limit", "--limit takes a value: --limit N"),
            ("ls --json=1", "--json takes no value"),
            ("ls --limit 1 --limit 2", "--limit is given twice"),
            ("ls r1", "stretto ls takes options only; found 'r1' too"),
            ("ls --journal mysql://x/y", "--journal: 'mysql://x/y' names no journal"),
            ("show", "say RUN"),
            ("show ''", "RUN cannot be empty"),
            ("show a b", "stretto show takes RUN alone; found 'b' too"),
            ("settle r", "say CALL"),
            ("settle r c", "say one of two: --done VALUE"),
            ("settle r c --retry --done 1", "say one of two"),
            ("settle r c --done hello", "a text stands in quotes: --done '\"hello\"'"),
            ("prune", "say how old: --older-than AGE"),
            ("prune --older-than 3d", "there is nobody to ask whether to delete: say --yes"),
            ("export r", "say FILE"),
        ],
    )
    def test_wrong_usage(
        self,
        journal: Journal,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        command: str,
        says: str,
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        assert stretto(command) == 2
        out, err = capsys.readouterr()
        assert out == "" and says in err
        assert f"usage: stretto {command.split()[0]}" in err
        assert stretto(f"{command} --json") == 2
        if command not in ("ls --limit",):
            assert json.loads(capsys.readouterr().out)["exit_code"] == 2

    @pytest.mark.parametrize("command", ["exprt", "wrong"])
    def test_a_command_that_there_is_not(self, capsys: pytest.CaptureFixture[str], command: str) -> None:
        assert stretto(command) == 2
        says = {"exprt": "did you mean stretto export?", "wrong": "`stretto --help` lists them"}
        assert says[command] in capsys.readouterr().err

    def test_an_export_into_no_folder(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        fill(journal, "r1", [ended()])
        assert stretto("export r1 none/r1.run") == 1
        assert "none/r1.run cannot be written: there is no folder none" in capsys.readouterr().err

    @pytest.mark.parametrize("command", ["ls", "show", "settle", "prune", "export", "import"])
    def test_help(self, capsys: pytest.CaptureFixture[str], command: str) -> None:
        assert stretto(f"{command} --help") == 0
        out = capsys.readouterr().out
        assert out.startswith(f"usage: stretto {command}") and "--journal URL" in out
        assert stretto("--help") == 0
        assert f"  {command}  " in capsys.readouterr().out


class TestWhichJournal:
    def test_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert stretto("ls") == 1
        assert "there is no journal here" in capsys.readouterr().err
        assert stretto("ls --json") == 1
        assert "--journal URL" in json.loads(capsys.readouterr().out)["message"]

    @pytest.mark.parametrize(
        "words",
        ["--journal a.db flows.py:one", "--journal=a.db flows.py:one", "flows.py:one --journal a.db",
         "flows.py:one --journal=a.db --json"],
    )  # fmt: skip
    def test_of_a_new_run(self, folder: Path, capsys: pytest.CaptureFixture[str], words: str) -> None:
        (folder / "flows.py").write_text(ONE)
        assert stretto(f"run {words}") == 0
        shared("a.db").flush()
        capsys.readouterr()
        [run] = listed(capsys, "--journal a.db")
        assert run["flow"].endswith(":one")
        assert not (folder / ".stretto").exists()

    @pytest.mark.parametrize("words", ["flows.py:one --journal", "flows.py:one --journal=", "--journal"])
    def test_of_a_new_run_left_out(
        self, folder: Path, capsys: pytest.CaptureFixture[str], words: str
    ) -> None:
        (folder / "flows.py").write_text(ONE)
        assert stretto(f"run {words}") == 2
        assert "--journal needs a URL or a file" in capsys.readouterr().err

    def test_a_flow_may_have_a_parameter_of_that_name(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "flows.py").write_text(
            "from stretto import flow\n\n@flow\ndef one(journal: str) -> str:\n    return journal\n"
        )
        assert stretto("run --no-journal flows.py:one --journal mine") == 0
        assert capsys.readouterr().out == "mine\n"

    def test_a_file_that_is_not_there_is_not_made(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert stretto("ls --journal sqlite:///no.db") == 1
        assert "there is no journal no.db (said by --journal)" in capsys.readouterr().err
        assert not (folder / "no.db").exists()

    def test_said_and_configured(
        self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in "abc":
            with_run = open_journal(folder / f"{name}.db")
            fill(with_run, name)
            with_run.close()
        monkeypatch.setenv(configuration.VARIABLE, "a.db")
        assert listed(capsys)[0]["id"] == "a"
        assert listed(capsys, "--journal b.db")[0]["id"] == "b"
        assert listed(capsys, f"--journal=sqlite:///{folder}/c.db")[0]["id"] == "c"
        monkeypatch.setenv(configuration.VARIABLE, "d.db")
        assert stretto("ls") == 1
        assert f"the environment variable {configuration.VARIABLE}" in capsys.readouterr().err

    def test_no_journal_at_all(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "text.db").write_text("not a database, but long enough to look like something" * 100)
        assert stretto("ls --journal text.db") == 1
        err = capsys.readouterr().err
        assert err.startswith("error: text.db: ") and "damaged or no SQLite file" in err
        with sqlite3.connect(folder / "other.db") as other:
            other.execute("create table t (x)")
        other.close()
        assert stretto("ls --journal other.db --json") == 1
        assert "no journal of Stretto's" in json.loads(capsys.readouterr().out)["message"]
        assert stretto("ls --journal .") == 1
        assert "is no file" in capsys.readouterr().err

    def test_damaged_events(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        damaged = open_journal(folder / "j.db")
        fill(damaged, "r", [done(f"a#{n}") for n in range(100)])
        damaged.close()
        with sqlite3.connect(folder / "j.db") as db:
            db.execute("update stretto_batch set body = zeroblob(length(body))")
        db.close()
        assert stretto("show r --journal j.db") == 1
        assert "are damaged" in capsys.readouterr().err
        assert stretto("ls --journal j.db") == 0

    def test_locked(
        self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = open_journal(folder / "j.db")
        fill(first, "r", [intended("send"), ended(RunState.IN_DOUBT)])
        first.close()
        monkeypatch.setattr(sqlite, "PATIENCE", 0.05)
        holder = sqlite3.connect(folder / "j.db", isolation_level=None)
        holder.execute("begin immediate")
        try:
            assert stretto("ls --journal j.db") == 0  # who writes does not keep others from reading
            assert stretto("settle r send --retry --journal j.db") == 1
            err = capsys.readouterr().err
            assert err.startswith("error: j.db: ") and "another process has held the file's write lock" in err
        finally:
            holder.close()
