"""Tree of thoughts, as its authors published it: `tot.methods.bfs.solve` on their creative-writing task.

The seam is `tot.models.gpt`, the function through which all prompts go: a model that answers by a digest of
the prompt, and takes as long as models take. The passages, prompts, votes and the selection are theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import io
import types
from collections.abc import Iterator
from typing import Any

from stretto import call, flow
from stretto.testing import VirtualClock
from tests.differential.world import digest

from .fetch import TREE_OF_THOUGHTS
from .published import importable

__all__ = ["run"]

ARGUMENTS = argparse.Namespace(
    backend="simulated", temperature=0.7, method_generate="sample", method_evaluate="vote",
    method_select="greedy", n_generate_sample=5, n_evaluate_sample=5, n_select_sample=1, prompt_sample="cot",
)  # fmt: skip


@call.unordered
async def gpt(
    prompt: str,
    model: str = "gpt-4",
    temperature: float = 0.7,
    max_tokens: int = 1000,
    n: int = 1,
    stop: str | None = None,
) -> list[str]:
    """Answers as long as a model's would be, after as long as it would take."""
    number = int(digest(prompt, model, temperature, n, stop), 16)
    await asyncio.sleep(1 + number % 3000 / 1000)
    if "best choice is" in prompt:
        return [f"Thinking. The best choice is {int(digest(number, i), 16) % 5 + 1}" for i in range(n)]
    return [f"Plan:\n{digest(number, i)}\nPassage:\n{digest(i, number)}" for i in range(n)]


@contextlib.contextmanager
def published() -> Iterator[Any]:
    """The published module, whose prompts go to `gpt`."""
    models = types.ModuleType("tot.models")
    vars(models)["gpt"] = gpt
    with importable(TREE_OF_THOUGHTS, "tot", {"tot.models": models}):
        yield importlib.import_module("tot.methods.bfs")


def run(passages: int, *, overlapped: bool) -> tuple[Any, str, float]:
    """What comes out for so many passages, what is printed meanwhile, and the virtual seconds it takes."""
    with published() as bfs, VirtualClock(seed=1) as clock, contextlib.redirect_stdout(io.StringIO()) as out:
        task = importlib.import_module("tot.tasks").get_task("text")
        solve = bfs.solve

        @flow
        def every(arguments: Any, count: int) -> list[Any]:
            found = []
            for index in range(count):
                ys, info = solve(arguments, task, index, to_print=False)
                found.append((ys, info))
            return found

        found = (every if overlapped else every.sequential)(ARGUMENTS, passages)
        took = clock.now
    return found, out.getvalue(), took
