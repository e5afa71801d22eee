"""Stretto: plain sequential Python, run overlapped, with exactly the sequential outcome.

`call` declares what a function touches; `flow` marks a function whose calls are to overlap. See the pages in
`docs/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import errors
from .budgets.budget import Budget, budget
from .calls import Call, Done, call
from .compiler.known import assume_pure
from .configuration import configure
from .drivers.ambient import Current, current
from .flows import Flow, flow

if TYPE_CHECKING:
    from .compiler.explain import explain
    from .journal.resuming import fork, resume
    from .routes import Route, route, way
    from .runs import Run

__version__ = "0.1.0"

__all__ = [
    "Budget",
    "Call",
    "Current",
    "Done",
    "Flow",
    "Route",
    "Run",
    "__version__",
    "assume_pure",
    "budget",
    "call",
    "configure",
    "current",
    "errors",
    "explain",
    "flow",
    "fork",
    "resume",
    "route",
    "way",
]


def __getattr__(name: str) -> Any:
    """What brings the compiler or the engine with it is imported when it is asked for, so that
    ``import stretto`` stays quick."""
    if name == "explain":
        from .compiler.explain import explain

        return explain
    if name == "Run":
        from .runs import Run

        return Run
    if name in ("Route", "route", "way"):
        from . import routes

        return getattr(routes, name)
    if name in ("fork", "resume"):
        from .journal import resuming

        return getattr(resuming, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
