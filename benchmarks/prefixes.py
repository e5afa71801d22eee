"""Eight chats over one long beginning, on a real model: as they come, and as `stretto.llm` sends them.

    python -m benchmarks.prefixes

It takes some minutes, and needs what examples/requirements.txt names; so it is no part of `make bench`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from stretto import flow, llm

from .rows import Row

__all__ = ["prefixes"]

CALLS, WORDS = 8, 50
#: Some twenty tokens; fifty times that are a thousand.
SENTENCE = "The tide comes and goes as moon and sun pull on the water of the sea, and the earth turns below. "


@flow
def ask(model: llm.Model, about: str, calls: int) -> list[llm.Answer[str]]:
    return [model.chat(f"Question {i}: what is it about?", system=about) for i in range(calls)]


def prefixes() -> Iterator[Row]:
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    from model_server import MODEL, ModelServer

    with ModelServer(remembers=True) as server:
        seconds: dict[bool, float] = {}
        tokens = 0
        for shared in (False, True):
            model = llm.openai(
                MODEL,
                base_url=server.base_url,
                temperature=0,
                max_tokens=8,
                prefixes=None if shared else False,
            )
            model.chat("Say hello.")  # the client is imported, and set up
            began = time.perf_counter()
            answers = ask(model, f"About {shared}. {SENTENCE * WORDS}", CALLS)
            seconds[shared] = time.perf_counter() - began
            tokens = answers[0].usage.input_tokens
        detail = f"{seconds[True]:.1f} s against {seconds[False]:.1f} s as they come"
        what = f"(v) {CALLS} chats over one beginning of {tokens:,} tokens / unshared"
        yield Row(what, seconds[True] / seconds[False], "x", 0.5, detail)


if __name__ == "__main__":
    for row in prefixes():
        print(row)
