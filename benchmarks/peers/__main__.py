"""``make bench-peers``: the same work in each library, and by hand, in one run."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from .. import work
from ..measure import by_turns
from .durable import durable

ITEMS, STEPS, REPEAT = 100, 1000, 5

PEERS = {
    "pydantic-graph": "with_pydantic_graph",
    "langgraph": "with_langgraph",
    "llama-index-workflows": "with_workflows",
}

Work = Callable[[int], Any]


def contestants() -> dict[str, tuple[Work, Work]]:
    """Each name with its `branchy` and its `chain`, as plain functions."""
    found: dict[str, tuple[Work, Work]] = {
        "asyncio by hand": (
            lambda n: asyncio.run(work.branchy_by_hand(n)),
            lambda n: asyncio.run(work.chain_by_hand(n)),
        ),
        f"stretto {version('stretto')}": (work.branchy, work.chain),
    }
    for package, name in PEERS.items():
        peer = importlib.import_module(f"{__package__}.{name}")
        found[f"{package} {version(package)}"] = (
            lambda n, run=peer.branchy: asyncio.run(run(n)),
            lambda n, run=peer.chain: asyncio.run(run(n)),
        )
    return found


def main() -> int:
    os.environ["LANGSMITH_TRACING"] = "false"  # nothing is to be sent anywhere
    names = contestants()
    expected = asyncio.run(work.branchy_by_hand(ITEMS))
    for name, (branchy, chain) in names.items():
        assert branchy(ITEMS) == expected, f"{name} gives another result"
        assert chain(3) == 0, f"{name} gives another result"
    branches = by_turns(*[lambda f=f: f(ITEMS) for f, _ in names.values()], repeat=REPEAT)
    steps = by_turns(*[lambda f=f: f(STEPS) for _, f in names.values()], repeat=REPEAT)
    ideal = work.LOOK + work.DEEPEN
    print(f"{'':<32} {f'call, if, call: {ITEMS} items':>30} {f'chain of {STEPS:,} empty steps':>34}")
    for name, total, chained in zip(names, branches, steps, strict=True):
        left = f"{total * 1e3:8.1f} ms {total / ideal:6.2f} x ideal"
        right = f"{chained / STEPS * 1e6:8.1f} us a step {chained / steps[0]:6.1f} x asyncio"
        print(f"{name:<32} {left:>30} {right:>34}")
    durable()
    return 0


if __name__ == "__main__":
    sys.exit(main())
