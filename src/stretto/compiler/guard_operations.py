"""Every guarded operation under the name that rewritten code calls it by."""

from __future__ import annotations

import functools
from typing import Any, Final

from stretto.compiler.guard_calls import (
    call,
    call_merged,
    call_temporary,
    enter,
    keywords,
    leave,
)
from stretto.compiler.guard_items import ITEMS
from stretto.compiler.guard_ops import starred
from stretto.compiler.guard_rules import lazy
from stretto.compiler.guard_state import NeedsOrder, turn

__all__ = ["OPERATIONS"]


def _decorate(decorator: Any) -> Any:
    return functools.partial(call, decorator)


OPERATIONS: Final[dict[str, Any]] = {
    **ITEMS,
    "call": call,
    "call_merged": call_merged,
    "call_temporary": call_temporary,
    "keywords": keywords,
    "starred": starred,
    "decorate": _decorate,
    "enter": enter,
    "leave": leave,
    "lazy": lazy,
    "turn": turn,
    "matched_value": ITEMS["attr"],
    "NeedsOrder": NeedsOrder,
    "RecursionError": RecursionError,
    "Exception": Exception,
}
