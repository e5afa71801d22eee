"""Tree of thoughts, as its authors published it: `tot.methods.bfs.solve` on their creative-writing task.

The seam is `tot.models.gpt`, the function through which all prompts go: a model that answers by a digest of
the prompt, and takes as long as models take. The passages, prompts, votes and the selection are theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import types
from collections.abc import Iterator
from typing import Any

from stretto import call, flow
from stretto.testing import VirtualClock
from tests.differential.world import digest

from .declared import declared
from .fetch import TREE_OF_THOUGHTS
from .published import importable, printed

__all__ = ["EFFECTS", "by_hand", "run"]

#: What is said of the task, and of the method.
EFFECTS = """
"tot.tasks.text.TextTask.cot_prompt_wrap" = { effect = "pure", returns = "str" }
"tot.tasks.text.TextTask.vote_prompt_wrap" = { effect = "pure", returns = "str" }
"tot.tasks.text.TextTask.vote_outputs_unwrap" = { effect = "pure", returns = "list[int]" }
"tot.methods.bfs.get_samples" = { effect = "changes nothing", returns = "list[str]" }
"""

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


def run(passages: int, *, overlapped: bool, effects: str = EFFECTS) -> tuple[Any, str, float]:
    """What comes out for so many passages, what is printed meanwhile, and the virtual seconds it takes."""
    with (
        published() as bfs,
        declared(effects, "tot.tasks.text"),
        printed() as out,
        VirtualClock(seed=1) as clock,
    ):
        task = importlib.import_module("tot.tasks").get_task("text")
        solve = bfs.solve

        @flow
        def every(arguments: Any, task: Any, count: int) -> list[Any]:
            found = []
            for index in range(count):
                ys, info = solve(arguments, task, index, to_print=False)
                found.append((ys, info))
            return found

        found = (every if overlapped else every.sequential)(ARGUMENTS, task, passages)
        took = clock.now
    return found, out[0], took


def by_hand(passages: int) -> float:
    """The virtual seconds of the best asyncio version: the passages side by side; in each, what is proposed
    hangs on what was chosen, and the vote on what is proposed."""

    async def one(x: str, task: Any) -> None:
        ys = [""]
        for step in range(task.steps):

            async def samples(y: str, stop: str | None) -> list[str]:
                prompt = task.cot_prompt_wrap(x, y)
                found = await gpt.fn(prompt, n=5, stop=stop, **given)
                return [y + text for text in found]

            proposed = await asyncio.gather(*[samples(y, task.stops[step]) for y in ys])
            new = [y for some in proposed for y in some]
            votes = await gpt.fn(task.vote_prompt_wrap(x, new), n=5, stop=None, **given)
            values = task.vote_outputs_unwrap(votes, len(new))
            ys = [new[max(range(len(new)), key=lambda i: values[i])]]

    given: dict[str, Any] = {"model": ARGUMENTS.backend, "temperature": ARGUMENTS.temperature}
    with published(), VirtualClock(seed=1) as clock:
        task = importlib.import_module("tot.tasks").get_task("text")

        async def every() -> None:
            await asyncio.gather(*[one(task.get_input(index), task) for index in range(passages)])

        clock.run(every())
        return clock.now
