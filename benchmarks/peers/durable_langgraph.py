"""LangGraph with its SQLite saver, which puts the file in WAL mode: as a state graph, and as tasks.

Plain functions with `SqliteSaver`: coroutines with `AsyncSqliteSaver` take twice as long. The durability is
`async`, its default: what a step did is written while the next one runs, so a kill may lose the last ones.
(`sync` waits for it first, and `exit` writes only when the graph ends, so that nothing survives a kill.)
"""

from __future__ import annotations

import operator
import sqlite3
import time
import uuid
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Durability, Send

from .marks import marks

RUN = "run"
DURABILITY: Durability = "async"


def _config(n: int, thread: str | None = None) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread or uuid.uuid4().hex}, "recursion_limit": n + 10}


def _saver(folder: Path) -> SqliteSaver:
    return SqliteSaver(sqlite3.connect(folder / "checkpoints.db", check_same_thread=False))


class _At(TypedDict):
    i: int
    n: int


class _Many(TypedDict):
    n: int
    found: Annotated[list[int], operator.add]


def _noop(at: _At) -> dict[str, int]:
    return {"i": at["i"] + 1}


def _step(at: _At) -> dict[str, int]:
    if marks.ran(at["i"]):
        time.sleep(3600)
    return {"i": at["i"] + 1}


def _loop(step: Any, saver: SqliteSaver) -> Any:
    graph = StateGraph(_At)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda at: "step" if at["i"] < at["n"] else END)
    return graph.compile(checkpointer=saver)


def _fan(saver: SqliteSaver) -> Any:
    graph = StateGraph(_Many)
    graph.add_node("step", lambda at: {"found": [at["i"]]})
    graph.add_conditional_edges(START, lambda at: [Send("step", {"i": i}) for i in range(at["n"])], ["step"])
    graph.add_edge("step", END)
    return graph.compile(checkpointer=saver)


class Graph:
    """A state graph: a node that goes back to itself, and `Send` for independent ones."""

    def __init__(self, folder: Path) -> None:
        saver = _saver(folder)
        self.noops, self.fan, self.steps = _loop(_noop, saver), _fan(saver), _loop(_step, saver)

    def chain(self, n: int) -> None:
        self.noops.invoke({"i": 0, "n": n}, _config(n), durability=DURABILITY)

    def many(self, n: int) -> None:
        self.fan.invoke({"n": n, "found": []}, _config(n), durability=DURABILITY)

    def begin(self, n: int) -> int:
        found: int = self.steps.invoke({"i": 0, "n": n}, _config(n, RUN), durability=DURABILITY)["i"]
        return found

    def resume(self) -> int:
        n = self.steps.get_state(_config(0, RUN)).values["n"]
        found: int = self.steps.invoke(None, _config(n, RUN), durability=DURABILITY)["i"]
        return found

    @classmethod
    def recorded(cls, folder: Path) -> int:
        return int(cls(folder).steps.get_state(_config(0, RUN)).values.get("i", 0))


@task
def _noop_task(i: int) -> int:
    return i


@task
def _step_task(i: int) -> int:
    if marks.ran(i):
        time.sleep(3600)
    return i + 1


class Tasks:
    """Its functional way: a plain loop that calls tasks."""

    def __init__(self, folder: Path) -> None:
        saver = _saver(folder)

        @entrypoint(checkpointer=saver)
        def chain(n: int) -> int:
            x = 0
            for _ in range(n):
                x = _noop_task(x).result()
            return x

        @entrypoint(checkpointer=saver)
        def many(n: int) -> None:
            for future in [_noop_task(i) for i in range(n)]:
                future.result()

        @entrypoint(checkpointer=saver)
        def steps(n: int) -> int:
            i = 0
            while i < n:
                i = _step_task(i).result()
            return i

        self._chain, self._many, self._steps = chain, many, steps

    def chain(self, n: int) -> None:
        self._chain.invoke(n, _config(n), durability=DURABILITY)

    def many(self, n: int) -> None:
        self._many.invoke(n, _config(n), durability=DURABILITY)

    def begin(self, n: int) -> int:
        found: int = self._steps.invoke(n, _config(n, RUN), durability=DURABILITY)
        return found

    def resume(self) -> int:
        found: int = self._steps.invoke(None, _config(0, RUN), durability=DURABILITY)
        return found

    @staticmethod
    def recorded(folder: Path) -> int:
        found = _saver(folder).get_tuple({"configurable": {"thread_id": RUN}})
        writes = [] if found is None else found.pending_writes or []
        return sum(channel == "__return__" for _, channel, _ in writes)
