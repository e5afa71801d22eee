"""Runs are started, killed, edited, resumed, taken over and forked, in any order; every one that ends has
ended as if it had been run once, from the beginning, by the program as it is."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from stretto.journal import open_journal
from stretto.journal.events import CallFinished, CallIntended, RunState

from .acts import HELD
from .nursery import Nursery

HEAD = "from tests.crash.acts import ask, put, tally\nfrom stretto import flow\n\n\n"
#: Edits that leave the writes as they are, and move what is recorded: by calls and loops of the same names.
VERSIONS = (
    """\
@flow
def main(n):
    found = []
    for i in range(n):
        found.append(ask(i))
        put(f"line{i}")
        tally(f"tally{i}")
    return found
""",
    """\
@flow
def main(n):
    found = []
    ask("new")
    for i in range(n):
        ask("more")
        found.append(ask(i))
        put(f"line{i}")
        tally(f"tally{i}")
    return found
""",
    """\
def extra(x):
    return ask(x) + ask("twice")


@flow
def main(n):
    found = []
    for i in range(2):
        extra(i + 100)
    for i in range(n):
        found.append(ask(i))
        if len(found[-1]) > 3:
            put(f"line{i}")
            tally(f"tally{i}")
    return found
""",
)
#: Which of the runs that there are.
WHICH = st.integers(0, 11)
RESULT = str([f"about {i}" for i in range(4)])


@dataclass
class Known:
    """A run as the test knows it: the first turn of the loop that is its own, and whether it ended."""

    first: int = 0
    ended: bool = False


class Histories(RuleBasedStateMachine):
    nursery: ClassVar[Nursery]
    #: Where processes are from that have a run while others want it.
    holder: ClassVar[Nursery]
    #: Where the folders are.
    root: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=self.root))
        self.url = str(self.folder / "journal.db")
        self.runs: dict[str, Known] = {}
        self.version = 0
        self.write(0)

    def teardown(self) -> None:
        try:
            self.check()
        finally:
            shutil.rmtree(self.folder)

    def write(self, version: int) -> None:
        self.version = version
        (self.folder / "program.py").write_text(HEAD + VERSIONS[version])

    def act(self, what: str, when: int, *about: str) -> str | None:
        """The run, if it ended; None if its process was killed."""
        code, out = self.nursery.run(what, self.url, self.folder, when, -1, *about)
        run = next((line.split(" ")[1] for line in out.splitlines() if line.startswith("run ")), None)
        if code == -9:
            assert when, "nobody asked for that"
            return None
        assert code == 0, f"{what} {about} at {when}\n{out}"
        assert f"result {RESULT}" in out
        assert run is not None
        return run

    def learn(self, known: Known | None = None) -> None:
        """A process was killed: it may have begun a run, and the run may have ended."""
        if not Path(self.url).exists():
            return
        journal = open_journal(self.url)
        try:
            for record in journal.runs():
                self.runs.setdefault(record.id, known or Known()).ended = record.state.ended
        finally:
            journal.close()

    def left(self) -> list[str]:
        return [run for run, known in self.runs.items() if not known.ended]

    # -- what can happen ------------------------------------------------------------------------------

    # Whether a process had ended when it was to be killed depends on the machine. So nothing that is drawn
    # depends on what runs there are, or Hypothesis would find two histories that begin alike to differ.

    @rule(when=st.integers(0, 60), which=WHICH)
    def start(self, when: int, which: int) -> None:
        """Never more than two at a time."""
        left = self.left()
        if len(left) < 2:
            self.act("start", when)
        else:
            self.act("resume", when, left[which % 2])
        self.learn()

    @rule(when=st.integers(0, 40), which=WHICH)
    def resume(self, when: int, which: int) -> None:
        if left := self.left():
            self.act("resume", when, left[which % len(left)])
        else:
            self.act("start", when)
        self.learn()

    @rule(version=st.integers(0, len(VERSIONS) - 1))
    def edit(self, version: int) -> None:
        self.write(version)

    @rule(when=st.integers(1, 20), which=WHICH)
    def take_over(self, when: int, which: int) -> None:
        """While a process has the run, nobody else gets it; when it is dead, they do."""
        if not self.left():
            self.act("start", when)
            self.learn()
        if not (left := self.left()):
            return
        run = left[which % len(left)]
        first = self.holder.begin("resume", self.url, self.folder, 0, 3, run)
        if self.holder.printed("result ", "hangs\n") == "result ":
            assert self.holder.end(first)[0] == 0
            self.learn()
            return  # that call was recorded: nothing to hang at
        code, out = self.nursery.run("resume", self.url, self.folder, 0, -1, run)
        os.kill(first, signal.SIGKILL)
        assert self.holder.end(first)[0] == -signal.SIGKILL
        assert code == HELD, out
        assert self.act("resume", 0, run) == run
        self.learn()

    @rule(when=st.just(0) | st.integers(0, 40), which=WHICH, turn=st.integers(0, 3))
    def fork(self, when: int, which: int, turn: int) -> None:
        if not self.runs:
            return
        run = list(self.runs)[which % len(self.runs)]
        journal = open_journal(self.url)
        try:
            puts = [
                event.place
                for _, event in journal.events(run)
                if isinstance(event, CallFinished) and event.call.endswith(":put")
                and event.place.split("/")[1] == str(turn)
            ]  # fmt: skip
        finally:
            journal.close()
        if not puts:
            return
        # what comes before the write of that turn is shared: the writes of the turns before it
        self.act("fork", when, run, puts[0])
        self.learn(Known(first=turn))

    # -- what has to hold -----------------------------------------------------------------------------

    def check(self) -> None:
        for run in self.left():
            assert self.act("resume", 0, run) == run
        if not self.runs:
            return
        world = [line.split(" ") for line in (self.folder / "world").read_text().splitlines()]
        journal = open_journal(self.url)
        try:
            for run, known in self.runs.items():
                assert journal.run(run).state is RunState.SUCCEEDED
                made = [text for by, _, text in world if by == run]
                turns = range(known.first, 4)
                assert [text for text in made if text.startswith("line")] == [f"line{i}" for i in turns]
                assert sorted(text for text in made if text.startswith("tally")) == [
                    f"tally{i}" for i in turns
                ]
                finished: set[tuple[str, bytes]] = set()
                keys: dict[tuple[str, bytes], str] = {}
                for _, event in journal.events(run):
                    if isinstance(event, CallFinished):
                        assert (event.place, event.digest) not in finished, "recorded twice: it ran twice"
                        finished.add((event.place, event.digest))
                    elif isinstance(event, CallIntended):
                        assert keys.setdefault((event.place, event.digest), event.key) == event.key
                assert keys.keys() <= finished
        finally:
            journal.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_histories(folder: Path) -> None:
    wanted = settings(
        max_examples=int(os.environ.get("STRETTO_HISTORIES", "60")),
        stateful_step_count=8,
        deadline=None,
        derandomize="STRETTO_HISTORIES" not in os.environ,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),  # a step is a process: what fails is short enough, and shrinking is slow
    )
    Histories.root = folder
    with (
        Nursery("tests.crash.acts", folder / "printed") as Histories.nursery,
        Nursery("tests.crash.acts", folder / "held") as Histories.holder,
    ):
        run_state_machine_as_test(Histories, settings=wanted)
