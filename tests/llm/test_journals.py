"""Chats in runs that are recorded, killed and taken up."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import stretto
from stretto import flow, llm
from tests.llm.serving import Server, last, tool_call
from tests.llm.test_models import Invoice, given, look_up
from tests.waiting import until


@flow
def converse(model: llm.Model, n: int) -> list[Any]:
    said = [model.chat(f"question {i}") for i in range(n)]
    end = model.chat([*said, "and now?"], into=Invoice)
    return [*(answer.text for answer in said), end.value]


def test_a_run_that_is_taken_up_asks_only_what_is_missing(
    server: Server, model: llm.Model, tmp_path: Path
) -> None:
    journal = str(tmp_path / "runs.db")
    held = threading.Event()

    def says(body: dict[str, Any]) -> Any:
        if "and now?" in str(body["messages"][-1]):
            held.wait(60)
            return given(body, {"customer": "Ann"})
        return f"answer to {last(body)}"

    server.says = says
    run = converse.using(journal=journal).start(model, 3)
    until(lambda: len(server.asked) == 4)
    run.interrupt()
    held.set()
    server.asked.clear()
    wanted = [*(f"answer to question {i}" for i in range(3)), Invoice(customer="Ann")]
    assert stretto.resume(run.id, journal=journal).result() == wanted
    assert len(server.asked) == 1


PROGRAM = """
import sys
from stretto import flow, llm
from tests.llm.test_models import look_up

@flow
def work(model: llm.Model) -> str:
    return llm.agent("what is a tide?", [look_up], model).text

if __name__ == "__main__":
    model = llm.openai("gpt-5-mini", base_url=sys.argv[1], api_key="very-secret-key")
    run = work.using(journal=sys.argv[2]).start(model)
    print(run.id, flush=True)
    print(run.result(), flush=True)
"""


def test_an_agent_whose_process_is_killed(server: Server, tmp_path: Path, monkeypatch: Any) -> None:
    held, turns = threading.Event(), [0]

    def says(body: dict[str, Any]) -> Any:
        turns[0] = sum(message["role"] == "assistant" for message in body["messages"])
        if turns[0] == 2:
            held.wait(60)
            return "done"
        return [tool_call("look_up", {"word": f"tide {turns[0]}"})]

    server.says = says
    (tmp_path / "agent_program.py").write_text(PROGRAM)
    journal = str(tmp_path / "runs.db")
    command = [sys.executable, "agent_program.py", f"{server.base_url}/v1", journal]
    path = f"{Path(stretto.__file__).parents[1]}:{Path(__file__).parents[2]}"
    monkeypatch.setenv("PYTHONPATH", path)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        run = process.stdout.readline().strip()
        until(lambda: turns[0] == 2)
        until(lambda: len(server.asked) == 3)
        process.kill()
    held.set()
    server.asked.clear()
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("agent_program")
    assert look_up.name
    assert stretto.resume(run, journal=journal).result() == "done"
    # what was answered within the last milliseconds may not have come to the disk
    assert 1 <= len(server.asked) <= 2
    assert b"very-secret-key" not in (tmp_path / "runs.db").read_bytes()
