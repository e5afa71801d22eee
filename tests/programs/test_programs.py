"""Published programs, run unmodified: what comes out is what comes out of CPython."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from . import (
    clean_csv,
    graph_of_thoughts,
    human_eval,
    react_agent,
    retrieval,
    self_check,
    sitemaps,
    swe_agent,
    tree_of_thoughts,
)

# They are fetched, and some work for a while.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("walked", [False, True])
def test_human_eval(walked: bool) -> None:
    chosen = [p for p in human_eval.problems() if p.recursive or not walked]
    ended = {p.name: human_eval.run(p, walked=walked) for p in chosen}
    counts = Counter(ended.values())
    failed = {name: how for name, how in ended.items() if how != "passed"}
    assert counts["passed"] >= (2 if walked else 163), failed
    assert not [how for how in ended.values() if how != "passed" and not how.startswith("refused")]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # they leave a file open
def test_tree_of_thoughts() -> None:
    expected, shown, alone = tree_of_thoughts.run(3, overlapped=False)
    found, shown_overlapped, overlapped = tree_of_thoughts.run(3, overlapped=True)
    undeclared, _, _ = tree_of_thoughts.run(3, overlapped=True, effects="")
    assert found == undeclared == expected
    assert overlapped < alone
    addresses = re.compile(r"0x[0-9a-f]+")
    assert addresses.sub("", shown_overlapped) == addresses.sub("", shown)


def test_graph_of_thoughts() -> None:
    expected, alone = graph_of_thoughts.run(overlapped=False)
    found, overlapped = graph_of_thoughts.run(overlapped=True)
    assert found == expected
    assert overlapped < alone


def test_clean_csv() -> None:
    expected, alone = clean_csv.run(overlapped=False)
    found, overlapped = clean_csv.run(overlapped=True)
    undeclared, _ = clean_csv.run(overlapped=True, effects="")
    assert expected[0]["files_processed"] > expected[0]["files_failed"] > 0
    assert found == undeclared == expected
    assert overlapped < 0.6 * alone


def test_sitemaps() -> None:
    expected, alone = sitemaps.run(overlapped=False)
    found, overlapped = sitemaps.run(overlapped=True)
    undeclared, _ = sitemaps.run(overlapped=True, effects="")
    assert undeclared == expected
    assert overlapped < 0.3 * alone
    assert expected.count("lastmod") + expected.count("last_modified") >= sitemaps.SECTIONS * sitemaps.PAGES
    assert found == expected


def test_swe_agent() -> None:
    expected, _ = swe_agent.run(3, overlapped=False)
    found, _ = swe_agent.run(3, overlapped=True)
    assert [outcome["exit_status"] for outcome, _, _ in expected] == ["LimitsExceeded"] * 3
    assert found == expected


def test_self_check() -> None:
    expected, shown, alone = self_check.run(overlapped=False)
    found, shown_overlapped, overlapped = self_check.run(overlapped=True)
    assert found == expected
    assert shown_overlapped == shown
    assert overlapped < alone / 15


def test_react_agent() -> None:
    expected, alone = react_agent.run(4, overlapped=False)
    found, overlapped = react_agent.run(4, overlapped=True)
    assert found == expected
    assert all("Final Answer" in text for text in expected)
    assert overlapped < alone + 0.001


def test_retrieval() -> None:
    expected, alone = retrieval.run(4, overlapped=False)
    found, overlapped = retrieval.run(4, overlapped=True)
    undeclared, _ = retrieval.run(4, overlapped=True, effects="")
    assert [len(entries) for entries in expected] == [4, 6, 3, 4]
    assert found == undeclared == expected
    assert overlapped < 0.7 * alone
