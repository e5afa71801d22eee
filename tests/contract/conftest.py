"""Journals of both kinds, each test with fresh ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stretto.journal import Journal, open_journal

from .servers import Server

_numbers = itertools.count()


class Store:
    """A place for one journal; it may be opened several times."""

    def __init__(self, url: str, sql: Callable[[str], None]) -> None:
        self.url = url
        #: Runs a statement behind the journal's back.
        self.sql = sql
        self._opened: list[Journal] = []

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite:")

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))

    def open(self, **options: Any) -> Journal:
        journal = open_journal(self.url, **options)
        self._opened.append(journal)
        return journal

    def close(self) -> None:
        for journal in self._opened:
            try:
                journal.close()
            except Exception:
                pass


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.remove()


def sqlite_store(folder: Path) -> Store:
    import sqlite3

    path = folder / f"journal{next(_numbers)}.db"

    def sql(statement: str) -> None:
        connection = sqlite3.connect(path)
        with connection:
            connection.execute(statement)
        connection.close()

    return Store(f"sqlite:///{path}", sql)


def postgres_store(server: Server) -> Store:
    import psycopg

    schema = f"test{next(_numbers)}"
    url = f"{server.url}{'&' if '?' in server.url else '?'}options=-csearch_path%3D{schema}"

    def sql(statement: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())

    sql(f"create schema {schema}")
    return Store(url, sql)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        store = sqlite_store(tmp_path)
    else:
        store = postgres_store(request.getfixturevalue("server"))
    yield store
    store.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Store]:
    store = sqlite_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def postgres(server: Server) -> Iterator[Store]:
    store = postgres_store(server)
    yield store
    store.close()
