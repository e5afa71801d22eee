"""The commands about journals: what each takes, and what happens to what it raises."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

from stretto.errors import InternalError, JournalError, StrettoError

from .around import OPTIONS, SAYS
from .because import why_call
from .blame import blame_run
from .differ import TROUBLE, diff_runs
from .execute import FAILED, INTERRUPTED, OK, failed, usage_error
from .housekeeping import export, import_, prune
from .listing import list_runs
from .load import UsageError
from .options import Given, Usage
from .resume import fork_run, resume_run
from .settle import settle
from .show import show_run
from .top import show_top
from .why import explain_recorded

__all__ = ["COMMANDS", "journal_command"]


class Command(NamedTuple):
    """A command: what it takes, and what it does."""

    usage: Usage
    do: Callable[[Given], int]


_JOURNAL = {"--journal": "URL"}
_COMMON = """
  --journal URL     the journal: a file, or sqlite:/// or postgresql:// (default: what is configured,
                    else .stretto/journal.db)
  --json            for programs"""

#: What commands end with that could not do it, where that is not `FAILED`.
_TROUBLE = {"diff": TROUBLE}

COMMANDS: dict[str, Command] = {
    usage.command: Command(usage, do)
    for usage, do in (
        (
            Usage(
                "ls",
                (),
                {"--flow": "NAME", "--state": "STATE", "--since": "WHEN", "--until": "WHEN", "--limit": "N"}
                | _JOURNAL,
                ("--json",),
                """\
List runs, the newest first.

  --flow NAME       those of a flow: its name, or module:name
  --state STATE     running, succeeded, failed, cancelled, "in doubt", or interrupted (nobody runs it)
  --since WHEN      those started at or after a time: 2026-03-31, 2026-03-31T18:00, or an age: 90s, 2h, 3d
  --until WHEN      those started before it
  --limit N         at most so many (default: 50 for people, all for programs)"""
                + _COMMON,
            ),
            list_runs,
        ),
        (
            Usage(
                "resume",
                ("RUN",),
                OPTIONS | _JOURNAL,
                ("--dry-run", "--accept-orphans", "--json"),
                """\
Take up a run that was interrupted: what it has done is not done again.

  RUN               its identifier, or how that begins
  --dry-run         only say which calls would be reused, which would run, and which the program, which may
                    have been edited, does not make any more
  --accept-orphans  go on this time, although the program does not make writes any more that it made"""
                + SAYS
                + _COMMON,
            ),
            resume_run,
        ),
        (
            Usage(
                "fork",
                ("RUN",),
                {"--before": "CALL", "--set": "CALL=VALUE"} | OPTIONS | _JOURNAL,
                ("--json",),
                """\
Start a new run that shares what another one has done, up to one call; that and all after it is run.

  RUN               the other run: its identifier, or how that begins
  --before CALL     where the two part: a place, as `stretto show RUN` tells it, or the name of a function
                    that the run has called once
  --set CALL=VALUE  what a call is given as its result, as JSON, instead of being made; may be repeated"""
                + SAYS
                + _COMMON,
                repeated=("--set",),
            ),
            fork_run,
        ),
        (
            Usage(
                "show",
                ("RUN",),
                {"--limit": "N", "--trace": "FILE", "--html": "FILE"} | _JOURNAL,
                ("--timeline", "--json"),
                """\
Show a run and its calls, in program order.

  RUN               its identifier, or how that begins
  --limit N         at most so many calls (default: 200 for people, all for programs)
  --timeline        what ran when, as a chart: a row a call, or a line of the program if there are more than
                    --limit says (default: 60)
  --trace FILE      write what ran when as a trace that Perfetto and chrome://tracing show; - for stdout
  --html FILE       write its timeline to a file that any browser shows, and which needs nothing else"""
                + _COMMON,
            ),
            show_run,
        ),
        (
            Usage(
                "explain",
                ("RUN",),
                _JOURNAL,
                ("--json",),
                """\
