"""The table of `docs/programs.md`."""

from __future__ import annotations

import sys
from collections import Counter

from . import human_eval, self_check, tree_of_thoughts


def main() -> int:
    counts = Counter(human_eval.run(problem, walked=True) for problem in human_eval.problems())
    print("HumanEval:", ", ".join(f"{count} {how}" for how, count in counts.most_common()))
    (expected, _, alone), (found, _, overlapped) = (
        tree_of_thoughts.run(8, overlapped=way) for way in (False, True)
    )
    same = "the same" if found == expected else "DIFFERENT"
    print(f"Tree of thoughts, 8 passages: {same}; {overlapped:.1f} s, one by one {alone:.1f} s")
    (scores, _, alone), (overlapped_scores, _, overlapped) = (
        self_check.run(overlapped=way) for way in (False, True)
    )
    same = "the same" if overlapped_scores == scores else "DIFFERENT"
    by_hand = self_check.by_hand()
    print(f"SelfCheckGPT: {same}; {overlapped:.1f} s, one by one {alone:.1f} s, by hand {by_hand:.1f} s")
    return 0 if found == expected and overlapped_scores == scores else 1


if __name__ == "__main__":
    sys.exit(main())
