"""Stretto: plain sequential Python, run overlapped, with exactly the sequential outcome.

`call` declares what a function touches; `flow` marks a function whose calls are to overlap. See the pages in
`docs/`.
"""

from . import errors
from .calls import Call, call
from .compiler.explain import explain
from .compiler.known import assume_pure
from .flows import Flow, Run, flow

__version__ = "0.1.0"

__all__ = ["Call", "Flow", "Run", "__version__", "assume_pure", "call", "errors", "explain", "flow"]
