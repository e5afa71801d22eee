"""Flows in a notebook: a real kernel, which has a loop of its own running while a cell does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from stretto.errors import RunNotFound
from stretto.journal import Journal, open_journal
from stretto.journal.events import CallFinished
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow

FLOWS = """
import asyncio
import stretto
from stretto import call, flow

running, most, ran = 0, 0, []

@call.unordered
async def double(x: int) -> int:
    global running, most
    running += 1
    most = max(most, running)
    await asyncio.sleep(0.05)
    running -= 1
    ran.append(x)
    return 2 * x

def both(x):
    return double(x) + double(x + 1)

@flow
def doubled(xs: list[int]) -> list[int]:
    return [both(x) for x in xs]
"""

BROKEN = """
@call.unordered
async def wrong(x: int) -> int:
    # not at the top
    raise ValueError(x)

@flow
def divides(x: int) -> float:
    y = double(x)
    # the line
    z = 1 / (y - 2)
    return z

@flow
def fails(x: int) -> int:
    y = double(x)
    return y + wrong(x)
"""

STUCK = """
import asyncio
from pathlib import Path
from stretto import call, flow

@call.unordered
async def wait(name: str) -> None:
    try:
        Path(name).write_text("")
        await asyncio.sleep(3600)
    finally:
        Path(f"{name}-left").write_text("")

@flow
def stuck() -> None:
    wait("a")
    wait("b")
"""

HALF = """
import asyncio
from pathlib import Path
import stretto
from stretto import call, flow

@call.unordered
def noted(x: int) -> int:
    with open("noted", "a") as file:
        print(x, file=file)
    return x

@call.unordered
async def opened(x: int) -> int:
    Path("waits").touch()
    while not Path("open").exists():
        await asyncio.sleep(0.01)
    return x

@flow
def halves(n: int) -> int:
    total = 0
    for i in range(n):
        total += noted(i)
    return opened(total)

