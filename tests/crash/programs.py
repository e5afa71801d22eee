"""Flows that are killed, each with the world that it writes to: a folder of files.

`main` runs one in a process of its own (see `nursery`), which kills itself at moment `when`: moments are
counted in the thread that writes the journal (before, within and after each transaction) and before and after
each write of the flow itself. 0 never comes.
"""

from __future__ import annotations

import asyncio
import functools
import os
import random
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import stretto
from stretto import Done, budget, call, flow, route, way
from stretto.errors import BudgetExceeded, InDoubt, JournalError
from tests.waiting import PATIENCE

folder = Path()
last = 0
moments = 0


def moment(_: object = None) -> None:
    """Something could go wrong now."""
    global moments
    moments += 1
    if moments == last:
        os.kill(os.getpid(), signal.SIGKILL)


def lines(name: str) -> list[str]:
    path = folder / name
    return path.read_text().splitlines() if path.exists() else []


def append(name: str, text: str) -> None:
    moment()
    with open(folder / name, "a") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    moment()


@call.unordered
async def ask(x: object) -> str:
    await asyncio.sleep(0.001)
    return f"about {x}"


@call.reads("shelf")
async def count(shelf: str) -> int:
    await asyncio.sleep(0)
    return len(lines(shelf))


def was_put(shelf: str, text: str) -> bool:
    return any(line.startswith(f"{text} ") for line in lines(shelf))


@call.writes("shelf", check=was_put)
async def put(shelf: str, text: str) -> None:
    """Writes that can be asked for: a line of the text and the key."""
    append(shelf, f"{text} {stretto.current().key}")


@call.commutes("tally", check=was_put)
def tally(shelf: str, text: str) -> None:
    append(shelf, f"{text} {stretto.current().key}")


@call.writes("log:{name}", idempotent=True)
async def replace(name: str, text: str) -> int:
    """The same twice as once."""
    moment()
    (folder / f"log-{name}").write_text(text)
    moment()
    return len(text)


@call.reads("vault", secret=True)
async def login(user: str, password: str) -> str:
    await asyncio.sleep(0)
    return f"{user}/{password}"


def was_signed(shelf: str, text: str, token: str) -> bool | Done:
    return Done(f"signature:{token}") if was_put(shelf, text) else False


@call.writes("shelf", secret=["token", "return"], check=was_signed)
async def sign(shelf: str, text: str, token: str) -> str:
    append(shelf, f"{text} {stretto.current().key}")
    return f"signature:{token}"


@call.unordered
async def fail(x: int) -> int:
    await asyncio.sleep(0)
    raise ValueError(x)


@call.unordered
async def words(n: int) -> AsyncIterator[str]:
    for i in range(n):
        await asyncio.sleep(0.002)
        yield f"word{i}"


@call.unordered
def pages(n: int) -> Iterator[list[int]]:
    for i in range(n):
        yield [i]


@flow
def straight(n: int) -> list[object]:
    found: list[object] = []
    for i in range(n):
        found.append(ask(i))
        put("a", f"line{i}")
        found.append(count("a"))
    return found


def helper(i: int) -> str:
    if i % 2:
        put("a", f"odd{i}")
        return ask(i)
    tally("t", f"even{i}")
    return ask("even")


@flow
def nested(i: int) -> str:
    replace("inner", f"{i}")
    return helper(i) + helper(i + 1)


@flow
def branches(n: int) -> list[object]:
    texts = [helper(i) for i in range(n)]
    found: list[object] = [*texts]
    try:
        fail(n)
        put("a", "never")
    except ValueError as error:
        put("a", f"failed{error}")
    finally:
        replace("end", texts[-1])
    i = 0
    while len(ask(i)) < 9 and i < 12:
        i += 5
        put("a", f"turn{i}")
    found.append(nested(i))
    return found


@flow
def reads(n: int) -> list[object]:
    found: list[object] = [time.time(), uuid.uuid4(), os.environ.get("HOME")]
    for i in range(n):
        found.append(random.random())
        put("a", f"{i}:{found[-1]}")
        replace("time", str(time.monotonic()))
    put("a", str(found[0]))
    put("a", str(found[1]))
    return found


