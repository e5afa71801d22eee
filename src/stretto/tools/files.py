"""Files as calls, each named after its path, so that work on different files overlaps.

``file:/:home:ann:notes`` is ``/home/ann/notes``: a folder covers what lies below it, and ``file``, which is
all files in the catalogue, covers all. Two paths may be one file. So links are followed, ``..`` is taken out,
and relative paths stand in the working folder; and where one file has two names all the same (hard links), or
the system makes files up as they are read, the name is that of all files. What moves or removes folders or
links is a write of all files, too: other paths may lead elsewhere behind it. While such a write is still to
come, or one of which nothing is known, no path is looked at, and what follows waits for it.
"""

from __future__ import annotations

import builtins
import os
import shutil
import stat
import sys
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from ..calls import Call, call

__all__ = [
    "append", "delete", "exists", "list", "make_folder", "move", "read", "read_bytes", "remove", "write",
    "write_bytes",
]  # fmt: skip

Path: TypeAlias = "str | os.PathLike[str]"

_ALL = "/"
#: Whose files are made up when they are read, or lead to others.
_MADE_UP = ("/proc", "/sys", "/dev")


def name_of(path: Path) -> str:
    """What a file is called as a resource, below ``file:``."""
    try:
        real = cast("str", os.path.realpath(os.fspath(path)))
        about = os.lstat(real)
    except FileNotFoundError:
        real = cast("str", os.path.realpath(os.fspath(path)))
    except (OSError, ValueError):  # a loop of links, a folder that may not be looked into, no path at all
        return _ALL
    else:
        if stat.S_ISLNK(about.st_mode) or (about.st_nlink > 1 and not stat.S_ISDIR(about.st_mode)):
            return _ALL
    if any(real == top or real.startswith(f"{top}/") for top in _MADE_UP):
        return _ALL
    if sys.platform in ("darwin", "win32"):  # where `A` and `a` may be one
        real = unicodedata.normalize("NFC", os.path.normcase(real)).casefold()
    parts = [part.replace("%", "%25").replace(":", "%3A") for part in real.split(os.sep) if part]
    return ":".join((_ALL, *parts))


def name_to_remove(path: Path) -> str:
    """The same where a link, or a folder, would be removed itself."""
    return _ALL if os.path.islink(path) or os.path.isdir(path) else name_of(path)


def _named(name: Callable[[Path], str]) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    return lambda arguments: {"path": name(arguments["path"])}


def _of_path(made: Call[..., Any], name: Callable[[Path], str] = name_of) -> None:
    made.named_after = _named(name)


@call.reads("file:{path}", name="files.read")
def read(path: Path, *, encoding: str = "utf-8") -> str:
    """The text in a file."""
    with open(path, encoding=encoding) as file:
        return file.read()


@call.reads("file:{path}", name="files.read_bytes")
def read_bytes(path: Path) -> bytes:
    """What is in a file."""
    with open(path, "rb") as file:
        return file.read()


@call.reads("file:{path}", name="files.exists")
def exists(path: Path) -> bool:
    """Whether there is a file or a folder."""
    return os.path.exists(path)


@call.reads("file:{path}", name="files.list")
def list(path: Path = ".") -> builtins.list[str]:  # noqa: A001
    """The names of what is in a folder, sorted."""
    return sorted(os.listdir(path))


@call.writes("file:{path}", name="files.write", idempotent=True)
def write(path: Path, text: str, *, encoding: str = "utf-8") -> None:
    """Make a file that holds this text, and nothing else; the folders above it as well."""
    _make_room(path)
    with open(path, "w", encoding=encoding) as file:
        file.write(text)


@call.writes("file:{path}", name="files.write_bytes", idempotent=True)
def write_bytes(path: Path, data: bytes) -> None:
    """Make a file that holds these bytes, and nothing else; the folders above it as well."""
    _make_room(path)
    with open(path, "wb") as file:
        file.write(data)


@call.writes("file:{path}", name="files.append")
def append(path: Path, text: str, *, encoding: str = "utf-8") -> None:
    """Put a text at the end of a file, which is made if there is none."""
    _make_room(path)
    with open(path, "a", encoding=encoding) as file:
        file.write(text)


@call.writes("file:{path}", name="files.make_folder", idempotent=True)
def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it is there."""
    os.makedirs(path, exist_ok=True)


@call.writes("file:{path}", name="files.delete", idempotent=True)
def delete(path: Path) -> None:
    """Remove a file, or a link, if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


@call.writes("file", name="files.remove", idempotent=True)
def remove(path: Path) -> None:
    """Remove a folder and all that is in it, or a file, if it is there."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


@call.writes("file", name="files.move")
def move(path: Path, to: Path) -> None:
    """Give a file or a folder another path."""
    shutil.move(path, to)


def _make_room(path: Path) -> None:
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, exist_ok=True)


for _each in (read, read_bytes, exists, list, write, write_bytes, append, make_folder):
    _of_path(_each)
_of_path(delete, name_to_remove)
