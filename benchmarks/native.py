"""Plain code in a flow: it is to run as fast as it does without one."""

from __future__ import annotations

from collections.abc import Iterator

from stretto import call, flow

from .measure import by_turns
from .rows import Row

__all__ = ["native"]


@call.unordered
async def seed(n: int) -> int:
    return n


def scrambled(n: int, x: int) -> int:
    """A numeric loop without a call."""
    for i in range(n):
        x = (x * 31 + i) % 1_000_003
        if x & 1:
            x ^= i
    return x


@flow
def overlapped(n: int) -> int:
    return scrambled(n, seed(7))


class Counter:
    def __init__(self) -> None:
        self.x = 7

    def step(self, i: int) -> None:
        self.x = (self.x * 31 + i) % 1_000_003


def stepped(n: int) -> int:
    """The same on an object, of which nothing is known beforehand."""
    counter = Counter()
    for i in range(n):
        counter.step(i)
    return counter.x


@flow
def overlapped_steps(n: int) -> int:
    return stepped(n)


def native(repeat: int) -> Iterator[Row]:
    n = 2_000_000
    ours, floor = by_turns(lambda: overlapped(n), lambda: scrambled(n, 7), repeat=repeat)
    detail = f"{ours * 1e3:.0f} ms against {floor * 1e3:.0f} ms"
    yield Row(f"(n) a numeric loop of {n:,} turns in a flow / outside", ours / floor, "x", 1.1, detail)
    ours, floor = by_turns(lambda: overlapped_steps(n), lambda: stepped(n), repeat=repeat)
    detail = f"{ours * 1e3:.0f} ms against {floor * 1e3:.0f} ms"
    yield Row(f"(n) {n:,} steps of an object in a flow / outside", ours / floor, "x", None, detail)
