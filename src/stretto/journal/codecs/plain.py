"""Plain trees: dicts with str keys, lists, and str, int, float, bool and None. Most of what calls return.

The C encoder and parser of `json` are several times faster than anything written in Python, so plain trees
are stored as JSON. What JSON does not keep apart is kept out of it: a tuple is no list, an `IntEnum` no int,
a list that is met twice is not two lists, and nan, infinities, lone surrogates and very long ints have forms
of their own. Whether a tree is plain is found level by level, with a few calls into C for each level."""

from __future__ import annotations

import json.encoder
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, cast

from ...errors import CorruptValue

__all__ = ["LONG", "containers", "dump", "load"]

#: From this many characters on a str is not hidden in a tree: it may be a document that is met again.
LONG = 16 * 1024
_STRETCH = LONG // 4

_SCALARS = frozenset((str, int, float, bool, type(None)))
_PLAIN = _SCALARS | {list, dict}
_TEXT = {str}
_values: Callable[[Any], Iterable[Any]] = cast("Any", dict).values
#: Python refuses to read decimal numbers of more digits than 4300, or than the program that reads allows.
_DIGITS = 4000
#: The parser recurses: trees that are deeper than this are written item by item.
_LEVELS = 64
MOST = 50_000


def containers(tree: list[Any] | dict[Any, Any], most: int = MOST) -> list[int] | None:
    """The identities of all lists and dicts of a plain tree, or None where it is not plain.

    One that is met twice is listed twice. Trees of more than `most` of them are not taken for plain; this
    also ends the search in a cycle."""
    found = [id(tree)]
    if type(tree) is dict:
        if tree and set(map(type, tree)) != _TEXT:
            return None
        level: list[Any] = list(tree.values())
    else:
        level = cast("list[Any]", tree)
    for _ in range(_LEVELS):
        kinds = set(map(type, level))
        if kinds <= _SCALARS:
            return found
        if not kinds <= _PLAIN:
            return None
        below: list[Any] = []
        if list in kinds:
            lists: list[Any] = [thing for thing in level if type(thing) is list]
            found += map(id, lists)
            below += chain.from_iterable(lists)
        if dict in kinds:
            dicts: list[Any] = level
            if len(kinds) > 1:
                dicts = [thing for thing in level if type(thing) is dict]
            found += map(id, dicts)
            if not set(map(type, chain.from_iterable(dicts))) <= _TEXT:
                return None
            below += chain.from_iterable(map(_values, dicts))
        if len(found) > most:
            return None
        level = below
    return None


def _encoder() -> Callable[[Any], Iterable[str]]:
    """What `json.dumps(tree, ensure_ascii=False, allow_nan=False, check_circular=False)` does in C, without
    the microseconds that setting it up takes each time."""
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    escape = json.encoder.encode_basestring
    if make is not None:
        try:
            encode = make(None, None, escape, None, ":", ",", False, False, False)
            encode([{"a": 1.5}], 0)
        except TypeError:  # it is no public name: another Python may want other arguments
            pass
        else:
            return lambda tree: encode(tree, 0)
    encoder = json.JSONEncoder(
        ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
    )
    return encoder.iterencode


_encode = _encoder()
#: What `json.loads` does after it has looked for white space and for the encoding.
_parse: Callable[[str, int], tuple[Any, int]] = cast("Any", json.JSONDecoder()).scan_once


def dump(tree: list[Any] | dict[str, Any]) -> bytes | None:
    """A plain tree as JSON, or None where it is better written item by item: it holds a value that JSON has
    no exact form for, or a str so long that it should be stored by itself."""
    try:
        raw = "".join(_encode(tree)).encode()
        if len(raw) >= _DIGITS and (_has_long_number(raw) or (len(raw) >= LONG and _holds_long(tree, raw))):
            return None
        return raw
    except (ValueError, RecursionError):  # nan, an infinity, a lone surrogate, an int of thousands of digits
        return None


def _has_long_number(raw: bytes) -> bool:
    half = _DIGITS // 2  # so many digits in a row fill one of the windows of half as many
    return any(raw[at : at + half].isdigit() for at in range(0, len(raw), half))


def _holds_long(tree: Any, raw: bytes) -> bool:
    # A look that costs little: a long str has long stretches without a quote, but for those that it escapes.
    bare = raw.replace(b'\\"', b"")
    if all(bare.find(b'"', at, at + _STRETCH) >= 0 for at in range(0, len(bare) - _STRETCH, _STRETCH)):
        return False
    todo: list[Any] = [tree]
    for thing in todo:
        if isinstance(thing, str):
            if len(thing) >= LONG:
                return True
        elif isinstance(thing, list):
            todo += cast("list[Any]", thing)
        elif isinstance(thing, dict):
            todo += cast("dict[str, Any]", thing).values()
    return False


def load(raw: bytes) -> Any:
    """The tree that `dump` wrote."""
    try:
        text = str(raw, "utf-8")
        tree, end = _parse(text, 0)
    except (StopIteration, ValueError, RecursionError) as error:
        raise CorruptValue(f"damaged JSON in a recorded value: {error}") from None
    if end != len(text):
        raise CorruptValue("damaged JSON in a recorded value: something follows its end")
    return tree
