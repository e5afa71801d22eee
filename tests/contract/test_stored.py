"""Journals and exported runs that older versions wrote can be read, and written on."""

from __future__ import annotations

import shutil
import sqlite3
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from stretto.journal import Journal, open_journal
from stretto.journal.database import migrations
from stretto.journal.events import RunState
from stretto.journal.transfer import VERSION, import_run

from .conftest import Store
from .records import commit, finished
from .stored import FOLDER, LARGE, PART, read_back

SCHEMAS = sorted(migrations("sqlite"))


def check(journal: Journal) -> None:
    events = read_back()
    assert [event for _, event in journal.events("stored")] == events
    [record] = journal.runs()
    assert (record.id, record.flow, record.source, record.state) == (
        "stored",
        "module:flow",
        "5eed",
        RunState.SUCCEEDED,
    )
    assert (record.started, record.ended, record.forked_from) == (1_000_000, 14, "other")
    assert (record.events, record.calls, record.owner) == (len(events), 303, None)
    assert journal.get_blob(sha256(LARGE).digest()) == LARGE
    assert journal.get_blob(sha256(PART).digest()) == PART
    lease = journal.acquire("stored")
    commit(journal, lease, [finished(1)])
    assert journal.run("stored").events == len(events) + 1
    journal.release(lease)
    assert journal.prune(15) == 1


def test_both_have_the_same_versions() -> None:
    assert SCHEMAS == sorted(migrations("postgres")) == list(range(1, len(SCHEMAS) + 1))


@pytest.mark.parametrize("version", SCHEMAS)
def test_a_file_of_that_version(version: int, tmp_path: Path) -> None:
    shutil.copy(FOLDER / f"journal-{version}.db", tmp_path / "journal.db")
    journal = open_journal(tmp_path / "journal.db")
    check(journal)
    journal.close()


@pytest.mark.parametrize("version", SCHEMAS)
def test_tables_of_that_version(version: int, postgres: Store) -> None:
    """A database with the tables of that version and the rows of the file."""
    stored = sqlite3.connect(FOLDER / f"journal-{version}.db")
    with psycopg.connect(postgres.url) as connection:
        connection.execute("create table stretto_schema (version bigint not null)")
        for number in range(1, version + 1):
            for statement in migrations("postgres")[number]:
                connection.execute(statement.encode())
            connection.execute("insert into stretto_schema values (%s)", (number,))
        for (table,) in stored.execute(
            "select name from sqlite_master where name glob 'stretto_*' and type = 'table'"
        ):
            cursor = stored.execute(f"select * from {table}")
            names = ", ".join(column[0] for column in cursor.description)
            for row in cursor:
                values = ", ".join(["%s"] * len(row))
                connection.execute(
                    f"insert into {table} ({names}) overriding system value values ({values})".encode(), row
                )
    stored.close()
    check(postgres.open())


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_run_exported_by_that_version(version: int, store: Store) -> None:
    journal = store.open()
    assert import_run(journal, FOLDER / f"run-{version}.stretto") == "stored"
    check(journal)
