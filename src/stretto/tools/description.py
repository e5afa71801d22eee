"""OpenAPI descriptions: reading one, and looking things up in it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from ..errors import DeclarationError
from .paths import words_of

__all__ = ["METHODS", "Description", "Json", "as_schema", "base_of", "read"]

METHODS = ("get", "head", "options", "trace", "post", "put", "patch", "delete")

Json = Mapping[str, Any]


def read(file: Path) -> Json:
    text = file.read_text(encoding="utf-8")
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        if file.suffix not in (".yaml", ".yml"):
            raise DeclarationError(f"{file} is no JSON: {error}") from None
        if importlib.util.find_spec("yaml") is None:
            raise DeclarationError(
                f"{file} is YAML, which needs the package pyyaml: pip install pyyaml"
            ) from None
        import yaml

        try:
            found = cast("Any", yaml).safe_load(text)
        except cast("Any", yaml).YAMLError as error:
            raise DeclarationError(f"{file} is no YAML: {error}") from None
    if not isinstance(found, Mapping):
        raise DeclarationError(f"{file} holds no OpenAPI description, but a {type(found).__name__}")
    return cast("Json", found)


def base_of(said: Json, url: str | None, where: str) -> str:
    """Where the service is."""
    if url is None:
        servers = cast("Sequence[Json]", said.get("servers") or [{"url": "/"}])
        url = str(servers[0].get("url", "/"))
        for name, variable in cast("Json", servers[0].get("variables") or {}).items():
            url = url.replace(f"{{{name}}}", str(cast("Json", variable).get("default", "")))
    if not urlsplit(url).hostname:
        raise DeclarationError(
            f"{where}: the description does not say where the service is; give url='https://...'"
        )
    return url.rstrip("/")


class Description:
    """What is looked up in a description."""

    def __init__(self, said: Json) -> None:
        self.said = said
        self.components = as_schema({"components": said.get("components") or {}})["components"]
        self.paths: list[tuple[str, ...]] = []
        for path in cast("Json", said.get("paths") or {}):
            self.paths.append(words_of(path))

    def operations(self) -> Iterator[tuple[str, str, Json, list[Json]]]:
        """Path, method, what is said of it, and its parameters."""
        for path, item in cast("Json", self.said.get("paths") or {}).items():
            about = self.found(item)
            shared = [self.found(p) for p in cast("Sequence[Json]", about.get("parameters") or ())]
            for method in METHODS:
                if method not in about:
                    continue
                operation = self.found(about[method])
                own = [self.found(p) for p in cast("Sequence[Json]", operation.get("parameters") or ())]
                named = {(p["in"], p["name"]) for p in own}
                yield (
                    path,
                    method,
                    operation,
                    [*(p for p in shared if (p["in"], p["name"]) not in named), *own],
                )

    def found(self, thing: Any) -> Json:
        """A thing, or what its ``$ref`` leads to."""
        for _ in range(100):
            if not isinstance(thing, Mapping) or "$ref" not in thing:
                return cast("Json", thing)
            ref = str(cast("Json", thing)["$ref"])
            if not ref.startswith("#/"):
                raise DeclarationError(f"the description refers to {ref!r}, which is not in it; put it there")
            thing = self.said
            for part in ref[2:].split("/"):
                part = part.replace("~1", "/").replace("~0", "~")
                if not isinstance(thing, Mapping) or part not in thing:
                    raise DeclarationError(f"the description refers to {ref!r}, which is not in it")
                thing = cast("Json", thing)[part]
        raise DeclarationError("the description has references that go round in circles")


def as_schema(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 as one of JSON Schema."""
    if isinstance(schema, (list, tuple)):
        return [as_schema(part) for part in cast("Sequence[Any]", schema)]
    if not isinstance(schema, Mapping):
        return schema
    made = {str(key): as_schema(part) for key, part in cast("Mapping[Any, Any]", schema).items()}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if made.get(exclusive) is True and bound in made:
            made[exclusive] = made.pop(bound)
        elif isinstance(made.get(exclusive), bool):
            del made[exclusive]
    if made.get("nullable") is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made
