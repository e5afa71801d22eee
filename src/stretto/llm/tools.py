"""Python functions and calls as tools of a model: what it is told of them, and what it gives them."""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from ..calls import BoundCall, Call
from ..errors import DeclarationError, StrettoError
from ..flows import BoundFlow, Flow
from .answers import ToolCall, ToolResult, as_text
from .errors import ModelError
from .schemas import told, unfenced

__all__ = ["Tool", "Tools", "chosen", "complain", "failure_of", "result_of", "spec_of", "tool_of"]


class Tool:
    """A function that a model may call.

    Attributes:
        name: what the model calls it.
        spec: what the model is told: its name, what it does, and the JSON schema of its arguments.
        fn: what is called.
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        from pydantic import ConfigDict, Field, create_model

        self.fn = fn
        plain, skipped = _function(fn)
        self.name: str = plain.__name__
        doc = inspect.getdoc(plain) or ""
        about, of_arguments = _documented(doc)
        hints = _hints(plain)
        self._parameters: dict[str, inspect.Parameter] = {}
        fields: dict[str, Any] = {}
        for parameter in list(inspect.signature(plain).parameters.values())[skipped:]:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise DeclarationError(
                    f"{self.name} takes *{parameter.name}, and a model has to be told what it may give. "
                    "Name its arguments"
                )
            default = ... if parameter.default is parameter.empty else parameter.default
            said = Field(default, alias=parameter.name, description=of_arguments.get(parameter.name))
            fields[f"a{len(fields)}"] = (hints.get(parameter.name, Any), said)
            self._parameters[parameter.name] = parameter
        forbid = ConfigDict(extra="forbid", arbitrary_types_allowed=False)
        self._model: Any = create_model(self.name, __config__=forbid, **fields)
        schema = self._model.model_json_schema()
        schema.pop("title", None)
        self.spec: dict[str, Any] = {"name": self.name, "description": about, "parameters": schema}

    def __repr__(self) -> str:
        return f"<tool {self.name}>"

    def read(self, said: str) -> tuple[list[Any], dict[str, Any]]:
        """The arguments that a model gives it. ValueError says what is wrong with them, for it to read."""
        from pydantic import ValidationError

        try:
            found = self._model.model_validate_json(unfenced(said) or "{}")
        except ValidationError as error:
            raise ValueError(f"The arguments do not fit:\n{told(error)}") from None
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for at, (name, parameter) in enumerate(self._parameters.items()):
            value = getattr(found, f"a{at}")
            if parameter.kind is parameter.POSITIONAL_ONLY:
                args.append(value)
            else:
                kwargs[name] = value
        return args, kwargs


class Tools:
    """The tools of an agent.

    Attributes:
        specs: what the model is told of them.
    """

    def __init__(self, tools: Iterable[Any]) -> None:
        self._tools: dict[str, Tool] = {}
        self.specs: list[dict[str, Any]] = []
        for one in tools:
            if isinstance(one, Mapping):  # a tool of the server's own
                self.specs.append(dict(cast("Mapping[str, Any]", one)))
                continue
            tool = tool_of(one)
            if tool.name in self._tools:
                raise DeclarationError(
                    f"two tools are called {tool.name!r}: a model tells them by their names"
                )
            self._tools[tool.name] = tool
            self.specs.append(tool.spec)

    def named(self, name: str) -> Tool:
        """The tool of that name. ValueError, for the model to read, if there is none."""
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join(self._tools) or "none"
            raise ValueError(f"There is no tool {name!r}. There are: {known}")
        return tool


def chosen(tools: Tools, wanted: ToolCall) -> tuple[Any, list[Any], dict[str, Any]]:
    """What is to be called where a model wants a tool called: the tool, or what complains of it."""
    try:
        tool = tools.named(wanted.name)
        return tool.fn, *tool.read(wanted.arguments)
    except ValueError as error:
        return complain, [str(error)], {}


def complain(about: str) -> Any:
    """In the place of a tool that cannot be called."""
    raise ValueError(about)


def result_of(wanted: ToolCall, value: Any) -> ToolResult:
    """What a tool has given, for the model to read."""
    return ToolResult(wanted.id, as_text(value))


def failure_of(wanted: ToolCall, error: Exception) -> ToolResult:
    """What went wrong in a tool, for the model to read. What Stretto itself complains of is for the
    programmer: it is raised."""
    if isinstance(error, StrettoError) and not isinstance(error, ModelError):
        raise error
    kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
    return ToolResult(wanted.id, f"Error: {kind}{error}", failed=True)


def spec_of(tool: Any) -> dict[str, Any]:
    """What a model is told of a tool: a function or a call, or what the server takes as it stands."""
    if isinstance(tool, Mapping):
        return dict(cast("Mapping[str, Any]", tool))
    return tool_of(tool).spec


@functools.lru_cache(maxsize=512)
def tool_of(fn: Callable[..., Any]) -> Tool:
    """The tool that a function or a call is."""
    if not callable(fn):
        raise DeclarationError(
            f"a tool is a function, a call or a flow; found {type(fn).__name__}: {fn!r:.80}"
        )
    return Tool(fn)


def _function(fn: Any) -> tuple[Any, int]:
    """The function as the user wrote it, and how many of its first arguments are given already."""
    if isinstance(fn, BoundCall):
        return fn.call.fn, 1
    if isinstance(fn, BoundFlow):
        return cast("Any", fn).flow.fn, 1
    if isinstance(fn, (Call, Flow)):
        return cast("Any", fn).fn, 0
    if inspect.ismethod(fn):
        return fn.__func__, 1
    if not hasattr(fn, "__name__"):
        raise DeclarationError(f"a model calls its tools by their names, and {fn!r:.80} has none")
    return fn, 0


def _hints(fn: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(fn, include_extras=True)
    except (NameError, TypeError) as error:
        raise DeclarationError(f"what {fn.__name__} takes cannot be worked out: {error}") from None


_ARGUMENT = re.compile(r"(\s*)\*{0,2}(\w+)(?:\s*\([^)]*\))?\s*:\s*(.*)")


def _documented(doc: str) -> tuple[str, dict[str, str]]:
    """What a docstring says of the function, and of each of its arguments."""
    about: list[str] = []
    of_arguments: dict[str, str] = {}
    inside, last = "", ""
    for line in doc.splitlines():
        heading = line.strip()
        if heading in ("Args:", "Arguments:", "Parameters:", "Returns:", "Raises:", "Yields:", "Examples:"):
            inside = heading
            continue
        if inside and line and not line[0].isspace():
            inside = ""
        found = _ARGUMENT.match(line) if inside in ("Args:", "Arguments:", "Parameters:") else None
        if found and 0 < len(found[1]) <= 4:
            last = found[2]
            of_arguments[last] = found[3].strip()
        elif inside in ("Args:", "Arguments:", "Parameters:") and last and heading:
            of_arguments[last] += " " + heading
        elif not inside:
            about.append(line)
    return "\n".join(about).strip(), of_arguments
