"""Durable runs side by side: what a recorded step costs, and what it takes to go on after a kill."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from .marks import WHERE, read

__all__ = ["durable"]

STEPS, REPEAT = 1000, 3

#: Seconds from the moment when a run is half way until it is killed. None is the hardest; after the other,
#: all that is recorded lazily has been.
PAUSES = (0.0, 0.1)

BY_HAND = "asyncio by hand, not recorded"
STRETTO = f"stretto {version('stretto')}"


def contestants() -> dict[str, str]:
    """Each name with its module and class."""
    dbos, langgraph = f"dbos {version('dbos')}", f"langgraph {version('langgraph')}"
    return {
        BY_HAND: "durable_stretto:ByHand",
        STRETTO: "durable_stretto:Stretto",
        dbos: "durable_dbos:Dbos",
        f"{dbos}, file in WAL mode": "durable_dbos:DbosWal",
        f"{langgraph}, state graph": "durable_langgraph:Graph",
        f"{langgraph}, tasks": "durable_langgraph:Tasks",
    }


@dataclass
class Resumed:
    """One run that was killed half way and taken up again.

    Attributes:
        above: seconds from the start of the second process to its first new step, above those from the start
            of the first to its first step.
        again: how many steps ran again.
        recorded: how many of those had their result on disk.
    """

    above: float
    again: int
    recorded: int


def durable() -> None:
    """Print both tables."""
    names = contestants()
    with tempfile.TemporaryDirectory(prefix="stretto-peers-") as folder:
        _print_steps(names, Path(folder))
        del names[BY_HAND]
        _print_resumed(names, Path(folder))


def _print_steps(names: dict[str, str], folder: Path) -> None:
    print(f"\n{'a recorded step':<34} {f'chain of {STEPS:,}':>46} {f'{STEPS:,} independent':>46}")
    found = _per_step(names, folder)
    for name in names:
        cells = (
            f"{times[name] * 1e6:8.1f} us {times[name] / times[BY_HAND]:6.1f} x asyncio "
            f"{times[name] / times[STRETTO]:6.1f} x stretto"
            for times in found
        )
        print(f"{name:<34} " + " ".join(f"{cell:>46}" for cell in cells))
    _, independent = found
    for peer, target in (("dbos", 50), ("langgraph", 15)):
        best = min(one for name, one in independent.items() if name.startswith(peer))
        ratio = best / independent[STRETTO]
        mark = "ok" if ratio >= target else "MISSED"
        print(f"independent steps, {peer} at its best / stretto: {ratio:.0f} x, target >= {target} x  {mark}")


def _print_resumed(names: dict[str, str], folder: Path) -> None:
    titles = (f"killed {pause:g} s after half" if pause else "killed at half" for pause in PAUSES)
    print(f"\n{f'{STEPS:,} steps, resumed':<34} " + " ".join(f"{title:>38}" for title in titles))
    numbers = iter(range(1_000_000))
    for name, what in names.items():
        cells = []
        for pause in PAUSES:
            rounds = [
                _resumed(what, _new(folder, next(numbers)), pause, to_the_end=last)
                for last in [False] * (REPEAT - 1) + [True]
            ]
            above = statistics.median(one.above for one in rounds)
            again, recorded = max(one.again for one in rounds), max(one.recorded for one in rounds)
            cells.append(f"{above:.2f} s, {again:>3} again, {recorded:>3} recorded")
        print(f"{name:<34} " + " ".join(f"{cell:>38}" for cell in cells), flush=True)
    print(
        "Seconds to the first new step, above those of a fresh run to its first (the median); the most steps "
        "that\nran again, and how many of these had their result on disk. Stretto's target: 0.1 s, 0 recorded"
    )


def _per_step(names: dict[str, str], folder: Path) -> list[dict[str, float]]:
    """Seconds for a step of a chain, and for one of many independent ones: medians, taken by turns."""
    with ExitStack() as stack:
        children = {
            name: stack.enter_context(_asked(what, _new(folder, f"times{number}")))
            for number, (name, what) in enumerate(names.items())
        }
        found: list[dict[str, float]] = []
        for shape in ("chain", "many"):
            rounds = [{name: _ask(child, shape) for name, child in children.items()} for _ in range(REPEAT)]
            found.append({name: statistics.median(one[name] for one in rounds) / STEPS for name in names})
    return found


@contextmanager
def _asked(what: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that measures when it is asked to."""
    child = subprocess.Popen(
        _command(what, folder, "time"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        _line(child)
        yield child
    finally:
        child.kill()
        child.communicate()


def _ask(child: subprocess.Popen[str], shape: str) -> float:
    assert child.stdin is not None
    print(shape, file=child.stdin, flush=True)
    return float(_line(child))


def _resumed(what: str, folder: Path, pause: float, *, to_the_end: bool) -> Resumed:
    """A run that is killed half way, and taken up by another process."""
    half = STEPS // 2
    subprocess.run(_command(what, folder, "prepare"), check=True, stdout=subprocess.DEVNULL)
    first, second = folder / "first", folder / "second"
    begun = time.time()
    _run_to_half(_command(what, folder, "begin"), first, half, pause)
    # A copy is looked at, since opening a database cleans up after the kill.
    copied = Path(shutil.copytree(folder, folder.with_name(f"{folder.name}-copy")))
    looked = subprocess.run(
        _command(what, copied, "recorded"), check=True, stdout=subprocess.PIPE, text=True, env=_marking(None)
    )
    recorded = int(looked.stdout)
    resumed = time.time()
    if to_the_end:
        done = subprocess.run(
            _command(what, folder, "resume"),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env=_marking(second),
        )
        assert int(done.stdout) == STEPS, f"{what} ended with {done.stdout}"
    else:
        _run_to_half(_command(what, folder, "resume"), second, half, 0.0)
    before, after = read(first), read(second)
    again = {number for number, _ in before if number < half} & {number for number, _ in after}
    new = next(when for number, when in after if number == half)
    return Resumed(
        above=(new - resumed) - (before[0][1] - begun),
        again=len(again),
        recorded=sum(number < recorded for number in again),
    )


def _run_to_half(command: list[str], file: Path, half: int, pause: float) -> None:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_marking(file, half)) as child:
        try:
            said = _line(child)
            assert said == "half", said
            time.sleep(pause)
        finally:
            child.kill()


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        sys.exit(f"{child.args} has ended: {child.wait()}")
    return line.strip()


def _command(what: str, folder: Path, order: str) -> list[str]:
    return [sys.executable, "-m", f"{__package__}.child", what, str(folder), order, str(STEPS)]


def _marking(file: Path | None, half: int = -1) -> dict[str, str]:
    return {**os.environ, WHERE: f"{file or os.devnull},{half}"}


def _new(folder: Path, name: object) -> Path:
    made = folder / str(name)
    made.mkdir()
    return made
