"""What regular expressions give: of `re`, of patterns and of matches.

A match is typed by its text (``T(re.Match, (T(str),))``), and what may be None instead is one of two types.
"""

from __future__ import annotations

import re
from typing import Final

from stretto.compiler.types import ELLIPSIS, T, one_of

__all__ = ["function_result", "group", "method_result", "written_result"]

_STR, _INT, _NONE = T(str), T(int), T(type(None))
_TEXTS: Final = (T(str), T(bytes))
_FINDS: Final = ("match", "search", "fullmatch")


def function_result(name: str, args: list[T | None]) -> T | None:
    """The type of what a function of `re` gives for arguments of these types."""
    if name in ("compile", "escape"):
        text = args[0] if args and args[0] in _TEXTS else None
        return T(re.Pattern, (text,)) if text is not None and name == "compile" else text
    text = args[2] if name == "sub" and len(args) > 2 else args[1] if len(args) > 1 else None
    if text not in _TEXTS or args[0] not in (text, T(re.Pattern, (text,)), T(re.Pattern)):
        return None
    return _found(name, text)


def written_result(f: object, pattern: object, args: list[T | None]) -> T | None:
    """The type of what `re.findall` and `re.split` give for a pattern that is written in the call."""
    if f not in (re.findall, re.split) or type(pattern) is not str:
        return None
    if not 2 <= len(args) <= (2 if f is re.findall else 3) or args[1] != _STR:
        return None
    try:
        groups = re.compile(pattern).groups
    except (re.error, OverflowError, RecursionError):
        return None
    if groups == 0 or (groups == 1 and f is re.findall):
        return T(list, (_STR,))
    # Where a group of `split` took no part there is None.
    return T(list, (T(tuple, (_STR,) * groups),)) if f is re.findall else T(list)


def _found(name: str, text: T | None) -> T | None:
    if name in _FINDS:
        return one_of([T(re.Match, (text,)), _NONE])
    if name in ("findall", "split"):
        return T(list)
    return text if name == "sub" else None


def method_result(owner: T, name: str, args: list[T | None]) -> T | None:
    """The type of what a method of a pattern, or of a match, gives."""
    own = owner.args[0] if owner.args else None
    if owner.cls is re.Pattern:
        text = args[1] if name == "sub" and len(args) > 1 else args[0] if args else None
        return _found(name, text) if text in _TEXTS and own in (None, text) else None
    if name in ("start", "end"):
        return _INT
    if name == "span":
        return T(tuple, (_INT, _INT))
    if own is None:
        return None
    if name == "group":
        return own if not args else group(owner) if len(args) == 1 else T(tuple)
    if name == "groups" and not args:
        return T(tuple, (group(owner), ELLIPSIS))
    return T(dict, (_STR, group(owner))) if name == "groupdict" and not args else None


def group(owner: T) -> T | None:
    """The type of one group of a match: None where it took no part."""
    return one_of([owner.args[0], _NONE]) if owner.args else None
