"""Tools of others as calls: MCP servers, HTTP services with a description, the shell, files, HTTP.

    client.py       `mcp`: a server whose tools are calls
    connection.py   the server's process or address, and the session with it, on a loop of its own
    hints.py        what a tool says of itself -> effects
    words.py        effects that the user says, for all that has tools with names
    arguments.py    a JSON schema -> a signature, and whether arguments fit
    answers.py      what a tool answers -> a value
    serving.py      the other way round: the flows of a file as an MCP server
    openapi.py      `openapi`: a service that is described -> calls
    description.py  its description
    paths.py        the path of an operation -> what it touches
    wire.py         MCP over HTTP
    loop.py         the event loop of all connections
    http.py         requests as calls
    files.py        files as calls
    shell.py        commands as calls

Nothing of this is imported by the rest of the package but the command line. What others have written (`mcp`,
`httpx`) is imported when it is used.
"""

from __future__ import annotations

from . import files, http, shell
from .client import ToolServer, mcp
from .openapi import Service, openapi

__all__ = ["Service", "ToolServer", "files", "http", "mcp", "openapi", "shell"]
