"""Recorded answers: the same each time, without a server; and what is said of what is not recorded."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from stretto import flow, llm
from stretto.testing import VirtualClock
from tests.llm.conftest import made
from tests.llm.serving import Server, refuses
from tests.llm.test_models import Invoice, given


def test_what_was_recorded_is_answered(server: Server, model: llm.Model, tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    turns = iter(["first", "second", "third", "streamed"])
    server.says = lambda body: next(turns)

    @flow
    def ask() -> list[str]:
        said = [model.chat("same").text, model.chat("same").text, model.chat("other").text]
        return [*said, "".join(model.stream("same"))]

    with llm.replay(file, record=True) as recording:
        before = ask.sequential()
    assert (recording.asked, recording.recorded) == (0, 4)
    assert before == ["first", "second", "third", "streamed"]
    assert "very-secret-key" not in file.read_text() and "127.0.0.1" not in file.read_text()

    server.shutdown()  # from here on nobody answers
    for _ in range(2):
        with llm.replay(file) as recording:
            assert ask.sequential() == before
        assert (recording.asked, recording.recorded) == (4, 0)
    with llm.replay(file), VirtualClock():
        assert sorted(ask()) == sorted(before)


def test_a_request_that_is_new_is_shown(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    model = made(server, "openai", retries=0)
    with pytest.raises(llm.NotRecorded, match="there is no recording"), llm.replay(file):
        pass
    with llm.replay(file, record=True):
        model.chat("what is the tide?", temperature=0)
        model.chat("something else altogether, and at length")
    with llm.replay(file), pytest.raises(llm.NotRecorded) as raised:
        model.chat("what is the moon?", temperature=0)
    assert '-   "content": "what is the tide?",' in str(raised.value)
    assert '+   "content": "what is the moon?",' in str(raised.value)
    assert "record=True" in str(raised.value)
    with llm.replay(file), pytest.raises(llm.NotRecorded, match=r"has 1 answer\(s\) to this request"):
        model.chat("what is the tide?", temperature=0)
        model.chat("what is the tide?", temperature=0)
    assert len(server.asked) == 2
    with llm.replay(file, record=True) as recording:  # what is missing is added
        model.chat("what is the tide?", temperature=0)
        model.chat("what is the moon?", temperature=0)
    assert (recording.asked, recording.recorded) == (1, 1)
    assert len(json.loads(file.read_text())["requests"]) == 3


def test_it_is_recorded_as_it_was(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    model = made(server, "openai")
    content = [{"type": "text", "text": "hello"}]
    with llm.replay(file, record=True):
        answer = model.chat({"role": "user", "content": content})
        answer.raw.clear()
        content.clear()
    with llm.replay(file):
        assert (
            model.chat({"role": "user", "content": [{"type": "text", "text": "hello"}]}).text == answer.text
        )


def test_failures_are_recorded_unless_they_pass(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    model = made(server, "openai")
    server.troubles = [refuses(500), refuses(400, {"message": "no such thing"})]
    for record in (True, False):
        with llm.replay(file, record=record), pytest.raises(llm.ModelError, match="no such thing") as raised:
            model.chat("hello")
        assert raised.value.status_code == 400
    assert len(server.asked) == 2


def test_no_package_is_needed_to_replay(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "answers.json"
    server.says = lambda body: given(body, {"customer": "Ann"})
    model = made(server, "openai")
    with llm.replay(file, record=True):
        model.chat("read this", into=Invoice)
    monkeypatch.setitem(sys.modules, "openai", None)
    with llm.replay(file):
        assert model.chat("read this", into=Invoice).value.customer == "Ann"
