"""What the commands that run something are given besides: who is told what happens, and what it may cost."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Mapping

from stretto.configuration import commanded
from stretto.errors import ConfigurationError

from .events import writing_events
from .load import UsageError

__all__ = ["OPTIONS", "SAYS", "around_runs"]

#: The options of all of them, each with what to call its value.
OPTIONS = {"--events": "FILE", "--budget": "BUDGET"}
SAYS = """
  --events FILE     write what happens, as it happens, to a file: an event a line, as JSON
  --budget BUDGET   what the run may use at most: "usd=0.50, tokens=200_000, seconds=30", or one of these"""


@contextlib.contextmanager
def around_runs(values: Mapping[str, str], *, otel: bool = False) -> Generator[None]:
    """Inside the ``with``, what was asked for holds for the runs that begin. Raises `UsageError`."""
    with contextlib.ExitStack() as stack:
        if (budget := values.get("--budget")) is not None:
            try:
                stack.enter_context(commanded("budget", budget))
            except ConfigurationError as error:
                raise UsageError(str(error)) from None
        if otel:
            from stretto.observe.otlp import sending

            stack.enter_context(sending(lambda message: print(f"--otel: {message}", file=sys.stderr)))
        stack.enter_context(writing_events(values.get("--events")))
        yield
