"""The module that a program begins with."""

from __future__ import annotations

import functools
import sys
from pathlib import PurePath

__all__ = ["main_name"]


def main_name() -> str:
    """What the program's main module is called when something else imports it.

    What a script defines goes by this name, in tables and in journals, so that it is found whether the script
    is loaded as ``__main__`` or not.
    """
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        name: str = spec.name
        return name
    file = getattr(main, "__file__", None)
    return _stem(file) if isinstance(file, str) else "__main__"


@functools.lru_cache(maxsize=16)
def _stem(file: str) -> str:
    return PurePath(file).stem
