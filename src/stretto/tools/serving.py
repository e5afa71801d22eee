"""The other way round: flows as the tools of a MCP server."""

from __future__ import annotations

import asyncio
import inspect
import sys
import typing
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, redirect_stdout
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from ..drivers.aio import threads
from ..items import made

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from ..flows import Flow
    from ..runs import Run

__all__ = ["server_of"]

#: Seconds between two looks at how far a run is.
_EVERY = 0.2
_CONTEXT = "stretto_context"


def server_of(
    name: str, flows: Mapping[str, Flow[..., Any]], failed: Callable[[BaseException], str], *, on_stdout: bool
) -> MCPServer[None]:
    """A server with these flows as its tools; `failed` puts what a flow raises into words. `on_stdout`: it is
    going to be served there, so nothing else may be written to it."""
    from mcp.server import MCPServer

    server = MCPServer(name, log_level="WARNING", lifespan=_diverted if on_stdout else None)
    for tool, flow in flows.items():
        server.add_tool(_tool(flow, failed), name=tool, description=inspect.getdoc(flow.fn) or "")
    return server


@asynccontextmanager
async def _diverted(server: Any) -> AsyncGenerator[None]:
    """What the flows print goes to stderr while the server runs, which has stdout for itself by now."""
    with redirect_stdout(sys.stderr):
        yield


def _tool(flow: Flow[..., Any], failed: Callable[[BaseException], str]) -> Callable[..., Any]:
    """A function that runs a flow, with the flow's parameters, each to be given by name."""
    from mcp.server.mcpserver import Context
    from mcp.server.mcpserver.exceptions import ToolError

    signature = inspect.signature(flow.fn)
    hints = typing.get_type_hints(flow.fn, include_extras=True)

    async def tool(**given: Any) -> Any:
        context: Context[Any, Any] = given.pop(_CONTEXT)
        args, kwargs = _placed(signature, given)
        loop = asyncio.get_running_loop()
        run: Run[Any] | None = None
        try:
            run = going = await loop.run_in_executor(threads(), _begun, flow, args, kwargs)
            ended = loop.run_in_executor(threads(), _values if flow.yields else _result, going)
            done = 0
            while not (await asyncio.wait({ended}, timeout=_EVERY))[0]:
                counts = going.progress()
                if counts.done > done:  # how much there is in all shows only on the way
                    done = counts.done
                    words = f"{done} done, {counts.running} running, {counts.waiting} waiting"
                    await context.report_progress(done, None, words)
            return ended.result()
        except asyncio.CancelledError:  # by who has called, or because that is gone: it can be taken up again
            if run is not None:
                threads().submit(run.interrupt)
            raise
        except Exception as error:
            raise ToolError(failed(error)) from None

    parameters, annotations = _parameters(signature, hints)
    parameters.append(Parameter(_CONTEXT, Parameter.KEYWORD_ONLY, annotation=Context))
    annotations[_CONTEXT] = Context
    returned = hints.get("return", Parameter.empty)
    if returned is not Parameter.empty and not flow.yields:
        annotations["return"] = returned
    about: Any = tool
    about.__signature__ = inspect.Signature(parameters, return_annotation=annotations.get("return", Any))
    about.__annotations__ = annotations
    about.__name__ = about.__qualname__ = flow.fn.__name__
    return tool


def _begun(flow: Flow[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Run[Any]:
    return made(flow, args, kwargs) if flow.yields else flow.start(*args, **kwargs)


def _result(run: Run[Any]) -> Any:
    return run.result()


def _values(run: Run[Any]) -> list[Any]:
    return list(run)


def _parameters(
    signature: inspect.Signature, hints: Mapping[str, Any]
) -> tuple[list[Parameter], dict[str, Any]]:
    """Every parameter by name: ``*args`` as a list, ``**kwargs`` as a dict."""
    found: list[Parameter] = []
    annotations: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        kind, default = hints.get(parameter.name, Any), parameter.default
        if parameter.kind is Parameter.VAR_POSITIONAL:
            kind, default = list[kind], []  # type: ignore[valid-type]  # a type that is only known now
        elif parameter.kind is Parameter.VAR_KEYWORD:
            kind, default = dict[str, kind], {}  # type: ignore[valid-type]  # the same
        found.append(Parameter(parameter.name, Parameter.KEYWORD_ONLY, annotation=kind, default=default))
        annotations[parameter.name] = kind
    return found, annotations


def _placed(signature: inspect.Signature, given: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Arguments by name as the flow takes them."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    spread = any(p.kind is Parameter.VAR_POSITIONAL for p in signature.parameters.values())
    for name, parameter in signature.parameters.items():
        value = given[name]
        if parameter.kind is Parameter.VAR_POSITIONAL:
            args.extend(value)
        elif parameter.kind is Parameter.VAR_KEYWORD:
            kwargs.update(value)
        elif parameter.kind is Parameter.POSITIONAL_ONLY or (
            spread and parameter.kind is Parameter.POSITIONAL_OR_KEYWORD
        ):
            args.append(value)
        else:
            kwargs[name] = value
    return args, kwargs
