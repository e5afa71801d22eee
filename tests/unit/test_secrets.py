"""What is declared secret is not in the journal, and a run with secrets can be taken up all the same."""

from __future__ import annotations

import functools
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import Done, Flow, call, errors, flow
from stretto.journal import open_journal
from stretto.journal.codecs import decode, digest, encode
from stretto.journal.configured import shared
from stretto.journal.events import CallFinished, CallIntended, Event, RunEnded, RunState
from stretto.journal.secrets import VARIABLE, key_file
from stretto.journal.transfer import export_run
from tests.unit.journals import copied
from tests.unit.journals import stretto as command
from tests.unit.secretive import (
    PIN,
    SECRET,
    TOKEN,
    World,
    all_bytes,
    forms,
    issue,
    login,
    made,
    meet,
    pays,
    refuse,
    resumed,
    stopped,
    transfer,
    wait,
)
from tests.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("secretive")


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "journal.db")


def test_secrets_are_not_in_the_journal(journal: str, tmp_path: Path) -> None:
    program = pays.using(journal=journal)
    assert program("bob", SECRET, PIN) == "sent to bob, 140"
    run = stopped(program, "bob", SECRET, PIN)
    assert resumed(program, run) == "sent to bob, 140"
    export_run(shared(journal), run, tmp_path / "run.stretto")
    with zipfile.ZipFile(tmp_path / "run.stretto") as archive:
        exported = b"".join(archive.read(name) for name in archive.namelist())
    held = all_bytes(journal)
    assert b"sent to bob" in held
    for secret in (SECRET, TOKEN, PIN):
        for form in forms(secret):
            assert form not in held and form not in exported


def test_that_test_would_find_them(journal: str) -> None:
    open_ = login.fn, transfer.fn, issue.fn
    opened_login = call.reads("vault")(open_[0])
    opened_transfer = call.writes("account")(open_[1])
    opened_issue = call.writes("account")(open_[2])

    @flow
    def opened(to: str, password: str, pin: int) -> None:
        session = opened_login("ann", password)
        opened_transfer(to, session["token"], pin=pin)
        opened_issue("ann")

    opened.using(journal=journal)("bob", SECRET, PIN)
    held = all_bytes(journal)
    for secret in (SECRET, TOKEN, PIN):
        assert any(form in held for form in forms(secret)[:2])
    assert digest(("ann", SECRET)).value in held
    assert digest(("bob", TOKEN * 10), {"pin": PIN}).value in held


def test_what_was_done_is_not_done_again(journal: str) -> None:
    program = pays.using(journal=journal)
    run = stopped(program, "bob", SECRET, PIN)
    assert resumed(program, run) == "sent to bob, 140"
    assert made == ["wait sent to bob 22"]


@flow(secret="ours")
def shares(ours: list[str], theirs: list[str]) -> int:
    ours.append("more")
    wait(str(len(theirs)))
    return len(theirs)


def test_arguments_that_are_one_object_stay_one(journal: str) -> None:
    program = shares.using(journal=journal)
    one = [SECRET]
    run = stopped(program, one, one)
    assert resumed(program, run) == 2


# Exceptions


@call.writes("log")
def complain(about: str) -> None:
    raise RuntimeError(f"nobody hears about {about}")


@flow
def handles(pin: int) -> str:
    try:
        refuse(pin)
    except PermissionError as error:
        text = error.args[1]
        try:
            complain("it")
        except RuntimeError as another:
            wait(f"{len(text)} {type(another.__context__).__name__}")
    return "handled"


@flow
def fails(pin: int) -> None:
    refuse(pin)


@flow(secret="pin")
def fails_by_itself(pin: int) -> None:
    wait("a little")
    raise ValueError(f"{pin} is no pin")


def test_exceptions_are_secret_too(journal: str) -> None:
    program = handles.using(journal=journal)
    recorded = encode(((PIN,), {}, __file__)).data  # the flow's own argument is not declared
    run = stopped(program, PIN)
    shown = f"wait {len(SECRET)} PermissionError"
    assert resumed(program, run) == "handled" and made == [shown]
    held = all_bytes(journal).replace(recorded, b"")
    assert SECRET.encode() not in held and b"wrong pin" not in held
    # the exception of the other call has that of the first as its context
    assert b"nobody hears" not in held


