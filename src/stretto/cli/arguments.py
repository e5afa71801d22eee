"""A flow's signature as a command line: its usage, and the arguments that words stand for.

Arguments are given in the flow's own order or by name (``--name value``, ``--name=value``); a list takes
as many words as the required arguments behind it leave (``digest tides basalt --to ann``), or JSON.
"""

from __future__ import annotations

import inspect
import json
import textwrap
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from inspect import Parameter
from typing import Any

from .convert import ConversionError, convert, describe, list_item, sequence_of, without_none
from .load import UsageError, did_you_mean

__all__ = ["Signature", "option"]

_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@dataclass
class Signature:
    """The parameters of a flow, with their types found."""

    parameters: dict[str, Parameter]
    types: dict[str, Any]

    @classmethod
    def of(cls, fn: Callable[..., Any]) -> Signature:
        parameters = dict(inspect.signature(fn).parameters)
        try:
            types = typing.get_type_hints(fn, include_extras=True)
        except Exception:  # a name that only a type checker knows: what is not found is taken as text
            raw = {name: p.annotation for name, p in parameters.items()}
            types = {name: str if isinstance(found, str) else found for name, found in raw.items()}
        return cls(parameters, {name: types.get(name, Parameter.empty) for name in parameters})

    def parse(self, words: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments to call the flow with; `UsageError` says what is missing, unknown or wrong."""
        named, loose = self._split(words)
        self._place(loose, named)
        missing = [p for p in self.parameters.values() if p.name not in named and _required(p)]
        if missing:
            raise UsageError(f"missing: {', '.join(map(self._shown, missing))}")
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        by_position = True
        for name, parameter in self.parameters.items():
            if name not in named:
                by_position = by_position and parameter.kind is Parameter.VAR_POSITIONAL
            elif parameter.kind is Parameter.VAR_POSITIONAL:
                args.extend(self._convert(name, word) for word in named[name])
            elif parameter.kind in _BY_POSITION and by_position:
                args.append(self._value(name, named[name]))
            else:
                kwargs[name] = self._value(name, named[name])
        extra = {name: words for name, words in named.items() if name not in self.parameters}
        rest = next((n for n, p in self.parameters.items() if p.kind is Parameter.VAR_KEYWORD), "")
        kwargs.update({name: self._convert(rest, words[-1], name) for name, words in extra.items()})
        return args, kwargs

    def usage(self, command: str) -> str:
        """``usage: stretto run digest.py:digest TOPICS [TOPICS ...] --to TO [--limit LIMIT]``."""
        pieces = [f"usage: {command}"]
        for name, parameter in self.parameters.items():
            shown = self._shown(parameter)
            if parameter.kind is Parameter.VAR_POSITIONAL:
                shown = f"[{name.upper()} ...]"
            elif parameter.kind is Parameter.VAR_KEYWORD:
                shown = "[--NAME VALUE ...]"
            elif self._is_list(name):
                shown = f"{shown} [{name.upper()} ...]"
            pieces.append(shown if _required(parameter) or shown.startswith("[") else f"[{shown}]")
        return textwrap.fill(" ".join(pieces), 100, subsequent_indent=" " * 7, break_on_hyphens=False)

    def table(self) -> str:
        """One line for each argument: its name, its type, its default."""
        rows: list[tuple[str, str]] = []
        for name, parameter in self.parameters.items():
            if parameter.kind is Parameter.VAR_KEYWORD:
                continue
            kind = describe(self.types[name])
            if parameter.kind is Parameter.VAR_POSITIONAL:
                kind += ", any number"
            elif parameter.default is not Parameter.empty:
                kind += f", default {parameter.default!r}"
            rows.append((option(name), kind))
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join(f"  {name:<{width}}  {kind}" for name, kind in rows)

    def _split(self, words: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
        """Words given by name, and those given by position."""
        queue = _Queue(list(words))
        named: dict[str, list[str]] = {}
        loose: list[str] = []
        while queue:
            word = queue.take()
            if word == "--":
                return named, loose + queue.rest()
            if not _is_option(word):
                loose.append(word)
                continue
            text, equals, value = word[2:].partition("=")
            name, given = self._named(text)
            if equals:
                given = [value]
            elif given is None:
                given = self._values(name, queue)
            if name in named and not self._is_list(name):
                raise UsageError(f"{option(name)} is given twice")
            named.setdefault(name, []).extend(given)
        return named, loose

    def _named(self, text: str) -> tuple[str, list[str] | None]:
        """The parameter that an option names; with its value where it is ``--no-flag``."""
        name = text.replace("-", "_")
        if name in self.parameters and self.parameters[name].kind not in (
            Parameter.VAR_POSITIONAL,
            Parameter.VAR_KEYWORD,
        ):
            return name, None
        if name.startswith("no_") and self._is_flag(name[3:]):
            return name[3:], ["false"]
        if any(p.kind is Parameter.VAR_KEYWORD for p in self.parameters.values()):
            return name, None
        guess = did_you_mean(name, self.parameters, "--").replace("_", "-")
        raise UsageError(f"there is no --{text}{guess}")

    def _values(self, name: str, queue: _Queue) -> list[str]:
        """The words behind ``--name``: one, none for a flag, all up to the next option for a list."""
        if self._is_flag(name):
            return [queue.take()] if queue.peek().lower() in {"true", "false"} else ["true"]
        if not queue or _is_option(queue.peek()):
            raise UsageError(f"{option(name)} needs a value: {describe(self.types.get(name, Any))}")
        given = [queue.take()]
        while self._is_list(name) and queue and not _is_option(queue.peek()):
            given.append(queue.take())
        return given

    def _place(self, loose: list[str], named: dict[str, list[str]]) -> None:
        """Give the words without a name to the parameters that have none yet, in order."""
        waiting = [p for p in self.parameters.values() if p.name not in named and p.kind in _BY_POSITION]
        for number, parameter in enumerate(waiting):
            if not loose:
                return
            count = 1
            if self._is_list(parameter.name) and _json_list(loose[0]) is None:
                count = max(1, len(loose) - sum(map(_required, waiting[number + 1 :])))
            named[parameter.name], loose = loose[:count], loose[count:]
        rest = next((n for n, p in self.parameters.items() if p.kind is Parameter.VAR_POSITIONAL), None)
        if rest is not None:
            named[rest] = loose
        elif loose:
            raise UsageError(f"one argument too many: {loose[0]!r}")

    def _value(self, name: str, words: list[str]) -> Any:
        if not self._is_list(name):
            return self._convert(name, words[-1])
        if len(words) == 1 and (_json_list(words[0]) is not None or words[0].startswith("@")):
            return self._convert(name, words[0])
        item = list_item(self.types[name])
        items = [self._convert(name, word, item=item) for word in words]
        return sequence_of(self.types[name])(items)

    def _convert(self, name: str, word: str, shown: str | None = None, *, item: Any = None) -> Any:
        try:
            return convert(word, self.types.get(name, Any) if item is None else item)
        except ConversionError as error:
            raise UsageError(f"{option(shown or name)}: {error}, found {word!r}") from None

    def _is_list(self, name: str) -> bool:
        return list_item(self.types.get(name)) is not None

    def _is_flag(self, name: str) -> bool:
        return without_none(self.types.get(name)) is bool

    def _shown(self, parameter: Parameter) -> str:
        name = parameter.name
        if parameter.kind in _BY_POSITION and parameter.default is Parameter.empty:
            return name.upper()
        return option(name) if self._is_flag(name) else f"{option(name)} {name.upper()}"


@dataclass
class _Queue:
    words: list[str]
    at: int = field(default=0)

    def __bool__(self) -> bool:
        return self.at < len(self.words)

    def peek(self) -> str:
        return self.words[self.at] if self else ""

    def take(self) -> str:
        self.at += 1
        return self.words[self.at - 1]

    def rest(self) -> list[str]:
        return self.words[self.at :]


def option(name: str) -> str:
    """How a parameter is written as an option."""
    return "--" + name.replace("_", "-")


def _is_option(word: str) -> bool:
    return word.startswith("--")  # one dash is a value: -5


def _required(parameter: Parameter) -> bool:
    variable = parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return parameter.default is Parameter.empty and not variable


def _json_list(word: str) -> list[Any] | None:
    if not word.startswith("["):
        return None
    try:
        return typing.cast("list[Any]", json.loads(word))
    except json.JSONDecodeError:
        return None
