"""babyagi's `react_agent`, as published: an agent that reasons and acts by turns.

The framework keeps the text of its functions in a database and executes it from there, so none of them has
a source. Here the file is imported that the framework reads it from. Its decorator gives the function
itself, and the names that the framework puts around a function are put around it: a client of the model, and
what looks up and executes the other functions. These are the seam: they answer by a digest of what they are
given, after as long as such things take. Several tasks are solved, one after the other, by an ordinary loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import importlib
import itertools
import json
import types
from collections.abc import Iterator
from typing import Any

from stretto import call, flow
from stretto.testing import VirtualClock
from tests.differential.world import digest

from .declared import declared
from .fetch import BABYAGI
from .published import importable

__all__ = ["by_hand", "run"]

#: What was asked for, and how many seconds it took.
_made: list[tuple[str, float]] = []

FUNCTIONS = ("search", "read_page", "calculate", "look_up")


async def _take(what: str, seconds: float) -> None:
    _made.append((what, seconds))
    await asyncio.sleep(seconds)


@call.unordered
async def completion(
    model: str, messages: list[dict[str, Any]], tools: list[dict[str, Any]], **options: Any
) -> dict[str, Any]:
    """An answer that asks for some functions, or the last one."""
    seed = int(digest(messages, len(tools)), 16)
    await _take("answer", 1 + seed % 2000 / 1000)
    asked = sum(message["role"] == "assistant" for message in messages)
    if asked == 2 + seed % 3:
        message: dict[str, Any] = {"role": "assistant", "content": f"So it is. Answer: {seed % 1000}"}
    else:
        wanted = [
            {
                "id": f"call {seed} {i}",
                "function": {"name": FUNCTIONS[(seed + i) % 4], "arguments": arguments},
            }
            for i, arguments in enumerate([f'{{"about": "{seed % 89}"}}', '{"about": "the weather"}'])
        ]
        message = {"role": "assistant", "content": f"Step {asked}.", "tool_calls": wanted[: 1 + seed % 2]}
    return {"choices": [{"message": message}]}


@call.reads("functions")
async def get_all_functions_wrapper() -> list[dict[str, Any]]:
    await _take("functions", 0.05)
    return [{"name": name} for name in FUNCTIONS]


@call.reads("functions")
async def get_function_wrapper(name: str) -> dict[str, Any]:
    await _take("function", 0.05)
    about = {"name": "about", "type": "str", "required": True}
    return {"name": name, "metadata": {"description": f"It can {name}."}, "input_parameters": [about]}


@call.reads("web")
async def execute_function_wrapper(function_name: str, **arguments: Any) -> str:
    seed = int(digest(function_name, arguments), 16)
    await _take("execute", 0.2 + seed % 600 / 1000)
    if seed % 5 == 0:
        raise ValueError(f"{function_name} knows nothing")
    return f"{function_name} found {seed % 1000}"


@contextlib.contextmanager
def published() -> Iterator[Any]:
    """The published module, with the names that the framework puts around its functions."""
    framework = types.ModuleType("functionz.core.framework")
    vars(framework)["func"] = types.SimpleNamespace(register_function=lambda **_: lambda function: function)
    client = types.ModuleType("litellm")
    vars(client)["completion"] = completion
    instead = {name: types.ModuleType(name) for name in ("functionz", "functionz.core")}
    instead["functionz.core.framework"] = framework
    with importable(BABYAGI, "react_agent", instead, within="babyagi/functionz/packs/drafts"):
        module = importlib.import_module("react_agent")
        vars(module).update(
            litellm=client, json=json, copy=copy,
            get_all_functions_wrapper=get_all_functions_wrapper,
            get_function_wrapper=get_function_wrapper,
            execute_function_wrapper=execute_function_wrapper,
        )  # fmt: skip
        yield module


def run(tasks: int, *, overlapped: bool) -> tuple[list[str], float]:
    """What the agent says of so many tasks, and the virtual seconds it takes."""
    with published() as module, declared(""), VirtualClock(seed=1) as clock:
        react_agent = module.react_agent

        @flow
        def every(count: int) -> list[str]:
            return [react_agent(f"task {number}") for number in range(count)]

        return (every if overlapped else every.sequential)(tasks), clock.now


def by_hand(tasks: int) -> float:
    """The virtual seconds of the best asyncio version: tasks side by side; what the functions are is asked
    all at once, and so is what a turn asks for."""
    took: list[float] = []
    for number in range(tasks):
        _made.clear()
        with published() as module, VirtualClock(seed=1):
            flow(module.react_agent).sequential(f"task {number}")
        seconds = 0.0
        for _, together in itertools.groupby(_made, key=lambda made: made[0]):
            seconds += max(made[1] for made in together)
        took.append(seconds)
    return max(took)
