"""Scripts that use other people's libraries, with what is declared of those: requests to a server here."""

from __future__ import annotations

import http.server
import json
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import PATIENCE

from .test_scripts import run, same

#: Seconds that each request takes.
SLOW = 0.1


class Server(http.server.ThreadingHTTPServer):
    """Answers after a while; notes what it is sent, in order, and how many requests it had at once."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Condition()
        self.posted: list[str] = []
        self.now = self.most = 0
        #: No answer is given before it has had so many at once.
        self.least = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.answer({"id": self.path, "next": f"{self.path}/n", "words": ["a", self.path], "stock": 3})

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
        if self.path.endswith("/chat/completions"):
            self.answer(
                {
                    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
                    "choices": [{"index": 0, "finish_reason": "stop", "message": {
                        "role": "assistant", "content": f" echo {sent['messages'][-1]['content']} "}}],
                    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
                }
            )  # fmt: skip
            return
        if self.path.endswith("/messages"):
            self.answer(
                {
                    "id": "m", "type": "message", "role": "assistant", "model": "m",
                    "stop_reason": "end_turn", "stop_sequence": None,
                    "usage": {"input_tokens": 1, "output_tokens": 1},
                    "content": [{"type": "text", "text": f" echo {sent['messages'][-1]['content']} "}],
                }
            )  # fmt: skip
            return
        with self.server.lock:
            self.server.posted.append(f"{self.path} {json.dumps(sent)}")
        self.answer({"sent": sent})

    def answer(self, what: object) -> None:
        server = self.server
        with server.lock:
            server.now += 1
            server.most = max(server.most, server.now)
            server.lock.notify_all()
            server.lock.wait_for(lambda: server.most >= server.least, PATIENCE)
        time.sleep(SLOW)
        with server.lock:
            server.now -= 1
        body = json.dumps(what).encode()
        self.send_response(404 if self.path.endswith("gone") else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def overlaps(server: Server, text: str, at: Path, *, effects: str = "", least: int = 4) -> str:
    """A script does the same as under Python, sends the same in the same order, and more than one at once."""
    script = at / "script.py"
    script.write_text(textwrap.dedent(text))
    if effects:
        (at / "stretto.toml").write_text("[effects]\n" + textwrap.dedent(effects))

    def between() -> None:
        assert server.most == 1
        server.least = least

    _, out, err, _ = same(script, server.url, at=at, between=between)
    half = len(server.posted) // 2
    assert server.posted[:half] == server.posted[half:]
    assert server.most >= least, (server.most, err)
    return out


REQUESTS = """
import sys
import requests

base = sys.argv[1]
total = 0
for i in range(5):
    resp = requests.get(f"{base}/a/{i}")
    data = resp.json()
    print(i, resp.status_code, data["id"], resp.headers["Content-Type"])
    more = requests.get(base + data["next"], timeout=20)
    total += len(more.text)
    print(more.ok, more.json()["words"][1])
print(total)

def fetch(path):
    r = requests.get(base + path)
    r.raise_for_status()
    return r.json()

def main():
    rows = [fetch(f"/b/{i}") for i in range(6)]
    out = {}
    for row in rows:
        if row["stock"] > 2:
            page = fetch(row["next"])
            if page["id"] != row["id"]:
                out[row["id"]] = page["words"]
    print(out)
    for i in range(3):
        sent = requests.post(f"{base}/in", json={"i": i, "seen": list(out)})
        print(sent.json())
        print(fetch(f"/after/{i}")["id"])
    try:
        print(fetch("/gone"))
    except requests.HTTPError as error:
        print(type(error).__name__, error.response.status_code)
    fetch("/last/gone")

if __name__ == "__main__":
    main()
"""


def test_requests(server: Server, tmp_path: Path) -> None:
    out = overlaps(server, REQUESTS, tmp_path)
    assert "HTTPError 404" in out


HTTPX = """
import sys
import httpx

base = sys.argv[1]
seen = {}

def count(word):
    seen[word] = seen.get(word, 0) + 1

for i in range(6):
    page = httpx.get(f"{base}/{i % 3}").raise_for_status()
    if i == 4:
        continue
    for word in page.json()["words"]:
        count(word)
        print(word, end=" ")
    print(httpx.get(base + page.json()["next"]).text)
print(seen)
"""


def test_httpx(server: Server, tmp_path: Path) -> None:
    overlaps(server, HTTPX, tmp_path, least=1)


MODELS = """
import sys
from openai import OpenAI
import anthropic

client = OpenAI(base_url=sys.argv[1], api_key="none")
other = anthropic.Anthropic(base_url=sys.argv[1], api_key="none")

def ask(prompt):
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])
    return answer.choices[0].message.content.strip()

def main():
    notes = []
    for topic in ("tides", "basalt", "moss", "rain", "salt"):
        note = ask(topic)
        better = ask("better: " + note)
        notes.append(better)
    print(notes)
    print(ask(" ".join(notes)))
    for topic in ("a", "b", "c", "d", "e"):
        message = other.messages.create(
            model="m", max_tokens=9, messages=[{"role": "user", "content": topic}]
        )
        print(message.content[0].text, message.usage.output_tokens)

main()
"""


@pytest.mark.slow  # importing the libraries takes a while
def test_models(server: Server, tmp_path: Path) -> None:
    overlaps(server, MODELS, tmp_path)


OWN = """
import sys
import store

