"""LangGraph: a state graph, with `Send` for the items."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from ..work import DEEPEN, LOOK


class _State(TypedDict):
    n: int
    found: Annotated[list[int], operator.add]
    seen: Annotated[list[int], operator.add]


class _Item(TypedDict):
    x: int


async def _look(item: _Item) -> dict[str, list[int]]:
    await asyncio.sleep(LOOK)
    return {"seen": [item["x"]]}


async def _deepen(item: _Item) -> dict[str, list[int]]:
    await asyncio.sleep(DEEPEN)
    return {"found": [-item["x"]]}


def _to_look(state: _State) -> list[Send]:
    return [Send("look", {"x": i}) for i in range(state["n"])]


def _to_deepen(state: _State) -> list[Send]:
    return [Send("deepen", {"x": x}) for x in state["seen"] if x % 2]


_graph = StateGraph(_State)
_graph.add_node("look", _look)
_graph.add_node("deepen", _deepen)
_graph.add_node("branch", lambda state: {})
_graph.add_conditional_edges(START, _to_look, ["look"])
_graph.add_edge("look", "branch")
_graph.add_conditional_edges("branch", _to_deepen, ["deepen"])
_graph.add_edge("deepen", END)
_branchy = _graph.compile()


async def branchy(n: int) -> list[int]:
    return (await _branchy.ainvoke({"n": n, "found": [], "seen": []}))["found"]


class _Left(TypedDict):
    steps: int


async def _step(left: _Left) -> _Left:
    return {"steps": left["steps"] - 1}


_loop = StateGraph(_Left)
_loop.add_node("step", _step)
_loop.add_edge(START, "step")
_loop.add_conditional_edges("step", lambda left: "step" if left["steps"] > 0 else END)
_chain = _loop.compile()


async def chain(n: int) -> int:
    return (await _chain.ainvoke({"steps": n}, {"recursion_limit": n + 10}))["steps"]
