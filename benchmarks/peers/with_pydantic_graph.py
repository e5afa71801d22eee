"""pydantic-graph: a graph of steps, a map edge, decisions and a join."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydantic_graph import GraphBuilder, StepContext, reduce_list_append

from ..work import DEEPEN, LOOK

_graph = GraphBuilder(input_type=int, output_type=list[int | None])


@_graph.step
async def _items(ctx: StepContext[None, None, int]) -> list[int]:
    return list(range(ctx.inputs))


@_graph.step
async def _look(ctx: StepContext[None, None, int]) -> int:
    await asyncio.sleep(LOOK)
    return ctx.inputs


@_graph.step
async def _deepen(ctx: StepContext[None, None, int]) -> int | None:
    await asyncio.sleep(DEEPEN)
    return -ctx.inputs


@_graph.step
async def _nothing(ctx: StepContext[None, None, int]) -> int | None:
    return None


_collect = _graph.join(reduce_list_append, initial_factory=list[int | None])
_graph.add(
    _graph.edge_from(_graph.start_node).to(_items),
    _graph.edge_from(_items).map().to(_look),
    _graph.edge_from(_look).to(
        _graph.decision()
        .branch(_graph.match(int, matches=lambda x: x % 2 == 1).to(_deepen))
        .branch(_graph.match(int).to(_nothing))
    ),
    _graph.edge_from(_deepen, _nothing).to(_collect),
    _graph.edge_from(_collect).to(_graph.end_node),
)
_branchy = _graph.build()


async def branchy(n: int) -> list[int]:
    found = await _branchy.run(inputs=n)
    return sorted((x for x in found if x is not None), reverse=True)


@dataclass
class _Left:
    steps: int


_loop = GraphBuilder(input_type=_Left, output_type=_Left)


@_loop.step
async def _step(ctx: StepContext[None, None, _Left]) -> _Left:
    return _Left(ctx.inputs.steps - 1)


_loop.add(
    _loop.edge_from(_loop.start_node).to(_step),
    _loop.edge_from(_step).to(
        _loop.decision()
        .branch(_loop.match(_Left, matches=lambda left: left.steps > 0).to(_step))
        .branch(_loop.match(_Left).to(_loop.end_node))
    ),
)
_chain = _loop.build()


async def chain(n: int) -> int:
    return (await _chain.run(inputs=_Left(n))).steps
