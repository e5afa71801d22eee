"""The command line: ``stretto run FILE.py:flow ...``, ``stretto ls`` and so on.

    app.py        what the commands are, and what each does
    load.py       FILE.py:flow -> the flow
    arguments.py  a flow's signature -> its usage; words -> its arguments
    convert.py    one word -> one value of a type
    execute.py    one run, and each of its ends
    progress.py   how far a run is, on a terminal and elsewhere
    output.py     results, errors and colours

and about journals:

    journals.py   what those commands take, and what happens to what they raise
    options.py    words -> options
    runs.py       which journal and which run is meant
    listing.py    ls
    show.py       show
    tree.py       events -> calls in program order
    settle.py     settle
    housekeeping.py  prune, export, import
    values.py     recorded values, for people and for programs
    times.py      times and durations, the same

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
