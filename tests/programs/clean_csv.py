"""clean-csv-tool, as published: it reads each file of a folder, mends its cells, and writes it again.

The seam is `open`, as the script calls it: the files lie on a simulated share, which takes as long to read
and to write as one far away. What is said of the script stands in `EFFECTS`, as in a user's stretto.toml.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stretto import call, flow
from stretto.testing import VirtualClock
from tests.differential.world import digest

from .declared import declared
from .fetch import CLEAN_CSV
from .published import importable

__all__ = ["EFFECTS", "by_hand", "run"]

FILES = 12

EFFECTS = """
"clean_csvs.clean_csv" = { effect = "changes nothing; reads raw; writes clean", returns = "int" }
"""

#: What has been written.
_written: dict[str, str] = {}


def _seconds(path: str) -> float:
    return 0.2 + int(digest(path), 16) % 600 / 1000


@call.reads("raw")
async def read(path: str) -> str:
    """What stands in a file of the share: some cells to be mended, and in one file bytes that are none."""
    await asyncio.sleep(_seconds(path))
    number = int(digest(path), 16)
    if number % 7 == 0:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    rows = [f"{i};N'name {number % (i + 2)}';\"city {i}\";" for i in range(3 + number % 5)]
    return "\n".join(["id;name;city;", *rows, "last;N'in two", "lines';x"])


@call.writes("clean:{path}")
async def write(path: str, text: str) -> None:
    await asyncio.sleep(_seconds(path))
    _written[path] = text


class _Written(io.StringIO):
    """A file that is written to the share when it is closed."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.path = name

    def __exit__(self, *failure: object) -> None:
        write(self.path, self.getvalue())


def opened(path: Path, mode: str = "r", **options: Any) -> io.StringIO:
    """In the place of `open`."""
    if mode == "r":
        return io.StringIO(read(path.name))
    return _Written(path.name)


@contextlib.contextmanager
def published() -> Iterator[tuple[Any, Path]]:
    """The published module, and a folder with the names of the files."""
    with tempfile.TemporaryDirectory() as folder, importable(CLEAN_CSV, "clean_csvs", {}):
        module = importlib.import_module("clean_csvs")
        vars(module)["open"] = opened
        logging.getLogger("clean_csvs").setLevel(logging.CRITICAL)
        for number in range(FILES):
            (Path(folder) / f"{number:02}.csv").touch()
        yield module, Path(folder)


def run(*, overlapped: bool, effects: str = EFFECTS) -> tuple[Any, float]:
    """What the script counts and what is written, in this order, and the virtual seconds it takes."""
    with published() as (module, folder), declared(effects, "clean_csvs"):
        _written.clear()
        process = flow(module.process_folder)
        with VirtualClock(seed=1) as clock:
            stats = (process if overlapped else process.sequential)(folder, folder / "out")
            return (vars(stats), list(_written.items())), clock.now


def by_hand() -> float:
    """The virtual seconds of the best asyncio version: all files at once."""

    async def every() -> None:
        async def one(name: str) -> None:
            with contextlib.suppress(UnicodeDecodeError):
                await read.fn(name)
                await write.fn(name, "")

        await asyncio.gather(*[one(f"{number:02}.csv") for number in range(FILES)])

    with VirtualClock(seed=1) as clock:
        clock.run(every())
        return clock.now