@flow
def natively(n: int) -> list[object]:
    """Calls in code that runs as a whole."""

    def step(total: int, i: int) -> int:
        put("a", f"native{total}.{i}")
        return total + len(ask(i))

    found: list[object] = [functools.reduce(step, range(n), 0)]
    for i in range(2):
        found.append(functools.reduce(lambda a, b: replace("sum", f"{a}{b}"), range(n), i))
        found.append(functools.reduce(lambda a, b: a + nested(10 * i + 2 * b), range(2), "flows: "))
        put("a", f"between{i}")
    return found


@flow
def streamed(n: int) -> list[object]:
    found: list[object] = []
    for word in words(n):
        put("a", word)
        found.append(ask(word))
    for i, word in enumerate(words(2 * n)):
        if i == n:
            break
        tally("t", f"{i}{word}")
    for page in pages(n):
        for word in words(2):
            put("a", f"{page}{word}".replace(" ", ""))
        page.append(len(ask(page)))
        found.append(page)
    found.append("".join([ask(word) for word in words(n)]))
    put("a", "end")
    return found


@call.unordered(usd=0.02, rate="400/s")
async def priced(x: int) -> dict[str, float]:
    await asyncio.sleep(0.001)
    return {"cost": x % 3 / 200}


@call.unordered
async def shaky(x: int) -> str:
    await asyncio.sleep(0.001)
    if x % 2:
        raise ValueError(x)
    return f"shaky {x}"


@call.unordered(usd=0.005)
async def steady(x: int) -> str:
    await asyncio.sleep(0.001)
    return f"steady {x}"


either = route(way(shaky, cost=0), way(steady, cost=1))


@flow
def bounded(n: int) -> list[object]:
    """Calls that a rate, a budget and a route see to: what is recorded counts, and costs nothing anew."""
    found: list[object] = []
    try:
        with budget(usd=0.05):
            for i in range(10 * n):
                found.append(priced(i)["cost"])
                if i % 3 == 1:
                    put("a", f"{either(i)} after {found[-1]}")
    except BudgetExceeded as error:
        put("a", "stopped")
        found.append(str(error))
    return found


@flow(secret="n")
def secretly(n: int) -> list[object]:
    found: list[object] = []
    for i in range(n):
        token = login("ann", "x" * n * i)
        signature = sign("a", f"signed{i}", token=token)
        put("a", f"with{i}:{len(signature)}")
        found.append(len(signature))
    return found


@flow
def yielding(n: int) -> Iterator[str]:
    """What leaves is different in each run: so what has left must be on record."""
    put("a", "begun")
    for i in range(n):
        yield f"{ask(i)} {random.random()}"
        put("a", f"taken{i}")
        for word in words(2):
            yield f"{word} {uuid.uuid4()}"
    tally("t", "end")


def given(values: Iterator[str]) -> None:
    """Go over the values; those that an earlier process was given are the same."""
    path = folder.with_suffix(".given")
    before = path.read_text().splitlines() if path.exists() else []
    with open(path, "a") as file:
        for i, value in enumerate(values):
            moment()
            if i < len(before):
                assert value == before[i], f"{before} became {value} at {i}"
                continue
            file.write(value + "\n")
            file.flush()
            moment()


FLOWS = {
    "straight": (straight, 4),
    "branches": (branches, 3),
    "reads": (reads, 3),
    "natively": (natively, 2),
    "bounded": (bounded, 3),
    "streamed": (streamed, 3),
    "secretly": (secretly, 3),
    "yielding": (yielding, 2),
}


def rehearse() -> None:
    """All that the processes here import."""
    import stretto.journal.postgres  # noqa: F401  its driver takes longer to import than a run takes

    with tempfile.TemporaryDirectory() as where:
        main("secretly", f"{where}/journal.db", where, "0")


def main(name: str, url: str, where: str, when: str) -> None:
    global folder, last
    folder, last = Path(where), int(when)
    program, n = FLOWS[name]
    from stretto.journal import configured, open_journal

    # the one place where the tests know the inside: the journal calls at each of its moments
    configured._shared[str(Path(url).resolve()) if "://" not in url else url] = open_journal(
        url, probe=moment
    )
    stretto.configure(journal=url)
    journal = configured.current()
    assert journal is not None
    before = journal.runs()
    try:
        if before and before[0].state.ended:
            print("ended")
            return
        run = program.start(n) if not before else stretto.resume(before[0].id)
        if program.yields:
            given(iter(run))
        else:
            run.result(PATIENCE)
        journal.flush()
    except (InDoubt, JournalError) as error:
        print(f"{type(error).__name__}: {error}")
        sys.exit(3)
    finally:
        print(moments)
