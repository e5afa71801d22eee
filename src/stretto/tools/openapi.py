"""Services that an OpenAPI description tells of, as calls: one for each operation."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from ..calls import Call, CallHolder
from ..compiler.checkers import Checker
from ..declarations.table import Entry
from ..effects import Effects, Kind, Resource
from ..errors import DeclarationError, ToolArgumentError, ToolError
from .arguments import Arguments
from .client import made_call
from .description import Description, Json, as_schema, base_of, read
from .http import FORM_HAS, Response, host_of, needs_httpx, send, unfit
from .paths import name_parts, resource_words, text_in_url
from .words import Words, attribute_name, close_to

__all__ = ["Service", "openapi"]

_SAFE = ("get", "head", "options", "trace")
_JSON = re.compile(r"application/(.*\+)?json")
_FORM = "application/x-www-form-urlencoded"
_QUOTED = 500


def openapi(
    description: str | os.PathLike[str] | Json,
    *,
    name: str | None = None,
    url: str | None = None,
    headers: Mapping[str, str] | None = None,
    effects: Mapping[str, Any] | None = None,
    resource: str | None = None,
    timeout: float | None = 60.0,
) -> Service:
    """A service whose operations are calls: ``shop = openapi("shop.json")``, then ``shop.get_user(id=7)``.

    Args:
        description: an OpenAPI 3 description: a file (JSON; YAML with PyYAML), or what it holds.
        name: what it is called in messages and in the table ``[effects]``.
        url: where it is, if not where the description says.
        headers: what is sent along with each request.
        effects: what its operations touch, by name, in the words of the table ``[effects]``. It counts before
            what is made of the paths.
        resource: one resource that all operations read or write, instead of one for each path.
        timeout: seconds without any answer after which a request has failed; None for no end.
    """
    needs_httpx()
    if importlib.util.find_spec("jsonschema") is None:
        raise DeclarationError("descriptions need the package jsonschema: pip install 'stretto[http]'")
    caller = sys._getframe(1)
    where = f"{caller.f_code.co_filename}:{caller.f_lineno}"
    said = description if isinstance(description, Mapping) else read(Path(description))
    version = str(said.get("openapi", ""))
    if not version.startswith("3."):
        found = f"found openapi: {version!r}" if version else "found none that says `openapi: 3...`"
        if "swagger" in said:
            found = f"found Swagger {said['swagger']}, which has to be converted to OpenAPI 3 first"
        raise DeclarationError(f"{where}: expected an OpenAPI 3 description, {found}")
    title = str(cast("Json", said.get("info") or {}).get("title") or "service")
    called = name if name is not None else attribute_name(title.lower())
    base = base_of(said, url, where)
    return Service(
        Description(said), base, Words(called, effects or {}, where), dict(headers or {}), resource, timeout
    )


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A parameter: its name as an argument and in the request, where it goes, and how."""

    argument: str
    name: str
    place: str
    explode: bool
    deep: bool


