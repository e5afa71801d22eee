"""How fast the page of a run is: `python -m benchmarks.page` (it takes a Chromium, and what the tests take).

- until a run of 100,000 calls is drawn for the first time, and until all of it is there;
- how long it takes to draw it while one zooms;
- with 1,000 events a second, how long it takes from the end of a call until it is drawn.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from stretto.journal import Journal, open_journal
from stretto.journal.codecs import encode, encode_call
from stretto.journal.events import CallFinished, RunEnded, RunStarted, RunState, now
from stretto.journal.leases import this_process
from tests.browser.chromium import FLAGS, chromium
from tests.browser.servers import Served

_VALUE = encode("a result").data
_WAIT = "order for/{before}/work\nflow.py:{line}\n{effects}\nfor/{before}/work"
_EFFECTS = ("reads web", "unordered", "writes mail:{to}", "pure")

#: Draws as often as it can while it zooms in and out; how long each drawing took, in milliseconds.
_ZOOM = """() => {
  const {timeline} = stretto.page, took = [];
  for (let i = 0; i < 200; i++) {
    const began = performance.now();
    timeline.scale(i < 100 ? 0.95 : 1 / 0.95, 300);
    timeline.paint();
    took.push(performance.now() - began);
  }
  return took;
}"""

#: Notes of each call how long after its end it was drawn, in milliseconds.
_LAGS = """() => {
  const {page} = stretto, update = page.update.bind(page);
  let seen = page.model.n;
  globalThis.lags = [];
  page.update = () => {
    update();
    page.timeline.paint();
    const {model} = page, now = Date.now() - model.head.micros / 1000;
    for (; seen < model.n; seen++) lags.push(now - model.ended[seen] / 1000);
  };
}"""


def _call(n: int, time: int) -> CallFinished:
    wait = _WAIT.format(before=max(n - 40, 0), line=n % 30, effects=_EFFECTS[n % 4])
    return CallFinished(
        f"for/{n}/work",
        "flow:work",
        b"d",
        1,
        _VALUE,
        None,
        time - 9_000,
        time - 8_000 + n % 3_000,
        time,
        wait,
    )


def _start(journal: Journal, run: str) -> Any:
    arguments = encode_call((), {})[0].data
    return journal.start(RunStarted(run, "flow:work", "source", arguments, this_process(), now()))


def _long(journal: Journal, calls: int) -> None:
    lease = _start(journal, "long")
    began = now()
    for first in range(0, calls, 200):
        journal.append(lease, [_call(n, began + 10_000 + n * 150) for n in range(first, first + 200)])
    journal.append(lease, [RunEnded(RunState.SUCCEEDED, _VALUE, None, began + 20_000 + calls * 150)])
    journal.flush()
    journal.release(lease)


def _live(journal: Journal, seconds: float) -> threading.Thread:
    lease = _start(journal, "live")

    def write() -> None:
        began = time.monotonic()
        n = 0
        while (passed := time.monotonic() - began) < seconds:
            due = int(passed * 1000)
            if due > n:
                journal.append(lease, [_call(k, now()) for k in range(n, due)])
                n = due
            time.sleep(0.005)
        journal.append(lease, [RunEnded(RunState.SUCCEEDED, _VALUE, None, now())])
        journal.flush()
        journal.release(lease)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def _loaded(page: Page, address: str, calls: int) -> tuple[float, float]:
    began = time.monotonic()
    page.goto(f"{address}#/run/long")
    page.wait_for_selector("html[data-calls]:not([data-calls='0'])", state="attached")
    first = time.monotonic() - began
    page.wait_for_selector(f"html[data-calls='{calls}'][data-ended='true']", state="attached")
    return first, time.monotonic() - began


def _share(values: list[float], share: float) -> float:
    return sorted(values)[int((len(values) - 1) * share)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "journal.db"
        journal = open_journal(file)
        _long(journal, given.calls)
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        with Served(str(file)) as address:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(address)  # the browser is awake
            first, whole = _loaded(page, address, given.calls)
            print(
                f"{given.calls:,} calls: something to see after {first:.2f} s, all of it after {whole:.2f} s"
            )
            took = page.evaluate(_ZOOM)
            print(
                f"drawing while zooming: {_share(took, 0.5):.1f} ms, 95 % below {_share(took, 0.95):.1f} ms"
            )
            writing = _live(journal, given.seconds)
            page.goto(f"{address}#/run/live")
            page.wait_for_selector("html[data-calls]:not([data-calls='0'])", state="attached")
            page.evaluate(_LAGS)
            writing.join()
            page.wait_for_selector("html[data-ended='true']", state="attached")
            lags = page.evaluate("lags")
            print(
                f"1,000 events a second: drawn {_share(lags, 0.5):.0f} ms after the end of a call, "
                f"95 % below {_share(lags, 0.95):.0f} ms, all below {max(lags):.0f} ms"
            )
        browser.close()
        journal.close()
    print(f"load of the machine meanwhile: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
