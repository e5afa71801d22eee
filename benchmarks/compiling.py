"""How long a flow takes to compile: functions of the standard library, to the last fragment."""

from __future__ import annotations

import importlib
import inspect
import time
from collections.abc import Iterator
from types import CellType, FunctionType, ModuleType
from typing import Any

from stretto import errors, flow
from stretto.compiler import ir

from .rows import Row

__all__ = ["compiling"]

MODULES = (
    "argparse",
    "configparser",
    "csv",
    "difflib",
    "shlex",
    "statistics",
    "tarfile",
    "textwrap",
    "zipfile",
)


class _Cells(dict[str, CellType]):
    def __missing__(self, name: str) -> CellType:
        return self.setdefault(name, CellType())


def functions(module: ModuleType) -> Iterator[FunctionType]:
    for value in list(vars(module).values()):
        held = vars(value).values() if inspect.isclass(value) else [value]
        for fn in held:
            if inspect.isfunction(fn) and fn.__module__ == module.__name__:
                yield fn


def fragments(body: ir.Block) -> Iterator[Any]:
    for step in ir.instructions(body):
        fragment = getattr(step, "fragment", None) or getattr(step, "plain", None)
        if fragment is not None and not fragment.opaque:
            yield fragment


def compiling() -> Iterator[Row]:
    """Processor time, so that it does not matter what else the machine does."""
    lines = count = 0
    steps = code = guarded = 0.0
    for name in MODULES:
        for fn in functions(importlib.import_module(name)):
            started = time.process_time()
            try:
                body = flow(fn).form.body
            except errors.CompileError:
                continue
            lowered = time.process_time()
            cells = _Cells()
            found = list(fragments(body))
            for fragment in found:
                fragment.native(cells)
            compiled = time.process_time()
            for fragment in found:
                fragment.guarded(cells)
            steps, code = steps + lowered - started, code + compiled - lowered
            guarded += time.process_time() - compiled
            lines += len(inspect.getsourcelines(fn)[0])
            count += 1
    every = (steps + code + guarded) / lines * 1e3
    detail = (
        f"{count} functions: steps {steps / lines * 1e3:.2f}, code {code / lines * 1e3:.2f}, "
        f"guarded code {guarded / lines * 1e3:.2f}"
    )
    yield Row(f"(o) compiling {lines:,} lines, a line", every, "ms", 2.0, detail)
