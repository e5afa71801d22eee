"""What the tables need of a database: the seam between SQL and the two that speak it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

from ..errors import JournalVersion

__all__ = ["Database", "Row", "migrations", "too_new"]

T = TypeVar("T")
Row: TypeAlias = Sequence[Any]

_NUMBERED = re.compile(r"(\d{4})_\w+\.sql")


class Database(Protocol):
    """One connection, used by one thread at a time. Parameters are written `?` in every dialect.

    Its methods raise the exceptions of `stretto.errors` and no driver's own.
    """

    @property
    def where(self) -> str:
        """The file or URL, for messages."""
        ...

    @property
    def lock(self) -> str:
        """What ends a `select` that keeps others from changing the rows until the transaction ends."""
        ...

    def query(self, sql: str, parameters: Row = ()) -> list[Row]:
        """The rows that a statement yields."""
        ...

    def change(self, sql: str, parameters: Row = ()) -> int:
        """How many rows a statement changed."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing; durable, also against loss of power, once the block is left."""
        ...

    def alone(self, table: str) -> None:
        """Until the end of the transaction, nobody else changes that table."""
        ...

    def attempt(self, work: Callable[[], T]) -> T:
        """Do work, again if the connection broke: it may then have been done already, and must notice."""
        ...

    @property
    def local(self) -> bool:
        """Whether it is a file on this machine, as far as is known."""
        ...

    def without_waiting(self) -> AbstractContextManager[None]:
        """In the block `JournalLocked` is raised at once where others write."""
        ...

    def tidy(self) -> None:
        """Give back room that is free by now, if that is cheap."""
        ...

    def close(self) -> None: ...


def migrations(dialect: str) -> dict[int, list[str]]:
    """The numbered SQL files of a dialect, as statements."""
    found: dict[int, list[str]] = {}
    for file in (Path(__file__).parent / "sql" / dialect).iterdir():
        match = _NUMBERED.fullmatch(file.name)
        if match:
            text = re.sub(r"--[^\n]*", "", file.read_text(encoding="utf-8"))
            found[int(match[1])] = [part for part in (part.strip() for part in text.split(";")) if part]
    return dict(sorted(found.items()))


def too_new(where: str, found: int, known: int) -> JournalVersion:
    return JournalVersion(
        f"{where}: the journal has schema version {found}, and this Stretto knows versions up to {known}; "
        "use the Stretto that wrote it, or a newer one"
    )
