"""Programs that tests run as processes of their own: `python -m tests.contract.children NAME ...`.

They print one JSON value a line. None is needed to stop: each ends when its input does, or is killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time

from stretto import errors
from stretto.journal import Journal, open_journal
from stretto.journal.leases import this_process

from .records import finished, started

#: Events that a run of `append` consists of, if nobody kills it.
EVENTS = 61


def append(journal: Journal, run: str, report: int) -> None:
    """A run of many small commits; writes how many events are durable to a pipe, a byte each time."""
    lease = journal.start(started(run, owner=this_process()))
    appended = 1

    def done(count: int, error: Exception | None) -> None:
        if error is None:
            os.write(report, bytes([count]))

    while appended < EVENTS:
        journal.append(lease, [finished(appended)])
        appended += 1
        journal.commit(lease, [finished(appended)], lambda error, count=appended + 1: done(count, error))
        appended += 1
        if appended % 5 == 0:
            journal.flush()  # so that there are many transactions to be killed in
    journal.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def crashes(url: str, first: int, count: int) -> None:
    """Runs that are killed, each at another moment: prints the run's name and how much was durable."""
    moments = random.Random(first)
    for number in range(first, first + count):
        run = f"killed {number}"
        read, write = os.pipe()
        child = os.fork()
        if not child:
            die(url, run, number, write)
        os.close(write)
        if number % 4 == 3:
            # At any moment at all, not only where the writer says that it is.
            time.sleep(moments.uniform(0.0, 0.06))
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        durable = b""
        while part := os.read(read, 1000):
            durable += part
        os.close(read)
        say([run, max(durable, default=0)])


def die(url: str, run: str, number: int, report: int) -> None:
    left = number

    def probe(moment: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        append(open_journal(url, probe=None if number % 4 == 3 else probe), run, report)
    finally:
        os._exit(1)


def race(url: str) -> None:
    """For each run that is named on the input, says whether it got the lease, and appends to it."""
    journal = open_journal(url)
    say("ready")
    for line in sys.stdin:
        try:
            lease = journal.acquire(line.strip())
        except errors.LeaseHeld:
            say(False)
        else:
            journal.append(lease, [finished(os.getpid())])
            journal.flush()
            say(True)


def lock(path: str, mode: str) -> None:
    """Holds the file's lock until the input ends."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"begin {mode}")
    say("locked")
    sys.stdin.read()
    connection.execute("rollback")


def say(value: object) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    if name == "crashes":
        crashes(arguments[0], int(arguments[1]), int(arguments[2]))
    elif name == "race":
        race(*arguments)
    elif name == "lock":
        lock(*arguments)
