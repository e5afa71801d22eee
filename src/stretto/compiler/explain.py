"""What a flow does and what orders it, line by line, before it runs."""

from __future__ import annotations

from typing import Any

__all__ = ["explain"]


def explain(flow: Any) -> Any:
    raise NotImplementedError
