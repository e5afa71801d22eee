"""A MCP server for tests: it writes down what it does, and waits where it is told to.

    python shop.py FOLDER [PORT]

A line goes to FOLDER/log for each thing that happens. A tool that is told `hold` waits until there is a file
of that name in FOLDER. Where there is FOLDER/changed, it says nothing of its tools.

Over HTTP the protocol's own package serves it. Over stdin and stdout it speaks for itself, as it is started
often, and that package takes a second or two to import.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])
TOOLS: dict[str, tuple[Callable[..., Any], dict[str, bool]]] = {}
KINDS = {"str": "string", "int": "integer"}


def tool(**hints: bool) -> Any:
    def made(fn: Callable[..., Any]) -> Callable[..., Any]:
        TOOLS[fn.__name__] = fn, hints
        return fn

    return made


def log(text: str) -> None:
    with (FOLDER / "log").open("a") as file:
        file.write(f"{text}\n")


async def held(hold: str) -> None:
    while hold and not (FOLDER / hold).exists():
        await asyncio.sleep(0.005)


@tool(readOnlyHint=True)
async def price(item: str, hold: str = "") -> int:
    log(f"price {item}")
    try:
        await held(hold)
    except asyncio.CancelledError:
        log(f"price {item} is cancelled")
        raise
    return len(item)


@tool(destructiveHint=False)
async def order(item: str, hold: str = "") -> str:
    log(f"order {item}")
    await held(hold)
    log(f"order {item} done")
    return f"ordered {item}"


@tool(idempotentHint=True)
async def set_price(item: str, hold: str = "") -> str:
    log(f"set {item}")
    await held(hold)
    return item


@tool(readOnlyHint=True)
async def meet(name: str, others: int) -> str:
    """Comes back when so many have met, which those who come one after the other never have."""
    log(f"meet {name}")
    while (FOLDER / "log").read_text().count("meet ") < others:
        await asyncio.sleep(0.005)
    return name


@tool()
async def fail(reason: str) -> str:
    print(f"failing: {reason}", file=sys.stderr, flush=True)
    raise ValueError(reason)


@tool(readOnlyHint=True)
async def pid() -> int:
    return os.getpid()


# -- over stdin and stdout -----------------------------------------------------------------------------------


def described(name: str, fn: Callable[..., Any], hints: dict[str, bool]) -> dict[str, Any]:
    parameters = inspect.signature(fn).parameters.values()
    properties = {p.name: {"type": KINDS[str(p.annotation)]} for p in parameters}
    returned = {"type": KINDS[str(inspect.signature(fn).return_annotation)]}
    return {
        "name": name,
        "annotations": {} if (FOLDER / "changed").exists() else hints,
        "inputSchema": {
            "type": "object",
            "properties": properties,
            "required": [p.name for p in parameters if p.default is p.empty],
        },
        "outputSchema": {"type": "object", "properties": {"result": returned}, "required": ["result"]},
    }


def tell(**about: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **about}) + "\n")
    sys.stdout.flush()


async def call(number: Any, params: dict[str, Any]) -> None:
    fn, _ = TOOLS[params["name"]]
    token = params.get("_meta", {}).get("progressToken")
    if token is not None:
        about = {"progressToken": token, "progress": 1, "total": 2, "message": "half"}
        tell(method="notifications/progress", params=about)
        said = {"level": "warning", "data": f"calling {params['name']}"}
        tell(method="notifications/message", params=said)
    try:
        value = await fn(**params.get("arguments", {}))
    except ValueError as error:
        tell(id=number, result={"content": [{"type": "text", "text": f"sorry: {error}"}], "isError": True})
    else:
        text = {"type": "text", "text": str(value)}
        tell(id=number, result={"content": [text], "structuredContent": {"result": value}})


async def serve() -> None:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    running: dict[Any, asyncio.Task[None]] = {}
    while line := await reader.readline():
        message = json.loads(line)
        number, method, params = message.get("id"), message.get("method"), message.get("params", {})
        if method == "initialize":
            answer = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}}
            tell(id=number, result={**answer, "serverInfo": {"name": "shop", "version": "1"}})
        elif method == "tools/list":
            tell(id=number, result={"tools": [described(name, *about) for name, about in TOOLS.items()]})
        elif method == "tools/call":
            running[number] = asyncio.create_task(call(number, params))
        elif method == "notifications/cancelled":
            running[params["requestId"]].cancel()
        elif number is not None:
            tell(id=number, error={"code": -32601, "message": f"no method {method}"})


if len(sys.argv) == 2:
    asyncio.run(serve())
else:
    from mcp.server import MCPServer
    from mcp.types import ToolAnnotations

    server = MCPServer("shop", log_level="ERROR")
    for fn, hints in TOOLS.values():
        server.add_tool(fn, annotations=ToolAnnotations.model_validate(hints))
    server.run(transport="streamable-http", port=int(sys.argv[2]))
