"""The table: how many of CPython's tests are compiled, and whether they end as in CPython."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from .child import WAYS
from .compare import Module, compare
from .suite import MODULES, NoTests, provide


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cpython", description=__doc__)
    parser.add_argument("module", nargs="*", default=MODULES, help="modules; all by default")
    parser.add_argument("--way", choices=WAYS[1:], default="flow", help="how they are run")
    parser.add_argument("--only", default="", help="tests with this in their name")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--verbose", action="store_true", help="how those that differ have ended")
    options = parser.parse_args()
    try:
        path = provide()
    except NoTests as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{'':<24} {'tests':>6} {'compiled':>9} {'same':>6} {'differ':>7}   refused for")
    with ThreadPoolExecutor(options.jobs) as pool:
        found = pool.map(lambda name: compare(name, options.way, path, options.only), options.module)
        modules = []
        for module in found:
            modules.append(module)
            print(_row(module.name, [module]), flush=True)
            for test in module.differing:
                print(f"    {test.name}: {test.got}, not {test.expected}")
                if options.verbose and test.detail:
                    print("        " + "\n        ".join(test.detail.rstrip().splitlines()))
    print(_row("all", modules))
    return 1 if any(module.differing for module in modules) else 0


def _row(name: str, modules: list[Module]) -> str:
    compiled = sum(len(m.tests) for m in modules)
    every = compiled + sum(len(m.refused) for m in modules)
    differ = sum(len(m.differing) for m in modules)
    constructs = sum((m.constructs for m in modules), Counter())
    share = f"{compiled / every:.0%}" if every else ""
    why = ", ".join(f"{construct} {count}" for construct, count in constructs.most_common())
    return f"{name:<24} {every:>6} {compiled:>4} {share:>4} {compiled - differ:>6} {differ:>7}   {why}"


if __name__ == "__main__":
    sys.exit(main())