class Service(CallHolder):
    """A service: its attributes are its operations, under their ``operationId`` or else their method and
    path, and each is a `Call`."""

    def __init__(
        self,
        description: Description,
        url: str,
        words: Words,
        headers: Mapping[str, str],
        resource: str | None,
        timeout: float | None,
    ) -> None:
        self._url = url
        self._words = words
        self._headers = headers
        self._resource = resource
        self._timeout = timeout
        operations: dict[str, tuple[str, str, Json, list[Json]]] = {}
        for path, method, said, parameters in description.operations():
            plain = path.strip("/").replace("{", "").replace("}", "")
            name = attribute_name(str(said.get("operationId") or f"{method}_{plain}"))
            while name in operations:
                name += "_"
            operations[name] = path, method, said, parameters
        entries = words.about(operations)
        self._calls: dict[str, Call[..., Any]] = {
            name: self._call(description, name, path, method, said, parameters, entries.get(name))
            for name, (path, method, said, parameters) in operations.items()
        }
        reserved = set(dir(CallHolder)) | set(vars(Service))
        vars(self).update({name: made for name, made in self._calls.items() if name not in reserved})

    def __repr__(self) -> str:
        return f"<operations of {self._words.name}: {self._url}>"

    def __iter__(self) -> Any:
        """The names of the operations."""
        return iter(tuple(self._calls))

    def __getitem__(self, operation: str) -> Call[..., Any]:
        """An operation under its own name, where that is not one of an attribute."""
        found = self._calls.get(operation) or self._calls.get(attribute_name(operation))
        if found is None:
            raise KeyError(f"{self._words.name} has no {operation!r}. {close_to(operation, self._calls)}")
        return found

    def __getattr__(self, name: str) -> Call[..., Any]:
        if name.startswith("__") or "_calls" not in vars(self):
            raise AttributeError(name)
        known = close_to(name, self._calls)
        raise AttributeError(f"{self._words.name} has no {name!r}. {known}", name=name, obj=self)

    def _call(
        self,
        description: Description,
        name: str,
        path: str,
        method: str,
        said: Json,
        parameters: list[Json],
        entry: Entry | None,
    ) -> Call[..., Any]:
        server, base, timeout, sent_along = self._words.name, self._url, self._timeout, self._headers
        places, schema = _taken(description, said, parameters)
        arguments = Arguments(f"{name} of {server}", schema)
        body_type = _body_type(description, said)
        effects, options = self._declared(description, path, method, schema, places, entry)
        for field in sorted(effects.fields - arguments.certain):
            at = entry.where if entry is not None else self._words.where
            raise DeclarationError(
                f"{at}: a resource of {name} is named after {field!r}, which may be left out"
            )
        changes = effects.kind in (Kind.PLAIN, Kind.WRITES, Kind.COMMUTES)
        again = not changes or bool(options.get("idempotent"))

        async def request(*args: Any, **kwargs: Any) -> Any:
            given = arguments.checked(args, kwargs)
            url, query, headers, cookies = _placed(f"{name} of {server}", path, places, given)
            if cookies:
                headers["cookie"] = "; ".join(cookies)
            body: dict[str, Any] = {}
            if "body" in given:
                headers["content-type"] = body_type
                body = _body(f"{name} of {server}", body_type, given["body"])
            answer = await send(
                method.upper(), base + url, params=query, headers={**sent_along, **headers}, timeout=timeout,
                again=again, **body,
            )  # fmt: skip
            return _value(answer, method, base + url, name, server)

        about = str(said.get("summary") or said.get("description") or f"{method.upper()} {path}")
        made = made_call(request, name, server, self._words.where, about, arguments, effects, options, entry)
        if (entry is None or not entry.returns) and not _onlytext_in_url(description, said):
            made.checker = Checker()  # it may give bytes
        made.named_after = name_parts
        return made

    def _declared(
        self,
        description: Description,
        path: str,
        method: str,
        schema: Json,
        places: Sequence[_Parameter],
        entry: Entry | None,
    ) -> tuple[Effects, dict[str, Any]]:
        if entry is not None:
            return entry.effect or Effects(Kind.PLAIN), dict(entry.options)
        template = self._resource
        if template is None:
            named = {p.name: p.argument for p in places if p.place == "path"}
            kinds = cast("Json", schema["properties"])
            words = resource_words(path, description.paths, named, kinds, writes=method not in _SAFE)
            template = ":".join([f"web:{host_of(self._url)}", *words])
        touched = (Resource.parse(template),)
        if method in _SAFE:
            return Effects(Kind.READS, reads=touched), {}
        return Effects(Kind.WRITES, writes=touched), {"idempotent": True} if method in (
            "put",
            "delete",
        ) else {}


def _taken(
    description: Description, said: Json, parameters: Sequence[Json]
) -> tuple[list[_Parameter], dict[str, Any]]:
    """The parameters of an operation, and the schema of all its arguments."""
    places: list[_Parameter] = []
    properties: dict[str, Any] = {}
    required: list[str] = []
    for about in parameters:
        name, place = str(about["name"]), str(about["in"])
        argument = attribute_name(name)
        if argument in properties or argument == "body":
            argument = f"{place}_{argument}"
        contents = [*cast("Json", about.get("content") or {}).values(), about]
        schema: Any = next((cast("Json", c)["schema"] for c in contents if "schema" in c), None)
        properties[argument] = as_schema(schema or {})
        if about.get("required") or place == "path":
            required.append(argument)
        style = about.get("style")
        explode = bool(about.get("explode", place in ("query", "cookie") and style in (None, "form")))
        places.append(_Parameter(argument, name, place, explode, style == "deepObject"))
    body = description.found(said.get("requestBody") or {})
    if body.get("content"):
        kinds = cast("Json", body["content"])
        content = cast("Json", kinds[_body_type(description, said)])
        properties["body"] = as_schema(content.get("schema") or {})
        if body.get("required"):
            required.append("body")
    return places, {
        "type": "object", "properties": properties, "required": required, "additionalProperties": False,
        "components": description.components,
    }  # fmt: skip


