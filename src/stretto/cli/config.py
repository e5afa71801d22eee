"""``stretto config``: what is configured, and who says so."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from stretto.configuration import held, here
from stretto.configuration.settings import SETTINGS, TABLES
from stretto.configuration.unknown import sentence, unknown
from stretto.declarations.project import load
from stretto.declarations.table import read

from .execute import OK, usage_error
from .load import UsageError
from .options import Usage, without_password

__all__ = ["USAGE", "show_config"]

USAGE = Usage(
    "config",
    (),
    {},
    ("--json",),
    """\
Show what is configured, and where each value comes from: pyproject.toml ([tool.stretto]), stretto.toml,
environment variables STRETTO_..., or nowhere. What is said of one flow or one command counts before these.

  --json            for programs""",
)


def show_config(words: Sequence[str]) -> int:
    try:
        given = USAGE.parse(words)
    except UsageError as error:
        return usage_error(error, USAGE.line(), as_lines="--json" in words)
    if "--help" in given.flags:
        print(f"{USAGE.line()}\n\n{USAGE.says}")
        return OK
    load(Path.cwd(), catalogue=False)  # what is wrong in the tables, it says
    rows = [*_settings(), *_tables()]
    variables = unknown()
    if given.json:
        print(json.dumps({"settings": rows, "unknown_variables": [name for name, _ in variables]}, indent=2))
        return OK
    names, values = (max(len(_text(row, key)) for row in rows) for key in ("name", "value"))
    for row in rows:
        said_by = row["from"] if row["from"] != "file" else f"{row['file']}:{row['line']}"
        print(f"{row['name']:<{names}}  {_text(row, 'value'):<{values}}  {row.get('variable') or said_by}")
    for name, meant in variables:
        print(sentence(name, meant), file=sys.stderr)
    return OK


def _settings() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for setting in SETTINGS.values():
        found = held(setting)
        value = setting.default() if found.kind == "default" else found.value
        if not setting.shown and found.kind != "default":
            value = "(not shown)"
        if isinstance(value, str):
            value = without_password(value)
        row: dict[str, Any] = {"name": setting.name, "value": value, "from": found.kind}
        if found.kind == "variable":
            row["variable"] = setting.variable
        if found.said is not None:
            row |= {"file": str(found.said.file), "line": found.said.line}
        rows.append(row | {"says": setting.says})
    return rows


def _tables() -> list[dict[str, Any]]:
    project = here()
    rows: list[dict[str, Any]] = []
    for name, says in TABLES.items():
        said = None if project is None else project.said.get(name)
        row: dict[str, Any] = {"name": name, "value": {}, "names": 0, "from": "default"}
        if said is not None:
            names = len(list(read(said.file, said.value))) if name == "effects" else len(said.value)
            row |= {"value": said.value, "names": names}
            row |= {"from": "file", "file": str(said.file), "line": said.line}
        rows.append(row | {"says": says})
    return rows


def _text(row: dict[str, Any], key: str) -> str:
    if key == "value" and "names" in row:
        return f"{row['names']} names" if row["names"] else "none"
    value = row[key]
    if isinstance(value, dict):
        amounts = cast("dict[str, float]", value)
        return ", ".join(f"{name}={amount:g}" for name, amount in amounts.items())
    return "none" if value is None else str(value)
