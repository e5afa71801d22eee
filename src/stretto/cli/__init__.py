"""The command line: ``stretto run FILE.py:flow ...`` and ``stretto explain FILE.py:flow``.

    app.py        what the commands are, and what each does
    load.py       FILE.py:flow -> the flow
    arguments.py  a flow's signature -> its usage; words -> its arguments
    convert.py    one word -> one value of a type
    execute.py    one run, and each of its ends
    progress.py   how far a run is, on a terminal and elsewhere
    output.py     results, errors and colours

Nothing here is imported by the rest of the package, and nothing beyond argparse's own weight before a
command is known.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 (the flow raised), 2 (bad usage) or 130 (Ctrl-C)."""
    from .app import run_command

    return run_command(argv)
