"""MCP over HTTP, so that a request that has never left is told from one that may have arrived."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["http_transport"]


@asynccontextmanager
async def http_transport(url: str, headers: Mapping[str, str], not_sent: int) -> AsyncGenerator[Any]:
    """What `mcp.Client` speaks through. A request for which there was no connection is answered here, with
    the error code `not_sent`."""
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    class Transport(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            try:
                return await super().handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                try:
                    number = json.loads(request.content).get("id")
                except (ValueError, AttributeError, httpx2.RequestNotRead):
                    number = None
                if number is None:
                    raise
                answer = {
                    "jsonrpc": "2.0", "id": number, "error": {"code": not_sent, "message": str(error)},
                }  # fmt: skip
                return httpx2.Response(200, json=answer, request=request)

    patience = httpx2.Timeout(30.0, read=None)  # how long a tool may take is said on its call
    async with (
        httpx2.AsyncClient(headers=dict(headers), timeout=patience, transport=Transport()) as client,
        streamable_http_client(url, http_client=client) as streams,
    ):
        yield streams
