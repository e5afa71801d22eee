"""The connection to one MCP server: it is made at first use, and made anew when it is lost.

It lives on the loop of all connections (`loop`), so that many runs can use it, on whatever loops they are.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ..errors import OutcomeUnknown, ToolError, ToolServerError
from .loop import at_end, do_now

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult, LoggingMessageNotificationParams, Tool

__all__ = ["Address", "Command", "Connection", "Progress", "Settings"]

#: Told of a tool's progress: its name, how much is done, of how much in all, and a text.
Progress = Callable[[str, float, float | None, str | None], None]

#: JSON-RPC error codes: of a connection that is gone, and our own of a request that was never sent.
_CLOSED, _NOT_SENT = -32000, -32098
_SESSION_GONE = "Session terminated"

#: How many of the last lines that a server wrote to its stderr are quoted when it dies.
_QUOTED = 12
_LEVELS = {
    "debug": logging.DEBUG, "info": logging.INFO, "notice": logging.INFO, "warning": logging.WARNING,
    "error": logging.ERROR, "critical": logging.CRITICAL, "alert": logging.CRITICAL,
    "emergency": logging.CRITICAL,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command:
    """A server that is a process of ours, spoken to over its stdin and stdout."""

    words: tuple[str, ...]
    env: Mapping[str, str] | None = None
    cwd: str | None = None

    def __str__(self) -> str:
        return shlex.join(self.words)


@dataclass(frozen=True, slots=True)
class Address:
    """A server that is running somewhere, spoken to over HTTP."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return self.url


Settings: TypeAlias = tuple[str, Command | Address, float, Progress | None]


