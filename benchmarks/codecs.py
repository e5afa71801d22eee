"""What recording a value costs, against `json` and `pickle`: `python -m benchmarks.codecs`.

All are measured by turns in one run. `json` keeps fewer types, and `pickle` runs code when it reads: neither
could take the place of the codecs; they say what the machine can do.
"""

from __future__ import annotations

import json
import pickle
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from stretto.journal.codecs import decode, digest, encode, encode_call


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
    "an int": 12345,
    "a dict of 10 fields": FIELDS,
    "a list of 100 dicts": [dict(FIELDS, id=n, tags=["first", "engine"]) for n in range(100)],
}
ONLY_PICKLE: dict[str, Any] = {
    "a dataclass": Order(1, "ada", 9.5),
    "100 dataclasses": [Order(n, "ada", 9.5) for n in range(100)],
}
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "a short str": ("The tide is high at noon.",),
    "a str, an int and a float": ("ann", 3, 0.5),
    "10 messages": ([{"role": "user", "content": "The tide is high at noon."} for _ in range(10)],),
}


def microseconds(*works: Callable[[], Any], rounds: int = 7) -> list[float]:
    """The best time of each, taken by turns."""
    timers = [timeit.Timer(work) for work in works]
    loops = [max(1, int(0.01 / max(timer.timeit(3) / 3, 1e-7))) for timer in timers]
    turns = [
        [timer.timeit(n) / n * 1e6 for timer, n in zip(timers, loops, strict=True)] for _ in range(rounds)
    ]
    return [min(times) for times in zip(*turns, strict=True)]


def main() -> None:
    """Print the table."""
    print(f"{'':22}{'encode':>10}{'decode':>10}   both/json  both/pickle")
    for name, value in {**VALUES, **ONLY_PICKLE}.items():
        data, pickled = encode(value).data, pickle.dumps(value, 5)
        works = [
            lambda: encode(value),  # noqa: B023
            lambda: decode(data),  # noqa: B023
            lambda: pickle.loads(pickle.dumps(value, 5)),  # noqa: B023
        ]
        if name in VALUES:
            works.append(lambda: json.loads(json.dumps(value).encode()))  # noqa: B023
        assert decode(data) == value and pickle.loads(pickled) == value
        there, back, pickling, *jsoning = microseconds(*works)
        both = there + back
        against = f"{both / jsoning[0]:10.2f}" if jsoning else f"{'':10}"
        print(f"{name:22}{there:8.2f}us{back:8.2f}us  {against}{both / pickling:12.2f}")
    print()
    print(f"{'arguments of a call':28}{'digest':>10}{'encode and digest':>20}{'of pickle and hash':>20}")
    for name, arguments in ARGUMENTS.items():
        only, both, peer = microseconds(
            lambda: digest(arguments),  # noqa: B023
            lambda: encode_call(arguments, {}),  # noqa: B023
            lambda: blake2b(pickle.dumps((arguments, {}), 5), digest_size=16).digest(),  # noqa: B023
        )
        print(f"{name:28}{only:8.2f}us{both:18.2f}us{both / peer:20.2f}")


if __name__ == "__main__":
    main()
