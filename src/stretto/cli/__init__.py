"""The command line: ``stretto run FILE.py:flow ...``, ``stretto ls`` and so on.

    app.py        what the commands are, and what each does
    load.py       FILE.py:flow -> the flow
    arguments.py  a flow's signature -> its usage; words -> its arguments
    convert.py    one word -> one value of a type
    execute.py    one run, and each of its ends
    progress.py   how far a run is, on a terminal and elsewhere
    output.py     results, errors and colours
    config.py     config
    mcp.py        the flows of a file as tools

and about journals:

    journals.py   what those commands take, and what happens to what they raise
    options.py    words -> options
    runs.py       which journal and which run is meant
    listing.py    ls
    show.py       show
    tree.py       events -> calls in program order
    settle.py     settle
    resume.py     resume, its dry run, and fork
    housekeeping.py  prune, export, import
    values.py     recorded values, for people and for programs
    times.py      times and durations, the same

Nothing here is imported by the rest of the package, and nothing beyond argparse's own weight before a
command is known.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["entry", "main"]

#: The commands that run a user's flow.
_RUNNING = ("run", "resume", "fork", "mcp")
_SEED, _OURS = "PYTHONHASHSEED", "STRETTO_HASH_SEED"


def entry() -> int:
    """What the script ``stretto`` runs.

    CPython goes through a set of texts in another order in each process. A run that is taken up in another
    process would meet its calls in another order, where that hangs on such a set. So a flow is run by a
    process with a fixed seed of hashes: this one, begun once more. (The user's code and the processes that it
    starts do not see that in their environment; who sets the seed keeps it.)
    """
    if os.environ.pop(_OURS, None) is not None:
        del os.environ[_SEED]
    elif sys.argv[1:2] and sys.argv[1] in _RUNNING and _SEED not in os.environ and os.name == "posix":
        environment = {**os.environ, _SEED: "0", _OURS: "yes"}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    return main()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 (the flow raised), 2 (bad usage) or 130 (Ctrl-C)."""
    from .app import run_command

    return run_command(argv)
