"""What the user says of tools that have names: in the program, or in the table ``[effects]``."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..compiler.checkers import Checker
from ..declarations import registry
from ..declarations.project import load_once
from ..declarations.table import Entry, entry
from ..errors import DeclarationError

__all__ = ["TABLE", "Words", "attribute_name", "close_to"]

#: Under which names tools stand in the table: ``"stretto.tools.git.git_checkout" = "writes repo"``.
TABLE = "stretto.tools."

_OTHER = re.compile(r"\W")


def attribute_name(tool: str) -> str:
    """The name of a tool as that of an attribute: ``get-env`` is ``get_env``."""
    name = _OTHER.sub("_", tool)
    return f"_{name}" if name[:1].isdigit() else name


def close_to(name: str, names: Iterable[str]) -> str:
    """What may have been meant, and what there is."""
    known = sorted(names)
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"Did you mean {near[0]!r}? " if near else ""
    return f"{meant}There are: {', '.join(known) or 'none'}"


class Words:
    """What is said of the tools of one server or service. What the program says counts before the table.

    Attributes:
        name: of the server or service.
        where: the file and line where the program speaks of it.
    """

    def __init__(self, name: str, said: Mapping[str, Any], where: str) -> None:
        self.name = name
        self.where = where
        self._own: list[Entry] = []
        for key, value in said.items():
            one = entry("tool", value, f"{where}: {key}")
            _only_calls(one)
            self._own.append(replace(one, name=key if "*" in key else attribute_name(key)))

    def about(self, tools: Iterable[str]) -> dict[str, Entry]:
        """What is said, for each of these names of attributes of which something is said. `DeclarationError`
        if anything is said of a tool that is not there."""
        load_once()
        table = list(registry.entries_under(f"{TABLE}{self.name}."))
        names = set(tools)
        found: dict[str, Entry] = {}
        for group, cut in ((table, len(f"{TABLE}{self.name}.")), (self._own, 0)):
            here: dict[str, Entry] = {}
            for one in sorted(group, key=lambda e: "*" not in e.name):  # the exact ones last: they count
                _only_calls(one)
                meant = fnmatch.filter(names, one.name[cut:])
                if not meant and "*" not in one.name:
                    known = close_to(one.name[cut:], names)
                    raise DeclarationError(f"{one.where}: {self.name} has no {one.name[cut:]!r}. {known}")
                here.update(dict.fromkeys(meant, one))
            found.update(here)
        return found


def _only_calls(one: Entry) -> None:
    if one.bounds is not None or one.here or one.unless or one.iterates or one.fixed_self:
        raise DeclarationError(
            f"{one.where}: a tool is a call: it may have an effect, `returns` and the options of a call, and "
            "nothing that is about the program's own thread and objects"
        )


def checker_of(one: Entry | None) -> Checker | None:
    """The check of what is said that a tool returns; None if nothing is."""
    if one is None or not one.returns or one.returns == "json":
        return None
    return registry.checker_of(one)
