"""What recording a value costs, against `json` and `pickle`.

`json` keeps fewer types, and `pickle` runs code when it reads: neither
could take the place of the codecs; they say what the machine can do.
"""

from __future__ import annotations

import json
import pickle
import timeit
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from stretto.journal.codecs import decode, encode, encode_call

from .measure import by_turns
from .rows import Row

__all__ = ["codecs"]


@dataclass
class Order:
    number: int
    customer: str
    total: float


FIELDS: dict[str, Any] = {
    "id": 4711, "name": "Ada Lovelace", "email": "ada@example.org", "score": 0.75, "active": True,
    "tags": ["first", "engine"], "city": "London", "note": None, "visits": 12, "title": "Countess",
}  # fmt: skip
VALUES: dict[str, Any] = {
    "a short str": "The tide is high at noon.",
    "a str of 2 KB": "The tide is high at noon. " * 80,
    "a dict of 10 fields": FIELDS,
    "100 dicts": [dict(FIELDS, id=n, tags=["first", "engine"]) for n in range(100)],
}
DATACLASSES: dict[str, Any] = {"100 dataclasses": [Order(n, "ada", 9.5) for n in range(100)]}
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "3 plain ones": ("ann", 3, 0.5),
    "10 messages": ([{"role": "user", "content": "The tide is high at noon."} for _ in range(10)],),
}


def codecs(repeat: int) -> Iterator[Row]:
    """Each value there and back, and the arguments of a call with their digest."""
    for name, value in {**VALUES, **DATACLASSES}.items():
        data = encode(value).data
        assert decode(data) == value
        peer, there_and_back = (
            ("json", lambda v=value: json.loads(json.dumps(v).encode()))
            if name in VALUES
            else ("pickle", lambda v=value: pickle.loads(pickle.dumps(v, 5)))
        )
        ours, theirs = _each(lambda v=value: decode(encode(v).data), there_and_back, repeat=repeat)
        yield _row(f"(m) {name}, there and back / {peer}", ours, theirs)
    for name, arguments in ARGUMENTS.items():
        ours, theirs = _each(
            lambda a=arguments: encode_call(a, {}),
            lambda a=arguments: blake2b(pickle.dumps((a, {}), 5), digest_size=16).digest(),
            repeat=repeat,
        )
        yield _row(f"(m) arguments, {name}, with digest / pickle and hash", ours, theirs)


def _each(*works: Callable[[], Any], repeat: int) -> list[float]:
    """Seconds for each once, taken by turns, many at a time: once is too short to be measured."""
    timers = [timeit.Timer(work) for work in works]
    loops = [max(1, int(0.01 / max(timer.timeit(3) / 3, 1e-7))) for timer in timers]
    turns = [(lambda t=timer, n=n: t.timeit(n)) for timer, n in zip(timers, loops, strict=True)]
    return [one / n for one, n in zip(by_turns(*turns, repeat=repeat), loops, strict=True)]


def _row(what: str, ours: float, theirs: float) -> Row:
    return Row(what, ours / theirs, "x", None, f"{ours * 1e6:.1f} us against {theirs * 1e6:.1f} us")
