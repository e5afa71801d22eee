"""What calls that change nothing were given can be read afterwards, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from stretto import call, flow
from stretto.journal.begun import KEPT
from stretto.journal.events import CallFinished
from stretto.journal.history import value_of
from stretto.journal.resuming import shared


class Client:
    """What cannot be encoded."""

    @call.reads("web")
    def ask(self, text: str) -> int:
        return len(text)


@call.unordered
def plain(n: int, *, word: str = "") -> int:
    return n


@call.pure
def large(data: Any) -> int:
    return len(data)


@call.unordered(secret=["token"])
def sealed(token: str, n: int) -> int:
    return n


client = Client()


@flow
def program() -> int:
    client.ask("tides")
    plain(1, word="basalt")
    large("x" * KEPT)
    large(b"x" * (KEPT + 1))
    large(numpy.zeros(KEPT))
    large(["y" * KEPT])
    sealed("open sesame", 2)
    return 0


def test_what_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = str(tmp_path / "journal.db")
    monkeypatch.setenv("STRETTO_SECRET_KEY", "0" * 64)
    program.using(journal=url)()
    journal = shared(url)
    journal.flush()
    finished = [e for _, e in journal.events(journal.runs()[0].id) if isinstance(e, CallFinished)]
    given = {
        e.call.rpartition(".")[2].rpartition(":")[2] + e.place.partition("#")[2]: None
        if e.arguments is None
        else value_of(journal, e.arguments)
        for e in finished
    }
    [asked, text] = given["ask"][0]
    assert (text, str(asked).endswith("Client>")) == ("tides", True)
    assert given["plain"] == ((1,), {"word": "basalt"})
    assert [given[f"large{n}"] for n in ("", "2", "3", "4")] == [None] * 4
    assert b"open sesame" not in b"".join(e.arguments or b"" for e in finished)
    assert given["sealed"] is not None
