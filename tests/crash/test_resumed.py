"""Programs that are killed at one certain moment, and end as if they had not been."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow

HEAD = """\
import asyncio, os, random, signal
from pathlib import Path
from stretto import call, flow
from stretto.journal.configured import shared

FIRST = "FIRST" in os.environ

def kill():
    if FIRST:
        os.kill(os.getpid(), signal.SIGKILL)

@call.writes("w", idempotent=True)
async def end(what: object = "end") -> None:
    kill()
    print(what, flush=True)

@call.writes("w")
def put(what: object) -> None:
    print("put", what, flush=True)

@call.reads("a")
async def slow() -> int:
    await asyncio.sleep(100)
    return 1

"""

STREAM = """
@call.unordered
async def tokens(n: int):
    for i in range(n):
        await asyncio.sleep(100 if FIRST and i == 3 else 0.001)
        yield ("t") + str(i)

@call.writes("w", idempotent=True)
async def note(token: str) -> None:
    if token == "t2":
        kill()
    print("note", token, flush=True)

@flow
def main() -> str:
    found = []
    for token in tokens(5):
        note(token)
        found.append(token)
    return " ".join(found)
"""


class Case(NamedTuple):
    """A program; what resuming it ends with, and prints; what is edited before."""

    program: str
    code: int
    out: str
    err: str = ""
    edit: tuple[str, str] = ("", "")


CASES = {
    "a piece of code that is stopped makes no more calls": Case(
        """
@call.writes("w")
def pay(n: int) -> None:
    kill()

class Till:
    def go(self, n):
        try:
            pay(n)
        finally:
            put("refund")

till = Till()

@flow
def main() -> str:
    list(f(3) for f in [till.go])
    return "never"
""",
        1,
        "",
        "nothing tells whether it happened",
    ),
    "a doubt that is settled, and an orphan": Case(
        """
@call.writes("w", check=lambda n: False)
def pay(n: int) -> None:
    kill()
    print("paid")

@flow
def main() -> str:
    put(5)
    pay(1)
    return "done"
""",
        0,
        "paid\ndone\n",
    ),
    "an orphan, and a doubt": Case(
        """
@call.writes("w", check=lambda n: False)
def pay(n: int) -> None:
    kill()
    print("paid")

@call.writes("w")
def new(n: int) -> None: ...

@flow
def main() -> str:
    put(5)
    pay(1)
    return "done"
""",
        1,
        "",
        "without having made these recorded writes again",
        ("    put(5)\n", "    new(5)\n"),
    ),
    "calls that a failure has cancelled before a flow runs out of time": Case(
        """
@call.reads("a")
async def bad() -> int:
    raise ValueError

@flow(timeout=0.2)
def inner() -> int:
    return slow()

@flow
def main() -> str:
    try:
        r = str(bad() + slow())
    except ValueError:
        r = "bad"
    try:
        inner()
    except TimeoutError:
        r += " late"
    end()
    return r
""",
        0,
        "end\nbad late\n",
    ),
    "a write that was under way when its flow ran out of time": Case(
        """
@call.writes("w", idempotent=True)
async def long() -> None:
    await asyncio.sleep(1)

@flow(timeout=0.2)
def inner() -> None:
    long()

@flow
def main() -> str:
    try:
        inner()
    except TimeoutError:
        pass
    put("handled")
    end()
    return "done"
""",
        0,
        "end\ndone\n",
    ),
    "calls that commute, of which a later one was made": Case(
        """
@call.commutes("c", fails=False, idempotent=True)
async def add(n: int) -> None:
    print("add", n, flush=True)
    if FIRST and n == 1:
        await asyncio.sleep(100)
    if n == 3:
        await asyncio.sleep(0.3)
        shared(".stretto/journal.db").flush()  # that 2 has ended
        kill()

@flow
def main() -> str:
    add(1)
    add(2)
    add(3)
    return "done"
""",
        0,
        "add 1\nadd 3\ndone\n",
    ),
    "killed between two attempts of a write": Case(
        """
def made(n):
    return Path("made").exists()

@call.writes("w", retries=3, check=made)
def once(n: int) -> None:
    assert not Path("made").exists()
    Path("made").touch()
    if FIRST:
        raise ConnectionError("the answer is lost")

@call.unordered
async def killer() -> str:
    while FIRST and not Path("made").exists():
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.03 * FIRST)
    kill()
    return "done"

@flow
def main() -> str:
    once(1)
    return killer()
""",
        0,
        "done\n",
    ),
    "a stream that gives the same again": Case(
        STREAM,
        0,
        "note t2\nnote t3\nnote t4\nt0 t1 t2 t3 t4\n",
    ),
    "a stream that gives something else the second time": Case(
        STREAM.replace('"t"', '"t" if FIRST or i != 1 else "x"'),
        1,
        "",
        "item 2 was 't1', and now 'x1'",
    ),
    "twins, and an edit above them": Case(
        """
@call.reads("k")
def get(k: str) -> str:
    return Path(k).read_text() if Path(k).exists() else "none"

@call.writes("k")
def set_to(k: str, v: str) -> None:
    Path(k).write_text(v)

@flow
def main() -> str:
    before = get("x")
    set_to("x", "new")
    after = get("x")
    end()
    return f"{before} {after}"
""",
        0,
        "end\nnone new\n",
        edit=("    before =", '    get("other")\n    before ='),
    ),
    "a generator of random numbers that was seeded": Case(
        """
@flow
def main() -> str:
    random.seed(5)
    a = random.random()
    end(a)
    return f"{a:.3f} {random.random():.3f}"
""",
        0,
        "0.6229016948897019\n0.623 0.742\n",
    ),
    "an exception whose class cannot be found any more": Case(
        """
def make():
    class NoSuchKey(Exception): ...
    return NoSuchKey

NoSuchKey = make()

@call.reads("a")
async def missing() -> str:
    raise NoSuchKey("k")

@flow
def main() -> str:
    try:
        v = missing()
    except NoSuchKey:
        v = "default"
    end()
    return v
""",
        1,
        "",
        "what missing came to is recorded in the run",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_as_if_it_had_not_been_killed(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    (tmp_path / "p.py").write_text(HEAD + case.program)

    def stretto(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "stretto", *words]
        environment = {**os.environ, **more}
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, env=environment
        )

    first = stretto("run", "p.py:main", FIRST="yes")
    assert first.returncode == -9, first.stderr
    (tmp_path / "p.py").write_text(HEAD + case.program.replace(*case.edit))
    run = stretto("ls", "--json").stdout.split('"id": "')[1].split('"')[0]
    resumed = stretto("resume", run)
    assert (resumed.returncode, resumed.stdout) == (case.code, case.out), resumed.stderr
    assert case.err in resumed.stderr
