"""What the files of a project say: ``stretto.toml``, and ``[tool.stretto]`` in ``pyproject.toml``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ..errors import ConfigurationError
from .settings import SETTINGS, TABLES, checked

__all__ = ["Project", "Said", "find", "lines_of", "nearest", "places_in"]

#: The files of a folder, and the table in each that is ours; what a later one says counts.
_FILES = (("pyproject.toml", ("tool", "stretto")), ("stretto.toml", ()))


@dataclass(frozen=True, slots=True)
class Said:
    """What a file says of a setting, or a table.

    Attributes:
        value: what it says; the path of a journal is meant from where the file is.
        file: the file.
        line: where in it.
    """

    value: Any
    file: Path
    line: int

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Project:
    """The nearest folder that has one of the files, and what they say."""

    folder: Path
    said: Mapping[str, Said]

    def table(self, name: str) -> tuple[Path, Mapping[str, Any]] | None:
        """What a table says, and in which file."""
        said = self.said.get(name)
        return None if said is None else (said.file, said.value)


def find(folder: Path) -> Project | None:
    """The project that a folder is in. Raises `ConfigurationError`."""
    for parent in (folder, *folder.parents):
        # what is there and is no file is told by whoever reads it: somebody has meant it to be one
        files = [(file, path) for name, path in _FILES if os.path.lexists(file := parent / name)]
        if files:
            said: dict[str, Said] = {}
            for file, path in files:
                said |= _read(file, path)
            return Project(parent, said)
    return None


def _read(file: Path, path: tuple[str, ...]) -> dict[str, Said]:
    """What one file says."""
    import tomllib  # late, as most programs have no such file

    try:
        if file.exists() and not file.is_file():  # of which a pipe would be waited for
            raise OSError("it is no file")
        text = file.read_text(encoding="utf-8")
        section: Any = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file} cannot be read, and might configure Stretto: {error}") from None
    for part in path:
        section = cast("dict[str, Any]", section).get(part, {}) if isinstance(section, dict) else {}
    table = f"[{'.'.join(path)}] " if path else ""
    if not isinstance(section, dict):
        raise ConfigurationError(f"{file}: {table}is a table of settings; found {section!r}")
    lines = lines_of(text)
    said: dict[str, Said] = {}
    for key, value in cast("dict[str, Any]", section).items():
        line = lines.get((*path, key), 1)
        said[key] = Said(_value(file, f"{file}:{line}: {table}", key, value), file, line)
    return said


def _value(file: Path, at: str, key: str, value: Any) -> Any:
    if key in TABLES:
        if not isinstance(value, dict):
            raise ConfigurationError(f"{at}{key} is a table of names and {key}; found {value!r}")
        return cast("dict[str, Any]", value)
    setting = SETTINGS.get(key)
    if setting is None or not setting.in_files:
        raise ConfigurationError(f"{at}there is no setting {key!r}{_known(key)}")
    found = checked(setting, value, f"{at}{key}")
    if key == "journal":
        from ..journal import file_of

        path = file_of(found)
        # a file is meant from where the project is, not from where somebody happens to stand in it
        return found if path is None or path.is_absolute() else str(file.parent / path)
    return found


def _known(key: str) -> str:
    """What may have been meant, and all that may be said."""
    known = [name for name, setting in SETTINGS.items() if setting.in_files] + list(TABLES)
    elsewhere = SETTINGS.get(key)
    if elsewhere is not None:
        return f": that is said by the environment variable {elsewhere.variable} alone"
    return f"{nearest(key, known)} There are: {', '.join(known)}"


def nearest(word: str, known: Collection[str]) -> str:
    """``; did you mean 'x'?``, or a full stop."""
    import difflib

    found = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {found[0]!r}?" if found else "."


_HEADER = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(#.*)?")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


def lines_of(text: str) -> dict[tuple[str, ...], int]:
    """On which line of a TOML file each table and each key stands, by its path; of what stands on the line of
    another key, nothing."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header, key = _HEADER.fullmatch(line), _KEY.match(line)
        if header is not None:
            table = _path(header[1])
            path = table
        elif key is not None:
            path = (*table, *_path(key[1]))
        else:
            continue
        for cut in range(1, len(path) + 1):
            found.setdefault(path[:cut], number)
    return found


def places_in(file: Path, table: str) -> Callable[[str], str]:
    """What tells of a name in one of our tables, its parts with dots between them, where it stands."""
    lines = {".".join(path): line for path, line in lines_of(file.read_text(encoding="utf-8")).items()}

    def place(name: str) -> str:
        names = (f"{table}.{name}", f"tool.stretto.{table}.{name}")
        return f"{file}:{next((lines[at] for at in names if at in lines), 1)}"

    return place


def _path(name: str) -> tuple[str, ...]:
    """The parts of a dotted name."""
    import tomllib

    try:
        left: Any = tomllib.loads(f"{name} = 0")
    except ValueError:  # it stands in a text of several lines
        return (name,)
    parts: list[str] = []
    while isinstance(left, dict):
        ((part, left),) = cast("dict[str, Any]", left).items()
        parts.append(part)
    return tuple(parts)
