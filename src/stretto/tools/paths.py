"""What an operation touches, by the path that it is at: ``GET /users/{id}`` is about ``users:{id}``.

A collection covers its members. So that no two names can be for the same thing, a name ends

- before a word where another path has a parameter: ``/users/me`` may be any of ``/users/{id}``;
- before a parameter that may be several things, a list say, or that is a part of a word: ``/{name}.json``;
- of what writes, before a last word that is no collection: ``POST /users/{id}/lock`` writes the user;

and versions (``/v2``) are left out of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

__all__ = ["name_parts", "resource_words", "text_in_url", "words_of"]

_VERSION = re.compile(r"v\d+([._-]?\w*)?")
_PARAMETER = re.compile(r"\{([^{}]+)\}")


def words_of(path: str) -> tuple[str, ...]:
    """The words of a path, without its version."""
    return tuple(word for word in path.split("/") if word and not _VERSION.fullmatch(word))


def resource_words(
    path: str,
    others: Sequence[tuple[str, ...]],
    arguments: Mapping[str, str],
    kinds: Mapping[str, Any],
    *,
    writes: bool,
) -> list[str]:
    """The parts of a resource's name.

    Args:
        path: of the operation.
        others: the words of all paths of the service.
        arguments: what the parameters of the path are called as arguments.
        kinds: the schemas of the arguments.
        writes: whether the operation writes.
    """
    words = words_of(path)
    found: list[str] = []
    for at, word in enumerate(words):
        whole = _PARAMETER.fullmatch(word)
        if whole is not None:
            argument = arguments.get(whole[1], "")
            if _may_be_several(kinds.get(argument)):
                return found
            found.append(f"{{{argument}}}")
            continue
        beside = [other[at] for other in others if len(other) > at and _alike(other[:at], words[:at])]
        if any(map(_PARAMETER.search, (word, *beside))):
            return found
        found.append(_escaped(word).replace("{", "{{").replace("}", "}}"))
    if writes and words and not _PARAMETER.search(words[-1]):
        below = [other[len(words)] for other in others if len(other) > len(words) and _alike(other, words)]
        if not any(map(_PARAMETER.search, below)):
            found.pop()
    return found


def name_parts(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Arguments as parts of names: what is the same in a URL is the same here."""
    return {name: _escaped(text_in_url(value)) for name, value in arguments.items()}


def text_in_url(value: Any) -> str:
    """A value as it stands in a URL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (list, tuple)):
        return ",".join(map(text_in_url, cast("Sequence[Any]", value)))
    return str(value)


def _alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two paths, as far as both go, have the same words, or a parameter each."""
    for a, b in zip(one, other, strict=False):
        if a != b and not (_PARAMETER.fullmatch(a) and _PARAMETER.fullmatch(b)):
            return False
    return True


def _may_be_several(schema: Any) -> bool:
    kind: Any = cast("Mapping[str, Any]", schema).get("type") if isinstance(schema, Mapping) else None
    return kind not in ("string", "integer")


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace(":", "%3A")
