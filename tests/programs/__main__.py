"""The table of `docs/programs.md`."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

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


def told(name: str, alone: tuple[Any, float], overlapped: tuple[Any, float], by_hand: float) -> bool:
    """Print a line of the table; whether the outcome is the same."""
    same = alone[0] == overlapped[0]
    outcome = "the same" if same else "DIFFERENT"
    print(f"{name}: {outcome}; {overlapped[1]:.1f} s, one by one {alone[1]:.1f} s, by hand {by_hand:.1f} s")
    return same


def main() -> int:
    counts = Counter(human_eval.run(problem, walked=problem.recursive) for problem in human_eval.problems())
    print("HumanEval:", ", ".join(f"{count} {how}" for how, count in counts.most_common()))
    same = True

    def timed(made: tuple[Any, str, float]) -> tuple[Any, float]:
        return made[:2], made[2]

    # what it prints has addresses in it
    alone, overlapped = [
        (found, took) for found, _, took in (tree_of_thoughts.run(8, overlapped=way) for way in (False, True))
    ]
    same &= told("Tree of thoughts, 8 passages", alone, overlapped, tree_of_thoughts.by_hand(8))
    alone, overlapped = [timed(self_check.run(overlapped=way)) for way in (False, True)]
    same &= told("SelfCheckGPT", alone, overlapped, self_check.by_hand())
    alone, overlapped = [graph_of_thoughts.run(overlapped=way) for way in (False, True)]
    same &= told("Graph of thoughts", alone, overlapped, graph_of_thoughts.by_hand())
    alone, overlapped = [sitemaps.run(overlapped=way) for way in (False, True)]
    same &= told("ultimate-sitemap-parser", alone, overlapped, sitemaps.by_hand())
    alone, overlapped = [clean_csv.run(overlapped=way) for way in (False, True)]
    same &= told(f"clean-csv-tool, {clean_csv.FILES} files", alone, overlapped, clean_csv.by_hand())
    alone, overlapped = [swe_agent.run(4, overlapped=way) for way in (False, True)]
    same &= told("mini-swe-agent, 4 agents", alone, overlapped, swe_agent.by_hand(4))
    alone, overlapped = [react_agent.run(4, overlapped=way) for way in (False, True)]
    same &= told("babyagi, 4 tasks", alone, overlapped, react_agent.by_hand(4))
    alone, overlapped = [retrieval.run(4, overlapped=way) for way in (False, True)]
    same &= told("advanced-rag-framework, 4 questions", alone, overlapped, retrieval.by_hand(4))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
