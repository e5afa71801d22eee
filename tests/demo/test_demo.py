"""examples/briefing.py and examples/demo.py, run as their users run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from demo_crash import Crash
from front import Front
from model_server import ModelServer

from stretto.journal import open_journal
from stretto.journal.events import CallFinished, Event
from tests.waiting import PATIENCE, until

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script: str, *arguments: object, base_url: str, expect: int = 0) -> str:
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *map(str, arguments)],
        capture_output=True, text=True, timeout=600, encoding="utf-8",
        env={**os.environ, "OPENAI_BASE_URL": base_url, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def test_a_briefing_is_the_same_both_ways(pretend_model: Any, notes: Path, tmp_path: Path) -> None:
    reference, overlapped = tmp_path / "reference.md", tmp_path / "overlapped.md"
    page = run("briefing.py", notes, "--sequential", "--out", reference, base_url=pretend_model.base_url)
    assert run("briefing.py", notes, "--out", overlapped, base_url=pretend_model.base_url) == page
    assert overlapped.read_bytes() == reference.read_bytes() == page.encode()
    assert "# Briefing: 3 notes" in page
    assert "- ideas.md: too short" in page
    assert "- menu.txt: not UTF-8 text" in page


def test_the_briefing_is_not_read_as_a_note(pretend_model: Any, notes: Path) -> None:
    out = notes / "briefing.md"
    first = run("briefing.py", notes, "--out", out, base_url=pretend_model.base_url)
    assert run("briefing.py", notes, "--out", out, base_url=pretend_model.base_url) == first


def test_a_folder_that_is_not_there_is_named(pretend_model: Any, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "briefing.py"), str(tmp_path / "none")],
        capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path,
        env={**os.environ, "OPENAI_BASE_URL": pretend_model.base_url},
    )  # fmt: skip
    assert done.returncode == 1
    assert "none is not a folder" in done.stderr
    assert "Traceback" not in done.stderr


def is_answer(event: Event) -> bool:
    return isinstance(event, CallFinished) and event.call.endswith(":chat")


@pytest.mark.slow
@pytest.mark.parametrize("moody", [False, True])
def test_the_demo_compares(
    pretend_model: Any, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moody: bool
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    answers = 0

    def before() -> None:
        """There is a time when half of the answers have been given, and one is on disk: it is waited for."""
        nonlocal answers
        journals = list(scratch.glob("stretto-demo-*/killed/runs.db"))
        answers += len(journals)
        if answers > 1:
            with closing(open_journal(journals[0])) as journal:
                until(lambda: any(is_answer(e) for run in journal.runs() for _, e in journal.events(run.id)))

    pretend_model.before = before
    pretend_model.moody = moody
    pretend_model.seconds = 0.2
    out = tmp_path / "briefing.md"
    said = run("demo.py", notes, "--out", out, "--delay", "0.1", base_url=pretend_model.base_url)
    assert "exactly the outcome" in said
    assert said.count("on the recorded answers: yes") == (3 if moody else 0)
    assert out.read_text(encoding="utf-8").startswith("# Briefing: 3 notes")
    assert "\033[" not in said  # no colours where nobody looks at a terminal
    table = re.findall(r"^  (line by line|overlapped) +([\d.]+) +(\d+) +(\d+)$", said, re.MULTILINE)
    assert [row[0] for row in table] == ["line by line", "overlapped"] * 2
    assert [int(row[3]) for row in table if row[0] == "line by line"] == [1, 1]
    assert all(int(row[3]) > 1 for row in table if row[0] == "overlapped")

    assert "ended as if it had not been" in said
    killed = re.findall(r"^  killed +\.+ SIGKILL after (\d+) answers", said, re.MULTILINE)
    table = re.findall(r"^  (killed|resumed) +(\d+) +(\d+)$", said, re.MULTILINE)
    assert [row[0] for row in table] == ["killed", "resumed"] * len(killed)
    assert len(killed) == (2 if moody else 1)
    for given, (_, asked, recorded), (_, asked_again, calls) in zip(
        map(int, killed), table[::2], table[1::2], strict=True
    ):
        assert 0 < int(recorded) <= int(asked) < int(calls) and given <= int(asked)
        assert int(asked_again) == int(calls) - int(recorded)


def test_headlines_keep_within_bounds(pretend_model: Any, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for n in range(9):
        (folder / f"{n}.md").write_text(f"Note number {n} says this. And this.\n")
    pretend_model.seconds = 0.02
    said = run("demo.py", folder, "--delay", "0", "--out", tmp_path / "b.md", base_url=pretend_model.base_url)
    assert "it says the same to the letter: yes" in said
    assert "At once at the most, where the model has limit=3: 3." in said


def test_a_budget_ends_the_headlines_at_its_note(pretend_model: Any, notes: Path) -> None:
    said = run("headlines.py", notes, "--tokens", 150, base_url=pretend_model.base_url).splitlines()
    exceeded = [line for line in said if "left of budget(tokens=150)" in line]
    assert len(exceeded) == 1 and 0 < said.index(exceeded[0]) < 4


def test_a_program_that_asks_nothing_is_not_killed(pretend_model: Any, tmp_path: Path) -> None:
    folder = tmp_path / "trivial"
    folder.mkdir()
    (folder / "short.md").write_text("Three words only.\n")
    out = tmp_path / "briefing.md"
    said = run("demo.py", folder, "--out", out, "--delay", "0", base_url=pretend_model.base_url)
    assert "there is nothing to interrupt" in said
    assert "# Briefing: 0 notes" in said


@pytest.mark.model
@pytest.mark.timeout(1200)
def test_with_a_real_model(notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The overlapped run, given the answers that the reference run got, has its outcome; and a run that is
    killed can be taken up."""
    (notes / "sourdough.md").unlink()  # two notes are enough, and a busy computer takes its time
    reference, live, replayed = (tmp_path / f"{name}.md" for name in ("reference", "live", "replayed"))
    with ModelServer() as model, Front(model.base_url) as front:
        recorded = front.watch()
        page = run("briefing.py", notes, "--sequential", "--out", reference, base_url=front.base_url)
        assert recorded.most_at_once == 1

        traffic = front.watch()
        run("briefing.py", notes, "--out", live, base_url=front.base_url)
        assert traffic.most_at_once > 1
        assert live.read_text(encoding="utf-8").startswith("# Briefing: 2 notes")

        traffic = front.watch(replay=recorded.answers)
        assert run("briefing.py", notes, "--out", replayed, base_url=front.base_url) == page
        assert replayed.read_bytes() == reference.read_bytes()
        assert traffic.requests == recorded.requests

        # The front is where the program is told to look, also when it is taken up by another process.
        monkeypatch.setenv("OPENAI_BASE_URL", front.base_url)
        resumed = Crash(front, str(notes), tmp_path / "killed", None).carry_out(2)
        assert resumed.none_again
        assert not resumed.wrote_early
        assert resumed.page.encode() == resumed.file
        assert resumed.page.startswith("# Briefing: 2 notes")
