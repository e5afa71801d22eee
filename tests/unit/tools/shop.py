"""A MCP server for tests: it writes down what it does, and waits where it is told to.

    python shop.py FOLDER [PORT]

A line goes to FOLDER/log for each thing that happens. A tool that is told `hold` waits until there is a file
of that name in FOLDER.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import ToolAnnotations

FOLDER = Path(sys.argv[1])
READS = ToolAnnotations(read_only_hint=True)
server = MCPServer("shop", log_level="ERROR")


def log(text: str) -> None:
    with (FOLDER / "log").open("a") as file:
        file.write(f"{text}\n")


async def held(hold: str) -> None:
    while hold and not (FOLDER / hold).exists():
        await asyncio.sleep(0.005)


@server.tool(annotations=READS)
async def price(item: str, hold: str = "") -> int:
    log(f"price {item}")
    try:
        await held(hold)
    except asyncio.CancelledError:
        log(f"price {item} is cancelled")
        raise
    return len(item)


@server.tool(annotations=ToolAnnotations(destructive_hint=False))
async def order(item: str, hold: str = "") -> str:
    log(f"order {item}")
    await held(hold)
    log(f"order {item} done")
    return f"ordered {item}"


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
async def set_price(item: str, hold: str = "") -> str:
    log(f"set {item}")
    await held(hold)
    return item


@server.tool(annotations=READS)
async def meet(name: str, others: int) -> list[str]:
    """Comes back when so many have met, which those who come one after the other never have."""
    log(f"meet {name}")
    while (met := (FOLDER / "log").read_text().count("meet ")) < others:
        await asyncio.sleep(0.005)
    return [name, str(met)]


@server.tool()
async def fail(reason: str, context: Context) -> str:
    await context.report_progress(1, 2, "half")
    print(f"failing: {reason}", file=sys.stderr, flush=True)
    raise ValueError(reason)


@server.tool(annotations=READS)
def pid() -> int:
    return os.getpid()


if len(sys.argv) > 2:
    server.run(transport="streamable-http", port=int(sys.argv[2]))
else:
    server.run()
