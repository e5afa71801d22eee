"""``stretto mcp FILE``: flows as the tools of a server, asked by the client of the protocol's own package."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from stretto.cli import main
from stretto.journal import open_journal
from stretto.journal.events import RunState

FLOWS = '''
import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from stretto import call, flow

print("this is no protocol")


@call.reads("web")
async def search(topic: str, hold: bool) -> str:
    if hold:
        await asyncio.sleep(3600)
    return topic.upper()


@call.unordered
def wait() -> None:
    Path("begun").touch()
    time.sleep(0.6)


@dataclass
class Note:
    topic: str
    text: str


@flow
def digest(topics: list[str], prefix: str = "-") -> list[Note]:
    """Look topics up."""
    print("nor is this")
    found = [search(topic, False) for topic in topics]
    wait()
    return [Note(topic, prefix + text) for topic, text in zip(topics, found)]


@flow
def fails(number: int) -> int:
    raise ValueError(f"not {number}")


@flow
def each(*topics: str):
    for topic in topics:
        yield search(topic, False)


@flow
def hangs(topic: str) -> str:
    Path("hanging").touch()
    return search(topic, True)
'''


def test_flows_are_tools(folder: Path) -> None:
    (folder / "flows.py").write_text(FLOWS)
    told: list[Any] = []

    async def progress(*about: Any) -> None:
        told.append(about)

    async def ask() -> dict[str, Any]:
        server = StdioServerParameters(
            command=sys.executable, args=["-m", "stretto", "mcp", "flows.py", "--journal", "runs.db"],
            cwd=folder, env={"PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        async with Client(server) as client:
            schemas = {tool.name: tool for tool in (await client.list_tools()).tools}
            answers = {
                "digest": await client.call_tool(
                    "digest", {"topics": ["a", "b"]}, progress_callback=progress
                ),
                "fails": await client.call_tool("fails", {"number": 3}),
                "wrong": await client.call_tool("digest", {"topics": 7}),
                "each": await client.call_tool("each", {"topics": ["x", "y"]}),
            }
            hanging = asyncio.create_task(client.call_tool("hangs", {"topic": "z"}))
            while not (folder / "hanging").exists():
                await asyncio.sleep(0.005)
            hanging.cancel()
            await asyncio.gather(hanging, return_exceptions=True)
            return {"schemas": schemas, **answers}

    found = asyncio.run(asyncio.wait_for(ask(), 60))
    digest = found["schemas"]["digest"]
    assert set(found["schemas"]) == {"digest", "fails", "each", "hangs"}
    assert digest.description == "Look topics up." and digest.input_schema["required"] == ["topics"]
    assert digest.input_schema["properties"]["topics"]["items"] == {"type": "string"}
    result = found["digest"].structured_content["result"]
    assert result == [{"topic": "a", "text": "-A"}, {"topic": "b", "text": "-B"}]
    assert told and told[-1][0] > 0 and "running" in told[-1][2]
    assert found["fails"].is_error and "ValueError: not 3" in found["fails"].content[0].text
    assert found["wrong"].is_error and "topics" in found["wrong"].content[0].text
    assert [block.text for block in found["each"].content] == ["X", "Y"]
    with closing(open_journal(folder / "runs.db")) as journal:
        states = {run.flow.rpartition(":")[2]: run.state for run in journal.runs()}
    assert states == {
        "digest": RunState.SUCCEEDED, "fails": RunState.FAILED, "each": RunState.SUCCEEDED,
        "hangs": RunState.RUNNING,  # nobody runs it: it was interrupted, and can be resumed
    }  # fmt: skip


def test_a_port_that_is_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "one.py").write_text("from stretto import flow\n\n\n@flow\ndef one() -> int:\n    return 1\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["mcp", "--http", str(port), "one.py"]) == 2
    told = capsys.readouterr().err
    assert f"nobody can listen at 127.0.0.1:{port}" in told and "serving" not in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mcp"], "say FILE.py"),
        (["mcp", "nothing.py"], "there is no file nothing.py"),
        (["mcp", "empty.py"], "empty.py has no flows"),
        (["mcp", "--http", "0", "empty.py"], "--http takes a number from 1 on"),
    ],
)
def test_what_is_asked_wrongly(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    (folder / "empty.py").write_text("")
    assert main(words) == 2
    assert said in capsys.readouterr().err
