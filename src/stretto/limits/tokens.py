"""How many tokens a call uses: estimated from its arguments before, read from its result after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

__all__ = ["MOST_SAID", "MOST_TOKENS", "estimate", "part", "used"]

#: Characters of English text to a token, about, with the tokenisers of today's language models.
_CHARACTERS = 4
#: What a call is taken to use at the least.
_LEAST = 1.0
#: How clients of language models call how long an answer may be.
MOST_SAID = ("max_tokens", "max_completion_tokens", "max_output_tokens")
#: More tokens than this are no number of tokens.
MOST_TOKENS = 10**12


def estimate(args: Iterable[Any], kwargs: Mapping[str, Any]) -> float:
    """A token for every four characters of text in the arguments, and as many as they ask for by
    ``max_tokens``."""
    asked = sum(
        min(max(value, 0), MOST_TOKENS)  # some servers take -1 for as many as there may be
        for name in MOST_SAID
        if isinstance(value := kwargs.get(name), int)
    )
    return max(_characters([*args, *kwargs.values()]) / _CHARACTERS, _LEAST) + asked


def _characters(values: list[Any]) -> int:
    count, seen = 0, set[int]()
    while values:
        value = values.pop()
        if isinstance(value, str):
            count += len(value)
        elif type(value) in (list, tuple, dict) and id(value) not in seen:
            seen.add(id(value))
            held: Iterable[Any] = cast("Any", value.values() if isinstance(value, dict) else value)
            values.extend(held)
    return count


def used(result: Any) -> float | None:
    """What the result of a call says that it has used, as clients of language models tell it: an attribute or
    a key ``usage`` with ``total_tokens``, or ``input_tokens`` and ``output_tokens``; else None.
    So it is where ``usage.told`` is False: of a server that tells nothing (`stretto.llm.Usage`)."""
    usage = part(result, "usage")
    if usage is None or part(usage, "told") is False:
        return None
    total = part(usage, "total_tokens")
    if isinstance(total, int):
        return _number(total)
    both = part(usage, "input_tokens"), part(usage, "output_tokens")
    if isinstance(both[0], int) and isinstance(both[1], int):
        return _number(both[0] + both[1])
    return None


def _number(said: int) -> float | None:
    """What a server says, if it can be true."""
    return said if 0 <= said <= MOST_TOKENS else None


def part(owner: Any, name: str) -> Any:
    """An attribute or a key of something; None if it has none."""
    if isinstance(owner, Mapping):
        return cast("Mapping[str, Any]", owner).get(name)
    # not `getattr` alone, which an object may answer for any name
    if name in getattr(owner, "__dict__", ()) or hasattr(cast("Any", type(owner)), name):
        return getattr(owner, name, None)
    return None
