"""Which journal runs are written to, where the run itself does not say.

In this order: what `configure` was given, the environment variable ``STRETTO_JOURNAL``, and ``journal``
under ``[tool.stretto]`` in the nearest ``pyproject.toml``, from the working directory upwards. The first that
says something is followed, also if what it says is to keep none: `configure(journal=None)`, or the variable
set to nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from .errors import JournalUrlError

__all__ = ["DEFAULT", "VARIABLE", "Choice", "choice", "chosen", "configure", "unconfigure"]

VARIABLE = "STRETTO_JOURNAL"
#: Where the command line keeps its runs if nobody says anything.
DEFAULT = Path(".stretto") / "journal.db"
#: What may be said under ``[tool.stretto]`` (see `stretto.declarations.table` and `stretto.limits.rules`).
_KEYS = ("journal", "effects", "limits")


@dataclass(frozen=True, slots=True)
class Choice:
    """The journal that is configured.

    Attributes:
        url: what `open_journal` takes; None to keep none.
        said_by: who says so, for messages.
        silent: nobody says anything, not even that there is to be none.
    """

    url: str | None
    said_by: str
    silent: bool = False


_configured: list[Choice] = []
#: What the nearest project file says, once it was looked for.
_project: list[Choice] = []


def configure(*, journal: str | Path | None) -> None:
    """Set the journal of this process's runs: a URL, the path of a file, or None to keep none."""
    if journal is not None:
        from .journal import file_of

        file_of(journal)  # raises if it names none
    _configured[:] = [Choice(None if journal is None else str(journal), "stretto.configure")]


def unconfigure() -> None:
    """Forget what `configure` was given, and what was found on the disk."""
    _configured.clear()
    _project.clear()


def choice() -> Choice:
    """What is configured, and by whom."""
    if _configured:
        return _configured[0]
    variable = os.environ.get(VARIABLE)
    if variable is not None:
        return Choice(variable.strip() or None, f"the environment variable {VARIABLE}")
    if not _project:
        _project.append(_of_project())
    return _project[0]


def chosen() -> bool:
    """Whether `choice` knows its answer without looking at the disk."""
    return bool(_configured or VARIABLE in os.environ or _project)


def _of_project() -> Choice:
    folder = Path.cwd()
    for parent in (folder, *folder.parents):
        file = parent / "pyproject.toml"
        if file.is_file():
            url = _from_project(file)
            return Choice(url, str(file), silent=url is None)
    return Choice(None, "nothing", silent=True)


def _from_project(file: Path) -> str | None:
    import tomllib  # late, as most programs have no such file

    from .journal import file_of

    try:
        project = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JournalUrlError(f"{file} cannot be read, and might name a journal: {error}") from None
    tool: Any = project.get("tool", {})
    section: Any = cast("dict[str, Any]", tool).get("stretto", {}) if isinstance(tool, dict) else {}
    if not isinstance(section, dict):
        return None
    for key in cast("dict[str, Any]", section):
        if key not in _KEYS:
            raise JournalUrlError(f"{file}: [tool.stretto] knows no {key!r}; it knows {', '.join(_KEYS)}")
    url: Any = cast("dict[str, Any]", section).get("journal")
    if url is None:
        return None
    if not isinstance(url, str):
        raise JournalUrlError(f"{file}: [tool.stretto] journal should be a URL or a path, and is {url!r}")
    try:
        path = file_of(url)
    except JournalUrlError as error:
        raise JournalUrlError(f"{file}: [tool.stretto] journal: {error}") from None
    # A file is meant from where the project is, not from where somebody happens to stand in it.
    return url if path is None or path.is_absolute() else str(file.parent / path)
