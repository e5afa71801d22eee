"""The relaxations: what Stretto does beyond the base rule, each under a name that can be switched off.

The base rule needs no analysis: calls that are declared free run early, everything else that could be seen
happens as the oldest operation, and what reads such a thing waits for it. Each relaxation lets more run
early, and must change nothing else; so the differential tests run with each of them off, and with all of them
off. ``STRETTO_WITHOUT=purity,values`` in the environment switches them off for a process: if that changes
what a program does, and not only how long it takes, the relaxation is at fault.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from ..errors import DeclarationError

__all__ = ["RELAXATIONS", "off", "relaxed", "without"]

RELAXATIONS: Final = {
    "values": "containers that are built in a flow and seen from nowhere else are values, element by element",
    "objects": "a change of an attribute or a built-in container concerns what looks at that object alone",
    "purity": "code that is known to be free of effects, from tables and types, needs no order",
    "helpers": "functions of the user's own that hold calls are compiled too",
    "budgets": "calls in the block of a budget start before their turn where they fit in any case",
    "semaphores": "blocks of a semaphore or a lock of asyncio overlap; as many are under way as it lets in",
}


def _checked(names: tuple[str, ...]) -> frozenset[str]:
    for name in names:
        if name not in RELAXATIONS:
            raise DeclarationError(
                f"there is no relaxation {name!r} to switch off (STRETTO_WITHOUT). "
                f"There are: {', '.join(RELAXATIONS)}"
            )
    return frozenset(names)


_off = _checked(tuple(n.strip() for n in os.environ.get("STRETTO_WITHOUT", "").split(",") if n.strip()))


def off() -> frozenset[str]:
    """The names of the relaxations that are switched off."""
    return _off


def relaxed(name: str) -> bool:
    """Whether a relaxation is in force."""
    return name not in _off


@contextmanager
def without(*names: str) -> Generator[None]:
    """Flows run meanwhile, in this process, do without these relaxations."""
    global _off
    before, _off = _off, _off | _checked(names)
    try:
        yield
    finally:
        _off = before
