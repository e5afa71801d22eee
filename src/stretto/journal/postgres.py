"""A journal in a PostgreSQL database, for runs of several machines.

The tables are made, and migrated, on first use; their names begin with ``stretto_``, and they lie in the
schema where unqualified tables of that user do (add ``?options=-csearch_path%3Dname`` to the URL for
another).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from ..errors import (
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalLocked,
    JournalUnavailable,
    JournalUrlError,
)
from .database import Row, migrations, too_new

try:
    import psycopg
    from psycopg import conninfo
except ImportError as missing:  # the extra is not installed, or the library that it needs is not
    raise JournalUrlError(
        f"a journal in PostgreSQL needs psycopg, which cannot be imported ({missing}): "
        "pip install 'stretto[postgres]'"
    ) from None

__all__ = ["PATIENCE", "PostgresDatabase"]

T = TypeVar("T")

#: Seconds for which a server may be gone, or a lock be held, before it is an error.
PATIENCE = 30.0

#: The same where it has not been reached before: it may be the URL that is wrong.
PATIENCE_AT_FIRST = 5.0
_reached: set[str] = set()

#: Seconds before the first new try, and at most between two.
BACKOFF, BACKOFF_MOST = 0.02, 1.0

#: For `pg_advisory_xact_lock`: "Stretto" in ASCII, so that nobody else uses it by accident.
MIGRATION_LOCK = 0x5374726574746F

#: Classes of SQLSTATE, or whole ones, that say: the same again may succeed.
_AGAIN = ("08", "57P", "40001", "40P01", "53300")


class _Interrupted(JournalUnavailable):
    """The connection broke, or the server gave the transaction up; it may or may not have been committed."""


class PostgresDatabase:
    """A connection that is made again when it breaks.

    Args:
        patience: seconds for which a server may be gone, or another transaction hold a lock.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        self._url = url
        self._patience = patience
        self._where = _without_password(url)
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._known = migrations("postgres")
        try:
            if url in _reached:
                self.attempt(self._migrate)
            else:
                patience = min(patience, PATIENCE_AT_FIRST)
                self._attempt(self._migrate, patience, "is the server running there, and the URL right?")
            _reached.add(url)
        except BaseException:
            self.close()
            raise

    @property
    def where(self) -> str:
        return self._where

    @property
    def lock(self) -> str:
        return " for share"

    def query(self, sql: str, parameters: Row = ()) -> list[Row]:
        with self._translated() as connection:
            return list(connection.execute(_dialect(sql), parameters).fetchall())

    def change(self, sql: str, parameters: Row = ()) -> int:
        with self._translated() as connection:
            return connection.execute(_dialect(sql), parameters).rowcount

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        with self._translated() as connection:
            with connection.transaction():
                yield

    def alone(self, table: str) -> None:
        self.change(f"lock table {table} in share row exclusive mode")

    def attempt(self, work: Callable[[], T]) -> T:
        return self._attempt(work, self._patience, "when the server is back, resume the run")

    def _attempt(self, work: Callable[[], T], patience: float, advice: str) -> T:
        until = time.monotonic() + patience
        delay = BACKOFF
        while True:
            try:
                return work()
            except _Interrupted as error:
                if time.monotonic() + delay > until:
                    raise JournalUnavailable(
                        f"{error}; tried for {patience:g} s: {advice}"
                    ) from error.__cause__
            # Not all at once, when there are many.
            time.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(2 * delay, BACKOFF_MOST)

    @property
    def local(self) -> bool:
        return False  # a server may always be waited for

    def without_waiting(self) -> AbstractContextManager[None]:
        return nullcontext()

    def tidy(self) -> None:
        """The server does that by itself."""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    # -- connecting ---------------------------------------------------------------------------------

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        options: dict[str, Any] = {
            "connect_timeout": 10,
            "tcp_user_timeout": max(1, round(self._patience * 1000)),
            "application_name": "stretto",
        }
        options.update(conninfo.conninfo_to_dict(self._url))
        connection = psycopg.connect(autocommit=True, **options)
        # The tables' statements are written for this level, whatever the server's default is.
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        connection.execute(
            # Else a commit would be answered before it is on disk.
            "select set_config('synchronous_commit', 'on', false) "
            "where current_setting('synchronous_commit') = 'off'"
        )
        limit = str(max(1, round(self._patience * 1000)))
        # A process that is stopped within a transaction must not keep others from its run for ever.
        for setting in ("lock_timeout", "idle_in_transaction_session_timeout"):
            connection.execute("select set_config(%s, %s, false)", (setting, limit))
        self._connection = connection
        return connection

    def _migrate(self) -> None:
        if self._version() == max(self._known):
            return
        with self.transaction():
            self.query("select pg_advisory_xact_lock(?)", (MIGRATION_LOCK,))
            version = self._version()
            if version > max(self._known):
                raise too_new(self._where, version, max(self._known))
            self.change("create table if not exists stretto_schema (version bigint not null)")
            for number, statements in self._known.items():
                if number > version:
                    for statement in statements:
                        self.change(statement)
                    self.change("insert into stretto_schema (version) values (?)", (number,))

    def _version(self) -> int:
        # Not `to_regclass`: it may answer from what it knew before the lock was waited for.
        if not self.query(
            "select 1 from pg_catalog.pg_class where relname = 'stretto_schema' and pg_table_is_visible(oid)"
        ):
            return 0
        return int(self.query("select coalesce(max(version), 0) from stretto_schema")[0][0])

    # -- errors -------------------------------------------------------------------------------------

    @contextmanager
    def _translated(self) -> Generator[psycopg.Connection[tuple[Any, ...]], None, None]:
        try:
            yield self._connect()
        except psycopg.Error as error:
            raise self._translate(error) from error

    def _translate(self, error: psycopg.Error) -> JournalError:
        state = error.sqlstate or ""
        said = f"{self._where}: {' '.join(str(error).split())}"
        connection = self._connection
        broken = connection is None or connection.closed or connection.broken
        if state in ("28P01", "28000", "3D000"):
            return JournalUnavailable(f"{said}; check the user, the password and the database in the URL")
        if broken or state.startswith(_AGAIN):
            return _Interrupted(said)
        if state in ("53100", "53200"):
            return JournalFull(f"{said}; make room on the server and resume the run")
        if state == "55P03":
            return JournalLocked(
                f"{said}; another transaction has held a lock for {self._patience:g} s: "
                "pg_stat_activity shows which"
            )
        if state in ("XX001", "XX002"):
            return JournalCorrupt(
                f"{said}; the server says that its files are damaged: restore them from a backup"
            )
        return JournalError(said)


def _dialect(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user = f"{parts.username}@" if parts.username else ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}{host}"))
