"""Differential fuzzing without end: ``python -m tests.differential.fuzz --n 100000``.

Every program is named by its theme and a number, so that one can be run again:
``--only heap-0-1234``. A failure is made small, printed, and ends the run with status 1 (unless
``--keep-going``, which prints one program per kind of difference).
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "src"))

from .generate import OPEN, PROFILES, Random, generate
from .generate.asyncs import asynchronous
from .generate.purses import bounded
from .harness import (
    Difference,
    Difficult,
    Program,
    compare,
    costing,
    differences,
    limited,
    overlapped,
    reference,
    report,
    sequential,
)
from .reduce import kinds, reduce

SEEDS = (1, 2, 3)
THEMES = {**PROFILES, **OPEN}


def program(name: str) -> Program:
    """The program of a name; behind ``async:`` stands that of which it is the async variant."""
    plain = name.removeprefix("async:")
    made = generate(Random(plain), THEMES[plain.split("-")[0]])
    if plain == name:
        return made
    turned = asynchronous(made)
    if turned is None:
        raise Difficult("it has no async variant")
    return turned


def differing(test: Program, options: argparse.Namespace) -> list[Difference]:
    """The differences that were not asked to be passed over."""
    ignored = tuple(options.ignore)
    found = differences(test, SEEDS)
    if options.limited and not found:
        expected = reference(test)
        found = [d for seed in SEEDS for d in compare(expected, limited(test, seed), f"limited, seed {seed}")]
    if options.budgets and not found and (bound := bounded(test)) is not None:
        expected = costing(lambda: sequential(bound))
        for seed in SEEDS:
            got = costing(lambda: overlapped(bound, seed))
            found += compare(expected, got, f"with budgets, seed {seed}\n{bound}")
    return [d for d in found if not ignored or not d.what.startswith(ignored)]


def names(seed: int, start: int, step: int, count: int, themes: Sequence[str]) -> Iterator[str]:
    for number in range(start, count, step):
        yield f"{themes[number % len(themes)]}-{seed}-{number}"


def work(options: argparse.Namespace, job: int, results: multiprocessing.Queue[tuple[str, object]]) -> None:
    for name in names(options.seed, job, options.jobs, options.n, options.theme):
        name = f"async:{name}" if options.asynchronous else name
        try:
            test = program(name)
            if options.reference:
                reference(test)
                found: list[Difference] = []
            else:
                found = differing(test, options)
        except Difficult:
            results.put(("skipped", name))
            continue
        except Exception as error:
            results.put(("broken", f"{name}: {error!r}"))
            raise
        results.put(("found", (name, found)) if found else ("passed", name))
    results.put(("done", job))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential.fuzz", description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, help="how many programs")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="which programs")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--theme", action="append", choices=list(THEMES), help="themes; those of the tests by default"
    )
    parser.add_argument("--async", action="store_true", dest="asynchronous", help="their async variants")
    parser.add_argument("--limited", action="store_true", help="also with few calls at once")
    parser.add_argument("--budgets", action="store_true", help="also with budgets")
    parser.add_argument("--only", help="run one program, by its name")
    parser.add_argument("--ignore", action="append", default=[], help="pass over differences that begin so")
    parser.add_argument("--keep-going", action="store_true", help="one program per kind of difference")
    parser.add_argument("--seconds", type=float, default=30, help="time for making one program small")
    parser.add_argument("--reference", action="store_true", help="the reference runs alone")
    options = parser.parse_args(arguments)
    options.theme = options.theme or list(PROFILES)
    if options.only:
        return shown(options.only, program(options.only), options)
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[tuple[str, object]] = context.Queue(maxsize=1000)
    workers = [
        context.Process(target=work, args=(options, job, results), daemon=True) for job in range(options.jobs)
    ]
    for worker in workers:
        worker.start()
    passed = skipped = failed = done = 0
    met: set[str] = set()
    begun = last = time.monotonic()
    while done < len(workers):
        what, detail = results.get()
        if what == "done":
            done += 1
        elif what == "skipped":
            skipped += 1
        elif what == "passed":
            passed += 1
        elif what == "broken":
            print(f"the harness itself failed on {detail}")
            return 2
        else:
            name, found = detail  # type: ignore[misc]
            failed += 1
            new = kinds(found) - met
            if new:
                met |= new
                shown(name, program(name), options)
                if not options.keep_going:
                    for worker in workers:
                        worker.terminate()
                    return 1
        if time.monotonic() - last > 10:
            last = time.monotonic()
            rate = (passed + skipped + failed) / (last - begun)
            counts = f"{passed} agree, {failed} differ, {skipped} skipped"
            print(f"{counts}; {rate:.0f} programs a second", flush=True)
    took = time.monotonic() - begun
    print(f"{passed} agree, {failed} differ, {skipped} skipped, in {took:.0f} s (seed {options.seed})")
    return 1 if failed else 0


def shown(name: str, test: Program, options: argparse.Namespace) -> int:
    try:
        found = differing(test, options)
    except Difficult as error:
        print(f"{name}: {error}\n{test}")
        return 2
    if not found:
        print(f"{name} agrees\n\n{test}\n{reference(test)}")
        return 0
    small, why = reduce(
        test, found, seconds=options.seconds, test=lambda candidate: differing(candidate, options)
    )
    print(f"--only {name}\n\n{report(small, why)}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