stretto.configure(journal="runs.db")
"""


class Notebook:
    """A notebook whose cells are added, and run, one at a time."""

    def __init__(self, client: NotebookClient) -> None:
        self.client = client

    def __call__(self, source: str) -> Coroutine[Any, Any, Any]:
        """Run one more cell. What it printed and the value of its last line, as text; its errors are raised
        by `said`."""
        cells = self.client.nb.cells
        cells.append(new_code_cell(source.strip()))
        return self.client.async_execute_cell(cells[-1], len(cells) - 1)

    async def said(self, source: str) -> str:
        outputs = (await self(source)).outputs
        for one in outputs:
            assert one.output_type != "error", "\n".join(one.traceback)
        return "".join(one.get("text") or one.data["text/plain"] for one in outputs)

    async def failed(self, source: str) -> tuple[str, str, str]:
        """The name, the message and the traceback of what a cell raises."""
        error = (await self(source)).outputs[-1]
        assert error.output_type == "error", error
        return error.ename, error.evalue, re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))

    async def restart(self) -> None:
        await self.client.km.restart_kernel(now=True)
        await self.client.kc.wait_for_ready(timeout=PATIENCE)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Notebook]:
    notebook = new_notebook()
    place = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook, timeout=int(PATIENCE), startup_timeout=int(PATIENCE),
        allow_errors=True, kernel_name="python3", resources=place,
    )  # fmt: skip
    async with client.async_setup_kernel():
        yield Notebook(client)


@pytest.fixture
def in_notebook(folder: Path) -> Callable[[Callable[[Notebook], Coroutine[Any, Any, None]]], None]:
    """Runs what is given a notebook in an empty folder, with a kernel of its own."""

    def run(work: Callable[[Notebook], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            async with opened(folder) as notebook:
                await work(notebook)

        asyncio.run(whole())

    return run


async def until(there: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        while not there.exists():
            await asyncio.sleep(0.01)


async def until_recorded(journal: Path, run: str, results: int) -> None:
    """Waits until so many results of a run are on disk: what is not there yet runs again after a crash."""
    with closing(open_journal(journal)) as opened:
        async with asyncio.timeout(PATIENCE):
            while results_of(opened, run) < results:
                await asyncio.sleep(0.01)


def results_of(opened: Journal, run: str) -> int:
    """How many results of a run are on disk."""
    try:
        return sum(isinstance(event, CallFinished) for _, event in opened.events(run))
    except RunNotFound:
        return 0  # that it has begun is not there yet either


def test_every_way_to_run_a_flow_works_in_a_cell(in_notebook) -> None:
    async def work(cell: Notebook) -> None:
        await cell.said(FLOWS)
        assert await cell.said("doubled([1, 2])") == "[6, 10]"
        assert await cell.said("most") == "4"
        assert await cell.said("await doubled.aio([1, 2])") == "[6, 10]"
        assert await cell.said("doubled.sequential([1, 2])") == "[6, 10]"
        assert await cell.said("run = doubled.start([1, 2])\nrun.result(), run.done()") == "([6, 10], True)"
        assert await cell.said("double(4)") == "8"

    in_notebook(work)


def test_a_cell_that_is_run_again_defines_the_flow_anew(in_notebook) -> None:
    async def work(cell: Notebook) -> None:
        await cell.said(FLOWS)
        assert await cell.said("doubled([1])") == "[6]"
        await cell.said("def both(x):\n    return 100 * double(x)")
        assert await cell.said("doubled([1])") == "[200]"
        await cell.said("@flow\ndef doubled(xs):\n    return [double(x) for x in xs]")
        assert await cell.said("doubled([1])") == "[2]"

    in_notebook(work)


def test_an_interrupt_of_the_kernel_ends_a_direct_call(in_notebook, folder: Path) -> None:
    async def work(cell: Notebook) -> None:
        await cell.said(STUCK)
        running = asyncio.create_task(cell.failed("stuck()"))
        await until(folder / "a")
        await until(folder / "b")
        await cell.client.km.interrupt_kernel()
        name, _, trace = await running
        assert name == "KeyboardInterrupt"
        assert "stuck()" in trace and "runs.py" not in trace
        assert (folder / "a-left").exists() and (folder / "b-left").exists()
        assert await cell.said("1 + 1") == "2"

    in_notebook(work)


def test_a_traceback_shows_the_lines_of_the_cell(in_notebook) -> None:
    async def work(cell: Notebook) -> None:
        await cell.said(FLOWS)
        await cell.said(BROKEN)
        name, message, trace = await cell.failed("divides(1)")
        assert (name, message) == ("ZeroDivisionError", "division by zero")
        assert "Cell In[2], line 10" in trace
        assert "---> 10     z = 1 / (y - 2)" in trace
        name, message, trace = await cell.failed("fails(1)")
        assert (name, message) == ("ValueError", "1")
        assert "---> 16     return y + wrong(x)" in trace
        assert "----> 4     raise ValueError(x)" in trace

    in_notebook(work)


def test_a_run_is_taken_up_in_the_kernel_that_it_was_begun_in(in_notebook, folder: Path) -> None:
    async def work(cell: Notebook) -> None:
        await cell.said(HALF)
        await cell.said("run = halves.start(3)")
        await until(folder / "waits")
        await cell.said("run.interrupt()")
        (folder / "open").touch()
        assert await cell.said("stretto.resume(run.id).result()") == "3"
        assert sorted((folder / "noted").read_text().split()) == ["0", "1", "2"]

    in_notebook(work)


def test_after_a_restart_the_cell_of_the_flow_has_to_be_run_first(in_notebook, folder: Path) -> None:
    async def work(cell: Notebook) -> None:
        await cell.said(HALF)
        run = (await cell.said("run = halves.start(3)\nprint(run.id)")).strip()
        await until_recorded(folder / "runs.db", run, 3)
        await cell.restart()
        (folder / "open").touch()
        resumed = f"import stretto\nstretto.resume({run!r}, journal='runs.db').result()"
        name, message, _ = await cell.failed(resumed)
        assert name == "RunNotFound"
        assert "the flow halves, which was defined in a notebook" in message
        assert "Run the cell that defines it" in message
        await cell.said(HALF)
        assert await cell.said(resumed) == "3"
        assert sorted((folder / "noted").read_text().split()) == ["0", "1", "2"]

    in_notebook(work)


def test_calls_in_processes_are_sent_as_the_notebook_is_now(in_notebook) -> None:
    async def work(cell: Notebook) -> None:
        await cell.said("from stretto import call\nfactor = 2")
        await cell.said(
            "@call.unordered(on='process')\n"
            "def times(x: int) -> int:\n"
            "    if x < 0:\n"
            "        raise ValueError('below zero')\n"
            "    return x * factor\n"
        )
        assert await cell.said("times(2)") == "4"
        await cell.said("factor = 3")
        assert await cell.said("times(2)") == "6"
        name, message, trace = await cell.failed("times(-1)")
        assert (name, message) == ("ValueError", "below zero") and "raise ValueError('below zero')" in trace

    in_notebook(work)
