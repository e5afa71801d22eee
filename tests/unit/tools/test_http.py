"""Requests, and services with an OpenAPI description, against a server on this machine."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import errors, flow, tools
from stretto.journal.configured import shared
from stretto.tools import Service, http
from stretto.tools.paths import name_parts, resource_words, words_of

log: list[str] = []
users: dict[str, Any] = {}
meeting: threading.Barrier


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, value: Any, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"content-type": kind, "content-length": str(len(body)), **headers}.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        log.append(f"{self.command} {self.path}")
        name = path.rpartition("/")[2]
        if path.startswith("/meet/"):
            meeting.wait(60)
            self.answer({"name": name})
        elif path == "/echo":
            found = {
                name: self.headers[name] for name in ("x-tag", "cookie", "content-type", "authorization")
            }
            self.answer({"query": query, "body": body.decode(), **found})
        elif path == "/lost":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif path == "/image":
            self.answer(b"\x89\x00", kind="image/png")
        elif path == "/moved":
            self.answer("", 302, location="/users/ann")
        elif path == "/away":
            self.answer("", 302, location="http://example.invalid/")
        elif self.command == "PUT":
            users[name] = json.loads(body)
            self.answer(users[name])
        elif self.command == "POST":
            users[json.loads(body)["name"]] = json.loads(body)
            self.answer(b"", 204)
        elif path == "/v1/users" or path == "/users":
            self.answer(sorted(users))
        elif name in users:
            self.answer(users[name])
        else:
            self.answer({"detail": f"no user {name}"}, 404)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_one

    def log_message(self, *args: Any) -> None: ...


AGE = {"type": "integer", "nullable": True}
USER = {"type": "object", "properties": {"name": {"type": "string"}, "age": AGE},
        "required": ["name"]}  # fmt: skip
NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
OK = {"200": {"description": "", "content": {"application/json": {}}}}
BODY = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}}
PUT = {"$ref": "#/components/requestBodies/Put"}
TAG = {"type": "integer", "minimum": 3}
DESCRIPTION: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "paths": {
        "/v1/users": {
            "get": {"operationId": "listUsers", "responses": OK},
            "post": {"operationId": "addUser", "requestBody": BODY, "responses": {}},
        },
        "/users/{name}": {
            "parameters": [NAME],
            "get": {"operationId": "getUser", "responses": OK},
            "put": {"operationId": "put-user", "requestBody": PUT, "responses": {}},
        },
        "/meet/{name}": {"get": {"parameters": [NAME], "responses": OK}},
        "/image": {"get": {"responses": {"200": {"description": "", "content": {"image/png": {}}}}}},
        "/echo": {
            "post": {
                "operationId": "echo",
                "parameters": [
                    {"name": "q", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "flag", "in": "query", "schema": {"type": "boolean"}},
                    {"name": "X-Tag", "in": "header", "required": True, "schema": TAG},
                    {"name": "session", "in": "cookie", "schema": {"type": "string"}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": OK,
            }
        },
        "/lost": {"post": {"operationId": "lose", "responses": {}}},
    },
    "components": {"schemas": {"User": USER}, "requestBodies": {"Put": BODY}},
}  # fmt: skip

api: Service
url: str


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    global api, url
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    url = f"http://127.0.0.1:{server.server_port}"
    api = tools.openapi(DESCRIPTION, url=url, headers={"Authorization": "Bearer x"})
    yield
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    global meeting
    log.clear()
    users.clear()
    users["ann"] = {"name": "ann"}
    meeting = threading.Barrier(3)


@flow
def three_meet(base: str) -> list[str]:
    return [json.loads(http.get(f"{base}/meet/{i}").text)["name"] for i in range(3)]


@flow
def three_meet_at_the_service(names: list[str]) -> list[str]:
    return [api.get_meet_name(name=name)["name"].upper() for name in names]


def test_what_only_reads_is_asked_for_at_once() -> None:
    assert three_meet(url) == ["0", "1", "2"]
    assert three_meet_at_the_service(["a", "b", "c"]) == ["A", "B", "C"]


@flow
def changed(names: list[str]) -> list[Any]:
    told: list[Any] = [api.listUsers()]
    for name in names:
        api.put_user(name=name, body={"name": name, "age": None})
        told.append(api.getUser(name=name)["name"])
    api.addUser(body={"name": "zoe"})
    return [*told, api.listUsers()]


def test_what_writes_comes_in_its_turn() -> None:
    expected = changed.sequential(["bob", "cid"])
    before = list(log)
    log.clear()
    users.clear()
    users["ann"] = {"name": "ann"}
    assert changed(["bob", "cid"]) == expected == [["ann"], "bob", "cid", ["ann", "bob", "cid", "zoe"]]
    assert [line for line in log if not line.startswith("GET")] == [
        line for line in before if not line.startswith("GET")
    ]


def test_what_operations_touch() -> None:
    told = {name: str(api[name].effects) for name in api}
    assert told == {
        "listUsers": "reads web:127.0.0.1:users",
        "addUser": "writes web:127.0.0.1:users",
        "getUser": "reads web:127.0.0.1:users:{name}",
        "put_user": "writes web:127.0.0.1:users:{name}",
        "get_meet_name": "reads web:127.0.0.1:meet:{name}",
        "get_image": "reads web:127.0.0.1:image",
        "echo": "writes web:127.0.0.1",
        "lose": "writes web:127.0.0.1",
    }
    assert [name for name in api if api[name].idempotent] == ["put_user"]
    one = tools.openapi(DESCRIPTION, url=url, resource="shop", effects={"listUsers": "unordered"})
    assert str(one.getUser.effects) == "reads shop" and str(one.listUsers.effects) == "unordered"


@pytest.mark.parametrize(
    ("path", "others", "writes", "name"),
    [
        ("/users/me", ["/users/{id}"], False, ["users"]),
        ("/users/{id}/posts/{post}", [], False, ["users", "{id}", "posts", "{post}"]),
        ("/users/{id}/lock", [], True, ["users", "{id}"]),
        ("/users/{id}/posts", ["/users/{id}/posts/{post}"], True, ["users", "{id}", "posts"]),
        ("/users/{several}", [], False, ["users"]),
        ("/files/{id}.json", ["/files/{id}"], False, ["files"]),
        ("/v2/a:b", [], False, ["a%3Ab"]),
        ("/", [], True, []),
    ],
)
def test_names_of_paths(path: str, others: list[str], writes: bool, name: list[str]) -> None:
    kinds = {"id": {"type": "string"}, "post": {"type": "integer"}, "several": {"type": "array"}}
    arguments = {parameter: parameter for parameter in kinds}
    known = [words_of(p) for p in (path, *others)]
    assert resource_words(path, known, arguments, kinds, writes=writes) == name
    assert name_parts({"id": "a:b%", "post": 7.0}) == {"id": "a%3Ab%25", "post": "7"}


def test_where_arguments_go() -> None:
    found = api.echo(q=["a b", "c"], flag=True, X_Tag=7, session="s 1", body={"x": (1, 2)})
    assert found == {
        "query": "q=a+b&q=c&flag=true", "body": '{"x": [1, 2]}', "x-tag": "7", "cookie": "session=s%201",
        "content-type": "application/json", "authorization": "Bearer x",
    }  # fmt: skip
    assert api.get_image() == b"\x89\x00" and api.addUser(body={"name": "bob"}) is None
    assert api.getUser(name="ann")["name"] == "ann"


@pytest.mark.parametrize(
    ("operation", "arguments", "said"),
    [
        ("getUser", {}, "getUser of shop: 'name' is a required property. It takes: name (string)"),
        ("put_user", {"name": "a", "body": {"age": "x"}}, "body: 'name' is a required property"),
        ("echo", {"X_Tag": 2}, "X_Tag: 2 is less than the minimum of 3"),
        ("getUser", {"name": ".."}, "would make it another path"),
        ("getUser", {"name": "a", "nmae": 1}, "there is no argument 'nmae'"),
        ("echo", {"body": {"x": [1, float("nan")]}}, "body['x'][1]: JSON has no nan"),
        ("echo", {"body": {"x": "\ud800"}}, "body['x']: a text that cannot be sent"),
        ("echo", {"body": {"\ud800": 1}}, "body: a text that cannot be sent"),
    ],
)
def test_arguments_that_do_not_fit_are_not_sent(operation: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.ToolArgumentError) as caught:
        api[operation](**arguments)
    assert said in str(caught.value) and not log


def test_what_a_service_refuses() -> None:
    with pytest.raises(
        errors.ToolError, match="getUser of shop has failed with status 404 .*no user bob"
    ) as caught:
        api.getUser(name="bob")
    assert caught.value.status == 404 and json.loads(caught.value.text) == {"detail": "no user bob"}
    with pytest.raises(errors.ToolError, match="status 404"):
        http.get(f"{url}/users/bob")
    assert http.get(f"{url}/users/bob", check=False).status == 404


@pytest.mark.parametrize(
    ("to", "about", "said"),
    [
        ("nowhere", {}, "this is no URL"),
        ("http://[/", {}, "this is no URL"),
        ("http://localhost:b/", {}, "InvalidURL"),
        ("/users", {"json": {"x": float("nan")}}, "Out of range float"),
        ("/users", {"json": object()}, "not JSON serializable"),
        ("/users", {"headers": {"x": "\u20ac"}}, "UnicodeEncodeError"),
        ("/users", {"content": "\ud800"}, "UnicodeEncodeError"),
        ("/users", {"data": {"a": {"b": 1}}}, "data['a']: a form has texts"),
    ],
)
def test_what_cannot_be_sent_is_not(to: str, about: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.ToolError) as raised:
        http.post(f"{url}{to}" if to.startswith("/") else to, **about)
    assert said in str(raised.value) and not log
    assert not isinstance(raised.value, errors.OutcomeUnknown)


def test_redirects_stay_on_the_host() -> None:
    assert json.loads(http.get(f"{url}/moved").text) == {"name": "ann"}
    with pytest.raises(
        errors.ToolError, match=r"redirected to http://example\.invalid/, which is not followed"
    ):
        http.get(f"{url}/away")


@flow
def loses() -> None:
    api.addUser(body={"name": "bob"})
    api.lose()
    api.addUser(body={"name": "cid"})


def test_a_write_whose_answer_is_lost_is_in_doubt(folder: Path) -> None:
    with pytest.raises(errors.OutcomeUnknown, match="POST .*/lost: .* Nobody knows"):
        api.lose()
    with pytest.raises(errors.ToolServerError, match="cannot be reached"):
        http.post("http://127.0.0.1:1/")
    with pytest.raises(errors.ToolServerError):
        http.get(f"{url}/lost")
    journal = str(folder / "runs.db")
    run = loses.using(journal=journal).start()
    with pytest.raises(errors.InDoubt, match=r"shop\.lose\(\) at api\.lose was running"):
        run.result()
    assert "cid" not in users
    with pytest.raises(errors.InDoubt):
        stretto.resume(run.id, journal=journal).result()
    shared(journal).close()


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ({"info": {}}, "expected an OpenAPI 3 description, found none that says `openapi: 3...`"),
        (
            {"swagger": "2.0"},
            "expected an OpenAPI 3 description, found Swagger 2.0, which has to be converted",
        ),
        ({"openapi": "3.1.0", "paths": {}}, "does not say where the service is"),
        (
            {"openapi": "3.1.0", "servers": [{"url": "http://x"}], "paths": {"/a": {"$ref": "#/no"}}},
            "refers to '#/no', which is not in it",
        ),
    ],
)
def test_descriptions_that_cannot_be_used(description: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.DeclarationError, match=said):
        tools.openapi(description)


def test_a_description_in_a_file(folder: Path) -> None:
    (folder / "shop.json").write_text(json.dumps({**DESCRIPTION, "servers": [{"url": url}]}))
    assert tools.openapi(folder / "shop.json").getUser(name="ann") == {"name": "ann"}
    (folder / "bad.json").write_text("{")
    with pytest.raises(errors.DeclarationError, match="is no JSON"):
        tools.openapi("bad.json")


def test_a_description_in_yaml(folder: Path) -> None:
    """Versions and statuses are numbers there."""
    (folder / "shop.yaml").write_text(
        f"""openapi: 3.0
info: {{title: Shop}}
servers: [{{url: "{url}"}}]
paths:
  /echo:
    post:
      operationId: say
      requestBody: {{content: {{multipart/form-data: {{}}, application/x-www-form-urlencoded: {{}}}}}}
      responses: {{200: {{description: fine}}}}
    put:
      operationId: upload
      requestBody: {{content: {{multipart/form-data: {{}}}}}}
"""
    )
    shop = tools.openapi("shop.yaml")
    assert shop.say(body={"a": "b ü"})["body"] == "a=b+%C3%BC"
    log.clear()
    for body in ({"a": "b"}, "a"):
        with pytest.raises(errors.ToolArgumentError, match=r"upload of shop.*multipart is not supported"):
            shop.upload(body=body)
    for part in ({"b": 1}, [["b"]]):
        with pytest.raises(errors.ToolArgumentError, match=r"say of shop: body\['a'\]: a form has texts"):
            shop.say(body={"a": part})
    assert not log
    (folder / "bad.yaml").write_text("a: [")
    with pytest.raises(errors.DeclarationError, match=r"bad\.yaml is no YAML"):
        tools.openapi("bad.yaml")
