"""What `make demo` shows: examples/briefing.py on a real model, line by line and overlapped, and killed;
and examples/headlines.py, with limits, a budget, and words as they come.

    python examples/demo.py             # the notes beside this file
    python examples/demo.py FOLDER      # any folder with .md, .txt or .rst files

It ends with 0 if the overlapped runs had exactly the outcome of the line-by-line runs, and so had the run
that was killed half way and taken up again, and if no limit was passed; else with 1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # so that `python -m examples.demo` works as well

from demo_bounds import within_bounds
from demo_crash import kill_and_resume
from front import Front, Traffic
from model_server import ModelServer, ServerError
from telling import bad, bold, dot, good, indented, say, yes_or_no


@dataclass(frozen=True)
class Run:
    """One run of the flow: what came out, and what it took."""

    page: str
    file: bytes
    seconds: float
    traffic: Traffic

    @property
    def outcome(self) -> tuple[str, bytes]:
        return self.page, self.file


class Demo:
    """The flow in its two ways of running, with the front between it and the model."""

    def __init__(self, front: Front, folder: str, scratch: Path) -> None:
        from briefing import briefing, chat

        self._flow, self._chat = briefing, chat
        self._front, self._folder, self._scratch = front, folder, scratch

    def warm_up(self) -> None:
        """One question before any is timed: the first waits for the client to be imported and set up."""
        self._chat("Say hello.")

    def line_by_line(self, delay: float) -> Run:
        return self._run("line by line", self._flow.sequential, self._front.watch(delay=delay, on_answer=dot))

    def overlapped(self, delay: float) -> Run:
        return self._run("overlapped", self._flow, self._front.watch(delay=delay, on_answer=dot))

    def replayed(self, recorded: Traffic) -> Run:
        """Overlapped, with the answers that another run got."""
        traffic = self._front.watch(replay=recorded.answers, on_answer=dot)
        return self._run("replayed", self._flow, traffic)

    def _run(self, name: str, run: Callable[[str, str], str], traffic: Traffic) -> Run:
        say(f"  {name:13}", end="")
        out = self._scratch / "briefing.md"
        out.unlink(missing_ok=True)
        began = time.perf_counter()
        page = run(self._folder, str(out))
        seconds = time.perf_counter() - began
        say(f" {seconds:.1f} s")
        return Run(page, out.read_bytes(), seconds, traffic)

    def pair(self, title: str, delay: float) -> tuple[Run, Run, bool]:
        """Both ways, side by side: line by line, overlapped, and whether the outcome was the same."""
        say(f"\n{bold(title)}  (a dot is an answer of the model)\n")
        reference = self.line_by_line(delay)
        overlapped = self.overlapped(delay)
        say(f"\n  {'':13}{'seconds':>9}{'requests':>10}{'most at once':>14}")
        for name, run in (("line by line", reference), ("overlapped", overlapped)):
            traffic = run.traffic
            say(f"  {name:13}{run.seconds:9.1f}{traffic.requests:10}{traffic.most_at_once:14}")
        say(f"\n  {reference.seconds / overlapped.seconds:.2f} times as fast.")
        return reference, overlapped, self._same(reference, overlapped)

    def _same(self, reference: Run, overlapped: Run) -> bool:
        if reference.outcome == overlapped.outcome:
            say(f"  Same briefing, same file: {good('yes')}.")
            return True
        before, now = reference.traffic.said(), overlapped.traffic.said()
        changed = sum(before[question] != now[question] for question in before.keys() & now.keys())
        say(
            "  Same briefing, same file: not comparable as it stands. The model itself answered\n"
            f"  {changed} of the {len(before)} questions differently: it was asked several at once, and its\n"
            "  rounding depends on that. So the overlapped run is repeated with the recorded answers of\n"
            "  the line-by-line run, given back in an order of their own:\n"
        )
        same = self.replayed(reference.traffic).outcome == reference.outcome
        say(f"\n  Same briefing, same file, on the recorded answers: {yes_or_no(same)}.")
        return same


def show(folder: str, out: Path, delay: float) -> bool:
    """The whole demo; whether the outcomes were the same."""
    with ExitStack() as stack:
        upstream = os.environ.get("OPENAI_BASE_URL")
        if upstream:
            say(f"Using the model server at {upstream} (OPENAI_BASE_URL).")
        else:
            say("Starting a small language model (SmolLM2, 135 million parameters) on this computer ...")
            began = time.perf_counter()
            upstream = stack.enter_context(ModelServer()).base_url
            say(f"It answers at {upstream} after {time.perf_counter() - began:.1f} s, and uses one core.")
        front = stack.enter_context(Front(upstream))
        os.environ["OPENAI_BASE_URL"] = front.base_url
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stretto-demo-")))
        demo = Demo(front, folder, scratch)
        demo.warm_up()
        say(f"The program is the flow in examples/briefing.py; it reads {folder}.")

        here, overlapped, same_here = demo.pair("1. As it is: the model on one core of this computer", 0.0)
        say("  A model that is bound by a core gains no more than it gains by working on several at once.")
        _, _, same_away = demo.pair(
            f"2. With {delay:g} s added to each request, as a distant server has it", delay
        )
        say(
            "  The delay is added in front of the model server (examples/front.py): half of it on the way\n"
            "  there, half on the way back. The model still computes on one core of this computer."
        )

        say(
            f"\n{bold('3. Killed half way, and taken up again')}\n\n"
            "  The same program in a process of its own, with a journal (the variable STRETTO_JOURNAL names\n"
            "  it). When the model has given half of its answers, the demo kills that process (SIGKILL).\n"
            "  Then `stretto resume` takes the run up in another process.\n"
        )
        survived = kill_and_resume(front, folder, scratch, here.outcome, here.traffic, overlapped.seconds)

        say(
            f"\n{bold('4. Within bounds: a limit, a budget, and words as they come')}\n\n"
            "  Another program, examples/headlines.py, on the same notes. It asks for as many headlines as\n"
            "  its budget of tokens pays for, and shows a letter word by word.\n"
        )
        bounded = within_bounds(front, folder)

        shutil.copyfile(scratch / "briefing.md", out)
        say(f"\n{bold(f'The briefing, as it is in {out}')}  (by a very small model: obedient, not wise)\n")
        say(indented(here.page))
        same = same_here and same_away and bounded
        if same:
            say(good("The overlapped runs had exactly the outcome of running the program line by line."))
        else:
            say(bad("The overlapped runs did NOT have the outcome of running the program line by line."))
        if survived:
            say(good("The run that was killed ended as if it had not been."))
        else:
            say(bad("The run that was killed did NOT end as if it had not been."))
        return same and survived


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the briefing line by line and overlapped, and compare.")
    parser.add_argument("folder", nargs="?", default=os.path.relpath(Path(__file__).parent / "notes"))
    parser.add_argument(
        "--out", type=Path, default=Path("briefing.md"), help="the file to write (briefing.md)"
    )
    parser.add_argument("--delay", type=float, default=1.0, help="seconds added to each request (1)")
    options = parser.parse_args()
    try:
        return 0 if show(options.folder, options.out, options.delay) else 1
    except (ServerError, OSError, subprocess.TimeoutExpired) as error:
        say(f"\n{error}")
        return 1
    except KeyboardInterrupt:
        say("\nStopped.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
