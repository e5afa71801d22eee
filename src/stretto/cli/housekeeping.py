"""``stretto prune``, ``export`` and ``import``."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

from stretto.errors import TransferError
from stretto.journal.events import now
from stretto.journal.transfer import export_run, import_run

from .execute import FAILED, OK
from .load import UsageError
from .options import Given
from .runs import find_run, opened
from .times import exact, iso, since

__all__ = ["export", "import_", "prune"]


def prune(given: Given) -> int:
    age = given.values.get("--older-than")
    if age is None:
        raise UsageError("say how old: --older-than AGE")
    before = since("--older-than", age, now())
    with opened(given) as journal:
        if "--yes" not in given.flags:
            if given.json or not sys.stdin.isatty():
                raise UsageError("there is nobody to ask whether to delete: say --yes")
            old = [run for run in journal.runs(until=before) if run.state.ended and run.owner is None]
            count = sum(run.ended is not None and run.ended < before for run in old)
            if count and not _sure(f"Delete {_runs(count)} that ended before {exact(before)}?"):
                print("nothing was deleted.", file=sys.stderr)
                return FAILED
        gone = journal.prune(before)
    if given.json:
        print(json.dumps({"pruned": gone, "before": iso(before)}))
    elif gone:
        print(f"deleted {_runs(gone)} that ended before {exact(before)}.")
    else:
        print(f"no run ended before {exact(before)}: nothing was deleted.")
    return OK


def _sure(question: str) -> bool:
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _runs(count: int) -> str:
    return f"{count:,} run" if count == 1 else f"{count:,} runs"


def export(given: Given) -> int:
    name, file = given.places
    path = Path(file)
    if path.is_dir() or (path.exists() and not zipfile.is_zipfile(path)):
        raise TransferError(f"{path} is there already and is no export of a run; name another file")
    if not path.parent.is_dir():
        raise TransferError(f"{path} cannot be written: there is no folder {path.parent}")
    with opened(given) as journal:
        run = find_run(journal, name).id
        try:
            count = export_run(journal, run, path)
        except OSError as error:
            raise TransferError(f"{path} cannot be written: {error}") from None
    if given.json:
        print(json.dumps({"id": run, "file": file, "events": count}, ensure_ascii=False))
    else:
        print(f"run {run}: {count:,} events written to {path}.")
    return OK


def import_(given: Given) -> int:
    [file] = given.places
    path = Path(file)
    if not path.is_file():  # before a journal is made
        raise TransferError(f"there is no file {path}")
    with opened(given, make=True) as journal:
        run = import_run(journal, path)
        record = journal.run(run)
        where = journal.where
    if given.json:
        print(json.dumps({"id": run, "events": record.events}))
    else:
        print(f"run {run} is now in {where}, with its {record.events:,} events.")
    return OK
