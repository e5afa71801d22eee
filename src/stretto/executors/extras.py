"""What executors need of others, and is installed only where somebody wants it."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import ExecutorMissing

__all__ = ["extra"]


def extra(module: str, on: str, name: str) -> Any:
    """A module of one of the extras."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ExecutorMissing(
            f"on={on!r} needs {error.name or module}, which is not installed: pip install 'stretto[{name}]'"
        ) from None
