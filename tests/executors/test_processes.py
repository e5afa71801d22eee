"""What only processes of this machine have: resources, programs that end, and what is sent by value."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

from stretto import call, errors, flow
from stretto.executors.needs import Needs, bytes_of
from stretto.executors.resources import Grant, Machine
from tests.executors import work
from tests.executors.work import elsewhere
from tests.waiting import until

PROGRAM = """
import os, sys, time
from dataclasses import dataclass
from enum import Enum
from stretto import call, flow

class Colour(Enum):
    RED = 1

@dataclass
class Page:
    text: str
    colour: Colour = Colour.RED
    made = 0

class Broken(Exception):
    pass

LOADED = []

@call.unordered(on="process")
def fetch(page: Page) -> Page:
    LOADED.append(1)
    Page.made += 1
    return Page(helper(page.text), page.colour)

@call.unordered
def helper(text: str) -> str:
    return text.upper()

@call.unordered(on="process")
def fail():
    print("said", end=" ")
    print("there")
    raise Broken("broken", Page("p"))

@call.unordered(on="process")
def beat(file):
    with open(file + ".pid", "w") as out:
        out.write(str(os.getpid()))
    os.rename(file + ".pid", file)
    time.sleep(600)

@flow
def pages(n: int) -> list[Page]:
    return [fetch(Page(f"page {i}")) for i in range(n)]

@flow
def hang(files: list[str]) -> None:
    for file in files:
        beat(file)
"""


def program(folder: Path, rest: str, *arguments: str) -> subprocess.Popen[str]:
    (folder / "program.py").write_text(PROGRAM + rest)
    return subprocess.Popen(
        [sys.executable, str(folder / "program.py"), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def test_a_script_by_value(tmp_path: Path) -> None:
    """What a script defines is sent by value, and comes back as its own."""
    child = program(
        tmp_path,
        """
found = pages(2)
assert found == [Page("PAGE 0"), Page("PAGE 1")], found
assert type(found[0]) is Page and found[0].colour is Colour.RED and Page.made == 0 and not LOADED
try:
    fail()
except Broken as error:
    assert error.args == ("broken", Page("p")), error.args
print("fine")
""",
    )
    out, err = child.communicate(timeout=60)
    assert (out, err, child.returncode) == ("said there\nfine\n", "", 0)


def gone(pid: int) -> bool:
    """Whether a process has ended, though nobody may have asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_process_outlives_its_parent(how: signal.Signals, tmp_path: Path) -> None:
    files = [tmp_path / "one"]
    child = program(tmp_path, "import sys\nhang(sys.argv[1:])", *[str(file) for file in files])
    until(lambda: all(file.exists() for file in files) or child.poll() is not None)
    found = [int(file.read_text()) for file in files]
    os.killpg(child.pid, how)  # as a terminal does
    _, err = child.communicate(timeout=60)
    assert child.returncode == -how, err
    assert "Traceback" not in err or err.rstrip().endswith("KeyboardInterrupt"), err
    until(lambda: all(gone(pid) for pid in found))


def test_names_lead_to_calls_also_there() -> None:
    assert work.here() == ("Call", True)
    assert work.countdown(3) == 3
    assert work.Desk("ann").label(2) == "ann 2"


def test_calls_may_start_processes() -> None:
    assert elsewhere(work.family, "process")(-3) == 3


def test_closures_by_value() -> None:
    factor = 3

    @call.unordered(on="process")
    def times(n: int) -> int:
        return n * factor

    assert times(2) == 6
    factor = 4
    assert times(2) == 8


def test_cores_are_counted_over_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stretto.executors.resources._machine", [Machine(2, 10**9, ())])
    alone, threads = (
        elsewhere(work.alone, "process", cpus=2),
        elsewhere(work.environment, "process", cpus=1.5),
    )

    @flow
    def most(folder: str) -> int:
        return max([alone(folder) for _ in range(3)])

    assert most(str(tmp_path)) == 1
    if "OMP_NUM_THREADS" not in os.environ:
        assert threads("OMP_NUM_THREADS") == "2"
    with pytest.raises(errors.StrettoError, match=r"add asks for cpus=3, memory='2GB', .* has cpus=2"):
        elsewhere(work.add, "process", cpus=3, memory="2GB")(1)