class _Session:
    """One life of a server."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self.tools: list[Tool] = []
        self.closed = False  #: whether its end of the line is known to be gone
        self.leave = asyncio.Event()
        self.stderr = _Stderr()
        self.keeper: asyncio.Task[None] | None = None


class _Stderr:
    """The last lines of what a process writes to its stderr."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=_QUOTED)
        self._reader: threading.Thread | None = None

    def begin(self, log: logging.Logger) -> Any:
        """The file that the process is to write to; close it when the process has it."""
        taken, given = os.pipe()

        def read() -> None:
            with open(taken, encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    self.lines.append(line.rstrip())
                    log.debug("stderr: %s", line.rstrip())

        self._reader = threading.Thread(target=read, name="stretto-tools-stderr", daemon=True)
        self._reader.start()
        return open(given, "w")

    def quoted(self) -> str:
        """What it has written, indented; the process is gone."""
        if self._reader is not None:
            self._reader.join(0.5)  # what it has left behind may hold the pipe open
        said = "".join(f"\n    {line}" for line in list(self.lines))
        return f"Its stderr ends with:{said}" if said else "It has written nothing to its stderr"


class Connection:
    """The connection to one server.

    Attributes:
        name: what the server is called, in messages and logs.
        target: how to come by it.
        settings: what it was made of.
    """

    def __init__(
        self, name: str, target: Command | Address, start_timeout: float, progress: Progress | None
    ) -> None:
        self.settings: Settings = name, target, start_timeout, progress
        self.name = name
        self.target = target
        self.log = logging.getLogger(f"stretto.tools.{name}")
        self._start_timeout = start_timeout
        self._progress = progress
        self._session: _Session | None = None
        self._lock: asyncio.Lock | None = None
        self._process = os.getpid()
        self._ends = False

    def close(self) -> None:
        """End the server, or the session with it. The next use makes it anew. From any thread; all else is
        for the connections' loop."""
        if self._session is not None and self._process == os.getpid():
            do_now(self._closed())

    async def tools(self) -> list[Tool]:
        """What the server offers."""
        return (await self._connected()).tools

    async def call(
        self, offered: Tool, arguments: dict[str, Any], *, again: bool, changes: bool, judged: bool
    ) -> CallToolResult:
        """Have a tool called. `again`: it may be called twice, if the server is lost meanwhile. `judged`: its
        effects are those that it said of itself when it was `offered`."""
        from mcp import MCPError

        tool = offered.name
        for attempt in (1, 2):
            session = await self._connected()
            assert session.client is not None
            now = next((t for t in session.tools if t.name == tool), None)
            if now is None or (judged and now.annotations != offered.annotations):
                what = "is not there any more" if now is None else "says other things of itself than before"
                raise ToolServerError(f"{tool} of {self.name} {what}, since the server was started again")
            try:
                return await session.client.call_tool(tool, arguments, progress_callback=self._teller(tool))
            except MCPError as error:
                if error.code == _NOT_SENT:
                    raise ToolServerError(f"{self.name} ({self.target}) cannot be reached: {error}") from None
                gone = error.message == _SESSION_GONE and isinstance(self.target, Address)
                lost = error.code == _CLOSED and (session.closed or isinstance(self.target, Address))
                if not (gone or lost):
                    raise ToolError(
                        f"{tool} of {self.name}: the server refuses the call: {error} (code {error.code})",
                        tool=tool, server=self.name, text=str(error),
                    ) from None  # fmt: skip
            except RuntimeError as error:  # what it answers does not fit the schema that it gives itself
                raise ToolError(
                    f"{tool} of {self.name}: {error}", tool=tool, server=self.name, text=str(error)
                ) from None
            if gone or session.closed:
                await self._drop(session)
            if attempt == 1 and (gone or again):
                continue  # a session that is gone has done nothing
            why = f"{tool} of {self.name}: the server ({self.target}) was lost during the call"
            said = f". {session.stderr.quoted()}" if isinstance(self.target, Command) else ""
            if changes and not gone:
                raise OutcomeUnknown(f"{why}, and nobody knows whether it has happened{said}")
            raise ToolServerError(f"{why}, and again when it was made once more{said}")
        raise AssertionError("unreachable")

    def _teller(self, tool: str) -> Any:
        progress, log = self._progress, self.log

        async def tell(done: float, total: float | None, message: str | None) -> None:
            log.info("%s: %s%s %s", tool, done, "" if total is None else f" of {total}", message or "")
            if progress is not None:
                progress(tool, done, total, message)

        return tell

    async def _connected(self) -> _Session:
        if self._process != os.getpid():  # the session belongs to the process that this one was forked from
            self._session = self._lock = None
            self._process, self._ends = os.getpid(), False
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            session = self._session
            if session is not None and session.closed:  # it died while nobody asked anything of it
                await self._end(session)
                session = None
            if session is None:
                session = self._session = await self._begun()
            return session

    async def _begun(self) -> _Session:
        session = _Session()
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        session.keeper = asyncio.create_task(self._keep(session, ready))
        try:
            async with asyncio.timeout(self._start_timeout):
                await asyncio.shield(ready)
        except BaseException as error:
            await self._end(session)
            if not isinstance(error, Exception):
                raise
            why: object = next(iter(_leaves(error)))
            if isinstance(error, TimeoutError):
                why = f"it has not answered for {self._start_timeout:g} s"
            said = f" {session.stderr.quoted()}" if isinstance(self.target, Command) else ""
            verb = "does not start" if isinstance(self.target, Command) else "cannot be reached"
            raise ToolServerError(
                f"the tool server {self.name} {verb}: {self.target}: {why}.{said}"
            ) from None
        if not self._ends:
            self._ends = True
            at_end(self._closed)
        return session

    async def _keep(self, session: _Session, ready: asyncio.Future[None]) -> None:
        """Hold a session: it has to be left by the task that has entered it."""
        from mcp import Client

        try:
            async with AsyncExitStack() as stack:
                transport = self._transport(session, stack)
                client = Client(transport, cache=None, logging_callback=self._logged)
                await stack.enter_async_context(client)
                cursor: str | None = None
                while True:
                    page = await client.list_tools(cursor=cursor)
                    session.tools += page.tools
                    cursor = page.next_cursor
                    if cursor is None:
                        break
                session.client = client
                if not ready.done():
                    ready.set_result(None)
                await session.leave.wait()
        except Exception as error:
            if not ready.done():
                ready.set_exception(error)
            else:
                self.log.debug("the connection has ended: %r", error)
        finally:
            session.closed = True
            if not ready.done():
                ready.cancel()

    def _transport(self, session: _Session, stack: AsyncExitStack) -> Any:
        if isinstance(self.target, Command):
            from mcp import StdioServerParameters, stdio_client

            command, *rest = self.target.words
            env = None if self.target.env is None else dict(self.target.env)
            parameters = StdioServerParameters(command=command, args=rest, env=env, cwd=self.target.cwd)
            errors = stack.enter_context(session.stderr.begin(self.log))
            return _watched(stdio_client(parameters, errlog=errors), session)
        from .wire import http_transport

        return _watched(http_transport(self.target.url, self.target.headers, _NOT_SENT), session)

    async def _logged(self, params: LoggingMessageNotificationParams) -> None:
        self.log.log(_LEVELS.get(str(params.level), logging.INFO), "%s", params.data)

    async def _drop(self, session: _Session) -> None:
        """The server is lost: the next call begins another one."""
        session.closed = True
        await self._end(session)

    async def _end(self, session: _Session) -> None:
        if self._session is session:
            self._session = None
        session.leave.set()
        keeper = session.keeper
        if keeper is not None and session.client is None:
            keeper.cancel()
        if keeper is not None:
            with suppress(asyncio.CancelledError):
                await asyncio.shield(keeper)

    async def _closed(self) -> None:
        if self._session is not None:
            await self._end(self._session)


@asynccontextmanager
async def _watched(transport: Any, session: _Session) -> AsyncGenerator[Any]:
    """A transport that tells the session when nothing can come from it any more."""
    async with transport as (read, write):
        yield _Watched(read, session), write


class _Watched:
    """The reading side of a transport."""

    def __init__(self, stream: Any, session: _Session) -> None:
        self._stream = stream
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __aiter__(self) -> _Watched:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except BaseException:
            self._session.closed = True
            raise

    async def __aenter__(self) -> _Watched:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *about: Any) -> Any:
        return await self._stream.__aexit__(*about)


def _leaves(error: BaseException) -> list[BaseException]:
    """The exceptions in a group, and the groups in it."""
    if isinstance(error, BaseExceptionGroup):
        parts = cast("Sequence[BaseException]", cast("Any", error).exceptions)
        return [leaf for part in parts for leaf in _leaves(part)]
    return [error]
