"""The key of secrets: where it comes from, and what happens without it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from stretto import errors, flow
from stretto.journal.configured import shared
from stretto.journal.events import RunState
from stretto.journal.secrets import VARIABLE, key_file
from tests.unit.secretive import (
    PIN,
    SECRET,
    all_bytes,
    issue,
    made,
    pays,
    resumed,
    stopped,
    wait,
)
from tests.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("secretive")


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "journal.db")


def test_the_key_is_made_for_its_user_alone(journal: str) -> None:
    assert not key_file().exists()
    pays.using(journal=journal)("bob", SECRET, PIN)
    assert len(bytes.fromhex(key_file().read_text())) == 32
    assert stat.S_IMODE(key_file().stat().st_mode) == 0o600
    assert [file.name for file in key_file().parent.iterdir()] == ["secret.key"]
    before = key_file().read_text()
    pays.using(journal=journal)("bob", SECRET, PIN)
    assert key_file().read_text() == before
    assert bytes.fromhex(before) not in all_bytes(journal) and before.strip().encode() not in all_bytes(
        journal
    )


def test_many_processes_make_one_key() -> None:
    program = "from stretto.journal.secrets import vault; print(vault().fingerprint.hex())"
    words = [sys.executable, "-c", program]
    started = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    told = {process.communicate(timeout=PATIENCE)[0] for process in started}
    assert len(told) == 1 and len(told.pop().strip()) == 16


def test_without_the_key_a_run_does_not_go_on(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = pays.using(journal=journal)
    run = stopped(program, "bob", SECRET, PIN)
    kept = key_file().read_text()
    key_file().unlink()
    with pytest.raises(errors.SecretKeyError, match=rf"{run} has recorded secrets.*none here.*{VARIABLE}"):
        resumed(program, run)
    assert not key_file().exists()
    monkeypatch.setenv(VARIABLE, "ab" * 32)
    with pytest.raises(errors.SecretKeyError, match=rf"the environment variable {VARIABLE}, is another one"):
        resumed(program, run)
    assert made == []
    assert shared(journal).run(run).state is RunState.RUNNING  # it can be taken up where the key is
    monkeypatch.setenv(VARIABLE, kept)
    assert resumed(program, run) == "sent to bob, 140"
    assert made == ["wait sent to bob 22"]


@flow
def reads_only() -> str:
    return wait(str(len(issue("ann"))))


def test_nor_one_whose_arguments_are_not_secret(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = reads_only.using(journal=journal)
    run = stopped(program)
    monkeypatch.setenv(VARIABLE, "ab" * 32)
    with pytest.raises(errors.SecretKeyError, match="fingerprint"):
        resumed(program, run)
    assert made == []


@pytest.mark.parametrize("key", ["", "hunter2", "ab" * 31, "zz" * 32])
def test_a_key_that_is_none(journal: str, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv(VARIABLE, key)
    with pytest.raises(errors.SecretKeyError, match="expected 64 hexadecimal digits") as caught:
        pays.using(journal=journal)("bob", SECRET, PIN)
    assert not key or key not in str(caught.value)
    assert shared(journal).runs() == [] and made == []


@pytest.mark.skipif(os.name != "posix", reason="modes of files are those of POSIX")
def test_a_key_that_others_may_read(journal: str) -> None:
    pays.using(journal=journal)("bob", SECRET, PIN)
    key_file().chmod(0o640)
    with pytest.raises(errors.SecretKeyError, match=r"others may read it \(mode 0640\).*chmod 600"):
        pays.using(journal=journal)("bob", SECRET, PIN)


def test_a_key_that_cannot_be_made(journal: str) -> None:
    key_file().parent.parent.mkdir(parents=True)
    key_file().parent.write_text("a file where the folder should be")
    with pytest.raises(errors.SecretKeyError, match=r"stretto/secret\.key: .*Not a directory"):
        pays.using(journal=journal)("bob", SECRET, PIN)


def test_without_the_library_a_run_does_not_begin(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
            import sys
            sys.modules["cryptography"] = None  # as if it were not installed
            sys.modules["cryptography.hazmat.primitives.ciphers.aead"] = None
            from stretto import call, flow, errors

            @call.writes("account", secret="return")
            def issue(name: str) -> str:
                print("issued")
                return name

            @flow
            def main() -> str:
                return issue("ann")

            main()
            try:
                main.using(journal="journal.db")()
            except errors.SecretKeyError as error:
                print(error)
        """)
    )
    words = [sys.executable, str(program)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "issued" and "pip install stretto[secrets]" in second
    assert not key_file().exists()