for i in range(5):
    page = store.load(sys.argv[1], i)
    name = store.tidy(page)
    store.save(name, i)
    store.shelf.put(name, i)
    print(name)
print(store.saved, store.shelf.things)
"""

STORE = """
import urllib.request, json

saved = []

class Shelf:
    def __init__(self):
        self.things = []
    def put(self, name, i):
        self.things.append((name, i))

shelf = Shelf()

def load(base, i):
    return json.loads(urllib.request.urlopen(f"{base}/{i}").read())["id"]

def save(key, value):
    saved.append((key, value))

def tidy(text):
    return text.strip("/")
"""

EFFECTS = """
"store.load" = { effect = "reads web", retries = 1, returns = "str" }
"store.save" = "writes store:{key}"
"store.tidy" = { effect = "pure", returns = "str" }
"store.*.put" = { effect = "writes shelf:{name}", here = true }
"""


def test_effects_of_ones_own(server: Server, tmp_path: Path) -> None:
    (tmp_path / "store.py").write_text(STORE)
    overlaps(server, OWN, tmp_path, effects=EFFECTS)


PRINTS = """
import contextlib
import io
import sys
import requests

base = sys.argv[1]
out = io.StringIO()
lengths = []
for i in range(3):
    with contextlib.redirect_stdout(out):
        print(i, requests.get(f"{base}/{i}").status_code)
        lengths.append(len(out.getvalue()))
    print(lengths, file=sys.stderr)
print(lengths, repr(out.getvalue()))
sys.stdout = out
print("into it")
text = out.getvalue()
sys.stdout = sys.__stdout__
print(len(text))
other = io.StringIO()
print(requests.get(base).text, file=other)
print(len(other.getvalue()))

class Told:
    def __str__(self):
        return "told " + str(len(lengths))

print(Told(), *lengths, sep="|", end="!\\n")
print(f"{Told()}", flush=True)
"""


OF_THE_SCRIPT = """
import json
import sys
from http.client import HTTPConnection

host = sys.argv[1].removeprefix("http://")


def ask(path):
    connection = HTTPConnection(host)
    connection.request("GET", path)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer["id"]


class Desk:
    def __init__(self, name):
        self.name = name

    def look(self, path):
        return ask(f"/{self.name}{path}")

    def send(self, what):
        connection = HTTPConnection(host)
        connection.request("POST", "/in", json.dumps([self.name, what]))
        connection.getresponse().read()
        connection.close()


def best(paths):
    return max([ask(path) for path in paths])


for i in range(5):
    print(ask(f"/a/{i}"))
print(best(["/b/1", "/b/2", "/b/3"]))
desk = Desk("east")
for i in range(4):
    found = desk.look(f"/{i}")
    desk.send(found)
    print(found)

if len(sys.argv) > 1:
    def later(path):
        return ask(path) + "!"

print([later(f"/late/{i}") for i in range(3)])
"""


def test_functions_of_the_script_itself(server: Server, tmp_path: Path) -> None:
    """They go by the name of its file; one that is defined later, too."""
    overlaps(
        server,
        OF_THE_SCRIPT,
        tmp_path,
        effects="""
        "script.ask" = { effect = "reads web", returns = "str" }
        "script.later" = "reads web"
        "script.Desk.look" = { effect = "reads web", returns = "str" }
        "script.Desk.send" = "writes desk"
        """,
    )
    for wrong, why in (
        ("script.aks", "script is loaded, and has nothing of that name"),
        ("script.Desk.loook", "script is loaded, and has nothing of that name"),
        ("__main__.ask", "what a script defines goes by the name of its file: script.ask"),
    ):
        (tmp_path / "stretto.toml").write_text(f'[effects]\n"{wrong}" = "reads web"\n')
        folder = tmp_path / wrong
        folder.mkdir()
        code, _, err, _ = run("overlapped", tmp_path / "script.py", server.url, at=folder)
        assert code == 1 and f"stretto.toml:2: {wrong}: {why}" in err


def test_prints(server: Server, tmp_path: Path) -> None:
    overlaps(server, PRINTS, tmp_path, least=1)


FILES = """
import os
import pathlib
import sqlite3
import sys
import requests

base = sys.argv[1]
db = sqlite3.connect("x.db")
db.execute("create table pages (i integer, body text)")
folder = pathlib.Path("pages")
folder.mkdir()
for i in range(5):
    body = requests.get(f"{base}/{i}").text
    db.execute("insert into pages values (?, ?)", (i, body))
    (folder / f"{i}.txt").write_text(body)
    print(os.path.getsize(folder / f"{i}.txt"), sorted(os.listdir(folder)))
db.commit()
print(os.path.exists("x.db"), db.execute("select sum(i), count(*) from pages").fetchone())
cur = db.cursor()
for i in range(3):
    cur.execute("insert into pages values (?, ?)", (10 + i, requests.get(base).text))
    print(cur.lastrowid, cur.rowcount, db.total_changes)
for row in db.execute("select i from pages order by i desc"):
    print(row)
print([p.read_text()[:8] for p in sorted(folder.iterdir())])
db.close()
os.remove("x.db")
"""


def test_files_and_databases(server: Server, tmp_path: Path) -> None:
    overlaps(server, FILES, tmp_path, least=1)
