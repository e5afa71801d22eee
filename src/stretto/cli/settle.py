"""``stretto settle``: a person says whether a write in doubt happened."""

from __future__ import annotations

import getpass
import json
import sys
from typing import TYPE_CHECKING, Any

from stretto.errors import JournalError, LeaseHeld
from stretto.journal.codecs import encode
from stretto.journal.events import CallIntended, CallSettled, Decision, now
from stretto.journal.history import names_of
from stretto.journal.leases import alive
from stretto.journal.secrets import settled_result

from .execute import OK
from .load import UsageError, did_you_mean
from .options import Given
from .output import Style
from .runs import find_run, opened
from .tree import doubts

if TYPE_CHECKING:
    from stretto.journal import Journal, Lease, RunRecord

__all__ = ["settle"]


def settle(given: Given) -> int:
    name, call = given.places
    decision, value = _decision(given)
    by = given.values.get("--by") or _user()
    with opened(given) as journal:
        record = find_run(journal, name)
        if record.state.ended:
            raise JournalError(
                f"run {record.id} has ended ({record.state}): nothing is left to settle or to resume"
            )
        lease = _leased(journal, record, quiet=given.json)
        try:
            open_doubts = _Doubts(journal, record.id, given)
            place, doubt = open_doubts.named(call)
            if value is not None:
                value = settled_result(record.id, doubt.call, doubt.digest, doubt.digest, value)
            event = CallSettled(place, doubt.call, doubt.digest, decision, value, by, now())
            journal.commit_here(lease, [event])
        finally:
            if lease.good:
                journal.release(lease)
    left = [other for other in open_doubts.found if other != place]
    again = given.again("resume", record.id)
    if given.json:
        fields = {"id": record.id, "place": place, "call": doubt.call, "decision": decision, "by": by}
        print(json.dumps({**fields, "left_in_doubt": left, "next": again}, ensure_ascii=False))
        return OK
    taken = "as done" if decision is Decision.DONE else "to be run again"
    print(f"{place}: settled {taken}, by {by}.")
    style = Style(sys.stdout)
    if left:
        print(f"\nStill in doubt: {', '.join(left)}. {style.cyan(given.again('show', record.id))} says more.")
    else:
        print(f"\nTo go on with the run:\n\n    {style.cyan(again)}\n")
    return OK


def _decision(given: Given) -> tuple[Decision, bytes | None]:
    text = given.values.get("--done")
    if (text is None) == ("--retry" not in given.flags):
        raise UsageError(
            "say one of two: --done VALUE, if it happened and gave that, or --retry, to have it run again"
        )
    if text is None:
        return Decision.RETRY, None
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        hint = f"a text stands in quotes: --done '{json.dumps(text)}'" if "'" not in text else "see json.org"
        raise UsageError(f"--done takes a value as JSON, and found {text!r}; {hint}") from None
    return Decision.DONE, encode(value, name="--done").data


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container whose user has no name
        return "somebody"


def _leased(journal: Journal, record: RunRecord, *, quiet: bool) -> Lease:
    """The right to write to the run, once it is sure that nobody runs it."""
    try:
        return journal.acquire(record.id)
    except LeaseHeld as held:
        if record.owner is None or alive(record.owner) is not None:
            raise
        if not quiet:
            print(
                f"{held.owner} had the run; waiting {held.retry_after:.0f} s for a sign of life",
                file=sys.stderr,
            )
        return journal.acquire(record.id, wait=held.retry_after + 1)


class _Doubts:
    def __init__(self, journal: Journal, run: str, given: Given) -> None:
        self.found, self._settled = doubts(journal, run)
        self._run = run
        self._given = given

    def named(self, name: str) -> tuple[str, CallIntended]:
        """The doubt at that place, or the only one of a call of that name."""
        if name in self.found:
            return name, self.found[name]
        places = [place for place, doubt in self.found.items() if name in names_of(doubt.call)]
        if len(places) == 1:
            return places[0], self.found[places[0]]
        if places:
            listed = "".join(f"\n  {place}" for place in places)
            raise JournalError(f"{len(places)} calls of {name} are in doubt; name one by its place:{listed}")
        settled = self._settled.get(name)
        if settled is None:
            of_name = [known for known in self._settled.values() if name in names_of(known.call)]
            settled = of_name[0] if len(of_name) == 1 else None
        if settled is not None:
            what = "done" if settled.decision is Decision.DONE else "to be run again"
            said = f"{settled.place} was settled already, as {what}, by {settled.by}"
            raise JournalError(
                f"run {self._run}: {said}; go on with `{self._given.again('resume', self._run)}`"
            )
        if not self.found:
            raise JournalError(
                f"run {self._run}: nothing is in doubt; go on with `{self._given.again('resume', self._run)}`"
            )
        known = {*self.found, *(part for doubt in self.found.values() for part in names_of(doubt.call))}
        listed = "".join(f"\n  {place}" for place in self.found)
        guess = did_you_mean(name, known)
        raise JournalError(f"run {self._run}: {name} is not in doubt{guess} In doubt:{listed}")
