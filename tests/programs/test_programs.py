"""Published programs, run unmodified: what comes out is what comes out of CPython."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from . import graph_of_thoughts, human_eval, self_check, sitemaps, swe_agent, tree_of_thoughts

# They are fetched, and some work for a while.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("walked", [False, True])
def test_human_eval(walked: bool) -> None:
    ended = {p.name: human_eval.run(p, walked=walked) for p in human_eval.problems()}
    counts = Counter(ended.values())
    assert counts["passed"] >= 163, {name: how for name, how in ended.items() if how != "passed"}
    assert not [how for how in ended.values() if how != "passed" and not how.startswith("refused")]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # they leave a file open
def test_tree_of_thoughts() -> None:
    expected, shown, _ = tree_of_thoughts.run(3, overlapped=False)
    found, shown_overlapped, _ = tree_of_thoughts.run(3, overlapped=True)
    assert found == expected
    addresses = re.compile(r"0x[0-9a-f]+")
    assert addresses.sub("", shown_overlapped) == addresses.sub("", shown)


def test_graph_of_thoughts() -> None:
    expected, alone = graph_of_thoughts.run(overlapped=False)
    found, overlapped = graph_of_thoughts.run(overlapped=True)
    assert found == expected
    assert overlapped < alone


def test_sitemaps() -> None:
    expected, _ = sitemaps.run(overlapped=False)
    found, _ = sitemaps.run(overlapped=True)
    assert expected.count("lastmod") + expected.count("last_modified") >= sitemaps.SECTIONS * sitemaps.PAGES
    assert found == expected


def test_swe_agent() -> None:
    expected, _ = swe_agent.run(3, overlapped=False)
    found, _ = swe_agent.run(3, overlapped=True)
    assert [outcome["exit_status"] for outcome, _, _ in expected] == ["LimitsExceeded"] * 3
    assert found == expected


def test_self_check() -> None:
    expected, shown, _ = self_check.run(overlapped=False)
    found, shown_overlapped, _ = self_check.run(overlapped=True)
    assert found == expected
    assert shown_overlapped == shown
