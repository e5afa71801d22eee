"""Runs as files."""

from __future__ import annotations

import json
import random
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from stretto import errors
from stretto.journal import Journal
from stretto.journal.events import CallIntended, CallSettled, Decision, Event, RunEnded, RunResumed, RunState
from stretto.journal.transfer import export_run, import_run

from .conftest import Store, postgres_store, sqlite_store
from .records import commit, finished, started

LARGE = random.Random(1).randbytes(100_000)


def sample(journal: Journal, run: str = "r") -> None:
    lease = journal.start(started(run))
    events: list[Event] = [
        CallIntended("f/w", "m:w", b"\0digest", b"\xff", "key ü", 1, 5),
        finished(1, LARGE),
        finished(2, None),
        RunEnded(RunState.IN_DOUBT, None, b"error", 7),
        RunResumed("other", "source", 8),
        CallSettled("f/w", "m:w", b"\0digest", Decision.DONE, b"value", "ann", 9),
        *(finished(number) for number in range(3, 1500)),
        RunEnded(RunState.SUCCEEDED, b"result", None, -10),
    ]
    journal.put_blob(lease, sha256(b"part").digest(), b"part")
    commit(journal, lease, events)
    journal.release(lease)


def test_between_all_kinds_of_journals(store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    journal = store.open()
    sample(journal)
    count = export_run(journal, "r", tmp_path / "run.stretto")
    assert count == journal.run("r").events
    for other in (sqlite_store(tmp_path), postgres_store(request.getfixturevalue("server"))):
        target = other.open()
        assert import_run(target, tmp_path / "run.stretto") == "r"
        assert list(target.events("r")) == list(journal.events("r"))
        assert target.run("r") == journal.run("r")
        assert target.blobs("r") == journal.blobs("r")
        assert target.get_blob(sha256(LARGE).digest()) == LARGE
        assert target.get_blob(sha256(b"part").digest()) == b"part"
        export_run(target, "r", tmp_path / "again.stretto")
        assert (tmp_path / "again.stretto").read_bytes() == (tmp_path / "run.stretto").read_bytes()
        with pytest.raises(errors.RunExists, match="'r'"):
            import_run(target, tmp_path / "run.stretto")
        lease = target.acquire("r")
        commit(target, lease, [finished(0)])
        assert target.run("r").events == count + 1
        other.close()


def test_a_run_that_is_not_there(store: Store, tmp_path: Path) -> None:
    with pytest.raises(errors.RunNotFound):
        export_run(store.open(), "nothing", tmp_path / "file")
    assert list(tmp_path.glob("file*")) == []


def test_damaged_files(sqlite: Store, tmp_path: Path) -> None:
    source = sqlite.open()
    sample(source)
    file = tmp_path / "run.stretto"
    export_run(source, "r", file)
    whole = file.read_bytes()
    noise = random.Random(3)
    other = sqlite_store(tmp_path)
    target = other.open()
    spoiled = [b"", b"no zip", whole[: len(whole) // 2], whole[:-1], whole[:-30]]
    for _ in range(60):
        at = noise.randrange(len(whole))
        spoiled.append(whole[:at] + bytes([whole[at] ^ 1 << noise.randrange(8)]) + whole[at + 1 :])
    detected = 0
    for content in spoiled:
        file.write_bytes(content)
        try:
            import_run(target, file)
        except errors.TransferError as error:
            assert str(file) in str(error)
            assert target.runs() == []
            detected += 1
        else:  # the flipped bit is in a part of the archive that means nothing, such as a date
            assert list(target.events("r")) == list(source.events("r"))
            assert target.run("r") == source.run("r")
            assert target.get_blob(sha256(LARGE).digest()) == LARGE
            target.close()
            other = sqlite_store(tmp_path)
            target = other.open()
    assert detected > 50
    other.close()
    with pytest.raises(errors.TransferError):
        import_run(source, tmp_path / "missing")


def rewritten(file: Path, **changes: object) -> Path:
    """The same file with other content, and a checksum that fits."""
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(content["run.json"])
    if "line" in changes:
        lines = content["events.jsonl"].splitlines()
        lines[1] = json.dumps(json.loads(lines[1]) | changes.pop("line")).encode()
        content["events.jsonl"] = b"\n".join(lines) + b"\n"
        manifest["sha256"] = sha256(content["events.jsonl"]).hexdigest()
    if changes.pop("no_blobs", False):
        content = {name: data for name, data in content.items() if not name.startswith("blobs/")}
        manifest["blobs"] = 0
    content["run.json"] = json.dumps(manifest | changes).encode()
    result = file.with_suffix(".other")
    with zipfile.ZipFile(result, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return result


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 4},
        {"version": "1"},
        {"format": "something"},
        {"run": "another"},
        {"events": 3},
        {"no_blobs": True},
        {"line": {"event": "Unknown"}},
        {"line": {"attempt": "1"}},
        {"line": {"attempt": 2**63}},
        {"line": {"attempt": None}},
        {"line": {"place": 1}},
        {"line": {"digest": {"base64": "*"}}},
        {"line": {"digest": {}}},
        {"line": {"more": 1}},
    ],
    ids=str,
)
def test_files_that_fit_no_run(sqlite: Store, tmp_path: Path, changes: dict[str, object]) -> None:
    journal = sqlite.open()
    sample(journal)
    export_run(journal, "r", tmp_path / "run.stretto")
    with pytest.raises(errors.TransferError):
        import_run(sqlite_store(tmp_path).open(), rewritten(tmp_path / "run.stretto", **changes))
