"""The table of `docs/programs.md`."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from . import graph_of_thoughts, human_eval, self_check, sitemaps, swe_agent, tree_of_thoughts


def told(name: str, alone: tuple[Any, float], overlapped: tuple[Any, float], by_hand: float | None) -> bool:
    """Print a line of the table; whether the outcome is the same."""
    same = alone[0] == overlapped[0]
    line = (
        f"{name}: {'the same' if same else 'DIFFERENT'}; {overlapped[1]:.1f} s, one by one {alone[1]:.1f} s"
    )
    print(line if by_hand is None else f"{line}, by hand {by_hand:.1f} s")
    return same


def main() -> int:
    counts = Counter(human_eval.run(problem, walked=True) for problem in human_eval.problems())
    print("HumanEval:", ", ".join(f"{count} {how}" for how, count in counts.most_common()))
    same = True

    def timed(made: tuple[Any, str, float]) -> tuple[Any, float]:
        return made[:2], made[2]

    # what it prints has addresses in it
    alone, overlapped = [
        (found, took) for found, _, took in (tree_of_thoughts.run(8, overlapped=way) for way in (False, True))
    ]
    same &= told("Tree of thoughts, 8 passages", alone, overlapped, None)
    alone, overlapped = [timed(self_check.run(overlapped=way)) for way in (False, True)]
    same &= told("SelfCheckGPT", alone, overlapped, self_check.by_hand())
    alone, overlapped = [graph_of_thoughts.run(overlapped=way) for way in (False, True)]
    same &= told("Graph of thoughts", alone, overlapped, graph_of_thoughts.by_hand())
    alone, overlapped = [sitemaps.run(overlapped=way) for way in (False, True)]
    same &= told("ultimate-sitemap-parser", alone, overlapped, sitemaps.by_hand())
    alone, overlapped = [swe_agent.run(4, overlapped=way) for way in (False, True)]
    same &= told("mini-swe-agent, 4 agents", alone, overlapped, swe_agent.by_hand(4))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
