"""Intervals packed into lanes: as few as can be, none of which holds two that overlap.

Each goes where the lowest lane is free when it begins; so no more lanes are made than there are intervals at
the busiest moment (Cormen et al., "Introduction to Algorithms", on interval partitioning), and what runs one
after another stays in one lane as far as it can.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

__all__ = ["packed"]


def packed(spans: Iterable[tuple[int, int]]) -> list[int]:
    """The lane of each interval from a begin up to an end, counted from 0. They come by when they begin."""
    lanes: list[int] = []
    ending: list[tuple[int, int]] = []
    free: list[int] = []
    count = 0
    for begin, end in spans:
        while ending and ending[0][0] <= begin:
            heappush(free, heappop(ending)[1])
        if free:
            lane = heappop(free)
        else:
            lane, count = count, count + 1
        lanes.append(lane)
        heappush(ending, (max(end, begin), lane))
    return lanes
