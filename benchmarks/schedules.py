"""Random graphs of tasks, and the list schedule by which others are measured."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["Graph", "list_schedule"]


@dataclass
class Graph:
    """Tasks that need the results of up to three earlier ones.

    Attributes:
        takes: how many seconds each takes: one or five.
        needs: which ones each needs.
    """

    takes: list[float]
    needs: list[list[int]]

    @classmethod
    def random(cls, seed: int, size: int, *, chain: int = 0) -> Graph:
        """Of so many tasks; every eighth, so many of them, is one long chain."""
        draw = random.Random(seed)
        takes = [draw.choice([1.0, 5.0]) for _ in range(size)]
        needs = [sorted(draw.sample(range(i), min(i, draw.randint(0, 3)))) for i in range(size)]
        for i in range(1, chain):
            needs[i * 8] = sorted({*needs[i * 8][:2], (i - 1) * 8})
        return cls(takes, needs)


def list_schedule(graph: Graph, machines: int) -> float:
    """How long the schedule takes that knows all, and always begins with the longest remaining path (Hu,
    1961): of those that never leave a machine idle, one of the best."""
    takes, needs = graph.takes, graph.needs
    path = takes[:]
    for i in reversed(range(len(takes))):
        for before in needs[i]:
            path[before] = max(path[before], takes[before] + path[i])
    left = [set(before) for before in needs]
    ready = {i for i, before in enumerate(left) if not before}
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < machines:
            chosen = max(ready, key=lambda i: path[i])
            ready.remove(chosen)
            running.append((now + takes[chosen], chosen))
        now, ended = min(running)
        running.remove((now, ended))
        for i, before in enumerate(left):
            if ended in before:
                before.remove(ended)
                if not before:
                    ready.add(i)
    return now
