"""The journals of this process: each is opened once."""

from __future__ import annotations

import functools
import os
import threading
from pathlib import Path

from ..configuration import choice, value
from ..errors import JournalUrlError
from . import file_of, open_journal
from .contract import Journal

__all__ = ["current", "opened", "shared"]

_shared: dict[str, Journal] = {}
_opening = threading.Lock()


def current() -> Journal | None:
    """The journal that is configured, opened once for the whole process; None where there is none."""
    chosen = choice()
    if chosen.url is None:
        return None
    try:
        return shared(chosen.url)
    except JournalUrlError as error:
        raise JournalUrlError(f"{chosen.said_by}: {error}") from None


def opened(url: str | Path) -> Journal:
    """The journal of that URL, as it is configured."""
    return open_journal(url, interval=value("flush"), patience=value("patience"), lease=value("lease"))


def shared(url: str | Path) -> Journal:
    """The journal of that URL, opened once, and again when it was closed or can no longer be written."""
    key = _key(url, os.getcwd())
    with _opening:
        journal = _shared.get(key)
        if journal is None or not journal.usable:
            journal = _shared[key] = opened(url)
        return journal


@functools.lru_cache(maxsize=64)
def _key(url: str | Path, folder: str) -> str:
    """What a journal is known by, in that folder; every run asks for it."""
    path = file_of(url)
    return str(url) if path is None else str((Path(folder) / path).resolve())
