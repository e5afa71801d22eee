"""What only Ray has."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.executors import work
from tests.executors.work import elsewhere

pytestmark = pytest.mark.xdist_group("ray")


def assigned() -> dict[str, float]:
    import ray

    found: dict[str, float] = ray.get_runtime_context().get_assigned_resources()
    return found


def test_resources_are_passed_on() -> None:
    found = elsewhere(assigned, "ray", cpus=0.5, memory="100MB")()
    assert found["CPU"] == 0.5 and found["memory"] >= 10**8


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_one_that_is_started_here_listens_to_this_machine_alone() -> None:
    elsewhere(work.add, "ray")(1)
    ours = {inode for pid in _family(os.getpid()) for inode in _sockets(pid)}
    found = [
        words for file in ("tcp", "tcp6") for words in _table(file) if words[9] in ours and words[3] == "0A"
    ]
    assert found
    assert {words[1].partition(":")[0] for words in found} <= {
        "0100007F",
        "0000000000000000FFFF00000100007F",
        "00000000000000000000000001000000",
    }


def _table(name: str) -> list[list[str]]:
    file = Path("/proc/net", name)
    return [line.split() for line in file.read_text().splitlines()[1:]] if file.exists() else []


def _family(pid: int) -> list[int]:
    """A process, and those that it has started, and so on."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _sockets(pid: int) -> set[str]:
    found: set[str] = set()
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            target: Any = os.readlink(entry)
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        pass
    return found
