"""A real browser, and a server for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from stretto import configuration
from stretto.journal import Journal, open_journal
from stretto.server.app import make_app
from tests.browser.chromium import FLAGS, chromium
from tests.waiting import PATIENCE

#: What a test of a page gives: the page of that address, opened.
Opened = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One browser is enough."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """While it is there, an event loop is running in this thread: no other test could have one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of its own."""
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(configuration.VARIABLE, raising=False)
    configuration.unconfigure()
    yield tmp_path
    configuration.unconfigure()


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    journal = open_journal(folder / "journal.db")
    yield journal
    journal.close()


class Server(uvicorn.Server):
    """In a thread of its own."""

    def __init__(self, journal: Journal, url: str) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        port = self.listening.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/"
        app = make_app(journal, url, host="127.0.0.1", port=port, closing=lambda: self.should_exit)
        super().__init__(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=5))
        self.thread = threading.Thread(target=self.run, args=([self.listening],))
        self.thread.start()

    def stop(self) -> None:
        self.should_exit = True
        self.thread.join()
        self.listening.close()


@pytest.fixture
def server(journal: Journal, folder: Path) -> Iterator[Server]:
    server = Server(journal, str(folder / "journal.db"))
    yield server
    server.stop()


@pytest.fixture
def opened(browser: Browser, server: Server) -> Iterator[Opened]:
    """Opens a page of the server; what goes wrong in it, or is refused, fails the test."""
    pages: list[Page] = []
    wrong: list[str] = []

    def open_page(where: str = "", **options: Any) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        pages.append(page)
        page.goto(where if "://" in where else server.address + where)
        return page

    yield open_page
    for page in pages:
        page.context.close()
    assert not wrong


def wait_for(page: Page, **data: object) -> None:
    """Wait until the page says so of itself."""
    marks = "".join(f"[data-{name}='{value}']" for name, value in data.items())
    page.wait_for_selector(f"html{marks}", state="attached")
