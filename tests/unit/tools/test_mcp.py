"""Tools of MCP servers as calls, with a server of our own that writes down what it does."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import call, errors, flow, tools
from stretto.declarations import project, registry
from stretto.journal.configured import shared
from stretto.tools import ToolServer, loop
from tests.waiting import until

SHOP = Path(__file__).with_name("shop.py")

pytestmark = pytest.mark.xdist_group("tools of a server")

shop: ToolServer
sent: list[str] = []


def lines() -> list[str]:
    file = FOLDER / "log"
    return file.read_text().splitlines() if file.exists() else []


FOLDER = Path()


@pytest.fixture(scope="module", autouse=True)
def _shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    global shop, FOLDER
    FOLDER = tmp_path_factory.mktemp("shop")
    shop = tools.mcp([sys.executable, str(SHOP), str(FOLDER)], name="shop")
    with shop:
        yield


@pytest.fixture(autouse=True)
def _fresh() -> None:
    for file in FOLDER.iterdir():
        file.unlink()


def go(name: str = "go") -> None:
    (FOLDER / name).touch()


@flow
def all_meet(names: list[str]) -> list[str]:
    return [shop.meet(name=name, others=len(names)).upper() for name in names]


@flow
def all_meet_in_helpers(names: list[str]) -> list[str]:
    return _met(shop, names)


def _met(server: ToolServer, names: list[str]) -> list[str]:
    return [server.meet(name=name, others=len(names)) for name in names]


@pytest.mark.parametrize("meeting", [all_meet, all_meet_in_helpers])
def test_tools_that_only_read_are_called_at_once(meeting: Any) -> None:
    assert [name.lower() for name in meeting(["a", "b", "c", "d"])] == ["a", "b", "c", "d"]


@flow
def buy(items: list[str]) -> list[str]:
    told = []
    for item in items:
        if shop.price(item=item) > 2:
            told.append(shop.order(item=item))
    return told


def test_writes_come_in_order_and_nothing_is_ordered_that_should_not_be() -> None:
    items = ["tea", "x", "rice", "figs"]
    expected = buy.sequential(items)
    orders = [line for line in lines() if line.startswith("order")]
    (FOLDER / "log").unlink()
    assert buy(items) == expected == ["ordered tea", "ordered rice", "ordered figs"]
    assert [line for line in lines() if line.startswith("order")] == orders
    assert lines().index("price figs") < lines().index("order figs")


def test_what_hints_say() -> None:
    told = {name: str(shop[name].effects) for name in shop}
    assert told["price"] == "reads mcp:shop"
    assert told["order"] == told["set_price"] == "writes mcp:shop"
    assert told["fail"] == "ordered with every other effect"
    assert [name for name in shop if shop[name].idempotent] == ["set_price"]
    assert str(shop.price.__signature__) == "(*, item, hold=None)"


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        (
            "price",
            {"item": 3},
            "price of shop: item: 3 is not of type 'string'. It takes: item (string), [hold",
        ),
        ("price", {}, "'item' is a required property"),
        ("price", {"item": "a", "itme": "b"}, "there is no argument 'itme'"),
        ("price", {"item": {1, 2}}, "price of shop: item: JSON has texts"),
    ],
)
def test_arguments_that_do_not_fit_are_not_sent(tool: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.ToolArgumentError) as caught:
        shop[tool](**arguments)
    assert said in str(caught.value)
    assert not lines()


def test_progress_and_logs_are_told(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Any] = []
    with caplog.at_level("INFO", "stretto.tools.shop"):
        with tools.mcp([sys.executable, str(SHOP), str(FOLDER)], name="shop", progress=_note(told)) as other:
            other.price(item="tea")
            until(lambda: told and len(caplog.messages) > 1)
    assert told == [("price", 1.0, 2.0, "half")]
    assert caplog.messages == ["price: 1.0 of 2.0 half", "calling price"]


def _note(told: list[Any]) -> Any:
    return lambda *about: told.append(about)


def test_arguments_go_by_name() -> None:
    with pytest.raises(errors.ToolArgumentError, match="takes its arguments by name"):
        shop.price("tea")


def test_a_tool_that_fails() -> None:
    with pytest.raises(errors.ToolError) as caught:
        shop.fail(reason="no tea")
    assert (caught.value.tool, caught.value.server) == ("fail", "shop")
    assert "fail of shop has failed: sorry: no tea" in str(caught.value)


def test_a_tool_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="shop has no tool 'prise'. Did you mean 'price'"):
        _ = shop.prise


def test_a_server_goes_along_to_other_processes() -> None:
    again = copied(shop)
    assert copy.deepcopy(shop) is shop and repr(again) == repr(shop)
    assert again._connection is not shop._connection and "price" not in vars(again)


def test_a_call_that_takes_too_long_is_cancelled_on_the_server() -> None:
    timed = {"price": {"effect": "reads mcp:shop", "timeout": 0.05}}
    with tools.mcp([sys.executable, str(SHOP), str(FOLDER)], name="shop", effects=timed) as quick:
        with pytest.raises(TimeoutError):
            quick.price(item="tea", hold="never")
        until(lambda: "price tea is cancelled" in lines(), lines)


# -- servers that are lost -----------------------------------------------------------------------------------


def kill_when(line: str) -> threading.Thread:
    """Kill the server once it has written this."""
    process = shop.pid()

    def kill() -> None:
        until(lambda: line in lines(), lines)
        go()  # whoever is called again need not wait
        os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@pytest.mark.parametrize("tool", ["price", "set_price"])
def test_what_may_be_called_twice_is_called_again(tool: str) -> None:
    line = {"price": "price tea", "set_price": "set tea"}[tool]
    process = shop.pid()

    def kill() -> None:
        until(lambda: line in lines(), lines)
        os.kill(process, signal.SIGKILL)
        until(lambda: lines().count(line) == 2, lines)
        go()

    killing = threading.Thread(target=kill)
    killing.start()
    assert shop[tool](item="tea", hold="go") in (3, "tea")
    killing.join()


def test_a_server_that_dies_while_nobody_calls_is_no_matter() -> None:
    process = shop.pid()
    os.kill(process, signal.SIGKILL)
    until(lambda: shop._connection._session is None or shop._connection._session.closed)
    assert shop.order(item="tea") == "ordered tea"
    assert shop.pid() != process


def test_a_server_that_says_something_else_when_it_is_begun_again() -> None:
    go("changed")
    shop.close()
    with pytest.raises(errors.ToolServerError, match="price of shop says other things of itself than before"):
        shop.price(item="tea")
    (FOLDER / "changed").unlink()
    shop.close()
    assert shop.price(item="tea") == 3


@flow
def one_order(item: str, hold: str) -> list[str]:
    return [shop.order(item=f"more {item}"), shop.order(item=item, hold=hold), shop.order(item="last")]


@flow
def one_order_in_a_lambda(item: str, hold: str) -> list[str]:
    first = shop.order(item=f"more {item}")
    return [first, *map(lambda name: shop.order(item=name, hold=hold), [item]), shop.order(item="last")]


@pytest.mark.parametrize("ordering", [one_order, one_order_in_a_lambda])
def test_a_write_is_in_doubt_and_is_settled(folder: Path, ordering: Any) -> None:
    url = str(folder / "runs.db")
    killing = kill_when("order tea")
    run = ordering.using(journal=url).start("tea", "never")
    with pytest.raises(errors.InDoubt) as caught:
        run.result()
    killing.join()
    assert "was running, and nothing tells whether it happened (order of shop: the server" in str(
        caught.value
    )
    assert "order last" not in lines()
    with pytest.raises(errors.InDoubt):
        stretto.resume(run.id, journal=url).result()
    place = str(caught.value).split(f"stretto settle {run.id} ")[1].split(" --done")[0]
    from stretto.cli import main

    assert main(["settle", run.id, place, "--done", '"said so"', "--journal", url]) == 0
    assert stretto.resume(run.id, journal=url).result() == ["ordered more tea", "said so", "ordered last"]
    assert lines().count("order tea") == 1
    shared(url).close()


def test_without_a_journal_it_is_an_exception() -> None:
    killing = kill_when("order tea")
    with pytest.raises(errors.OutcomeUnknown, match="order of shop: the server .* was lost during the call"):
        one_order("tea", "never")
    killing.join()


@call.writes("mail")
def mail(text: str) -> None:
    sent.append(text)


absent = tools.mcp([sys.executable, "-c", "import sys; sys.exit('no such repository')"], name="absent")


@flow
def mails_first() -> None:
    mail("a")
    absent.send(text="b")
    mail("c")


def test_a_server_that_does_not_start_fails_where_it_is_called() -> None:
    sent.clear()
    with pytest.raises(errors.ToolServerError) as caught:
        mails_first()
    assert sent == ["a"]
    said = str(caught.value)
    assert "the tool server absent does not start" in said
    assert "sys.exit(" in said and "Its stderr ends with:\n    no such repository" in said
    with pytest.raises(errors.ToolServerError, match="does not start: /no/such/server"):
        tools.mcp("/no/such/server --there").anything()


# -- what the user says --------------------------------------------------------------------------------------


@pytest.fixture
def _table(folder: Path) -> Iterator[None]:
    yield
    registry.forget()
    project._loaded = False


def shop_with(**options: Any) -> ToolServer:
    """The same server, in other words: the tools are those that are known already."""
    made = tools.mcp([sys.executable, str(SHOP), str(FOLDER)], name="shop", **options)
    made._take(loop.do_now(shop._connection.tools()))
    return made


def test_the_user_says_what_tools_touch(folder: Path, _table: None) -> None:
    (folder / "stretto.toml").write_text(
        '[effects]\n"stretto.tools.shop.*" = "writes stock"\n'
        '"stretto.tools.shop.price" = { effect = "reads stock:{item}", retries = 2 }\n'
    )
    project.load(folder, catalogue=False)
    registry.check()
    told = shop_with(effects={"order": "writes orders:{item}"})
    assert str(told.price.effects) == "reads stock:{item}" and told.price.retries == 2
    assert str(told.order.effects) == "writes orders:{item}"
    assert str(told.set_price.effects) == "writes stock" and not told.set_price.idempotent
    assert str(shop_with(hints=False, effects={"meet": "unordered"}).pid.effects) == "writes stock"


@pytest.mark.parametrize(
    ("effects", "said"),
    [
        ({"ordr": "writes x"}, "shop has no 'ordr'. Did you mean 'order'"),
        ({"order": "write x"}, "is no effect"),
        ({"order": "changes self"}, "a tool is a call"),
        ({"price": "reads stock:{thing}"}, "named after 'thing'"),
    ],
)
def test_what_is_said_wrongly(effects: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.DeclarationError) as caught:
        shop_with(effects=effects)
    assert said in str(caught.value) and "test_mcp.py" in str(caught.value)


# -- over HTTP -----------------------------------------------------------------------------------------------


def copied(server: ToolServer) -> ToolServer:
    made: ToolServer = pickle.loads(pickle.dumps(server))
    return made


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def test_a_server_over_http() -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    web = tools.mcp(f"http://127.0.0.1:{port}/mcp", name="web")
    with pytest.raises(errors.ToolServerError, match="the tool server web cannot be reached"):
        web.price(item="tea")
    process = subprocess.Popen([sys.executable, str(SHOP), str(FOLDER), str(port)], stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)  # fmt: skip
    try:
        until(lambda: answers(port))
        web = copied(web)  # one that was not there a moment ago is ordered, to begin with

        def call_all(names: list[str]) -> list[str]:
            return [web.meet(name=name, others=len(names)) for name in names]

        assert flow(call_all)(["a", "b", "c"]) == ["a", "b", "c"]
        killing = threading.Thread(
            target=lambda: (until(lambda: "order tea" in lines()), os.kill(process.pid, signal.SIGKILL))
        )
        killing.start()
        with pytest.raises(errors.OutcomeUnknown, match="order of web: the server"):
            web.order(item="tea", hold="never")
        killing.join()
        with pytest.raises(errors.ToolServerError, match="cannot be reached"):
            web.order(item="tea")  # it was not sent, so there is no doubt
    finally:
        process.kill()
        process.wait()
        web.close()