def test_graphics_processors_have_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stretto.executors.resources._machine", [Machine(2, 0, ("4", "7"))])
    one = elsewhere(work.environment, "process", gpus=1)
    both = elsewhere(work.environment, "process", gpus=2)
    assert one("CUDA_VISIBLE_DEVICES") == "4"
    assert both("CUDA_VISIBLE_DEVICES") == "4,7"
    assert elsewhere(work.environment, "process")("CUDA_VISIBLE_DEVICES") == os.environ.get(
        "CUDA_VISIBLE_DEVICES"
    )


def test_who_needs_much_is_not_passed_by_for_ever() -> None:
    """What he waits for is kept; who needs none of it goes ahead."""

    async def order() -> list[str]:
        machine, served = Machine(4, 10, ("0",)), []

        async def take(name: str, needs: Needs) -> Grant:
            grant = await machine.take(needs, str)
            served.append(name)
            return grant

        first = await take("first", Needs(1, 0, 8))
        wanted = {"memory": Needs(2, 0, 5), "small": Needs(1), "all": Needs(4), "last": Needs(1)}
        waiting = {name: asyncio.create_task(take(name, needs)) for name, needs in wanted.items()}
        gives_up = asyncio.create_task(take("gives up", Needs(4)))
        machine.give(await waiting["small"])  # two are kept for who waits for memory, and one is left
        gives_up.cancel()
        machine.give(first)
        for name in ("memory", "all", "last"):
            machine.give(await waiting[name])
        machine.give(await take("the end", Needs(4, 1, 10)))
        return served

    assert asyncio.run(order()) == ["first", "small", "memory", "all", "last", "the end"]


def test_parts_of_cores_add_up() -> None:
    async def all_again() -> list[Grant]:
        machine = Machine(1, 10, ())
        for parts in ([0.7, 0.1, 0.2], [0.15, 1 / 3, 0.2], [0.1] * 10):
            for grant in [await machine.take(Needs(part), str) for part in parts]:
                machine.give(grant)
        return [await asyncio.wait_for(machine.take(Needs(0.1), str), 60) for _ in range(10)]

    grants = asyncio.run(all_again())
    assert len(grants) == 10 and grants[0].needs.cpus == 0.1


def test_one_that_died_while_it_waited_is_replaced() -> None:
    process = elsewhere(work.process, "process")
    before = process()
    os.kill(before, signal.SIGKILL)
    until(lambda: gone(before))
    assert process() != before


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_nothing_is_left_of_large_values(file: str) -> None:
    """Nor if who has one is killed. An array that was received lies where it was received."""
    late = elsewhere(work.beat, "process", timeout=0.2)
    with pytest.raises(TimeoutError):
        late(file, numpy.full(1_000_000, 60.0)[7:8])
    result = elsewhere(work.double, "process")(numpy.arange(300_000))
    assert "memfd:stretto" in Path("/proc/self/maps").read_text()
    del result
    until(lambda: "memfd:stretto" not in Path("/proc/self/maps").read_text())
    assert not [fd for fd in Path("/proc/self/fd").iterdir() if "memfd:stretto" in _target(fd)]


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


@pytest.mark.parametrize(
    "options, said",
    [
        ({"cpus": 2}, "cpus=, which is counted for calls in processes"),
        ({"on": "thread", "memory": "2GB"}, "memory=, which is counted"),
        ({"on": "process", "gpus": 0.5}, "is given whole ones"),
        ({"on": "gpu"}, "on= is where it runs"),
        ({"on": "process", "memory": "two"}, "as in '2GB'"),
        ({"on": "process", "cpus": 0}, "a positive number"),
        ({"on": "process", "gpus": float("inf")}, "a positive number"),
        ({"on": "process", "memory": f"{'9' * 400}GB"}, "as in '2GB'"),
    ],
)
def test_declarations(options: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.DeclarationError, match=said):
        call.unordered(**options)(work.add)


def test_streams_stay_here() -> None:
    def items() -> Any:
        yield 1

    with pytest.raises(errors.DeclarationError, match=r"gives a stream.*return a list"):
        call.unordered(on="process")(items)


def test_sizes() -> None:
    sizes = ["2GB", "1.5 gb", "512MiB", "1_000 B", "2", "GB", ""]
    assert [bytes_of(size) for size in sizes] == [2 * 10**9, 1_500_000_000, 2**29, 1000, None, None, None]


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from stretto.executors.extras import extra

    monkeypatch.setitem(sys.modules, "loky", None)
    with pytest.raises(errors.ExecutorMissing, match=r"pip install 'stretto\[processes\]'"):
        extra("loky", "process", "processes")
