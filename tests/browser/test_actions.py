"""What is done to runs from their page, by real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stretto.journal import Journal
from stretto.journal.events import CallIntended, RunState
from tests.browser.conftest import Opened, wait_for
from tests.browser.servers import Served
from tests.unit.journals import done, ended, fill
from tests.waiting import until

PROGRAM = """
import asyncio
from pathlib import Path
from stretto import call, flow

@call.reads("web")
async def look(n: int) -> int:
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    return n

@call.writes("mail")
def send(to: str) -> str:
    Path("sent").write_text(to)
    if not Path("settled").exists():
        import os
        os._exit(9)
    return "sent " + to

@flow
def letter(to: str) -> str:
    look(1)
    return send(to)
"""


@pytest.fixture
def command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A run in a process of its own."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    (folder / "letters.py").write_text(PROGRAM)
    words = ["run", "--journal", str(folder / "journal.db"), "letters.py:letter", "ann"]
    command = [sys.executable, "-m", "stretto", *words]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()


@pytest.mark.slow
def test_stop_resume_settle_fork(
    journal: Journal, folder: Path, opened: Opened, command: subprocess.Popen[bytes]
) -> None:
    until(lambda: journal.runs())
    [run] = journal.runs()
    page = opened(f"#/run/{run.id}")
    page.click("text=Stop…")
    page.click("dialog >> text=Leave it")
    assert command.poll() is None
    page.click("text=Stop…")
    page.click("dialog >> text=Stop it")
    assert command.wait(100) == 130
    page.wait_for_selector(".state.interrupted")
    assert journal.run(run.id).state is RunState.RUNNING  # as far as its events tell: it can be resumed

    (folder / "go").touch()
    page.click("text=Resume…")
    page.click("dialog >> text=Resume it")
    page.wait_for_selector(".doubts")  # its process has died in the middle of the write
    assert (folder / "sent").read_text() == "ann"
    (folder / "settled").touch()
    page.click(".doubts button")
    page.click("text=Settle…")
    page.fill("dialog textarea", "no JSON")
    assert page.locator("dialog [role=alert]").inner_text()
    page.fill("dialog textarea", '"sent by hand"')
    page.click("dialog >> text=Settle it")
    page.wait_for_selector("text=settle: settled as done")
    page.click("text=Resume…")
    page.click("dialog >> text=Resume it")
    page.wait_for_selector(".state.succeeded")
    wait_for(page, ended="true", calls=1)

    page.click(".tree >> text=send")
    page.click("text=Fork from here…")
    page.click("dialog >> text=Fork it")
    page.wait_for_selector("text=forked from")
    page.wait_for_selector(".state.succeeded")
    newest, _ = journal.runs()
    assert newest.forked_from == run.id
    assert sum(isinstance(event, CallIntended) for _, event in journal.events(newest.id)) == 1


def test_from_the_command_line(journal: Journal, folder: Path, opened: Opened) -> None:
    fill(journal, "r", [done("a"), ended()])
    with Served(str(folder / "journal.db"), "--token") as address:
        assert "?token=" in address
        page = opened(address)
        page.click("text=digest")
        wait_for(page, calls=1, ended="true")
        assert "token" not in page.url
