"""Graph of thoughts, as its authors published it: a controller that walks a graph of operations.

The graph is one of theirs: numbers are split, the parts are sorted several times, scored, the best is kept,
and they are merged, several times, scored, and the best is kept. Prompter, parser and model are what users
of the package write; the model answers by a digest of the prompt, and takes as long as models take.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import types
from collections.abc import Iterator
from typing import Any

from stretto import call, flow
from stretto.testing import VirtualClock
from tests.differential.world import digest

from .declared import declared
from .fetch import GRAPH_OF_THOUGHTS
from .published import importable

__all__ = ["by_hand", "run"]

NUMBERS = [int(digest("number", i), 16) % 100 for i in range(32)]
PARTS = 4


@call.unordered
async def ask(prompt: str, number: int) -> str:
    """One answer of a model that sorts, and makes mistakes."""
    what, _, text = prompt.partition(": ")
    seed = int(digest(prompt, number), 16)
    await asyncio.sleep(1 + seed % 2000 / 1000)
    if what == "split":
        numbers = json.loads(text)
        return json.dumps({str(i): numbers[i::PARTS] for i in range(PARTS)})
    if what == "score":
        numbers = json.loads(text)
        return str(sum(a > b for a, b in zip(numbers, numbers[1:], strict=False)))
    numbers = sorted(json.loads(text))
    at = seed % len(numbers)
    numbers[0], numbers[at] = numbers[at], numbers[0]
    return json.dumps(numbers)


@contextlib.contextmanager
def published() -> Iterator[Any]:
    """The published package, without its clients of particular models."""
    clients = {"chatgpt": "ChatGPT", "llamachat_hf": "Llama2HF"}
    unused = {name: types.ModuleType(name) for name in clients}
    for name, client in clients.items():
        vars(unused[name])[client] = None
    instead = {f"graph_of_thoughts.controller.{name}": module for name, module in unused.items()}
    with importable(GRAPH_OF_THOUGHTS, "graph_of_thoughts", instead):
        importlib.import_module("graph_of_thoughts.controller")
        yield importlib.import_module("graph_of_thoughts")


def parts_of(got: Any) -> tuple[Any, Any, Any]:
    """What a user of the package writes: the model, the prompter and the parser."""

    class Model(got.controller.AbstractLanguageModel):
        def load_config(self, path: str) -> None:
            self.config = {}

        def query(self, query: str, num_responses: int = 1) -> list[str]:
            return [ask(query, number) for number in range(num_responses)]

        def get_response_texts(self, query_responses: list[str]) -> list[str]:
            return query_responses

    class Prompter(got.prompter.Prompter):
        def generate_prompt(self, num_branches: int, **state: Any) -> str:
            if state["method"] == "split":
                return f"split: {json.dumps(state['numbers'])}"
            return f"sort: {json.dumps(state['numbers'])}"

        def score_prompt(self, state_dicts: list[dict[str, Any]], **kwargs: Any) -> str:
            return f"score: {json.dumps(state_dicts[0]['numbers'])}"

        def aggregation_prompt(self, state_dicts: list[dict[str, Any]], **kwargs: Any) -> str:
            return f"merge: {json.dumps([n for state in state_dicts for n in state['numbers']])}"

        def improve_prompt(self, **kwargs: Any) -> str:
            raise NotImplementedError

        def validation_prompt(self, **kwargs: Any) -> str:
            raise NotImplementedError

    class Parser(got.parser.Parser):
        def parse_generate_answer(self, state: dict[str, Any], texts: list[str]) -> list[dict[str, Any]]:
            if state["method"] == "split":
                parts = json.loads(texts[0])
                return [{"method": "sort", "part": part, "numbers": parts[part]} for part in parts]
            return [{"numbers": json.loads(text)} for text in texts]

        def parse_score_answer(self, states: list[dict[str, Any]], texts: list[str]) -> list[float]:
            return [float(text) for text in texts]

        def parse_aggregation_answer(
            self, states: list[dict[str, Any]], texts: list[str]
        ) -> list[dict[str, Any]]:
            return [{"numbers": json.loads(text)} for text in texts]

        def parse_improve_answer(self, state: dict[str, Any], texts: list[str]) -> dict[str, Any]:
            raise NotImplementedError

        def parse_validation_answer(self, state: dict[str, Any], texts: list[str]) -> bool:
            raise NotImplementedError

    return Model(), Prompter(), Parser()


def graph_for(operations: Any) -> Any:
    """The graph of operations."""
    graph = operations.GraphOfOperations()
    split = operations.Generate(1, 1)
    graph.append_operation(split)
    kept = []
    for part in range(PARTS):

        def chosen(thoughts: list[Any], part: str = str(part)) -> list[Any]:
            return [thought for thought in thoughts if thought.state["part"] == part]

        selected = operations.Selector(chosen)
        selected.add_predecessor(split)
        graph.add_operation(selected)
        sort = operations.Generate(1, 3)
        sort.add_predecessor(selected)
        graph.add_operation(sort)
        score = operations.Score(1, False)
        score.add_predecessor(sort)
        graph.add_operation(score)
        best = operations.KeepBestN(1, False)
        best.add_predecessor(score)
        graph.add_operation(best)
        kept.append(best)
    merge = operations.Aggregate(4)
    for best in kept:
        merge.add_predecessor(best)
    graph.add_operation(merge)
    score = operations.Score(1, False)
    score.add_predecessor(merge)
    graph.add_operation(score)
    last = operations.KeepBestN(1, False)
    last.add_predecessor(score)
    graph.add_operation(last)
    return graph


def run(*, overlapped: bool) -> tuple[list[Any], float]:
    """The state of each thought of the graph, and the virtual seconds it takes."""
    with published() as got, declared(""):
        operations = importlib.import_module("graph_of_thoughts.operations")
        model, prompter, parser = parts_of(got)
        graph = graph_for(operations)
        problem = {"numbers": NUMBERS, "method": "split"}
        controller = got.controller.Controller(model, graph, prompter, parser, problem)
        walk = flow(type(controller).run)
        with VirtualClock(seed=1) as clock:
            (walk if overlapped else walk.sequential)(controller)
            found = [
                [(thought.state, thought.score) for thought in operation.get_thoughts()]
                for operation in graph.operations
            ]
            return found, clock.now


def by_hand() -> float:
    """The virtual seconds of the best asyncio version: what one operation needs of another is awaited."""

    async def score(numbers: list[int]) -> float:
        return float(await ask.fn(f"score: {json.dumps(numbers)}", 0))

    async def best_of(prompt: str, count: int) -> list[int]:
        texts = await asyncio.gather(*[ask.fn(prompt, i) for i in range(count)])
        sorts = [json.loads(text) for text in texts]
        scores = await asyncio.gather(*[score(numbers) for numbers in sorts])
        return min(zip(scores, sorts, strict=True), key=lambda pair: pair[0])[1]

    async def every() -> None:
        parts = json.loads(await ask.fn(f"split: {json.dumps(NUMBERS)}", 0))
        best = await asyncio.gather(*[best_of(f"sort: {json.dumps(part)}", 3) for part in parts.values()])
        await best_of(f"merge: {json.dumps([n for numbers in best for n in numbers])}", 4)

    with VirtualClock(seed=1) as clock:
        clock.run(every())
        return clock.now