@pytest.mark.parametrize(("program", "kind"), [(fails, PermissionError), (fails_by_itself, ValueError)])
def test_what_a_flow_ends_with_is_secret_too(
    journal: str, capsys: pytest.CaptureFixture[str], program: Flow[..., None], kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=str(PIN)):
        program.using(journal=journal)(PIN)
    held = all_bytes(journal)
    assert b"wrong pin" not in held and b"is no pin" not in held and SECRET.encode() not in held
    (record,) = shared(journal).runs()
    assert record.state is RunState.FAILED
    assert command(f"show {record.id} --journal {journal}") == 0
    assert f"{kind.__name__}: <secret>" in capsys.readouterr().out
    assert command(f"show {record.id} --journal {journal} --json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["error"] == {"type": kind.__name__, "message": "<secret>"}


@call.reads("vault", secret="return")
async def unrecordable() -> object:
    return {SECRET: iter([SECRET])}


@call.reads("vault", secret="return")
async def mistyped() -> int:
    return SECRET  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


@flow
def breaks(which: int) -> object:
    return unrecordable() if which == 1 else mistyped()


@pytest.mark.parametrize(("which", "error"), [(1, errors.NotRecordable), (2, errors.ReturnTypeError)])
def test_messages_do_not_tell(journal: str, which: int, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        breaks.using(journal=journal)(which)
    assert SECRET not in str(caught.value)
    assert SECRET.encode() not in all_bytes(journal)


@call.reads("vault", secret="pin", retries=1)
async def hesitates(pin: int) -> str:
    attempt = stretto.current().attempt
    if attempt == 1:
        raise ConnectionError(f"try {pin} again")
    return f"{await meet('between')} {attempt}"


@flow(secret="pin")
def hesitant(pin: int) -> str:
    return hesitates(pin)


@flow(secret="pins")
def natively(pins: list[int]) -> list[str]:
    """Calls in code that nobody compiles."""

    def pay(said: str, pin: int) -> str:
        try:
            refuse(pin)
        except PermissionError as error:
            said += f" {len(error.args[1])}"
        return said + transfer("bob", TOKEN, pin=pin)

    said = functools.reduce(pay, pins, "")
    return [said, wait(f"{len(said)}")]


def test_a_secret_call_that_is_made_again(journal: str) -> None:
    """Its first failure is read to find whether there is to be a second attempt."""
    program = hesitant.using(journal=journal)
    run = stopped(program, PIN)
    assert resumed(program, run) == "between 2"
    assert made == ["wait between"]
    held = all_bytes(journal)
    assert b"ConnectionError" in held and not any(form in held for form in forms(PIN)[:2])


def test_calls_in_code_that_runs_as_a_whole(journal: str) -> None:
    program = natively.using(journal=journal)
    run = stopped(program, [PIN, PIN + 1])
    said = f" {len(SECRET)}sent to bob" * 2
    assert resumed(program, run) == [said, str(len(said))]
    assert made == [f"wait {len(said)}"]
    held = all_bytes(journal)
    for secret in (SECRET, TOKEN, PIN, PIN + 1):
        assert not any(form in held for form in forms(secret))


# What people see


def test_what_is_shown(journal: str, capsys: pytest.CaptureFixture[str]) -> None:
    program = pays.using(journal=journal)
    program("bob", SECRET, PIN)
    (record,) = shared(journal).runs()
    assert command(f"show {record.id} --journal {journal}") == 0
    text = capsys.readouterr().out
    assert "('bob', <secret>, <secret>)" in text
    assert "('bob', <secret>, pin=<secret>) → 'sent to bob'" in text
    assert "('ann') → <secret>" in text.replace("',)", "')")
    assert command(f"show {record.id} --json --journal {journal}") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["arguments"] == {"args": ["bob", "<secret>", "<secret>"], "kwargs": {}}
    by_name = {c["call"].rpartition(":")[2]: c for c in found["calls"]}
    assert by_name["login"]["result"] == "<secret>"
    assert by_name["transfer"]["arguments"] == {"args": ["bob", "<secret>"], "kwargs": {"pin": "<secret>"}}
    assert by_name["issue"]["result"] == "<secret>" and by_name["issue"]["arguments"]["args"] == ["ann"]


@call.writes("account", secret=True)
async def slowly(pin: int, *, note: str) -> str:
    return await meet(f"{note} {pin}")


@flow(secret=["pin", "return"])
def doubted(pin: int) -> str:
    return slowly(pin, note=SECRET) + "!"


def test_a_doubt_tells_no_secret_and_is_settled_with_one(
    journal: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program = doubted.using(journal=journal)
    run = stopped(program, PIN)
    with pytest.raises(errors.InDoubt, match=r"slowly\(<secret>, note=<secret>\) at slowly"):
        resumed(program, run)
    assert command(f"settle {run} slowly --done '\"{TOKEN}\"' --journal {journal}") == 0
    assert TOKEN not in capsys.readouterr().out
    assert resumed(program, run) == f"{TOKEN}!"
    held = all_bytes(journal)
    assert TOKEN.encode() not in held and SECRET.encode() not in held


def test_a_doubt_is_not_settled_without_the_key(
    journal: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = doubted.using(journal=journal)
    run = stopped(program, PIN)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv(VARIABLE, "ab" * 32)
        assert command(f"settle {run} slowly --done '\"{TOKEN}\"' --journal {journal}") == 1
        assert "another one" in capsys.readouterr().err
        assert command(f"resume {run} --journal {journal}") == 1
        assert VARIABLE in capsys.readouterr().err
    assert TOKEN.encode() not in all_bytes(journal)


@flow(secret="pin")
def edited(pin: int) -> str:
    said = transfer("bob", TOKEN, pin=pin) if not World.edited else ""
    return wait(f"{len(said)}")


def test_what_is_orphaned_tells_no_secret(journal: str) -> None:
    program = edited.using(journal=journal)
    run = stopped(program, PIN)
    World.edited = True
    with pytest.raises(errors.Orphaned, match="transfer") as caught:
        resumed(program, run)
    assert str(PIN) not in str(caught.value) and TOKEN not in str(caught.value)


@call.writes("account", secret="pin", check=lambda pin: Done(f"asked about {pin}"))
async def asked(pin: int) -> str:
    return await meet(str(pin))


@flow(secret="pin")
def asks(pin: int) -> str:
    return asked(pin)


def test_check_gets_the_arguments_themselves(journal: str) -> None:
    program = asks.using(journal=journal)
    assert resumed(program, stopped(program, PIN)) == f"asked about {PIN}"


# Edited programs, forks, dry runs


@flow(secret="pin")
def grows(pin: int) -> str:
    said = transfer("bob", TOKEN, pin=pin + 1) if World.edited else ""
    said += transfer("bob", TOKEN, pin=pin)
    return wait(said)


def test_a_secret_call_that_was_moved_is_not_made_again(journal: str) -> None:
    program = grows.using(journal=journal)
    run = stopped(program, PIN)
    World.edited = True
    # the new write is made in the place of the old one, which has moved; so it is an orphan at that moment
    with pytest.raises(errors.Orphaned):
        resumed(program, run)
    found = stretto.resume(run, journal=journal, accept=True).result(PATIENCE)
    assert found == "sent to bob" * 2 and made == ["transfer", "wait sent to bobsent to bob"]
    for form in forms(PIN + 1):
        assert form not in all_bytes(journal)


def test_a_new_secret_call_where_another_one_stood(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in its place was not secret; its own arguments are."""
    monkeypatch.setitem(globals(), "paying", shown)
    program = changes.using(journal=journal)
    run = stopped(program, 1)
    monkeypatch.setitem(globals(), "paying", hidden)
    World.other = PIN
    assert stretto.resume(run, journal=journal, accept=True).result(PATIENCE) == f"paid {PIN}"
    held = all_bytes(journal)
    assert digest((1,)).value in held and digest((PIN,)).value not in held


def test_a_fork_shares_secrets(journal: str) -> None:
    program = pays.using(journal=journal)
    run = stopped(program, "bob", SECRET, PIN)
    resumed(program, run)
    made.clear()
    forked = stretto.fork(run, before="wait", journal=journal)
    assert forked.result(PATIENCE) == "sent to bob, 140" and made == ["wait sent to bob 22"]
    made.clear()
    forked = stretto.fork(run, before="transfer", set={"login": {"token": SECRET}}, journal=journal)
    assert forked.result(PATIENCE) == f"sent to bob, {len(SECRET)}"
    assert made == ["transfer", "issue", "wait sent to bob 22"]
    held = all_bytes(journal)
    for secret in (SECRET, TOKEN, PIN):
        assert not any(form in held for form in forms(secret))


def test_a_fork_takes_the_key(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stopped(pays.using(journal=journal), "bob", SECRET, PIN)
    monkeypatch.setenv(VARIABLE, "ab" * 32)
    with pytest.raises(errors.SecretKeyError, match="another one"):
        stretto.fork(run, before="wait", journal=journal)
    assert len(shared(journal).runs()) == 1 and made == []


def test_a_dry_run(journal: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run = stopped(pays.using(journal=journal), "bob", SECRET, PIN)
    assert command(f"resume {run} --dry-run --json --journal {journal}") == 0
    text = capsys.readouterr().out
    found = json.loads(text)
    assert [operation["place"] for operation in found["reused"]] == ["login", "transfer", "issue"]
    assert [operation["place"] for operation in found["to_run"]] == ["wait"]
    assert made == [] and found["orphaned"] == [] and SECRET not in text and TOKEN not in text
    monkeypatch.setenv(VARIABLE, "ab" * 32)
    assert command(f"resume {run} --dry-run --journal {journal}") == 1
    assert "another one" in capsys.readouterr().err


# Declarations that change, and journals that were changed


@call.writes("account", secret="pin")
def hidden(pin: int) -> str:
    made.append("pay")
    return f"paid {pin}"


@flow(secret="pin")
def changes(pin: int) -> str:
    said = paying(World.other or pin)
    return said + wait(" "[len(said) :])  # once it has been paid


paying: Any = hidden
shown = call.writes("account")(hidden.fn)


@pytest.mark.parametrize(("first", "then"), [(hidden, shown), (shown, hidden)])
def test_secret_may_be_added_and_taken_away(
    journal: str, monkeypatch: pytest.MonkeyPatch, first: Any, then: Any
) -> None:
    program = changes.using(journal=journal)
    monkeypatch.setitem(globals(), "paying", first)
    run = stopped(program, PIN)
    monkeypatch.setitem(globals(), "paying", then)
    assert resumed(program, run) == f"paid {PIN}"
    assert made == ["wait "]


@flow
def two() -> str:
    lengths = f"{len(issue('ann'))} {len(issue('bob'))}"
    return wait(lengths)


def test_a_secret_opens_only_where_it_was_sealed(journal: str) -> None:
    program = two.using(journal=journal)
    run = stopped(program)
    results = [e.result for _, e in shared(journal).events(run) if isinstance(e, CallFinished)]

    def swap(event: Event) -> Event:
        if isinstance(event, CallFinished) and event.result == results[0]:
            return CallFinished(
                event.place, event.call, event.digest, event.attempt, results[1], None, 0, 0, 0
            )  # fmt: skip
        return event

    copied(shared(journal), run, "swapped", swap)
    with pytest.raises(errors.JournalCorrupt, match="not what was sealed there"):
        resumed(program, "swapped")
    assert made == []
    copied(shared(journal), run, "unchanged", lambda event: event)
    assert resumed(program, "unchanged") == "22 22"


def test_equal_secrets_in_two_places_do_not_look_equal(journal: str) -> None:
    @flow
    def twice(pin: int) -> None:
        for _ in range(2):
            transfer("bob", TOKEN, pin=pin)

    twice.using(journal=journal)(PIN)
    (record,) = shared(journal).runs()
    events = [e for _, e in shared(journal).events(record.id) if isinstance(e, CallIntended)]
    assert len({e.digest for e in events}) == len({e.key for e in events}) == 2
    assert {e.digest[:8] for e in events} == {events[0].digest[:8]}


@flow(secret="return")
def keeps() -> str:
    return issue("ann")


def test_the_result_of_a_flow(journal: str) -> None:
    assert keeps.using(journal=journal)().startswith(TOKEN)
    assert TOKEN.encode() not in all_bytes(journal)
    (record,) = shared(journal).runs()
    (end,) = [e for _, e in shared(journal).events(record.id) if isinstance(e, RunEnded)]
    assert isinstance(end.result, bytes) and repr(decode(end.result)) == "<secret>"


def test_outside_of_a_journal_nothing_is_needed() -> None:
    assert pays.using(journal=None)("bob", SECRET, PIN) == "sent to bob, 140"
    assert not key_file().exists()


def test_the_stored_journal_can_be_opened_by_another(journal: str) -> None:
    pays.using(journal=journal)("bob", SECRET, PIN)
    shared(journal).close()
    assert [r.calls for r in open_journal(journal).runs()] == [4]
