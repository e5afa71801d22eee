"""``stretto run script.py ...``: a whole file, as ``python script.py ...`` runs it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stretto.budgets.of_runs import of_run, within
from stretto.errors import InternalError, StrettoError

from .execute import FAILED, INTERRUPTED, OK, failed
from .load import UsageError, not_a_file
from .output import short_traceback

if TYPE_CHECKING:
    from stretto.runs import Run
    from stretto.scripts import Script

__all__ = ["ended", "is_script", "load_to_look", "run_script"]


def is_script(target: str) -> bool:
    """Whether this names a whole file, and not a flow: no flow is defined in it."""
    import ast

    path = Path(target)
    if not path.is_file():
        return False
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True
    functions = (n for n in tree.body if isinstance(n, ast.FunctionDef))
    return not any(_makes_flow(decorator) for f in functions for decorator in f.decorator_list)


def _makes_flow(decorator: Any) -> bool:
    decorator = getattr(decorator, "func", decorator)
    return getattr(decorator, "attr", getattr(decorator, "id", "")) == "flow"


def run_script(
    path: str, words: list[str], *, journal: str | None, sequential: bool, again: str,
    resuming: Callable[..., str],
) -> int:  # fmt: skip
    """Run a file to its end; the exit code is the one that Python gives it."""
    from stretto.scripts import load_script

    if not Path(path).is_file():
        raise UsageError(not_a_file(Path(path)))
    try:
        script = load_script(path, words)
    except (SyntaxError, ValueError) as error:  # also: a file that is no text
        error.__traceback__ = None
        return failed(error, as_lines=False)
    script.enter()
    if sequential:
        return alone(script)
    script.journal = journal or ""
    from stretto.runs import Run, recording_of

    run = Run(script, (), {}, recording=recording_of(script, (), script.started_with))
    return ended(run, again, resuming)


def load_to_look(path: str) -> Script | int:
    """A script whose imports and definitions have been executed, and nothing else; or the exit code."""
    from stretto.scripts import load_script

    try:
        script = load_script(path, [])
    except (SyntaxError, ValueError) as error:
        error.__traceback__ = None
        return failed(error, as_lines=False)
    script.enter()
    script.look()
    return script


def alone(script: Script) -> int:
    """The reference run."""
    try:
        with within(of_run()):
            script.fn()
    except SystemExit:
        raise
    except BaseException as error:
        return failed(error, as_lines=False)
    return OK


def ended(run: Run[Any], again: str, resuming: Callable[..., str]) -> int:
    """See a run of a script to its end, in this thread, which is the script's."""
    run.drive_here()
    error = run.error()
    if error is None:
        return OK
    if isinstance(error, SystemExit):
        raise error
    if isinstance(error, KeyboardInterrupt):
        sys.stderr.write(short_traceback(error))
        if run.recording is not None:
            print(f"To go on from there:\n\n    {resuming('resume', run.id)}\n", file=sys.stderr)
        return INTERRUPTED
    if isinstance(error, (InternalError, StrettoError)) or sys.excepthook is sys.__excepthook__:
        return failed(error, as_lines=False)
    sys.excepthook(type(error), error, error.__traceback__)
    return FAILED
