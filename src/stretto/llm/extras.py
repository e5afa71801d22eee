"""Packages that are installed only if they are needed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["MissingExtra", "needs"]


class MissingExtra(ImportError):
    """A package is not installed; the message says how to install it."""


@contextmanager
def needs(extra: str) -> Generator[None]:
    """Around the import of what `pip install stretto[extra]` brings."""
    try:
        yield
    except ImportError as error:
        raise MissingExtra(
            f"{error.name or extra} is not installed: pip install 'stretto[{extra}]'", name=error.name
        ) from None
