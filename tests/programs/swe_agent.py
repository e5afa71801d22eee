"""mini-swe-agent, as published: agents that act in a shell, step by step.

One agent is a chain of steps. Several are run one after the other by an ordinary loop, each with a model and
a shell of its own: simulated ones, which answer by a digest of what they are given and take as long as such
things take.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import tempfile
import types
from collections.abc import Iterator
from typing import Any
from unittest import mock

from stretto import call, flow
from stretto.testing import VirtualClock
from tests.differential.world import digest

from .declared import declared
from .fetch import MINI_SWE_AGENT
from .published import importable

__all__ = ["by_hand", "run"]

SYSTEM = "You act in a shell."
TASK = "Solve: {{task}}. Steps so far: {{n_model_calls}}."


@call.unordered
async def answer(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The next message of a model: some commands, or the end."""
    seed = int(digest([m["content"] for m in messages]), 16)
    await asyncio.sleep(1 + seed % 2000 / 1000)
    commands = [f"command {seed % 97}.{i}" for i in range(1 + seed % 3)]
    extra = {"actions": [{"command": command} for command in commands], "cost": 0.01}
    return {"role": "assistant", "content": f"I do {', '.join(commands)}.", "extra": extra}


class Model:
    """A model that gives up after some steps."""

    def __init__(self, steps: int) -> None:
        self.config = types.SimpleNamespace()
        self.steps = steps

    def query(self, messages: list[dict[str, Any]], **kwargs: Any) -> dict[str, Any]:
        return answer(messages)

    def format_message(self, **kwargs: Any) -> dict[str, Any]:
        return dict(kwargs)

    def format_observation_messages(
        self, message: dict[str, Any], outputs: list[dict[str, Any]], template_vars: Any = None
    ) -> list[dict[str, Any]]:
        return [{"role": "user", "content": f"{o['returncode']}: {o['output']}"} for o in outputs]

    def get_template_vars(self, **kwargs: Any) -> dict[str, Any]:
        return {"steps": self.steps}

    def serialize(self) -> dict[str, Any]:
        return {"info": {"steps": self.steps}}


@call.writes("shell:{name}")
async def command(name: str, text: str) -> dict[str, Any]:
    seed = int(digest(name, text), 16)
    await asyncio.sleep(0.1 + seed % 400 / 1000)
    return {"output": f"{text} printed {seed % 1000}", "returncode": seed % 2}


class Shell:
    """An environment of its own."""

    def __init__(self, name: str) -> None:
        self.config = types.SimpleNamespace()
        self.name = name

    def execute(self, action: dict[str, Any], cwd: str = "") -> dict[str, Any]:
        return command(self.name, action["command"])

    def get_template_vars(self, **kwargs: Any) -> dict[str, Any]:
        return {}

    def serialize(self) -> dict[str, Any]:
        return {}


@contextlib.contextmanager
def published() -> Iterator[Any]:
    """The published module with the agent."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"MSWEA_GLOBAL_CONFIG_DIR": folder, "MSWEA_SILENT_STARTUP": "1"}
        with mock.patch.dict(os.environ, settings), importable(MINI_SWE_AGENT, "minisweagent", {}):
            yield importlib.import_module("minisweagent.agents.default")


def run(agents: int, *, overlapped: bool) -> tuple[list[Any], float]:
    """What each agent came to and all that was said, and the virtual seconds it takes."""
    with published() as module, declared(""):

        @flow
        def every(made: Any, count: int) -> list[Any]:
            found = []
            for n in range(count):
                options = {"system_template": SYSTEM, "instance_template": TASK, "step_limit": 3 + n % 3}
                agent = made(Model(3 + n % 3), Shell(f"agent {n}"), **options)
                found.append((agent.run(f"task {n}"), agent.cost, agent.messages))
            return found

        with VirtualClock(seed=1) as clock:
            return (every if overlapped else every.sequential)(module.DefaultAgent, agents), clock.now


def by_hand(agents: int) -> float:
    """The virtual seconds of the longest agent, in one's own loop: the agents side by side."""
    took = []
    with published() as module:
        for n in range(agents):
            options = {"system_template": SYSTEM, "instance_template": TASK, "step_limit": 3 + n % 3}
            with VirtualClock(seed=1) as clock:
                module.DefaultAgent(Model(3 + n % 3), Shell(f"agent {n}"), **options).run(f"task {n}")
                took.append(clock.now)
    return max(took)
