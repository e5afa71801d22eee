"""Calls in processes, against the executor of `loky` that does the same work."""

from __future__ import annotations

import os
from collections.abc import Iterator

import loky
import numpy

from stretto import call, flow

from .measure import by_turns
from .rows import Row

__all__ = ["executors"]


def plain(n: int) -> int:
    return n + 1


def negative(values: numpy.ndarray) -> numpy.ndarray:
    return -values


plus_one = call.unordered(on="process")(plain)
negated = call.unordered(on="process")(negative)


@flow
def one_by_one(n: int) -> int:
    found = 0
    for _ in range(n):
        found = plus_one(found)
    return found


@flow
def at_once(n: int) -> list[int]:
    return [plus_one(i) for i in range(n)]


def executors(n: int, repeat: int) -> Iterator[Row]:
    with loky.ProcessPoolExecutor(1) as one:

        def by_hand() -> None:
            found = 0
            for _ in range(n):
                found = one.submit(plain, found).result()
            assert found == n

        ours, floor = by_turns(lambda: one_by_one(n), by_hand, repeat=repeat)
        detail = f"{ours / n * 1e3:.2f} ms against {floor / n * 1e3:.2f} ms a call"
        yield Row(f"(v) chain of {n:,} calls in a process / loky", ours / floor, "x", None, detail)
        values = numpy.ones(12_500_000)
        ours, floor = by_turns(
            lambda: negated(values), lambda: one.submit(negative, values).result(), repeat=repeat
        )
        detail = f"{ours:.2f} s against {floor:.2f} s"
        yield Row("(x) 100 MB to a process, and 100 MB back / loky", ours / floor, "x", None, detail)
    cores = os.cpu_count() or 1
    with loky.ProcessPoolExecutor(cores) as many:
        ours, floor = by_turns(lambda: at_once(n), lambda: list(many.map(plain, range(n))), repeat=repeat)
        detail = f"{ours / n * 1e3:.2f} ms against {floor / n * 1e3:.2f} ms a call"
        yield Row(f"(w) {n:,} calls in {cores} processes / loky", ours / floor, "x", None, detail)
