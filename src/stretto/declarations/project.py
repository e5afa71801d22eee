"""Which tables hold: those of the catalogue, and the one of the project."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..configuration import here
from ..configuration.files import Project, find
from ..errors import DeclarationError
from ..limits import rules
from . import registry
from .table import Entry, read

__all__ = ["CATALOGUE", "catalogue_entries", "load", "load_once"]

#: One file for each library, under the name that it is imported by.
CATALOGUE = Path(__file__).parent / "catalogue"
#: The file about what every program has: it holds unless the project says that there is to be no catalogue.
BUILTINS = CATALOGUE / "builtins.toml"
_loaded = False


def load_once() -> None:
    """Read the table of the project that this process works in, unless one was read already."""
    if not _loaded:
        _load([here()], catalogue=False)
        registry.check()


def load(*folders: Path, catalogue: bool) -> None:
    """Read the nearest tables, of the first of these folders that has one, and the catalogue.

    `catalogue` says whether that holds where the table itself says nothing about it. What it says of builtins
    does then.
    """
    _load([find(folder) for folder in folders], catalogue=catalogue)


def _load(projects: Sequence[Project | None], *, catalogue: bool) -> None:
    global _loaded
    _loaded = True
    registry.forget()
    found, limits = (
        next((table for one in projects if one is not None and (table := one.table(name)) is not None), None)
        for name in ("effects", "limits")
    )
    builtin = True
    if found is not None:
        file, said = found
        asked: Any = said.get("catalogue", catalogue)
        builtin = said.get("catalogue", True)
        if not isinstance(asked, bool):
            raise DeclarationError(f"{file}: effects.catalogue is true or false; found {asked!r}")
        catalogue = asked
        registry.declare(read(file, said))
    if limits is not None:
        rules.load(*limits)
    else:
        rules.load(None, {})
    for path in sorted(CATALOGUE.glob("*.toml")) if catalogue else [BUILTINS] if builtin else []:
        registry.declare_later(path.stem, functools.partial(catalogue_entries, path))


def catalogue_entries(path: Path) -> Iterator[Entry]:
    """The entries of one file of the catalogue."""
    said = tomllib.loads(path.read_text(encoding="utf-8"))
    return read(path, said["effects"], sure=False)
