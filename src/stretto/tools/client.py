"""MCP servers whose tools are calls."""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..calls import Call, CallHolder
from ..declarations.table import Entry
from ..effects import Effects, Kind
from ..errors import DeclarationError, ToolServerError
from .answers import json_checker, value_of, wraps
from .arguments import Arguments
from .connection import Address, Command, Connection, Progress, Settings
from .hints import effects_of_hints
from .loop import do, do_now
from .words import Words, attribute_name, checker_of, close_to

if TYPE_CHECKING:
    from mcp.types import Tool

__all__ = ["ToolServer", "mcp"]

#: Seconds for which a server that could not be had is not asked for its tools again.
_PATIENCE = 5.0
#: What runs a server, and is not one itself.
_RUNNERS = {
    "uvx",
    "uv",
    "npx",
    "npm",
    "pipx",
    "bunx",
    "docker",
    "podman",
    "python",
    "python3",
    "node",
    "env",
    "sh",
}


def mcp(
    server: str | Sequence[str] | None = None,
    *,
    command: Sequence[str] | None = None,
    url: str | None = None,
    name: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    headers: Mapping[str, str] | None = None,
    effects: Mapping[str, Any] | None = None,
    hints: bool = True,
    resource: str | None = None,
    start_timeout: float = 60.0,
    progress: Progress | None = None,
) -> ToolServer:
    """A MCP server whose tools are calls: ``git = mcp("uvx mcp-server-git")``, then ``git.git_log(...)``.

    Args:
        server: the command that starts it, or the URL (``http://...``) that it is at.
        command: the command, word by word.
        url: the address.
        name: what it is called in messages and in ``mcp:NAME``, the resource that it is.
        env: environment variables for the process; of ours it has only those that any program needs.
        cwd: the folder that the process works in.
        headers: what is sent along with each request to the address.
        effects: what its tools touch, by name, in the words of the table ``[effects]``. It counts before what
            the tools say of themselves.
        hints: whether anything is made of what the tools say of themselves.
        resource: the resource that it is, if not ``mcp:NAME``: the same for servers that touch the same.
        start_timeout: seconds for which it is waited for.
        progress: told how far a tool is: its name, how much is done, of how much in all, and a text.
    """
    _needed()
    given = [thing for thing in (server, command, url) if thing is not None]
    if len(given) != 1:
        raise DeclarationError(
            "say how to come by the server: tools.mcp('uvx mcp-server-git'), tools.mcp(command=[...]) or "
            f"tools.mcp(url='http://...'); found {len(given)} of these"
        )
    target = _target(given[0], url is not None, env, cwd, headers)
    called = name if name is not None else _name_of(target)
    where = _caller()
    touched = resource if resource is not None else f"mcp:{called}"
    return _made(
        (called, target, start_timeout, progress), Words(called, effects or {}, where), hints, touched
    )


def _made(settings: Settings, words: Words, hints: bool, resource: str) -> ToolServer:
    return ToolServer(Connection(*settings), words, hints=hints, resource=resource)


def _caller() -> str:
    frame = sys._getframe(2)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _target(
    said: str | Sequence[str],
    is_url: bool,
    env: Mapping[str, str] | None,
    cwd: str | os.PathLike[str] | None,
    headers: Mapping[str, str] | None,
) -> Command | Address:
    if is_url or (isinstance(said, str) and said.startswith(("http://", "https://"))):
        if env is not None or cwd is not None:
            raise DeclarationError("env= and cwd= are for a server that is started here, not for a URL")
        return Address(str(said), dict(headers or {}))
    if headers is not None:
        raise DeclarationError("headers= are for a server at a URL, not for one that is started here")
    words = tuple(shlex.split(said)) if isinstance(said, str) else tuple(map(str, said))
    if not words:
        raise DeclarationError("the command of the server is empty")
    return Command(words, env, None if cwd is None else os.fspath(cwd))


def _name_of(target: Command | Address) -> str:
    """What a server is called if nobody says it: ``git`` for ``uvx mcp-server-git``."""
    if isinstance(target, Address):
        return attribute_name(target.url.split("://", 1)[1].split("/", 1)[0])
    for word in target.words:
        last = os.path.basename(word)
        if word.startswith("-") or last in _RUNNERS or "=" in word:
            continue
        last = os.path.splitext(last)[0].split("@")[0]
        for extra in ("mcp-server-", "server-", "mcp-"):
            last = last.removeprefix(extra)
        return attribute_name(last.removesuffix("-mcp").removesuffix("-server")) or "server"
    return attribute_name(target.words[0])


