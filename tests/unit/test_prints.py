"""What is printed: it is a write of its own, so calls overlap with it."""

from __future__ import annotations

import asyncio
import importlib
import io
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from stretto import call, flow
from stretto.declarations import project
from stretto.engine.printed import STAND_INS
from stretto.testing import VirtualClock


@dataclass
class Response:
    status: int


@call.reads("web")
async def fetch(url: str) -> Response:
    await asyncio.sleep(len(url))
    return Response(len(url))


@call.reads("web")
async def anything(url):  # type: ignore[no-untyped-def]
    await asyncio.sleep(len(url))
    return len(url)


def told(word: str, url: str) -> None:
    print(word, url, file=sys.stderr)


@flow
def statuses(urls: list[str]) -> None:
    for url in urls:
        r = fetch(url)
        print(r.status)
        if r.status > 2:
            told("long", url)
        sys.stdout.write(f"{url}\n")


@flow
def shown(urls: list[str]) -> None:
    for url in urls:
        print(anything(url))


URLS = ["ccc", "a", "bb"]


def test_calls_overlap_with_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualClock() as clock:
        statuses(URLS)
        assert clock.now == 3
    assert capsys.readouterr() == ("3\nccc\n1\na\n2\nbb\n", "long ccc\n")


def test_what_may_run_code_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualClock() as clock:
        shown(URLS)
        assert clock.now == 6
    assert capsys.readouterr().out == "3\n1\n2\n"


def test_a_stream_of_the_programs_own() -> None:
    class Tee(io.StringIO):
        pass

    for stream, seconds in ((io.StringIO(), 3), (Tee(), 6)):
        with VirtualClock() as clock, redirect_stdout(stream):
            statuses(URLS)
            assert clock.now == seconds
        assert stream.getvalue() == "3\nccc\n1\na\n2\nbb\n"


def test_the_table_may_say_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {
        "catalogue = false": 6,
        'print = "ordered"': 6,
        'print = { effect = "writes stdout", here = true, unless = ["file"] }': 3,
    }
    try:
        for line, seconds in said.items():
            (tmp_path / "stretto.toml").write_text(f"[effects]\n{line}\n")
            project.load(tmp_path, catalogue=False)

            @flow
            def prints(urls: list[str]) -> None:
                for url in urls:
                    print(anything(url))

            with VirtualClock() as clock:
                prints(URLS)
                assert clock.now == seconds, line
    finally:
        (tmp_path / "stretto.toml").unlink()
        project.load(catalogue=False)
    assert capsys.readouterr().out == "3\n1\n2\n" * len(said)


@pytest.mark.parametrize(("module", "name"), sorted(STAND_INS))
def test_what_stands_in_is_there(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)
