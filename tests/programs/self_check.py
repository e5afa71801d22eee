"""SelfCheckGPT, as published: an evaluation harness that asks a model about each sentence and each sample.

The client is OpenAI's own. The seam is the method of it that sends, `chat.completions.create`: it answers
by a digest of the prompt, with the client's own classes, and takes as long as models take. What is declared
of it is what the catalogue declares; the rest of the catalogue is in force as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

from openai.resources.chat.completions import Completions
from openai.types.chat import ChatCompletion, ChatCompletionMessage
from openai.types.chat.chat_completion import Choice

from stretto import flow
from stretto.declarations import project, registry
from stretto.testing import VirtualClock
from tests.differential.world import digest

from .fetch import SELF_CHECK
from .published import importable, printed

__all__ = ["by_hand", "run"]

SENTENCES = [f"Sentence number {number}." for number in range(6)]
SAMPLES = [f"A passage.\nIt says {number}." for number in range(5)]


async def answer(client: Any, **options: Any) -> ChatCompletion:
    number = int(digest(options["model"], options["messages"]), 16)
    await asyncio.sleep(0.5 + number % 1000 / 1000)
    message = ChatCompletionMessage(
        content=("Yes", "No.", "yes, it is", "Perhaps")[number % 4], role="assistant"
    )
    return ChatCompletion(
        id=f"chatcmpl-{number}", created=0, model=options["model"], object="chat.completion",
        choices=[Choice(finish_reason="stop", index=0, message=message)],
    )  # fmt: skip


@contextlib.contextmanager
def published() -> Iterator[Any]:
    """The published module, with what the catalogue declares, and the simulated model."""
    said = {entry.name: entry for entry in project.catalogue_entries(project.CATALOGUE / "openai.toml")}
    entry = said["openai.resources.chat.completions.Completions.create"]
    assert entry.effect is not None
    with (
        importable(SELF_CHECK, "selfcheckgpt", {}),
        mock.patch.dict("os.environ", OPENAI_API_KEY="none"),
        mock.patch.object(Completions, "create", registry.DeclaredCall(answer, entry.effect, entry)),
    ):
        project.load(catalogue=True)
        try:
            yield importlib.import_module("selfcheckgpt.modeling_selfcheck_apiprompt")
        finally:
            registry.forget()
            project._loaded = False


def run(*, overlapped: bool) -> tuple[list[float], str, float]:
    """The scores, what is printed, and the virtual seconds it takes."""
    with published() as module, printed() as out:
        check = module.SelfCheckAPIPrompt()
        predict = flow(type(check).predict)
        with VirtualClock(seed=1) as clock:
            scores = (predict if overlapped else predict.sequential)(check, SENTENCES, SAMPLES)
            took = clock.now
    return list(map(float, scores)), out[0], took


def by_hand() -> float:
    """The virtual seconds that the best asyncio version takes: all questions at once."""
    with published() as module, printed():
        check = module.SelfCheckAPIPrompt()

        async def every() -> None:
            prompts = [
                check.prompt_template.format(context=sample.replace("\n", " "), sentence=sentence)
                for sentence in SENTENCES
                for sample in SAMPLES
            ]
            messages = [[{"role": "user", "content": prompt}] for prompt in prompts]
            await asyncio.gather(*[answer(None, model=check.model, messages=m) for m in messages])

        with VirtualClock(seed=1) as clock:
            clock.run(every())
            return clock.now