class ToolServer(CallHolder):
    """A MCP server: its attributes are its tools, and each is a `Call`.

    It is started, or connected to, when a tool is first looked up, lives as long as the process, and is
    started again when it was lost. ``with`` ends it earlier; so does `close`.
    """

    def __init__(self, connection: Connection, words: Words, *, hints: bool, resource: str) -> None:
        self._connection = connection
        self._words = words
        self._hints = hints
        self._resource = resource
        self._calls: dict[str, Call[..., Any]] = {}
        self._loading = threading.Lock()
        self._again = 0.0  #: the time from which on it is tried again to look tools up

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process it is a server of its own."""
        return _made, (self._connection.settings, self._words, self._hints, self._resource)

    def __copy__(self) -> ToolServer:
        return self

    def __deepcopy__(self, memo: Any) -> ToolServer:
        return self

    def __repr__(self) -> str:
        return f"<tools of {self._connection.name}: {self._connection.target}>"

    def __enter__(self) -> ToolServer:
        self._load()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the server, or the session with it. The next call begins it anew."""
        self._connection.close()

    def __getitem__(self, tool: str) -> Call[..., Any]:
        """A tool under its own name, where that is not one of an attribute, or one of ours."""
        self._load()
        for found in (tool, attribute_name(tool)):
            if found in self._calls:
                return self._calls[found]
        raise KeyError(f"{self._connection.name} has no tool {tool!r}. {close_to(tool, self._calls)}")

    def __iter__(self) -> Any:
        """The names of the tools."""
        self._load()
        return iter(tuple(self._calls))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def __getattr__(self, name: str) -> Call[..., Any]:
        if name.startswith("__") or "_calls" not in vars(self):
            raise AttributeError(name)
        # A server that cannot be had may not be needed at all, or there may be writes before: what fails is
        # the call. Looking a tool up happens more often, and does not try again each time.
        if time.monotonic() < self._again:
            return self._not_there(name)
        try:
            self._load()
        except ToolServerError:
            self._again = time.monotonic() + _PATIENCE
            return self._not_there(name)
        if name in self._calls:
            return self._calls[name]
        raise self._no_tool(name)

    def _no_tool(self, name: str) -> AttributeError:
        known = close_to(name, self._calls)
        return AttributeError(f"{self._connection.name} has no tool {name!r}. {known}", name=name, obj=self)

    def _load(self) -> None:
        """Ask for the tools, once."""
        if self._calls:
            return
        with self._loading:
            if self._calls:
                return
            offered = do_now(self._connection.tools())
            self._take(offered)

    def _take(self, offered: Sequence[Tool]) -> None:
        names: dict[str, Tool] = {}
        for tool in offered:
            other = names.setdefault(attribute_name(tool.name), tool)
            if other is not tool:  # both only by `server["..."]`
                names[other.name], names[tool.name] = names.pop(attribute_name(tool.name), other), tool
        said = self._words.about(names)
        calls = {name: self._call(name, tool, said.get(name)) for name, tool in names.items()}
        reserved = set(dir(CallHolder)) | set(vars(ToolServer))
        vars(self).update({name: made for name, made in calls.items() if name not in reserved})
        self._calls = calls

    def _declared(self, tool: Tool, said: Entry | None) -> tuple[Effects, dict[str, Any]]:
        if said is not None:
            return said.effect or Effects(Kind.PLAIN), dict(said.options)
        return effects_of_hints(tool.annotations if self._hints else None, self._resource)

    def _call(self, name: str, tool: Tool, said: Entry | None) -> Call[..., Any]:
        connection, server = self._connection, self._connection.name
        effects, options = self._declared(tool, said)
        schema: Mapping[str, Any] = tool.input_schema
        arguments = Arguments(f"{tool.name} of {server}", schema)
        wrapped = wraps(tool.output_schema)
        changes = effects.kind in (Kind.PLAIN, Kind.WRITES, Kind.COMMUTES)
        again = not changes or bool(options.get("idempotent"))
        for field in sorted(effects.fields - arguments.certain):
            where = said.where if said is not None else server
            raise DeclarationError(
                f"{where}: a resource of {tool.name} is named after {field!r}, which is not an argument that "
                "always has a value, so it could be any. Expected one of: "
                f"{', '.join(sorted(arguments.certain)) or 'none'}"
            )

        async def call_tool(*args: Any, **kwargs: Any) -> Any:
            given = arguments.checked(args, kwargs)
            work = connection.call(tool, given, again=again, changes=changes, judged=said is None)
            answer = await do(work)
            return value_of(answer, tool=tool.name, server=server, wrapped=wrapped)

        return made_call(
            call_tool, name, server, self._words.where, tool.description or "", arguments, effects, options,
            said, tool.output_schema,
        )  # fmt: skip

    def _not_there(self, name: str) -> Call[..., Any]:
        """Stands for a tool of a server that cannot be had now: ordered, as nothing is known of it."""

        async def call_tool(*args: Any, **kwargs: Any) -> Any:
            offered = await do(self._connection.tools())
            with self._loading:
                if not self._calls:
                    self._take(offered)
            if name not in self._calls:
                raise self._no_tool(name)
            return await self._calls[name].fn(*args, **kwargs)

        call_tool.__name__ = call_tool.__qualname__ = f"{self._connection.name}.{name}"
        return Call(call_tool, Effects(Kind.PLAIN), {"name": f"{self._connection.name}.{name}"})


def made_call(
    fn: Any,
    name: str,
    server: str,
    where: str,
    about: str,
    arguments: Arguments,
    effects: Effects,
    options: Mapping[str, Any],
    said: Entry | None,
    schema: Mapping[str, Any] | None = None,
) -> Call[..., Any]:
    """A call of a tool, with its name, signature and description; `schema` is that of what it answers."""
    fn.__name__ = name
    fn.__qualname__ = f"{server}.{name}"
    fn.__doc__ = about
    fn.__signature__ = arguments.signature
    fn.stretto_where = where
    try:
        made: Call[..., Any] = Call(fn, effects, {"name": f"{server}.{name}", **options})
    except DeclarationError as error:
        raise DeclarationError(f"{said.where}: {error}" if said is not None else str(error)) from None
    made.checker = checker_of(said) or json_checker(schema)
    return made


def _needed() -> None:
    if importlib.util.find_spec("mcp") is None:
        raise DeclarationError("tools of MCP servers need the package mcp: pip install 'stretto[mcp]'")
