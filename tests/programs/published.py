"""Importing what was published, as if it were installed, with other modules in the place of its clients."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from types import ModuleType

from .fetch import Package, unpacked

__all__ = ["importable", "printed"]


@contextlib.contextmanager
def importable(
    package: Package, name: str, instead: Mapping[str, ModuleType], *, within: str = ""
) -> Iterator[None]:
    """Inside the ``with``, the module `name` is imported from the package, or from a folder `within` it, and
    finds `instead` of others."""
    folder = str(unpacked(package) / within)
    before = {other: sys.modules.get(other) for other in instead}
    assert not _loaded(name), f"another package of this name is loaded: {name}"
    sys.modules.update(instead)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        for other in _loaded(name):
            del sys.modules[other]
        for other, module in before.items():
            sys.modules.pop(other, None)
            if module is not None:
                sys.modules[other] = module


def _loaded(name: str) -> list[str]:
    return [other for other in sys.modules if other == name or other.startswith(f"{name}.")]


@contextlib.contextmanager
def printed() -> Iterator[list[str]]:
    """Inside the ``with``, what is printed goes where the output of this process goes, as in a program that
    is run by itself; and that is a file. Behind the ``with`` it is in the list."""
    found: list[str] = []
    out, err = sys.__stdout__, sys.__stderr__
    assert out is not None and err is not None
    with tempfile.TemporaryFile("w+") as file, open(os.devnull, "w") as nowhere:
        kept = [(stream, os.dup(at)) for at, stream in ((1, out), (2, err))]
        for at, into in ((1, file), (2, nowhere)):
            kept[at - 1][0].flush()
            os.dup2(into.fileno(), at)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                yield found
        finally:
            for at, (stream, before) in enumerate(kept, 1):
                stream.flush()
                os.dup2(before, at)
                os.close(before)
            file.seek(0)
            found.append(file.read())
