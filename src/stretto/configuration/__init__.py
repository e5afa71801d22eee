"""What is configured, and by whom.

In this order, the last one that says something counts: ``pyproject.toml`` (``[tool.stretto]``) and
``stretto.toml`` of the nearest folder that has one of them, from the working directory upwards; environment
variables ``STRETTO_...``; and what `configure` was given. What is said of one flow, or one command, counts
before all of these, and is not found here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .settings import SETTINGS, Setting, checked

if TYPE_CHECKING:
    from .files import Project, Said

__all__ = [
    "DEFAULT",
    "VARIABLE",
    "Choice",
    "Held",
    "choice",
    "chosen",
    "commanded",
    "configure",
    "held",
    "here",
    "unconfigure",
    "value",
]

VARIABLE = SETTINGS["journal"].variable
#: Where the command line keeps its runs if nobody says anything.
DEFAULT = Path(".stretto") / "journal.db"

_ARGUMENT = "stretto.configure"


class Held(NamedTuple):
    """What holds of a setting.

    Attributes:
        value: its value; None if nobody says anything, and where there is to be no journal.
        kind: who says so: ``command``, ``argument``, ``variable``, ``file`` or ``default``.
        where: which of these, for people; empty for a default.
        said: what a file says, if it is one.
    """

    value: Any
    kind: str
    where: str = ""
    said: Said | None = None


class Choice(NamedTuple):
    """The journal that is configured.

    Attributes:
        url: what `open_journal` takes; None to keep none.
        said_by: who says so, for messages.
        silent: nobody says anything, not even that there is to be none.
    """

    url: str | None
    said_by: str
    silent: bool = False


class _Unsaid:
    """Stands for an argument that was not given."""


_UNSAID: Any = _Unsaid()
_arguments: dict[str, Any] = {}
#: What an option of the command that this process carries out says.
_commanded: dict[str, Any] = {}
#: The project that this process works in, once it was looked for.
_here: list[Project | None] = []


def configure(
    *, journal: str | Path | None = _UNSAID, in_flight: int = _UNSAID, flush: float = _UNSAID,
    patience: float = _UNSAID, lease: float = _UNSAID,
    budget: str | Mapping[str, float] | None = _UNSAID,
) -> None:  # fmt: skip
    """Configure the runs of this process; what is not said stays as it is. To be called before the first run.

    Args:
        journal: where runs are recorded: a URL, the path of a file, or None to record none.
        in_flight: how many operations of a run may be under way.
        flush: seconds for which what is to be recorded may wait for more of it.
        patience: seconds to wait for a journal that is locked, or does not answer.
        lease: seconds without a sign of life after which others may take up a run.
        budget: what each run may use at most: ``usd``, ``tokens`` and ``seconds``, as `stretto.budget` takes
            them; None for any amount.
    """
    given = {
        "journal": str(journal) if isinstance(journal, Path) else journal,
        "in_flight": in_flight, "flush": flush, "patience": patience, "lease": lease, "budget": budget,
    }  # fmt: skip
    found = {
        name: said
        if said is None and SETTINGS[name].clears
        else checked(SETTINGS[name], said, f"{_ARGUMENT}: {name}")
        for name, said in given.items()
        if said is not _UNSAID
    }
    _arguments.update(found)


@contextlib.contextmanager
def commanded(name: str, said: str) -> Generator[None]:
    """Inside the ``with``, the option of a command says this of a setting, whatever the program says.

    Raises `ConfigurationError`.
    """
    _commanded[name] = checked(SETTINGS[name], said, f"--{name}")
    try:
        yield
    finally:
        del _commanded[name]


def unconfigure() -> None:
    """Forget what `configure` was given, and what was found on the disk."""
    _arguments.clear()
    _here.clear()


def here() -> Project | None:
    """The project that this process works in, as it was found first."""
    if not _here:
        from .files import find  # late: that a program may set something is no reason to wait for it

        _here.append(find(Path.cwd()))
    return _here[0]


def held(setting: Setting) -> Held:
    """What holds of a setting, and who says so. Raises `ConfigurationError`."""
    name = setting.name
    if name in _commanded:
        return Held(_commanded[name], "command", f"--{name}")
    if name in _arguments:
        return Held(_arguments[name], "argument", _ARGUMENT)
    variable = os.environ.get(setting.variable)
    if variable is not None:
        where = f"the environment variable {setting.variable}"
        if (
            name == "journal"
        ):  # set to nothing it says that there is none; what else it says is looked at late
            return Held(variable.strip() or None, "variable", where)
        if variable.strip():
            return Held(checked(setting, variable.strip(), where), "variable", where)
    project = here() if setting.in_files else None
    said = None if project is None else project.said.get(name)
    if said is not None:
        return Held(said.value, "file", said.where, said)
    return Held(None, "default")


def value(name: str) -> Any:
    """What is configured; None if nothing is."""
    return held(SETTINGS[name]).value


def choice() -> Choice:
    """The journal that is configured, and by whom."""
    found = held(SETTINGS["journal"])
    return Choice(found.value, found.where or "nothing", silent=found.kind == "default")


def chosen() -> bool:
    """Whether `choice` knows its answer without looking at the disk."""
    return bool("journal" in _arguments or VARIABLE in os.environ or _here)
