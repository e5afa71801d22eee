"""The durable store of runs.

`contract` says what a journal does, `events` what it holds, `leases` who may write to it. `open_journal`
opens one by its URL. Inside, `store` is the journal: what it appends goes through `recorder` and its
thread, the `writer`; `tables` has the statements, in a `database` that is `sqlite` or `postgres`; `frames`
says how events are laid out as bytes.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..errors import JournalUrlError
from .contract import BLOB_OVER, FLUSH_INTERVAL, Done, Journal, RunRecord
from .database import Database
from .leases import TTL, Lease
from .recorder import Probe
from .store import StoredJournal

__all__ = [
    "BLOB_OVER",
    "FLUSH_INTERVAL",
    "Done",
    "Journal",
    "Lease",
    "RunRecord",
    "file_of",
    "open_journal",
]


def open_journal(
    url: str | Path,
    *,
    interval: float | None = None,
    patience: float | None = None,
    lease: float | None = None,
    max_pages: int | None = None,
    probe: Probe | None = None,
) -> Journal:
    """Open the journal of that URL, made if it is not there yet.

    Args:
        url: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, the path of a file,
            or ``postgresql://user@host/database``.
        interval: seconds for which appended events may lie in memory (0.009).
        patience: seconds to wait for another process that writes (SQLite, 10), or for a server that does
            not answer (PostgreSQL, 30), before giving up.
        lease: seconds without a renewal after which others may take a run over (15).
        max_pages: how many pages of 4 KiB a SQLite file may grow to.
        probe: for tests: called in the writer thread around each transaction.
    """
    kind, place = _split(url)
    if kind == "sqlite":
        from .sqlite import PATIENCE, SqliteDatabase

        wait = PATIENCE if patience is None else patience

        def connect() -> Database:
            return SqliteDatabase(Path(place), patience=wait, max_pages=max_pages)

    else:
        from .postgres import PATIENCE, PostgresDatabase

        wait = PATIENCE if patience is None else patience
        if max_pages is not None:
            raise JournalUrlError("max_pages is for SQLite; a PostgreSQL server has limits of its own")

        def connect() -> Database:
            return PostgresDatabase(place, patience=wait)

    return StoredJournal(connect, interval=interval or FLUSH_INTERVAL, ttl=lease or TTL, probe=probe)


def file_of(url: str | Path) -> Path | None:
    """The file that a URL names; None for a server. Raises `JournalUrlError` for what names no journal."""
    kind, place = _split(url)
    return Path(place) if kind == "sqlite" else None


def _split(url: str | Path) -> tuple[str, str]:
    """The kind, and the path or the URL."""
    if "\0" in str(url):
        raise JournalUrlError(f"{url!r} names no journal: there is a zero byte in it; " + _FORMS)
    if isinstance(url, Path):
        return "sqlite", str(url)
    if "://" not in url:
        if not url.strip():
            raise JournalUrlError("a journal's URL is empty; " + _FORMS)
        return "sqlite", url
    try:
        parts = urlsplit(url)
    except ValueError as error:  # brackets that hold no address
        raise JournalUrlError(f"{url!r} names no journal: {error}; " + _FORMS) from None
    if parts.scheme in ("postgresql", "postgres"):
        return "postgresql", url
    if parts.scheme != "sqlite":
        raise JournalUrlError(f"{url!r} names no journal: the scheme {parts.scheme!r} is unknown; " + _FORMS)
    path = unquote(parts.path)[1:]
    if parts.netloc or not path or path.endswith("/") or parts.query or parts.fragment:
        raise JournalUrlError(f"{url!r} names no SQLite file; " + _FORMS)
    return "sqlite", path


_FORMS = (
    "write sqlite:///relative/file.db, sqlite:////absolute/file.db, the path of a file, "
    "or postgresql://user@host/database"
)
