"""Environment variables that may have been meant for us, and that nothing looks at."""

from __future__ import annotations

import os
import sys

from .settings import SETTINGS

__all__ = ["name_misspelt", "sentence", "unknown"]

_PREFIX = "STRETTO_"
#: Whether this process has looked already.
_looked = False


def unknown() -> list[tuple[str, str | None]]:
    """The variables by name, each with the one that may have been meant."""
    known = {setting.variable for setting in SETTINGS.values()}
    given = sorted(name for name in os.environ if name.startswith(_PREFIX) and name not in known)
    return [(name, _meant(name)) for name in given]


def _meant(name: str) -> str | None:
    import difflib  # late: it is needed where somebody has mistyped something

    # what all have in common would make any of them look alike
    words = [setting.variable.removeprefix(_PREFIX) for setting in SETTINGS.values()]
    found = difflib.get_close_matches(name.removeprefix(_PREFIX), words, n=1)
    return _PREFIX + found[0] if found else None


def name_misspelt() -> None:
    """Tell people, once, of variables that are almost one of ours. Others may be for somebody else."""
    global _looked
    if _looked:
        return
    _looked = True
    for name, meant in unknown():
        if meant is not None and sys.stderr is not None:
            sys.stderr.write(f"{sentence(name, meant)}\n")


def sentence(name: str, meant: str | None) -> str:
    """What is told of such a variable."""
    guess = "." if meant is None else f"; did you mean {meant!r}?"
    return f"stretto: nothing looks at the environment variable {name}{guess}"
