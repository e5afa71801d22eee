"""The command line, as a user types it."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Optional

import pytest

from stretto.cli import main
from stretto.cli.arguments import Signature
from stretto.cli.load import UsageError
from tests.waiting import PATIENCE

FLOWS = '''
import asyncio
from dataclasses import dataclass
from stretto import call, flow

@dataclass
class Point:
    x: int
    y: float = 1.0

@call.unordered
async def nap(i: int) -> int:
    await asyncio.sleep(0.02)
    return i

@call.unordered
async def boom(i: int) -> int:
    raise ValueError(f"no {i}")

@call.unordered
async def forever(i: int) -> int:
    await asyncio.sleep(3600)
    return i

@flow
def digest(topics: list[str], to: str, limit: int = 3, *, dry_run: bool = False) -> dict[str, object]:
    """Send a digest."""
    n = nap(limit)
    return {"topics": topics, "to": to, "limit": n, "dry_run": dry_run}

@flow
def hello(name: str) -> str:
    return "hello " + name

@flow
def nothing() -> None:
    nap(1)

@flow
def point(p: Point) -> Point:
    return p

@flow
def odd() -> object:
    return {1j: 2}

@flow
def chatty(n: int) -> int:
    print("half way")
    return nap(n)

@flow
def fails(i: int) -> int:
    x = nap(i)
    return boom(x)

@flow
def stuck(n: int) -> None:
    for i in range(n):
        forever(i)

helper = 5
'''


@pytest.fixture
def flows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    file = tmp_path / "flows.py"
    file.write_text(FLOWS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    yield "flows.py"
    for name in set(sys.modules) - modules:
        if name.startswith("flows"):
            del sys.modules[name]


def stretto(command: str) -> int:
    return main(shlex.split(command))


class TestRun:
    def test_arguments_in_order_and_by_name(self, flows: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert stretto(f"run {flows}:digest tides basalt --to ann --limit=5 --dry-run") == 0
        found = json.loads(capsys.readouterr().out)
        assert found == {"topics": ["tides", "basalt"], "to": "ann", "limit": 5, "dry_run": True}

    def test_text_is_printed_as_it_is(self, flows: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert stretto(f"run {flows}:hello Ann") == 0
        assert capsys.readouterr().out == "hello Ann\n"

    def test_events_as_they_happen(self, flows: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert stretto(f"run --no-journal --events events.jsonl {flows}:chatty 1") == 0
        events = [json.loads(line) for line in Path("events.jsonl").read_text().splitlines()]
        kinds = [event["event"] for event in events]
        assert kinds == ["run_began", "issued", "started", "finished", "retired", "run_ended"]
        capsys.readouterr()
        assert stretto(f"run --no-journal --events no/such/folder {flows}:hello Ann") == 2
        assert "--events no/such/folder: No such file or directory" in capsys.readouterr().err
        assert stretto(f"run --no-journal --events /dev/full {flows}:chatty 1") == 0
        assert capsys.readouterr().err.count("No space left on device; no more events are written") == 1
        Path("whole.py").write_text("print(len('abc'))")
        assert stretto("run --no-journal --events script.jsonl whole.py") == 0
        assert '"run_ended"' in Path("script.jsonl").read_text()

    def test_nothing_is_printed_for_none(self, flows: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert stretto(f"run {flows}:nothing") == 0
        assert capsys.readouterr().out == ""

    def test_what_is_not_json_is_shown_as_python(
        self, flows: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert stretto(f"run {flows}:odd") == 0
        assert capsys.readouterr().out == "{1j: 2}\n"

    def test_dataclasses_in_and_out(self, flows: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert stretto(f"run {flows}:point '{{\"x\": 2}}'") == 0
        assert json.loads(capsys.readouterr().out) == {"x": 2, "y": 1.0}

    def test_sequential(self, flows: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert stretto(f"run --sequential {flows}:digest tides ann") == 0
        assert json.loads(capsys.readouterr().out)["to"] == "ann"

    def test_failure_shows_the_users_frames_only(
        self, flows: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert stretto(f"run {flows}:fails 7") == 1
        err = capsys.readouterr().err
        assert "ValueError: no 7" in err
        assert "in boom" in err
        assert "in fails" in err
        for frame in err.splitlines():
            assert "/stretto/" not in frame or "flows.py" in frame
            assert "asyncio" not in frame

    def test_json_lines(self, flows: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert stretto(f"run --json {flows}:chatty 4") == 0
        out, err = capsys.readouterr()
        events = [json.loads(line) for line in out.splitlines()]
        assert [event["event"] for event in events if event["event"] != "progress"] == ["started", "result"]
        assert events[-1]["result"] == 4
        assert "half way" in err  # what the flow prints does not come between the lines

    def test_json_errors(self, flows: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert stretto(f"run {flows}:fails 7 --json") == 1
        error = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert (error["event"], error["type"], error["message"]) == ("error", "ValueError", "no 7")
        assert error["traceback"][-1]["function"] == "boom"
        assert stretto(f"run {flows}:fails seven --json") == 2
        error = json.loads(capsys.readouterr().out)
        assert (error["kind"], error["exit_code"]) == ("usage", 2)

    def test_help_of_a_flow(self, flows: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert stretto(f"run {flows}:digest --help") == 0
        out = capsys.readouterr().out
        assert "run flows.py:digest TOPICS [TOPICS ...] TO [--limit LIMIT] [--dry-run]" in out
        assert "Send a digest." in out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("run flows.py:digest", "missing: TOPICS, TO"),
        ("run flows.py:digest a b --limt 3", "there is no --limt; did you mean --limit?"),
        ("run flows.py:digest a b --limit x", "--limit: expected a whole number, found 'x'"),
        ("run flows.py:hello a b", "one argument too many: 'b'"),
        ("run flows.py:hello --name", "--name needs a value: str"),
        ("run flows.py:helo", "did you mean hello? Flows in flows.py: chatty, digest"),
        ("run flows.py:helper", "helper in flows.py is not a flow but a int"),
        ("run flows.py:nap", "nap in flows.py is not a flow but a call"),
        ("run flows.py", "say which flow of flows.py to run"),
        ("run flow.py:hello", "there is no file flow.py; did you mean flows.py?"),
        ("run flows:hello", "there is no file flows; did you mean flows.py?"),
        ("run no/such/flows.py:hello", "there is no folder no/such"),
        ("run .:hello", "is a folder"),
        ("run --jsn flows.py:hello", "did you mean --json?"),
        ("run", "say which flow"),
        ("rnu", "did you mean stretto run?"),
        ("flows.py:hello", "did you mean stretto run flows.py:hello?"),
        ("explain flows.py:hello Ann", "explain takes the flow alone"),
    ],
)
def test_wrong_usage(command: str, said: str, flows: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert stretto(command) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert "Traceback" not in err
    assert "\x1b" not in err


def test_an_import_that_fails(flows: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.py").write_text("import json\n\n\ndef f():\n    json.loads('{')\n\n\nf()\n")
    assert stretto("run broken.py:x") == 1
    err = capsys.readouterr().err
    assert "line 8" in err
    assert "importlib" not in err
    assert "cli" not in err


def test_a_file_of_a_package_can_import_its_siblings(flows: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("flows_pkg").mkdir()
    Path("flows_pkg/__init__.py").touch()
    Path("flows_pkg/words.py").write_text("word = 'aye'\n")
    source = "from stretto import flow\nfrom .words import word\n@flow\ndef say() -> str:\n    return word\n"
    Path("flows_pkg/talk.py").write_text(source)
    assert stretto("run flows_pkg/talk.py") == 0
    assert capsys.readouterr().out == "aye\n"


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert stretto("--version") == 0
    assert capsys.readouterr().out.startswith("stretto ")
    assert stretto("--help") == 0
    assert "usage: stretto run" in capsys.readouterr().out


def test_explain(flows: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert stretto(f"explain {flows}:digest") == 0
    assert "nap" in capsys.readouterr().out
    assert stretto(f"explain --json {flows}:digest") == 0
    json.loads(capsys.readouterr().out)


class TestProcess:
    """What only a process of its own shows: signals and terminals."""

    @staticmethod
    @contextmanager
    def start(command: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
        argv = [sys.executable, "-m", "stretto", *shlex.split(command)]
        with subprocess.Popen(argv, text=True, **options) as process:
            try:
                yield process
            finally:
                process.kill()

    @pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_interrupt_cancels_cleanly(self, flows: str, sent: signal.Signals, code: int) -> None:
        pipe = subprocess.PIPE
        with self.start(f"run {flows}:stuck 5", stdout=pipe, stderr=pipe) as process:
            assert process.stderr is not None
            assert any("5 running" in line for line in process.stderr)
            process.send_signal(sent)
            _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code
        assert "cancelled cleanly" in err
        assert "stretto run flows.py:stuck 5" in err
        assert "Traceback" not in err

    @pytest.mark.parametrize("rich", [True, False])
    def test_progress_on_a_terminal(self, flows: str, rich: bool, tmp_path: Path) -> None:
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
        if not rich:  # as where it is not installed
            (tmp_path / "rich.py").write_text("raise ImportError")
            environment["PYTHONPATH"] = str(tmp_path)
        with self.start(f"run {flows}:stuck 5", stdout=theirs, stderr=theirs, env=environment) as process:
            os.close(theirs)
            seen, deadline = "", time.monotonic() + PATIENCE
            told = "for/4/forever" if rich else "0 done, 5 running"
            while told not in seen and time.monotonic() < deadline:
                seen += os.read(ours, 1000).decode()
            process.send_signal(signal.SIGINT)
            process.wait(timeout=PATIENCE)
        os.close(ours)
        assert rich or "\r\x1b[2K" in seen
        assert told in seen
        assert "\x1b[36m" not in seen

    def test_reader_that_goes_away(self, flows: str) -> None:
        with self.start(f"run {flows}:hello Ann", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.close()
            process.wait(timeout=PATIENCE)
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()


class Colour(Enum):
    RED = "r"
    BLUE = "b"


@dataclass
class Box:
    corner: tuple[int, int]
    lid: Path | None = None


def parsed(fn: Any, words: str) -> tuple[list[Any], dict[str, Any]]:
    return Signature.of(fn).parse(shlex.split(words))


class TestArguments:
    @pytest.mark.parametrize(
        ("annotation", "word", "value"),
        [
            (str, "5", "5"),
            (int, "-5", -5),
            (float, "1e3", 1000.0),
            (bool, "yes", True),
            (bool, "false", False),
            (Path, "a/b", Path("a/b")),
            (Optional[int], "5", 5),
            (int | None, "none", None),
            (int | str, "five", "five"),
            (int | str, "5", 5),
            (dict[str, int], '{"a": 1}', {"a": 1}),
            (dict[int, float], '{"1": 1}', {1: 1.0}),
            (dict, '{"a": [1]}', {"a": [1]}),
            (Literal["fast", 2], "2", 2),
            (Colour, "RED", Colour.RED),
            (Colour, "b", Colour.BLUE),
            (Box, '{"corner": [1, 2], "lid": "x"}', Box((1, 2), Path("x"))),
            (list[Box], '[{"corner": [1, 2]}]', [Box((1, 2))]),
            (list[int], "7", [7]),
            (set[int], "[1, 1]", {1}),
            (tuple[str, ...], "a", ("a",)),
            (Any, "[1]", [1]),
            (Any, "text", "text"),
        ],
    )
    def test_types(self, annotation: Any, word: str, value: Any) -> None:
        def f(x: annotation) -> None: ...

        f.__annotations__["x"] = annotation
        args, _ = parsed(f, shlex.join([word]))
        assert args == [value]
        assert type(args[0]) is type(value)

    def test_pydantic_models(self) -> None:
        pydantic = pytest.importorskip("pydantic")
        model = pydantic.create_model("Model", n=(int, ...))

        def f(x: object) -> None: ...

        f.__annotations__["x"] = model
        assert parsed(f, """'{"n": "3"}'""") == ([model(n=3)], {})
        with pytest.raises(UsageError, match="--x: .*n"):
            parsed(f, "'{}'")

    def test_json_from_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "box.json").write_text('{"corner": [3, 4]}')

        def f(box: Box) -> None: ...

        f.__annotations__["box"] = Box
        assert parsed(f, f"@{tmp_path}/box.json") == ([Box((3, 4))], {})

    def test_lists_leave_what_is_needed_behind_them(self) -> None:
        def f(names: list[str], to: str, cc: str = "") -> None: ...

        assert parsed(f, "a b c") == ([["a", "b"], "c"], {})
        assert parsed(f, "--names a b --to c") == ([["a", "b"], "c"], {})
        assert parsed(f, "--names a --names b --to c --cc d") == ([["a", "b"], "c", "d"], {})
        assert parsed(f, """'["a", "b"]' c d""") == ([["a", "b"], "c", "d"], {})

    def test_flags(self) -> None:
        def f(x: int, *, dry: bool = True, loud: bool = False) -> None: ...

        assert parsed(f, "1 --no-dry --loud") == ([1], {"dry": False, "loud": True})
        assert parsed(f, "--loud 1") == ([1], {"loud": True})
        assert parsed(f, "--loud false --x 1") == ([1], {"loud": False})

    def test_variable_arguments(self) -> None:
        def f(first: str, *rest: int, **more: float) -> None: ...

        assert parsed(f, "a 1 2 --z 3") == (["a", 1, 2], {"z": 3.0})
        assert parsed(f, "a") == (["a"], {})

    def test_words_behind_two_dashes_are_values(self) -> None:
        def f(text: str) -> None: ...

        assert parsed(f, "-- --text") == (["--text"], {})

    def test_a_name_given_twice(self) -> None:
        def f(x: int) -> None: ...

        with pytest.raises(UsageError, match="--x is given twice"):
            parsed(f, "--x 1 --x 2")