Say where the time of a run went: its critical path, how long it would have taken otherwise, and the lines
that cost most, each with what would free it. (Before a run, stretto explain FILE.py:FLOW says what may
overlap.)

  RUN               its identifier, or how that begins"""
                + _COMMON,
            ),
            explain_recorded,
        ),
        (
            Usage(
                "why",
                ("RUN", "CALL"),
                _JOURNAL,
                ("--json",),
                """\
Say why a call started when it did: what it waited for, what that waited for, and so on from the beginning;
and what would have let it start earlier.

  RUN               its identifier, or how that begins
  CALL              its place, as `stretto show RUN` tells it, or the name of a function that the run has
                    called once"""
                + _COMMON,
            ),
            why_call,
        ),
        (
            Usage(
                "blame",
                ("RUN",),
                _JOURNAL,
                ("--json",),
                """\
Say where the failure of a run began: the call that raised, the results that led to it, and what was thrown
away for it.

  RUN               its identifier, or how that begins"""
                + _COMMON,
            ),
            blame_run,
        ),
        (
            Usage(
                "diff",
                ("RUN1", "RUN2"),
                _JOURNAL,
                ("--json",),
                """\
Say where two runs part: the first operation, in program order, that has other arguments, or another result,
or is in one of them only. Exit codes: 0 they are the same, 1 they differ, 2 they could not be compared.

  RUN1, RUN2        their identifiers, or how these begin"""
                + _COMMON,
            ),
            diff_runs,
        ),
        (
            Usage(
                "top",
                (),
                _JOURNAL,
                ("--once", "--json"),
                """\
Show what the runs of a journal are doing, twice a second until Ctrl-C: how many calls came back, how many a
second, which take long, what they have cost. Runs that somebody else interrupted, or that are in doubt, too.

  --once            only one table, as there is where stdout is no terminal"""
                + _COMMON,
            ),
            show_top,
        ),
        (
            Usage(
                "settle",
                ("RUN", "CALL"),
                {"--done": "VALUE", "--by": "NAME"} | _JOURNAL,
                ("--retry", "--json"),
                """\
Say whether a write that is in doubt happened; `stretto resume RUN` then goes on from there.

  CALL              its place, as `stretto show RUN` tells it, or its name, if it is the only one in doubt
  --done VALUE      it happened, and this is what it returned, as JSON
  --retry           it did not happen, or may happen again: run it
  --by NAME         who says so (default: the user)"""
                + _COMMON,
            ),
            settle,
        ),
        (
            Usage(
                "prune",
                (),
                {"--older-than": "AGE"} | _JOURNAL,
                ("--yes", "--json"),
                """\
Delete runs that have ended. Those that go on, or could be resumed, stay.

  --older-than AGE  those that ended so long ago: 30d, 12h, or before a date: 2026-03-31
  --yes             without asking"""
                + _COMMON,
            ),
            prune,
        ),
        (
            Usage(
                "export",
                ("RUN", "FILE"),
                _JOURNAL,
                ("--json",),
                "Write a run to a file, to be kept, sent, or imported elsewhere.\n" + _COMMON,
            ),
            export,
        ),
        (
            Usage(
                "import",
                ("FILE",),
                _JOURNAL,
                ("--json",),
                "Take the run of an exported file into a journal, which is made if it is not there.\n"
                + _COMMON,
            ),
            import_,
        ),
    )
}


def journal_command(name: str, words: list[str]) -> int:
    """Run one of `COMMANDS`."""
    usage, do = COMMANDS[name]
    trouble = _TROUBLE.get(name, FAILED)
    as_lines = "--json" in words
    try:
        given = usage.parse(words)
        if "--help" in given.flags:
            print(f"{usage.line()}\n\n{usage.says}")
            return OK
        return do(given)
    except UsageError as error:
        return usage_error(error, usage.line(), as_lines=as_lines)
    except InternalError as error:
        return failed(error, as_lines=as_lines, code=trouble)
    except StrettoError as error:
        # The drivers' frames in between are none that the user could do anything about.
        return failed(error.with_traceback(None), as_lines=as_lines, code=trouble)
    except BrokenPipeError:
        raise
    except OSError as error:
        return failed(JournalError(str(error)), as_lines=as_lines, code=trouble)
    except KeyboardInterrupt:
        print("stopped.", file=sys.stderr)
        return INTERRUPTED
