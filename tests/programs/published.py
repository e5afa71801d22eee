"""Importing what was published, as if it were installed, with other modules in the place of its clients."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType

from .fetch import Package, unpacked

__all__ = ["importable"]


@contextlib.contextmanager
def importable(package: Package, name: str, instead: Mapping[str, ModuleType]) -> Iterator[None]:
    """Inside the ``with``, the module `name` is imported from the package, and finds `instead` of others."""
    folder = str(unpacked(package))
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
