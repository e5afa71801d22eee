"""A journal in one SQLite file.

The file is in WAL mode with `synchronous=FULL`, so a transaction that was committed is there after loss
of power. The schema's version is the file's `user_version`, and its `application_id` says that it is ours.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ..errors import (
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalLocked,
    JournalUnavailable,
)
from .database import Row, migrations, too_new

__all__ = ["PATIENCE", "SqliteDatabase"]

T = TypeVar("T")

#: "Stre", in the file's header.
APPLICATION = 0x53747265

#: Seconds to wait for another process that writes.
PATIENCE = 10.0

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_SHUT = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}


class _Transaction:
    """A class, since it is entered for every commit and generators cost a third of what SQLite does."""

    __slots__ = ("_db",)

    def __init__(self, db: SqliteDatabase) -> None:
        self._db = db

    def __enter__(self) -> None:
        # At once for writing: a transaction that begins by reading cannot wait for its turn to write.
        self._db.change("begin immediate")

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if kind is None:
            try:
                self._db.change("commit")
                return
            except BaseException:
                self._db.roll_back()
                raise
        self._db.roll_back()


class _Hurry:
    """As `_Transaction`, a class because it is entered often."""

    __slots__ = ("_cursor", "_patience")

    def __init__(self, cursor: sqlite3.Cursor, patience: float) -> None:
        self._cursor = cursor
        self._patience = f"pragma busy_timeout = {int(patience * 1000)}"

    def __enter__(self) -> None:
        self._cursor.execute("pragma busy_timeout = 0")

    def __exit__(self, *_: object) -> None:
        self._cursor.execute(self._patience)


class SqliteDatabase:
    """A connection to a journal file, which is made, with its folder, where there is none.

    Args:
        patience: seconds to wait for another process that writes.
        max_pages: how many pages the file may grow to; None for as many as SQLite takes.
    """

    def __init__(self, path: Path, *, patience: float = PATIENCE, max_pages: int | None = None) -> None:
        self._path = path
        self._patience = patience
        try:
            _make_folder(path.parent)
        except OSError as error:
            raise JournalUnavailable(f"{path}: its folder cannot be made: {error}") from None
        with self._translated():
            self._connection = sqlite3.connect(
                path, timeout=patience, isolation_level=None, check_same_thread=False
            )
            self._cursor = self._connection.cursor()
        try:
            with self._translated():
                self._open(max_pages)
        except BaseException:
            self._connection.close()
            raise

    @property
    def where(self) -> str:
        return str(self._path)

    @property
    def lock(self) -> str:
        return ""  # who writes is alone

    def query(self, sql: str, parameters: Row = ()) -> list[Row]:
        try:
            return self._cursor.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._translate(error) from error

    def change(self, sql: str, parameters: Row = ()) -> int:
        try:
            return self._cursor.execute(sql, parameters).rowcount
        except sqlite3.Error as error:
            raise self._translate(error) from error

    def transaction(self) -> _Transaction:
        return _Transaction(self)

    def roll_back(self) -> None:
        if self._connection.in_transaction:
            self.change("rollback")

    def alone(self, table: str) -> None:
        """The transaction is the only one that writes."""

    def attempt(self, work: Callable[[], T]) -> T:
        return work()

    @property
    def local(self) -> bool:
        return True

    def without_waiting(self) -> _Hurry:
        return _Hurry(self._cursor, self._patience)

    def tidy(self) -> None:
        # Each row of this statement's is a page given back.
        self.query("pragma incremental_vacuum")

    def close(self) -> None:
        with self._translated():
            self._connection.close()

    # -- opening ------------------------------------------------------------------------------------

    def _open(self, max_pages: int | None) -> None:
        connection = self._connection
        known = migrations("sqlite")
        if self._pragma("application_id") != APPLICATION or self._pragma("user_version") < max(known):
            self._migrate(known)
        version = self._pragma("user_version")
        if version > max(known):
            raise too_new(self.where, version, max(known))
        mode = self._to_wal()
        if mode != "wal":
            raise JournalUnavailable(
                f"{self._path}: the file system does not allow SQLite's write-ahead log (found: {mode}); "
                "put the journal on a local disk, or use PostgreSQL"
            )
        connection.execute("pragma synchronous = full")
        connection.execute("pragma fullfsync = on")  # macOS: past the disk's own cache
        connection.execute("pragma cell_size_check = on")
        # Left over from a burst, the log would take room for ever.
        connection.execute("pragma journal_size_limit = 1048576")
        if max_pages is not None:
            connection.execute(f"pragma max_page_count = {max_pages}")

    def _migrate(self, known: dict[int, list[str]]) -> None:
        # Only a file without tables takes this; free pages can be given back when runs are pruned.
        self._connection.execute("pragma auto_vacuum = incremental")
        with self.transaction():
            # Asked again, since another process may have been first.
            if self._pragma("application_id") != APPLICATION:
                if self.query("select 1 from sqlite_master limit 1") or self._pragma("user_version"):
                    raise JournalCorrupt(
                        f"{self._path}: a SQLite file, but no journal of Stretto's; name another file"
                    )
                self._connection.execute(f"pragma application_id = {APPLICATION}")
            version = self._pragma("user_version")
            for number, statements in known.items():
                if number > version:
                    for statement in statements:
                        self._connection.execute(statement)
                    self._connection.execute(f"pragma user_version = {number}")

    def _to_wal(self) -> str:
        """Switch to the write-ahead log, for which SQLite does not wait when another process does too."""
        until = time.monotonic() + self._patience
        while True:
            try:
                return str(self._connection.execute("pragma journal_mode = wal").fetchone()[0])
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _LOCKED or time.monotonic() > until:
                    raise
            time.sleep(0.005)

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"pragma {name}").fetchone()[0])

    @contextmanager
    def _translated(self) -> Generator[None, None, None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._translate(error) from error

    def _translate(self, error: sqlite3.Error) -> JournalError:
        code = getattr(error, "sqlite_errorcode", 0)
        name = getattr(error, "sqlite_errorname", "SQLite")
        primary = code & 0xFF
        said = f"{self._path}: {name}: {error}"
        if primary in _LOCKED:
            return JournalLocked(
                f"{said}; another process has held the file's write lock for {self._patience:g} s: "
                "end it, or let it finish, and try again"
            )
        if primary == sqlite3.SQLITE_FULL:
            return JournalFull(f"{said}; make room on that disk and resume the run")
        if primary in _CORRUPT:
            return JournalCorrupt(
                f"{said}; the file is damaged or no SQLite file. Keep a copy of it; SQLite's `.recover` "
                "command may save what is readable"
            )
        if primary in _SHUT:
            return JournalUnavailable(f"{said}; check that the file and its folder may be read and written")
        if primary == sqlite3.SQLITE_IOERR:
            return JournalError(f"{said}; the disk failed, or does not let the file grow")
        return JournalError(said)


def _make_folder(folder: Path) -> None:
    """Make a folder and those it lies in, so that they are there after loss of power."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    try:
        parent = os.open(folder.parent, os.O_RDONLY)
    except OSError:
        return  # Windows opens no folders, and does not need this
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
