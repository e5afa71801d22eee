"""The words of a command that has options, of which some take a value."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from .load import UsageError, did_you_mean

__all__ = ["Given", "Usage", "without_password"]

#: What precedes a password in a URL, and the password.
_PASSWORD = re.compile(r"(://[^/?#:@\s]*:)[^/?#\s]+@")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command takes.

    Attributes:
        command: its name.
        places: what stands by position, all of it needed.
        values: the options that take a value, each with what to call that.
        flags: the options that take none.
        repeated: those of `values` that may be given more than once.
        says: what the command does, and what each option means.
    """

    command: str
    places: tuple[str, ...]
    values: dict[str, str]
    flags: tuple[str, ...]
    says: str
    repeated: tuple[str, ...] = ()

    def line(self) -> str:
        """The usage in one line."""
        options = [
            f"[{name} {value}]{' ...' if name in self.repeated else ''}"
            for name, value in self.values.items()
        ]
        options += [f"[{name}]" for name in self.flags]
        return " ".join(["usage: stretto", self.command, *self.places, *options])

    def parse(self, words: Sequence[str]) -> Given:
        """Raises `UsageError`."""
        given = Given()
        left = list(words)
        found: list[str] = []
        while left:
            word = left.pop(0)
            if word == "--":
                found += left
                break
            name, equals, value = word.partition("=")
            if word in ("-h", "--help"):
                given.flags.add("--help")
            elif word in self.flags:
                given.flags.add(word)
            elif name in self.values:
                if not equals:
                    if not left:
                        raise UsageError(f"{name} takes a value: {name} {self.values[name]}")
                    value = left.pop(0)
                if name in self.repeated:
                    given.lists.setdefault(name, []).append(value)
                elif name in given.values:
                    raise UsageError(f"{name} is given twice")
                else:
                    given.values[name] = value
            elif word.startswith("-") and word != "-":
                if name in self.flags:
                    raise UsageError(f"{name} takes no value")
                known = (*self.flags, *self.values)
                raise UsageError(f"there is no option {name}{did_you_mean(name, known)}")
            else:
                found.append(word)
        if "--help" not in given.flags:
            if len(found) > len(self.places):
                takes = f"takes {' '.join(self.places)} alone" if self.places else "takes options only"
                raise UsageError(f"stretto {self.command} {takes}; found {found[len(self.places)]!r} too")
            if len(found) < len(self.places):
                raise UsageError(f"say {' and '.join(self.places[len(found) :])}")
            if any(not word.strip() for word in found):
                raise UsageError(f"{' and '.join(self.places)} cannot be empty")
        given.places = found
        return given


@dataclass(slots=True)
class Given:
    """What a command was given."""

    places: list[str] = field(default_factory=list[str])
    values: dict[str, str] = field(default_factory=dict[str, str])
    flags: set[str] = field(default_factory=set[str])
    lists: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def json(self) -> bool:
        return "--json" in self.flags

    def number(self, name: str) -> int | None:
        """An option that is a number of things, at least 1."""
        value = self.values.get(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdecimal()) or not 0 < int(value[:19]) < 2**63:
            raise UsageError(f"{name} takes a number from 1 on, and found {value!r}")
        return int(value)

    def again(self, *words: str) -> str:
        """A command on the same journal, for the user to copy; a password is left for them to fill in."""
        url = self.values.get("--journal")
        return without_password(
            shlex.join(["stretto", *words, *(["--journal", url] if url is not None else [])])
        )


def without_password(text: str) -> str:
    """A command as it can be shown."""
    return _PASSWORD.sub(r"\1PASSWORD@", text)
