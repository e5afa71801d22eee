"""DBOS on SQLite: a workflow of steps, each committed before the next begins.

Plain functions, since its coroutines take longer (they go to a thread for the database). It sends nothing
anywhere unless it is given a key of its console or told to export traces.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from dbos import DBOS, DBOSClient, SetWorkflowID

from .marks import marks

RUN, FILE = "run", "dbos.db"


@DBOS.step()
def noop(i: int) -> int:
    return i


@DBOS.workflow()
def chain(n: int) -> int:
    x = 0
    for _ in range(n):
        x = noop(x)
    return x


@DBOS.workflow()
def many(n: int) -> None:
    for i in range(n):
        noop(i)


@DBOS.step()
def step(i: int) -> int:
    if marks.ran(i):
        time.sleep(3600)
    return i + 1


@DBOS.workflow()
def steps(n: int) -> int:
    i = 0
    while i < n:
        i = step(i)
    return i


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / FILE}"


class Dbos:
    """As it comes: SQLite's rollback journal, which syncs the disk several times for a commit."""

    def __init__(self, folder: Path) -> None:
        DBOS(config={"name": "bench", "system_database_url": _url(folder), "log_level": "WARNING"})
        DBOS.launch()  # which also takes up what was interrupted

    def chain(self, n: int) -> None:
        chain(n)

    def many(self, n: int) -> None:
        # Gathering coroutines, the other way to write it, takes longer: each step is still a commit.
        many(n)

    def begin(self, n: int) -> int:
        with SetWorkflowID(RUN):
            return steps(n)

    def resume(self) -> int:
        found: int = DBOS.retrieve_workflow(RUN).get_result()
        return found

    @staticmethod
    def recorded(folder: Path) -> int:
        # A client only looks; launching would take the run up.
        return len(DBOSClient(system_database_url=_url(folder)).list_workflow_steps(RUN))


class DbosWal(Dbos):
    """With its file in WAL mode, which is a property of the file: the best that SQLite gives it."""

    def __init__(self, folder: Path) -> None:
        with closing(sqlite3.connect(folder / FILE)) as connection:
            connection.execute("pragma journal_mode = wal")
        super().__init__(folder)