def _body_type(description: Description, said: Json) -> str:
    """The type of content that a request sends: JSON if it can be."""
    kinds = list(cast("Json", description.found(said.get("requestBody") or {}).get("content") or {}))
    liked = (
        [kind for kind in kinds if _JSON.match(kind)] or [kind for kind in kinds if kind == _FORM] or kinds
    )
    return liked[0] if liked else "application/json"


def _body(whose: str, kind: str, value: Any) -> dict[str, Any]:
    """What a request sends, in the words of httpx."""
    if _JSON.match(kind):
        return {"content": json.dumps(value, ensure_ascii=False)}
    if kind == _FORM and isinstance(value, dict):
        form = cast("dict[str, Any]", value)
        field = unfit(form)
        if field is not None:
            raise ToolArgumentError(f"{whose}: body[{field!r}]: {FORM_HAS}")
        return {"data": form}
    if isinstance(value, str) and not kind.startswith("multipart/"):
        return {"content": value}
    raise ToolArgumentError(
        f"{whose}: its body is {kind}, and {type(value).__name__} cannot be sent as that. Bodies are JSON, "
        f"a dict as a form ({_FORM}), or texts; multipart is not supported: send it in a call of your own"
    )


def _onlytext_in_url(description: Description, said: Json) -> bool:
    """Whether what an operation answers is JSON or text, as far as is said."""
    for status, answer in cast("Json", said.get("responses") or {}).items():
        if str(status)[:1] in ("2", "d"):
            for kind in cast("Json", description.found(answer).get("content") or {}):
                if not (_JSON.match(kind) or kind.startswith("text/")):
                    return False
    return True


def _placed(
    whose: str, path: str, places: Sequence[_Parameter], given: Mapping[str, Any]
) -> tuple[str, dict[str, Any], dict[str, str], list[str]]:
    """The path, the query, the headers and the cookies of a request."""
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for parameter in places:
        if parameter.argument not in given:
            continue
        value = given[parameter.argument]
        if parameter.place == "path":
            text = text_in_url(value)
            if text in ("", ".", ".."):
                raise ToolArgumentError(f"{whose}: {parameter.argument}={value!r} would make it another path")
            path = path.replace(f"{{{parameter.name}}}", quote(text, safe=""))
        elif parameter.place == "query":
            if isinstance(value, dict) and (parameter.deep or parameter.explode):
                for key, part in cast("dict[str, Any]", value).items():
                    query[f"{parameter.name}[{key}]" if parameter.deep else key] = text_in_url(part)
            elif isinstance(value, list) and parameter.explode:
                query[parameter.name] = [text_in_url(part) for part in cast("list[Any]", value)]
            else:
                query[parameter.name] = text_in_url(value)
        elif parameter.place == "header":
            headers[parameter.name] = text_in_url(value)
        else:
            cookies.append(f"{parameter.name}={quote(text_in_url(value))}")
    return path, query, headers, cookies


def _value(answer: Response, method: str, url: str, name: str, server: str) -> Any:
    """What an operation answers: what is in the JSON, else text, else bytes; None where there is nothing."""
    if answer.status >= 300:
        said = answer.text.strip()[:_QUOTED] or "it says no more"
        raise ToolError(
            f"{name} of {server} has failed with status {answer.status} ({method.upper()} {url}): {said}",
            tool=name, server=server, text=answer.text, status=answer.status,
        )  # fmt: skip
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not answer.text and not answer.binary:
        return None
    if _JSON.match(kind):
        try:
            return json.loads(answer.text)
        except ValueError as error:
            raise ToolError(
                f"{name} of {server} has answered with what is no JSON, though it says so: {error}",
                tool=name, server=server, text=answer.text, status=answer.status,
            ) from None  # fmt: skip
    return answer.text or answer.binary
