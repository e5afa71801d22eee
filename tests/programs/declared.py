"""What a user says of a published program, in a stretto.toml of their own."""

from __future__ import annotations

import contextlib
import importlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stretto.compiler.functions import forget
from stretto.declarations import project, registry

__all__ = ["declared"]


@contextlib.contextmanager
def declared(lines: str, *modules: str) -> Iterator[None]:
    """Inside the ``with``, these lines of ``[effects]`` hold, and the catalogue; the modules that they are
    about are imported."""
    for module in modules:
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "stretto.toml").write_text(f"[effects]\ncatalogue = true\n{lines}")
        forget()
        project.load(Path(folder), catalogue=True)
        registry.check()
        try:
            yield
        finally:
            registry.forget()
            project._loaded = False
            forget()
