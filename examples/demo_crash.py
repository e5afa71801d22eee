"""The demo's last act: the program is killed half way, for real, and is taken up again.

What is killed is a process of the demo's own: examples/briefing.py, as a user starts it, with nothing added
but the environment variable that names a journal.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from front import Front, Traffic
from model_server import ServerError
from telling import bad, dot, good, say, yes_or_no

BRIEFING = Path(__file__).parent / "briefing.py"
#: Seconds after which a process is taken to hang.
PATIENCE = 900.0
#: Recorded answers are given within so many seconds: if all came in one moment, there would be no half way.
WITHIN = 3.0


@dataclass(frozen=True)
class Resumed:
    """A run that was killed and taken up: what came of it, and which requests it took.

    Attributes:
        page: the result of the flow.
        file: what it wrote.
        wrote_early: there was a file already when it was killed.
        before, after: what passed until the kill, and from there on.
        recorded: how many of the model's answers were in the journal at the kill.
        calls: how many calls of the model the whole run has.
        seconds: from starting Python for the second time until the end.
    """

    page: str
    file: bytes
    wrote_early: bool
    before: Traffic
    after: Traffic
    recorded: int
    calls: int
    seconds: float

    @property
    def none_again(self) -> bool:
        """Whether each call was asked after the kill or recorded before it, and none both."""
        return self.recorded + self.after.requests == self.calls


class Crash:
    """One run that is killed, with a journal of its own."""

    def __init__(self, front: Front, folder: str, scratch: Path, replay: dict[bytes, bytes] | None) -> None:
        scratch.mkdir()
        self._front, self._folder, self._replay = front, folder, replay
        self._out, self._journal = scratch / "briefing.md", scratch / "runs.db"
        self._environment = {**os.environ, "STRETTO_JOURNAL": str(self._journal), "PYTHONIOENCODING": "utf-8"}

    def carry_out(self, answers: int) -> Resumed:
        """Kill the program when the model has given so many answers, and resume it."""
        before = self._killed(answers)
        wrote_early = self._out.exists()
        [run] = self._stretto("ls")
        recorded = self._model_calls(run["id"])
        say(f"  {'resumed':13}", end="")
        after = self._front.watch(replay=self._replay, within=WITHIN, on_answer=dot)
        began = time.perf_counter()
        result = self._stretto("resume", run["id"])
        seconds = time.perf_counter() - began
        say(f" {seconds:.1f} s")
        calls = self._model_calls(run["id"])
        return Resumed(
            result["result"], self._out.read_bytes(), wrote_early, before, after, recorded, calls, seconds
        )

    def _killed(self, answers: int) -> Traffic:
        """Start the program, and kill it; what it asked until then."""
        left = answers
        say(f"  {'killed':13}", end="")

        def answered() -> None:
            nonlocal left
            left -= 1
            if left >= 0:
                dot()
            if left == 0:
                program.send_signal(signal.SIGKILL)  # it gets no chance to tidy up, or to notice

        traffic = self._front.watch(replay=self._replay, within=WITHIN, on_answer=answered)
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, str(BRIEFING), self._folder, "--out", str(self._out)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=self._environment,
        ) as program:  # fmt: skip
            try:
                _, said = program.communicate(timeout=PATIENCE)
            except BaseException:
                program.kill()
                raise
        say(f" SIGKILL after {answers} answers, {time.perf_counter() - began:.1f} s")
        if program.returncode != -signal.SIGKILL:
            raise ServerError(f"it was not killed, but ended with code {program.returncode}:\n{said}")
        traffic.wait_until_idle()  # a model server finishes what it was asked, though nobody listens
        return traffic

    def _model_calls(self, run: str) -> int:
        """How many calls of the model are recorded, with what they came back with."""
        calls = self._stretto("show", run)["calls"]
        return sum(call["call"].endswith(":chat") and call["state"] == "done" for call in calls)

    def _stretto(self, *words: str) -> Any:
        """What the command line prints, as JSON; the last line where it prints one after the other."""
        done = subprocess.run(
            [sys.executable, "-m", "stretto", *words, "--json"],
            capture_output=True, text=True, encoding="utf-8", env=self._environment, timeout=PATIENCE,
        )  # fmt: skip
        if done.returncode:
            raise ServerError(f"stretto {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1] if words[0] == "resume" else done.stdout)


def kill_and_resume(
    front: Front,
    folder: str,
    scratch: Path,
    uninterrupted: tuple[str, bytes],
    recorded: Traffic,
    seconds: float,
) -> bool:
    """The act: whether the run had the outcome of an uninterrupted one, and asked nothing twice.

    Args:
        uninterrupted: the result and the file of the run that was not killed.
        recorded: its traffic.
        seconds: what the same program took overlapped and without a kill.
    """
    if not recorded.requests:
        say("  Nothing to see here: the program asked the model nothing, so there is nothing to interrupt.")
        return True
    half = (recorded.requests + 1) // 2
    run = Crash(front, folder, scratch / "killed", None).carry_out(half)
    fine = _tell(run)
    say(
        f"  Resuming took {run.seconds:.1f} s, the start of Python included. "
        f"Not killed, the run took {seconds:.1f} s."
    )
    if (run.page, run.file) == uninterrupted:
        say(f"  Same briefing, same file as without the kill: {good('yes')}.")
        return fine
    say(
        "  Same briefing, same file as without the kill: not comparable as it stands, since the model\n"
        "  itself answered differently. So this is done once more with the recorded answers of the\n"
        f"  line-by-line run, each given back within {WITHIN:g} s:\n"
    )
    run = Crash(front, folder, scratch / "killed-again", recorded.answers).carry_out(half)
    fine = _tell(run) and fine
    same = (run.page, run.file) == uninterrupted
    say(f"  Same briefing, same file, on the recorded answers: {yes_or_no(same)}.")
    return fine and same


def _tell(run: Resumed) -> bool:
    """What a run that was killed took; whether all of it is as promised."""
    asked, recorded, again = run.before.requests, run.recorded, run.after.requests
    say(f"\n  {'':13}{'requests':>10}{'answers in the journal':>25}")
    say(f"  {'killed':13}{asked:10}{recorded:25}")
    say(f"  {'resumed':13}{again:10}{run.calls:25}")
    say(
        f"\n  When it was killed, {asked} questions had been asked, and {recorded} answers were recorded.\n"
        f"  Of {run.calls} questions in all, {recorded} were answered from the journal when it was resumed,\n"
        f"  and {again} were asked. None that was recorded was asked again: {yes_or_no(run.none_again)}."
    )
    if run.wrote_early:
        say(bad("  The file had been written before all that it depends on was done."))
    return run.none_again and not run.wrote_early
