"""``stretto resume``: a run that was interrupted goes on."""

from __future__ import annotations

from .execute import take_up
from .options import Given
from .runs import find_run, journal_url, opened

__all__ = ["resume_run"]


def resume_run(given: Given) -> int:
    url, _ = journal_url(given)
    with opened(given) as journal:
        run = find_run(journal, given.places[0]).id
    return take_up(run, url, as_lines=given.json, again=given.again("resume", run))
