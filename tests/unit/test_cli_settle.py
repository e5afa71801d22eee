"""`stretto settle`, `prune`, `export` and `import`."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stretto.cli.options import Given
from stretto.journal import Journal, open_journal
from stretto.journal.codecs import decode
from stretto.journal.events import CallSettled, Decision, RunState, now
from tests.unit.journals import (
    DAY,
    dead,
    done,
    ended,
    fill,
    intended,
    listed,
    shown,
    stretto,
)
from tests.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("folder")


def last(journal: Journal, run: str) -> object:
    return list(journal.events(run))[-1].event


class TestSettle:
    @pytest.fixture(autouse=True)
    def in_doubt(self, journal: Journal) -> None:
        calls = [done("a"), intended("send", 1), intended("for/1/log"), intended("for/2/log")]
        fill(journal, "r1", [*calls, ended(RunState.IN_DOUBT)])

    def test_done(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        assert stretto("settle r1 send --done '{\"id\": 3}' --by ann") == 0
        out = capsys.readouterr().out
        assert "send: settled as done, by ann." in out and "Still in doubt: for/1/log, for/2/log" in out
        event = last(journal, "r1")
        assert isinstance(event, CallSettled) and isinstance(event.value, bytes)
        assert (event.place, event.call, event.decision) == ("send", "m:send", Decision.DONE)
        assert event.by == "ann" and decode(event.value) == {"id": 3}
        assert event.digest == intended("send", 1).digest
        assert listed(capsys)[0]["owner"] is None  # the lease is given back

    def test_retry_and_what_comes_next(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        assert stretto("settle r m:send --retry --json") == 0
        found = json.loads(capsys.readouterr().out)
        assert found["decision"] == "retry" and found["left_in_doubt"] == ["for/1/log", "for/2/log"]
        assert stretto("settle r1 for/1/log --retry") == 0
        assert stretto("settle r1 log --done null --journal .stretto/journal.db") == 0
        assert "    stretto resume r1 --journal .stretto/journal.db\n" in capsys.readouterr().out
        assert [call["state"] for call in shown(capsys, "r1")["calls"]] == ["done", *["settled"] * 3]

    @pytest.mark.parametrize(
        "call, says",
        [
            ("log", "2 calls of log are in doubt; name one by its place:\n  for/1/log\n  for/2/log"),
            ("sned", "sned is not in doubt; did you mean send? In doubt:\n  send\n"),
            ("a", "a is not in doubt"),
        ],
    )
    def test_not_in_doubt(self, capsys: pytest.CaptureFixture[str], call: str, says: str) -> None:
        assert stretto(f"settle r1 {call} --retry") == 1
        assert says in capsys.readouterr().err
        assert stretto("settle r1 send --retry") == 0  # the lease was given back

    def test_twice(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert stretto("settle r1 send --retry --by ann") == 0
        assert stretto("settle r1 send --done 1") == 1
        assert "send was settled already, as to be run again, by ann" in capsys.readouterr().err

    def test_nothing_to_settle(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        fill(journal, "over", [intended("send"), ended(RunState.CANCELLED)])
        fill(journal, "clean", [done("send")])
        assert stretto("settle over send --retry") == 1
        assert "nothing is left to settle or to resume" in capsys.readouterr().err
        assert stretto("settle clean send --retry") == 1
        assert "nothing is in doubt; go on with `stretto resume clean`" in capsys.readouterr().err

    def test_a_run_that_goes_on_elsewhere(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        fill(journal, "busy", [intended("send")], release=False)
        assert stretto("settle busy send --retry") == 1
        assert "is running it" in capsys.readouterr().err
        fill(journal, "gone", [intended("send")], owner=dead(), release=False)
        assert stretto("settle gone send --retry") == 0

    def test_an_owner_of_whom_nothing_is_known_is_waited_for(
        self, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from stretto.journal.events import RunStarted

        owner = "1/2/elsewhere/host"
        other = open_journal(journal.where)
        other.start(RunStarted("far", "m:f", "s", b"", owner, now()), ttl=0.3)
        other.flush()
        other.close()  # and so the lease is no longer renewed
        assert stretto("settle far send --retry") == 1
        err = capsys.readouterr().err
        assert "process 1 on host had the run; waiting" in err and "nothing is in doubt" in err


class TestHousekeeping:
    def test_prune(
        self, journal: Journal, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def filled() -> None:
            for run in ("old1", "old2"):
                fill(journal, run, [ended(time=now() - 4 * DAY)], age=5 * DAY)

        filled()
        fill(journal, "new", [ended()], age=5 * DAY)
        fill(journal, "doubt", [ended(RunState.IN_DOUBT, time=now() - 4 * DAY)], age=5 * DAY)
        assert stretto("prune --older-than 3d --yes --json") == 0
        assert json.loads(capsys.readouterr().out)["pruned"] == 2
        assert {run["id"] for run in listed(capsys)} == {"new", "doubt"}
        assert stretto("prune --older-than 3d --yes") == 0
        assert "nothing was deleted" in capsys.readouterr().out
        filled()
        for answer, code, left in (("\n", 1, 4), ("no\n", 1, 4), ("y\n", 0, 2)):
            terminal = io.StringIO(answer)
            monkeypatch.setattr(terminal, "isatty", lambda: True)
            monkeypatch.setattr(sys, "stdin", terminal)
            assert stretto("prune --older-than 3d") == code
            assert "Delete 2 runs that ended before 20" in capsys.readouterr().err
            assert len(listed(capsys)) == left

    def test_export_and_import(
        self, journal: Journal, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fill(journal, "r1", [done("a", "x" * 100_000), ended()])
        assert stretto("export r out.stretto") == 0
        assert "run r1: 3 events written to out.stretto." in capsys.readouterr().out
        assert stretto("export r1 out.stretto --json") == 0  # an export may be written again
        assert json.loads(capsys.readouterr().out) == {"id": "r1", "file": "out.stretto", "events": 3}
        assert stretto("import out.stretto --journal new.db") == 0
        assert "run r1 is now in new.db" in capsys.readouterr().out
        here, there = (shown(capsys, "r1", options) for options in ("", "--journal new.db"))
        assert here == there
        assert stretto("import out.stretto --journal new.db --json") == 1
        assert "there is a run 'r1' already" in json.loads(capsys.readouterr().out)["message"]

    def test_files_that_are_none(
        self, journal: Journal, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fill(journal, "r1")
        (folder / "flows.py").write_text("mine")
        for file, says in (
            ("flows.py", "flows.py is there already"),
            (".", "is there already"),
            ("no/where", "no/where cannot be written"),
        ):
            assert stretto(f"export r1 {file}") == 1
            assert says in capsys.readouterr().err
        assert (folder / "flows.py").read_text() == "mine"
        assert stretto("import nothing --journal new.db") == 1
        assert "there is no file nothing" in capsys.readouterr().err
        assert not (folder / "new.db").exists()
        assert stretto("import flows.py") == 1
        assert "it is no export of a run" in capsys.readouterr().err


def test_passwords_are_not_repeated() -> None:
    given = Given(values={"--journal": "postgresql://me:s3:c@ret@host:5432/db"})
    assert given.again("resume", "r") == "stretto resume r --journal postgresql://me:PASSWORD@host:5432/db"
    given = Given(values={"--journal": "postgresql://me@host:5432/db"})
    assert given.again("resume", "r") == "stretto resume r --journal postgresql://me@host:5432/db"


def test_a_server_that_does_not_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stretto.journal import postgres

    monkeypatch.setattr(postgres, "PATIENCE", 0.1)
    assert stretto("ls --journal postgresql://me:secret@127.0.0.1:1/db") == 1
    err = capsys.readouterr().err
    assert err.startswith("error: postgresql://me@127.0.0.1:1/db: ") and len(err.splitlines()) == 1


def test_from_a_shell(journal: Journal, folder: Path) -> None:
    fill(journal, "r1", [intended("send", 1), ended(RunState.IN_DOUBT)])
    journal.close()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "stretto", *words]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)

    found = json.loads(run("ls", "--json").stdout)
    assert [(item["id"], item["state"]) for item in found] == [("r1", "in doubt")]
    assert "stretto settle r1 send --retry" in run("show", "r").stdout
    settled = run("settle", "r1", "send", "--done", '"ok"')
    assert settled.returncode == 0 and "stretto resume r1" in settled.stdout
    refused = run("settle", "r1", "send", "--retry")
    assert refused.returncode == 1 and refused.stderr.startswith("error: ") and refused.stdout == ""
    wrong = run("lss")
    assert wrong.returncode == 2 and "did you mean stretto ls?" in wrong.stderr
    assert not [name for name in os.listdir(folder / ".stretto") if name != "journal.db"]
