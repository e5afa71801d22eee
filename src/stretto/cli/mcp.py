"""``stretto mcp``: the flows of a file as the tools of a MCP server."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from .execute import BAD_USAGE, INTERRUPTED, OK, default_journal, failed, usage_error
from .load import UsageError, load_flows
from .options import Given, Usage
from .output import short_traceback

__all__ = ["serve"]

_HOST = "127.0.0.1"

USAGE = Usage(
    "mcp",
    ("FILE.py",),
    {"--http": "PORT", "--journal": "URL"},
    ("--no-journal",),
    """\
Serve the flows of a file, or one flow as FILE.py:FLOW, as the tools of a MCP server.

The type hints of a flow are the schema of its arguments, and what it raises is told as the tool's error. Runs
are recorded as those of `stretto run` are; how far one is, is told while it goes on.

  --http PORT       over HTTP, at http://127.0.0.1:PORT/mcp, for programs on this machine; else over stdin
                    and stdout, for a program that starts the server itself
  --journal URL     where runs are recorded: a file, or postgresql://... (default: what is configured, else
                    .stretto/journal.db); --no-journal for nowhere""",
)


def serve(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    try:
        given = USAGE.parse(words)
        if "--help" in given.flags:
            print(f"{USAGE.line()}\n\n{USAGE.says}")
            return OK
        port = given.number("--http")
        if port is not None and port > 65535:
            raise UsageError(f"--http takes a port, from 1 to 65535, and found {port}")
        return _serve(given, port)
    except UsageError as error:
        return usage_error(error, USAGE.line())
    except KeyboardInterrupt:
        return INTERRUPTED


def _serve(given: Given, port: int | None) -> int:
    if importlib.util.find_spec("mcp") is None:
        return usage_error(UsageError("this needs the package mcp: pip install 'stretto[mcp]'"), None)
    from stretto.tools.serving import server_of

    file = given.places[0]
    try:
        with redirect_stdout(sys.stderr):  # what is written to stdout is the protocol's
            flows = load_flows(file)
    except (UsageError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return failed(error, as_lines=False)
    if not flows:
        return usage_error(UsageError(f"{file} has no flows: mark a function with @stretto.flow."), None)
    if port is not None:
        _listens(port)
    journal = None if "--no-journal" in given.flags else given.values.get("--journal") or default_journal()
    kept = {name: flow.using(journal=journal) for name, flow in flows.items()}
    try:
        server = server_of(Path(file.partition(":")[0]).stem, kept, _words, on_stdout=port is None)
    except Exception as error:
        print(f"error: the flows of {file} cannot be tools: {error}", file=sys.stderr)
        return BAD_USAGE
    names = ", ".join(kept)
    if port is None:
        print(f"serving {names} over stdin and stdout", file=sys.stderr)
        asyncio.run(server.run_stdio_async())
    else:
        print(f"serving {names} at http://{_HOST}:{port}/mcp", file=sys.stderr)
        asyncio.run(server.run_streamable_http_async(host=_HOST, port=port))
    return OK


def _listens(port: int) -> None:
    """Raise `UsageError` if nobody can listen there. (The server would say so when it says it is serving.)"""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name == "posix")  # else: taken ones, too
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise UsageError(
                f"--http {port}: nobody can listen at {_HOST}:{port}: {error.strerror}"
            ) from None


def _words(error: BaseException) -> str:
    """What a flow has raised, for who has called the tool; all of it goes to stderr."""
    told = short_traceback(error)
    print(told, file=sys.stderr, end="")
    return f"{type(error).__name__}: {error}"
