"""The server of `stretto ui`: who may ask, and that it tells what the journal tells."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from stretto import call, flow
from stretto.configuration import DEFAULT
from stretto.errors import JournalError
from stretto.journal import Journal
from stretto.journal.configured import shared
from stretto.journal.events import RunState
from stretto.journal.leases import this_process
from stretto.observe import explain_run
from stretto.server import actions
from stretto.server.app import make_app
from stretto.server.file import as_file, as_frame
from stretto.server.guard import is_loopback
from stretto.testing import VirtualClock
from tests.unit.journals import dead, done, ended, failed, fill, intended, stretto
from tests.unit.secretive import PIN, SECRET, TOKEN, pays

pytestmark = pytest.mark.usefixtures("folder")

HOST = "127.0.0.1:4747"
OWN = {"host": HOST}
POST = {**OWN, "origin": f"http://{HOST}", "content-type": "application/json"}
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028&amp;"


class Client:
    """Asks an app without a network."""

    def __init__(self, journal: Journal, **options: Any) -> None:
        given = {"host": "127.0.0.1", "port": 4747} | options
        self.app = make_app(journal, str(DEFAULT), **given)

    def ask(self, method: str, path: str, headers: dict[str, str] = OWN, **more: Any) -> httpx.Response:
        async def asking() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://nowhere") as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(asking())

    def get(self, path: str, headers: dict[str, str] = OWN) -> httpx.Response:
        return self.ask("GET", path, headers)

    def news(self, run: str) -> list[tuple[str, Any]]:
        """All that is told of a run that has ended."""
        told = [event.split("\n") for event in self.get(f"/api/runs/{run}/news").text.split("\n\n") if event]
        return [(name.removeprefix("event: "), json.loads(data[6:])) for name, data in told]


@pytest.fixture
def client(journal: Journal) -> Client:
    return Client(journal)


class TestGuard:
    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "evil.example:4747",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1.evil.example:4747",
            "",
            "[::1",
        ],
    )
    def test_other_names_are_refused(self, client: Client, host: str) -> None:
        assert client.get("/", {"host": host}).status_code == 403
        assert client.get("/api/runs", {"host": host}).status_code == 403

    @pytest.mark.parametrize("host", [HOST, "localhost:4747", "LOCALHOST:4747", "[::1]:4747"])
    def test_its_own_names_are_answered(self, client: Client, host: str) -> None:
        assert client.get("/api/runs", {"host": host}).status_code == 200

    @pytest.mark.parametrize(
        "origin",
        ["http://evil.example", "null", f"https://{HOST}", "http://127.0.0.1:4748", "http://localhost:4747"],
    )
    def test_other_origins_are_refused(self, client: Client, journal: Journal, origin: str) -> None:
        fill(journal, "r", [done("a")])
        assert client.get("/api/runs", OWN | {"origin": origin}).status_code == 403
        assert (
            client.ask("POST", "/api/runs/r/stop", POST | {"origin": origin}, content="{}").status_code == 403
        )

    def test_what_changes_something_comes_from_its_own_page_as_json(
        self, client: Client, journal: Journal
    ) -> None:
        fill(journal, "r", [done("a")])
        for headers in (
            {name: value for name, value in POST.items() if name != "origin"},
            POST | {"content-type": "text/plain"},
            POST | {"content-type": "application/x-www-form-urlencoded"},
            POST | {"sec-fetch-site": "cross-site"},
            POST | {"sec-fetch-site": "same-site"},
        ):
            assert client.ask("POST", "/api/runs/r/stop", headers, content="{}").status_code == 403
        assert client.ask("POST", "/api/runs/r/stop", POST, content="{}").status_code == 409  # nobody runs it

    def test_a_page_elsewhere_may_only_link_here(self, client: Client) -> None:
        elsewhere = OWN | {"sec-fetch-site": "cross-site"}
        assert client.get("/", elsewhere).status_code == 200
        assert client.get("/api/runs", elsewhere).status_code == 403
        assert client.get("/page/main.js", elsewhere).status_code == 403

    def test_every_answer_says_what_the_browser_must_not_do(self, client: Client) -> None:
        for path in ("/", "/page/main.js", "/api/runs", "/api/runs/none/news", "/nothing"):
            headers = client.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
        assert "content-security-policy" in client.get("/", {"host": "evil.example"}).headers

    def test_a_token(self, journal: Journal) -> None:
        client = Client(journal, host="0.0.0.0", token="right")
        address = {"host": "192.0.2.7:4747"}
        assert client.get("/api/runs", address).status_code == 401
        for wrong in ("wrong", "", "righ", "rightt", "ä"):
            assert client.get(f"/?token={wrong}", address).status_code == 401
        assert client.get("/api/runs", address | {"authorization": "Bearer wrong"}).status_code == 401
        assert client.get("/api/runs", address | {"authorization": "Bearer right"}).status_code == 200
        answer = client.get("/?token=right", address)
        assert answer.status_code == 303 and answer.headers["location"] == "/"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
        assert client.get("/api/runs", address | {"cookie": cookie.partition(";")[0]}).status_code == 200
        # a name that somebody else has point here is none of its own, token or not
        assert client.get("/?token=right", {"host": "evil.example:4747"}).status_code == 403

    def test_what_is_loopback(self) -> None:
        assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
        assert not any(map(is_loopback, ("0.0.0.0", "::", "192.0.2.7", "example.org", "")))

    def test_files_of_the_page_alone_are_given(self, client: Client) -> None:
        assert client.get("/page/style.css").headers["content-type"].startswith("text/css")
        for path in (
            "/page/../app.py",
            "/page/%2e%2e%2fapp.py",
            "/page/none.js",
            "/page/",
            "/page/..%5capp.py",
        ):
            assert client.get(path).status_code == 404


@call.unordered
async def think(seconds: float, *about: object) -> str:
    await asyncio.sleep(seconds)
    return "thought"


@call
async def note(seconds: float) -> None:
    await asyncio.sleep(seconds)


@flow
def slow(times: int) -> str:
    notes = []
    for _ in range(times):
        note(0.5)
        notes.append(think(1.0))
    return think(2.0, ", ".join(notes))


def recorded(*args: Any) -> str:
    Path(DEFAULT).parent.mkdir(exist_ok=True)
    with VirtualClock():
        slow.using(journal=str(DEFAULT))(*args)
    shared(str(DEFAULT)).flush()
    [newest] = shared(str(DEFAULT)).runs(limit=1)
    return newest.id


class TestTold:
    def test_as_it_was(self, client: Client) -> None:
        run = recorded(3)
        (first, about), *parts, (last, _) = client.news(run)
        assert (first, last) == ("head", "end") and about["state"] == "succeeded" and about["calls"] == 7
        timeline = explain_run(run, journal=str(DEFAULT)).timeline
        calls: dict[str, tuple[int, int]] = {}
        for name, part in parts:
            assert name == "part"
            rows = part["calls"]
            for place, started, took in zip(rows["place"], rows["started"], rows["took"], strict=True):
                calls[place] = started, started + took
        assert calls == {call.place: (call.started, call.ended) for call in timeline.calls}
        assert parts[-1][1]["state"] == "succeeded" and parts[-1][1]["latest"] == timeline.took

    def test_a_call(self, client: Client, journal: Journal) -> None:
        fill(
            journal,
            "r",
            [intended("a/send", "ann", n=3), done("a/send", {"x": [1]}), failed("b", KeyError(HOSTILE))],
        )
        found = client.get("/api/runs/r/call?seq=2&seq=3").json()
        assert found["arguments"] == "('ann', n=3)" and json.loads(found["result"]) == {"x": [1]}
        answer = client.get("/api/runs/r/call?seq=4")
        assert HOSTILE.split("\u2028")[0] in answer.json()["error"]
        assert "<" not in answer.text
        assert client.get("/api/runs/none/call?seq=1").status_code == 404
        assert client.get("/api/runs/r/call?seq=x").status_code == 400
        assert client.get("/api/runs/r/call?seq=0&seq=-1&seq=999").json() == {}

    def test_runs(self, client: Client, journal: Journal) -> None:
        fill(journal, "old", [done("a", {"cost": 0.25}), done("b", {"cost": 0.5}), ended()], age=10)
        fill(journal, "new", [done("a")], owner=dead(), release=False)
        new, old = client.get("/api/runs").json()["runs"]
        assert (old["id"], old["state"], old["usd"]) == ("old", "succeeded", 0.75)
        assert (new["id"], new["state"], new["usd"], new["usual"]) == ("new", "interrupted", None, 2)

    def test_a_call_that_is_recorded_twice_counts_once(self, client: Client, journal: Journal) -> None:
        later = done("a", 3, attempt=2)._replace(started=400_000, ended=500_000)
        fill(journal, "r", [done("a", 1), done("b", 2), later, done("b", 4), ended()])
        [part] = [data for name, data in client.news("r") if name == "part"]
        assert part["calls"]["place"] == ["a", "b", "b"] and part["gone"] == [1]
        [[number, _, attempt, failed_, seq]] = part["again"]
        assert (number, attempt, failed_, seq) == (0, 2, False, 4)


class TestFile:
    def test_nothing_in_it_can_be_taken_for_a_tag(self, journal: Journal) -> None:
        fill(
            journal,
            HOSTILE,
            [done(HOSTILE, HOSTILE), failed("b", ValueError(HOSTILE)), ended()],
            flow=f"m:{HOSTILE}",
            args=(HOSTILE,),
        )
        text = as_file(journal, HOSTILE)
        assert text.count("<script") == 2 == text.count("</script") and "\u2028" not in text
        assert "<img" not in text and "http://" not in text.replace("http://www.w3.org", "")
        assert "<script" not in as_frame(journal, HOSTILE)

    def test_from_the_command_line(
        self, journal: Journal, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fill(journal, "r", [done("a"), ended()])
        assert stretto("show r --html r.html --json") == 0
        assert json.loads(capsys.readouterr().out)["bytes"] == (folder / "r.html").stat().st_size

    def test_in_notebooks(self, journal: Journal) -> None:
        run = recorded(1)
        shown = explain_run(run, journal=str(DEFAULT))._repr_html_()
        assert shown is not None and shown.startswith("<iframe") and 'sandbox="allow-scripts"' in shown
        assert slow.start(1)._repr_html_() is None


class TestActions:
    def test_who_cannot_be_stopped(self, journal: Journal) -> None:
        fill(journal, "ours", [done("a")], release=False)
        fill(journal, "gone", [done("a")], owner=dead(), release=False)
        fill(journal, "far", [done("a")], owner="1/2/other/host", release=False)
        fill(journal, "over", [ended()])
        for run, why in (
            ("ours", "this very process"),
            ("gone", "another machine"),
            ("far", "another machine"),
            ("over", "nobody"),
        ):
            with pytest.raises(actions.Refused, match=why):
                actions.stop(journal, journal.run(run))
        assert actions.shared_with(journal, journal.run("far")) == []
        assert journal.run("ours").owner == this_process() and journal.run("ours").state is RunState.RUNNING

    def test_a_process_that_does_not_listen_to_ctrl_c(self) -> None:
        program = (
            "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
            "print('first', flush=True); input()\n"
            "signal.signal(signal.SIGTERM, lambda *_: None); print('second', flush=True); input()"
        )
        command = [sys.executable, "-c", program]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdout.readline()
            with pytest.raises(actions.Refused, match="neither"):
                actions.signal_for(process.pid)
            print(file=process.stdin, flush=True)
            process.stdout.readline()
            assert actions.signal_for(process.pid) is signal.SIGTERM
            print(file=process.stdin, flush=True)
        assert actions.signal_for(os.getpid()) is signal.SIGINT

    def test_what_is_no_action(self, client: Client, journal: Journal) -> None:
        fill(journal, "r", [done("a")])
        for action, body in (
            ("drop", "{}"),
            ("fork", "{}"),
            ("fork", '{"place": 3}'),
            ("settle", "[]"),
            ("settle", "{"),
            ("settle", '{"place": "a", "value": 3}'),
        ):
            assert client.ask("POST", f"/api/runs/r/{action}", POST, content=body).status_code in (400, 409)
        assert client.ask("POST", "/api/runs/none/stop", POST, content="{}").status_code == 404
        assert client.ask("POST", "/api/runs/r/fork", POST, content=b" " * 1_000_001).status_code == 413

    def test_what_a_command_says_is_told(self, journal: Journal) -> None:
        fill(journal, "r", [intended("send", "ann")])
        with pytest.raises(JournalError, match="not in doubt"):
            actions.settle(str(DEFAULT), "r", "--help", None, "")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert stretto("ui") == 2
    assert "pip install 'stretto[ui]'" in capsys.readouterr().err


@pytest.mark.usefixtures("secretive")
def test_no_secret_is_told(client: Client, journal: Journal) -> None:
    pays.using(journal=str(DEFAULT))("bob", SECRET, PIN)
    shared(str(DEFAULT)).flush()
    [record] = journal.runs()
    told = [
        client.get("/api/runs").text,
        client.get(f"/api/runs/{record.id}/news").text,
        *(client.get(f"/api/runs/{record.id}/call?seq={n}").text for n in range(1, record.events + 1)),
        as_file(journal, record.id),
        as_frame(journal, record.id),
    ]
    assert any("sent to bob" in text for text in told)
    assert not any(secret in text for text in told for secret in (SECRET, TOKEN, str(PIN)))
