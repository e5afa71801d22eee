"""Writes the journal and the exported run of this version, unless they are there."""

from __future__ import annotations

from hashlib import sha256

from stretto.journal import open_journal
from stretto.journal.database import migrations
from stretto.journal.events import RunStarted
from stretto.journal.transfer import VERSION, export_run

from . import EVENTS, FOLDER, PART

journal_file = FOLDER / f"journal-{max(migrations('sqlite'))}.db"
run_file = FOLDER / f"run-{VERSION}.stretto"
if not journal_file.exists():
    journal = open_journal(journal_file)
    first, *rest = EVENTS
    assert isinstance(first, RunStarted)
    lease = journal.start(first)
    journal.put_blob(lease, sha256(PART).digest(), PART)
    for start in range(0, len(rest), 40):
        journal.append(lease, rest[start : start + 40])
        journal.flush()
    journal.release(lease)
    if not run_file.exists():
        export_run(journal, "stored", run_file)
    journal.close()
