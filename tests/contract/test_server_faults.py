"""PostgreSQL servers that restart, stay away or answer too late: nothing is lost, nothing comes twice."""

from __future__ import annotations

import subprocess
import sys
import threading

import psycopg
import pytest

from stretto import errors
from stretto.journal import postgres as postgres_module
from tests.waiting import PATIENCE

from .conftest import Store
from .records import Waiting, commit, finished, started
from .servers import Server


def test_the_server_restarts(postgres: Store, server: Server) -> None:
    journal = postgres.open(patience=PATIENCE)
    lease = journal.start(started(), ttl=10 * PATIENCE)
    waiting: list[Waiting] = []
    going = threading.Event()

    def work() -> None:
        for number in range(400):
            waiting.append(Waiting())
            journal.commit(lease, [finished(number)], waiting[-1])
            waiting[max(0, number - 3)].result()
            if number == 50:
                going.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert going.wait(PATIENCE)
    for _ in range(2):
        server.stop()
        server.start()
    thread.join()
    for one in waiting:
        one.result()
    assert [event for _, event in journal.events("r", after=1)] == [finished(n) for n in range(400)]
    assert lease.good


def test_the_server_stays_away(postgres: Store, server: Server) -> None:
    journal = postgres.open(patience=0.2)
    lease = journal.start(started())
    commit(journal, lease, [])
    server.stop()
    try:
        with pytest.raises(errors.JournalUnavailable, match="resume the run"):
            commit(journal, lease, [finished(1)])
        with pytest.raises(errors.JournalUnavailable):
            journal.append(lease, [finished(1)])
        with pytest.raises(errors.JournalUnavailable):
            postgres.open(patience=0.1)
    finally:
        server.start()
    assert postgres.open().run("r").events == 1


@pytest.mark.parametrize("committed", [True, False])
def test_an_answer_that_is_lost(postgres: Store, committed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection breaks just before or just after the server has committed: nothing comes twice."""
    original = psycopg.Connection.transaction
    breaks = 0

    class Broken:
        def __init__(self, connection: psycopg.Connection) -> None:
            self.connection = connection
            self.inner = original(connection)

        def __enter__(self) -> object:
            return self.inner.__enter__()

        def __exit__(self, *raised: object) -> object:
            nonlocal breaks
            if raised[0] is None and breaks > 0:
                breaks -= 1
                if committed:
                    self.inner.__exit__(None, None, None)
                self.connection.close()
                raise psycopg.OperationalError("the connection was lost")
            return self.inner.__exit__(*raised)

    execute = psycopg.Connection.execute

    def broken(connection: psycopg.Connection, query: bytes, *rest: object) -> object:
        nonlocal breaks
        idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        if (
            not isinstance(query, bytes)
            or not query.startswith(b"insert into stretto_batch")
            or not idle
            or not breaks
        ):
            return execute(connection, query, *rest)
        breaks -= 1
        if committed:
            execute(connection, query, *rest)
        connection.close()
        raise psycopg.OperationalError("the connection was lost")

    a, b = postgres.open(), postgres.open()
    monkeypatch.setattr(psycopg.Connection, "execute", broken)
    monkeypatch.setattr(psycopg.Connection, "transaction", lambda connection: Broken(connection))
    breaks = 1
    lease = a.start(started())
    commit(a, lease, [finished(1)])
    for number in range(2, 6):
        breaks = 2
        commit(a, lease, [finished(number, bytes(100_000) if number == 3 else b"small")])
    breaks = 1
    a.release(lease)
    breaks = 1
    taken = b.acquire("r", owner="b")
    breaks = 1
    commit(b, taken, [finished(6)])
    assert breaks == 0
    read = [(seq, event.digest) for seq, event in b.events("r", after=1)]
    assert read == [(n + 1, b"digest %d" % n) for n in range(1, 7)]
    assert b.run("r").calls == 6


def test_another_transaction_holds_the_run(postgres: Store) -> None:
    journal = postgres.open(patience=0.2)
    lease = journal.start(started())
    commit(journal, lease, [])
    with psycopg.connect(postgres.url) as other:
        other.execute("select * from stretto_run for update")
        with pytest.raises(errors.JournalLocked):
            commit(journal, lease, [finished(1)])


def test_a_password_is_not_in_messages() -> None:
    with pytest.raises(errors.JournalUnavailable) as caught:
        postgres_module.PostgresDatabase("postgresql://ann:secret@127.0.0.1:1/db", patience=0.0)
    assert "secret" not in str(caught.value)
    assert "ann@127.0.0.1" in str(caught.value)


def test_without_the_driver() -> None:
    program = """
import sys
sys.modules["psycopg"] = None
from stretto.journal import open_journal
from stretto import errors
try:
    open_journal("postgresql://host/db")
except errors.JournalUrlError as error:
    assert "pip install 'stretto[postgres]'" in str(error)
    sys.exit(7)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 7
