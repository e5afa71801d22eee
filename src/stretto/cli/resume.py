"""``stretto resume`` and ``stretto fork``: a run goes on from what is recorded."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stretto.compiler.source import MODULE

from .around import around_runs
from .execute import OK, carry_out
from .load import UsageError
from .options import Given
from .output import Style
from .runs import as_fields, find_run, journal_url, opened
from .script import ended
from .values import clean

if TYPE_CHECKING:
    from stretto.journal import Journal, RunRecord
    from stretto.journal.replay import Operation, Preview

__all__ = ["fork_run", "resume_run"]

#: How many calls of a kind are listed to people.
_LISTED = 20


def resume_run(given: Given) -> int:
    url, _ = journal_url(given)
    accept = "--accept-orphans" in given.flags
    with opened(given) as journal:
        record = find_run(journal, given.places[0])
        script = record.flow.endswith(f":{MODULE}")
        if "--dry-run" in given.flags:
            if script:
                raise UsageError(
                    "what a script would do is known only when its imports and definitions have been "
                    "executed: there is no --dry-run of a script"
                )
            from stretto.journal.doubts import ended
            from stretto.journal.replay import preview

            if record.state.ended:
                raise ended(record)
            _say(record, preview(journal, record.id), given)
            return OK

        if script:
            return _resume_script(
                journal, record.id, Path(url).absolute() if "://" not in url else url, given
            )

    def begin() -> Any:
        from stretto import resume

        return resume(record.id, journal=url, accept=accept)

    again = given.again("resume", record.id)
    with around_runs(given.values):
        return carry_out(begin, as_lines=given.json, again=again, resuming=given.again)


def _resume_script(journal: Journal, run: str, url: Any, given: Given) -> int:
    """Be the process that the script ran in, as far as it was told: its folder and its arguments."""
    from stretto.journal.history import History, value_of
    from stretto.journal.resuming import take_up
    from stretto.journal.secrets import opened_arguments
    from stretto.scripts import load_script

    started = History(journal, run, whole=False).started
    _, said, file = opened_arguments(run, started.flow, value_of(journal, started.arguments))
    if not Path(file).is_file():
        raise UsageError(f"the run was of the script {file}, and there is no such file any more: put it back")
    try:
        os.chdir(said["cwd"])
    except OSError as error:
        raise UsageError(
            f"the script ran in the folder {said['cwd']}, and that is not there: {error}"
        ) from None
    script = load_script(file, said["argv"][1:])
    script.started_with = said
    script.enter()
    with around_runs(given.values):
        made = take_up(run, journal=url, accept="--accept-orphans" in given.flags)
        return ended(made, given.again("resume", run), given.again)


def fork_run(given: Given) -> int:
    before = given.values.get("--before")
    if before is None:
        raise UsageError("say where the new run parts from the other: --before CALL")
    values = dict(_setting(text) for text in given.lists.get("--set", ()))
    url, _ = journal_url(given)
    with opened(given) as journal:
        run = find_run(journal, given.places[0]).id

    def begin() -> Any:
        from stretto import fork

        return fork(run, before=before, set=values, journal=url)

    words = ["fork", run, "--before", before]
    for text in given.lists.get("--set", ()):
        words += ["--set", text]
    with around_runs(given.values):
        return carry_out(begin, as_lines=given.json, again=given.again(*words), resuming=given.again)


def _setting(text: str) -> tuple[str, Any]:
    call, equals, value = text.partition("=")
    if not equals or not call:
        raise UsageError(f"--set takes CALL=VALUE, and found {text!r}")
    try:
        return call, json.loads(value)
    except (ValueError, RecursionError):
        hint = f"; a text stands in quotes: --set '{call}={json.dumps(value)}'" if "'" not in text else ""
        raise UsageError(f"--set {call}= takes a value as JSON, and found {value!r}{hint}") from None


# The dry run.


def _say(record: RunRecord, found: Preview, given: Given) -> None:
    if given.json:
        fields: dict[str, Any] = {"id": record.id, "flow": record.flow, "state": as_fields(record)["state"]}
        print(json.dumps(fields | asdict(found), ensure_ascii=False))
        return
    style = Style(sys.stdout)
    edited = ", which has been edited since" if found.edited else ""
    print(f"{clean(record.id)}: what resuming it would do ({clean(record.flow)}{edited}).\n")
    print(f"  reused       {len(found.reused)}")
    _list("to run", "36", found.to_run, style)
    _list("in doubt", "33;1", found.in_doubt, style)
    _list("orphaned", "31", found.orphaned, style)
    _list("not reached", "2", found.not_reached, style)
    print()
    if found.not_reached:
        print("What is not reached comes after calls that have to run first, and may be reused then.")
    for where in dict.fromkeys(map(_short, found.unknown)):
        print(f"{where}: not known to be without effects; it was not run to look at what follows.")
    stop = found.stops_at
    if stop is not None or any(operation.changes for operation in found.orphaned):
        if stop is not None:
            print(
                f"It would stop before a new write, {clean(stop.place)}: by then the program has not made all"
            )
        else:
            print("It would stop at its end: the program does not make all")
        print("recorded writes again. Put back what makes them, or accept that, this time:\n")
        print(f"    {style.cyan(given.again('resume', record.id, '--accept-orphans'))}\n")
    elif found.in_doubt:
        print(f"What is in doubt is to be settled first: {style.cyan(given.again('show', record.id))}")
    else:
        print(f"To do so:\n\n    {style.cyan(given.again('resume', record.id))}\n")


def _list(title: str, colour: str, operations: Sequence[Operation], style: Style) -> None:
    print(f"  {style(colour, title) + ' ' * (12 - len(title))} {len(operations)}")
    for operation in operations[:_LISTED]:
        write = "  (a write)" if operation.changes else ""
        print(f"      {clean(operation.place)}{write}")
    if len(operations) > _LISTED:
        print(f"      and {len(operations) - _LISTED} more")


def _short(where: str) -> str:
    file, _, line = where.rpartition(":")
    try:
        return f"{Path(file).relative_to(Path.cwd())}:{line}"
    except ValueError:
        return where
