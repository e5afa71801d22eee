"""Issue, execute, retire: a deterministic machine without I/O, clocks or threads.

A driver (`stretto.drivers`) turns it and carries out what it asks for. Its modules can be compiled to machine
code (docs/speed.md), so they keep to what mypyc takes.
"""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["as_machine_code"]


def as_machine_code() -> bool:
    """Whether this installation has the engine as machine code."""
    spec = find_spec(f"{__name__}.machine")
    return spec is not None and not (spec.origin or "").endswith(".py")
