"""SelfCheckGPT, as published: an evaluation harness that asks a model about each sentence and each sample.

The seam is the client: `OpenAI().chat.completions.create` of a module that stands for `openai`, which answers
by a digest of the prompt, and takes as long as models take.
"""

from __future__ import annotations

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

from .fetch import SELF_CHECK
from .published import importable

__all__ = ["by_hand", "run"]

SENTENCES = [f"Sentence number {number}." for number in range(6)]
SAMPLES = [f"A passage.\nIt says {number}." for number in range(5)]


class _Completions:
    @call.unordered
    async def create(self, **options: Any) -> Any:
        number = int(digest(options["model"], options["messages"]), 16)
        await asyncio.sleep(0.5 + number % 1000 / 1000)
        message = types.SimpleNamespace(content=("Yes", "No.", "yes, it is", "Perhaps")[number % 4])
        return types.SimpleNamespace(choices=[types.SimpleNamespace(message=message)])


class _Client:
    def __init__(self) -> None:
        self.chat = types.SimpleNamespace(completions=_Completions())


@contextlib.contextmanager
def published() -> Iterator[Any]:
    """The published module, whose client is the simulated one."""
    client: Any = types.ModuleType("openai")
    client.OpenAI = _Client
    with importable(SELF_CHECK, "selfcheckgpt", {"openai": client}):
        yield importlib.import_module("selfcheckgpt.modeling_selfcheck_apiprompt")


def run(*, overlapped: bool) -> tuple[list[float], str, float]:
    """The scores, what is printed, and the virtual seconds it takes."""
    with published() as module, contextlib.redirect_stdout(io.StringIO()) as out:
        check = module.SelfCheckAPIPrompt()
        predict = flow(type(check).predict)
        with VirtualClock(seed=1) as clock:
            scores = (predict if overlapped else predict.sequential)(check, SENTENCES, SAMPLES)
            return list(map(float, scores)), out.getvalue(), clock.now


def by_hand() -> float:
    """The virtual seconds that the best asyncio version takes: all questions at once."""
    with published() as module, contextlib.redirect_stdout(io.StringIO()):
        check = module.SelfCheckAPIPrompt()

        async def every() -> None:
            ask = _Completions.create.fn  # type: ignore[attr-defined]
            prompts = [
                check.prompt_template.format(context=sample.replace("\n", " "), sentence=sentence)
                for sentence in SENTENCES
                for sample in SAMPLES
            ]
            messages = [[{"role": "user", "content": prompt}] for prompt in prompts]
            await asyncio.gather(*[ask(None, model=check.model, messages=m) for m in messages])

        with VirtualClock(seed=1) as clock:
            clock.run(every())
            return clock.now
