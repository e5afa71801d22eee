"""Intervals in lanes."""

from __future__ import annotations

import random

from stretto.observe.lanes import packed


def test_no_two_overlap_and_no_more_lanes_than_at_the_busiest_moment() -> None:
    chance = random.Random(1)
    spans = sorted((begin, begin + chance.randrange(30)) for begin in chance.choices(range(400), k=500))
    lanes = packed(spans)
    assert len(lanes) == len(spans)
    ends: dict[int, int] = {}
    for (begin, end), lane in zip(spans, lanes, strict=True):
        assert ends.get(lane, 0) <= begin
        ends[lane] = end
    busiest = max(sum(b <= time < e for b, e in spans) for time in range(450))
    # what takes no time takes a lane even so, as it is drawn there
    assert (
        busiest
        <= max(lanes) + 1
        <= busiest + max(sum(b == e == time for b, e in spans) for time in range(450))
    )


def test_what_runs_one_after_another_is_in_one_lane() -> None:
    assert packed([(0, 5), (0, 3), (3, 4), (4, 9), (5, 6)]) == [0, 1, 1, 1, 0]
    assert packed([]) == []
