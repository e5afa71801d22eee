"""``make bench``: every number beside its target, in one run; `--json FILE` keeps them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from stretto.drivers.background import new_loop
from stretto.engine import as_machine_code

from .codecs import codecs
from .compiling import compiling
from .durable import durable
from .events import events
from .executors import executors
from .journal import journal
from .limits import limits
from .measure import by_hand, by_turns, child_seconds
from .native import native
from .objects import objects
from .rows import Row
from .streams import streams
from .work import DEEPEN, LOOK, branchy, branchy_by_hand, chain, chain_by_hand, many, many_by_hand


def per_call(n: int, repeat: int) -> Iterator[Row]:
    ours, floor = by_turns(lambda: many(n), lambda: by_hand(many_by_hand(n)), repeat=repeat)
    detail = f"{ours / n * 1e6:.1f} us against {floor / n * 1e6:.1f} us a call"
    yield Row(f"(a) {n:,} independent calls / asyncio tasks", ours / floor, "x", 3.0, detail)


def chained(n: int, repeat: int) -> Iterator[Row]:
    assert chain(10) == by_hand(chain_by_hand(10))
    ours, floor = by_turns(lambda: chain(n), lambda: by_hand(chain_by_hand(n)), repeat=repeat)
    detail = f"{ours / n * 1e6:.1f} us against {floor / n * 1e6:.1f} us a call"
    yield Row(f"(b) chain of {n:,} calls / awaited tasks", ours / floor, "x", 3.0, detail)


def branches(repeat: int) -> Iterator[Row]:
    assert branchy(10) == by_hand(branchy_by_hand(10))
    ideal = LOOK + DEEPEN
    for n, against_ideal, against_floor in ((100, 1.10, None), (2000, 2.0, 1.5)):
        works = (lambda n=n: branchy(n)), (lambda n=n: by_hand(branchy_by_hand(n)))
        ours, floor = by_turns(*works, repeat=repeat)
        detail = f"{ours * 1e3:.1f} ms; by hand {floor * 1e3:.1f} ms"
        letter = "c" if n == 100 else "d"
        yield Row(
            f"({letter}) call, if, call on {n:,} items / ideal", ours / ideal, "x", against_ideal, detail
        )
        if against_floor is not None:
            what = f"({letter}) call, if, call on {n:,} items / asyncio"
            yield Row(what, ours / floor, "x", against_floor, detail)


def memory(n: int, repeat: int) -> Iterator[Row]:
    def bytes_of(side: str) -> float:
        command = [sys.executable, "-m", "benchmarks.memory", side, str(n)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120)
        return float(done.stdout)

    ours, floor = (
        statistics.median(bytes_of(side) for _ in range(repeat)) for side in ("stretto", "asyncio")
    )
    detail = f"{ours / 1024:.1f} KiB against {floor / 1024:.1f} KiB"
    yield Row(
        f"(e) memory of a pending call above asyncio's, {n:,}", (ours - floor) / 1024, "KiB", 4.0, detail
    )


def growth(n: int, repeat: int) -> Iterator[Row]:
    for name, work in (("calls", many), ("chained calls", chain)):
        small, large = by_turns(lambda w=work: w(n), lambda w=work: w(10 * n), repeat=repeat)
        detail = f"{large:.2f} s against {small:.2f} s"
        yield Row(f"(f) {10 * n:,} {name} / {n:,}", large / small, "x", 11.0, detail)


def importing(repeat: int) -> Iterator[Row]:
    ours, bare = by_turns(child_seconds("import stretto"), child_seconds("pass"), repeat=repeat)
    detail = f"{ours * 1e3:.0f} ms against {bare * 1e3:.0f} ms"
    yield Row("(g) import stretto, above bare Python", (ours - bare) * 1e3, "ms", 150.0, detail)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
    parser.add_argument("--markdown", action="store_true", help="print a table for the README as well")
    parser.add_argument(
        "--only", default="abcdefghijklmnopqs", metavar="LETTERS", help="which rows, as in --only ae"
    )
    parser.add_argument("--check", action="store_true", help="fail where a target is missed")
    options = parser.parse_args()
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "a": lambda: per_call(10_000, repeat=5),
        "b": lambda: chained(10_000, repeat=5),
        "cd": lambda: branches(repeat=5),
        "e": lambda: memory(10_000, repeat=3),
        "f": lambda: growth(10_000, repeat=3),
        "g": lambda: importing(repeat=7),
        "hijk": durable,
        "l": lambda: journal(repeat=3),
        "m": lambda: codecs(repeat=5),
        "n": lambda: native(repeat=5),
        "o": compiling,
        "p": lambda: streams(repeat=5),
        "q": lambda: objects(1_000, repeat=3),
        "r": lambda: limits(10_000, repeat=5),
        "s": lambda: events(10_000, repeat=5),
        "v": lambda: executors(500, repeat=5),
    }
    started = time.monotonic()
    engine = "as machine code" if as_machine_code() else "interpreted"
    loop = new_loop()
    loop.close()
    machine = (
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"engine {engine}, {type(loop).__module__.partition('.')[0]}"
    )
    print(f"{machine}; the median of alternating repetitions\n", flush=True)
    print(f"{'':<68} {'measured':>8} {'target':>13}")
    rows: list[Row] = []
    for letters, part in parts.items():
        if set(letters) & set(options.only):
            for row in part():
                rows.append(row)
                print(row, flush=True)
    missed = sum(not row.met for row in rows)
    targets = sum(row.target is not None for row in rows)
    print(f"\n{targets - missed} of {targets} targets met, in {time.monotonic() - started:.0f} s")
    if options.markdown:
        print(f"\n| {machine} | measured | target |\n| --- | --- | --- |")
        print("\n".join(row.markdown for row in rows))
    if options.json:
        found = {"machine": machine, "rows": [{**asdict(row), "met": row.met} for row in rows]}
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
