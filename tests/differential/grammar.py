"""Programs over the whole grammar, by `pysource-codegen`: as CPython, or refused; never different.

    python -m tests.differential.grammar --n 1000 --seed 5     as many as that
    python -m tests.differential.grammar --only 5-17           one of them

The names of a program are bound to things (`things.py`) that take part in anything and tell of it, to plain
values, and in some programs to declared calls. One that differs is made small by `pysource-minimize`.
"""

from __future__ import annotations

import argparse
import ast
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "src"))

from pysource_codegen import generate
from pysource_minimize import minimize

from stretto.errors import UnsupportedConstruct

from .harness import Difference, Difficult, Program, compare, overlapped, reference, report
from .reduce import kinds

__all__ = ["differing", "program", "small"]

NAMES = [f"name_{number}" for number in range(6)]

#: What names are bound to, beside things.
_VALUES = (
    "[1, 2, 3]",
    "{1: 2, 'k': [3]}",
    "'text'",
    "3",
    "0",
    "None",
    "(1, (2, 3))",
    "{1, 2}",
    "ValueError",
    "1.5",
)
#: Declared calls, and code that nothing is known of.
_CALLS = ("ask", "guess", "put", "get", "note", "act")

#: What is known to differ, and to be mended: parts of the exception as CPython has it, and as a flow has it.
KNOWN = (
    ("does not support the context manager protocol", "has no attribute '__e"),
    ("argument after ** must be a mapping", "object is not a mapping"),
)

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def program(name: str) -> Program:
    """The program of this name; `Difficult` where the generator gives none."""
    choose = random.Random(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            size = choose.choice([15, 30, 60, 120])
            text = generate(choose.randrange(2**31), node_limit=size, depth_limit=choose.randint(4, 8))
            body = ast.parse(text).body
    except Exception as error:  # the generator has faults of its own
        raise Difficult(f"no program: {error!r}") from error
    body = [_returning(statement, choose) for statement in body]
    return Program(_wrapped(body), _arguments(choose), choose.randrange(1000), choose.choice([0, 0, 10]))


def _returning(statement: ast.stmt, choose: random.Random) -> ast.stmt:
    """The generator makes modules: some of their expressions become what the function returns."""

    class Returning(ast.NodeTransformer):
        def visit_Expr(self, node: ast.Expr) -> ast.stmt:
            return ast.Return(node.value) if choose.random() < 0.1 else node

        def generic_visit(self, node: ast.AST) -> ast.AST:
            if isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.TryStar)):
                return node
            return super().generic_visit(node)

    made: ast.stmt = Returning().visit(statement)
    return made


def _wrapped(body: list[ast.stmt]) -> str:
    """The body as that of a flow: names that it declares otherwise are the module's."""
    outer: set[str] = set()
    for node in ast.walk(ast.Module(body, [])):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            outer.update(node.names)
    inner = "\n".join("    " + line for line in ast.unparse(ast.Module(body, [])).splitlines())
    parameters = ", ".join(name for name in NAMES if name not in outer)
    bound = "".join(f"{name} = Thing({number})\n" for number, name in enumerate(NAMES) if name in outer)
    rest = ", *others" if parameters else "*others"
    return f"{_IMPORT}\n{bound}\n@flow\ndef main({parameters}{rest}):\n{inner or '    pass'}\n"


_IMPORT = "from tests.differential.things import Thing"


def _arguments(choose: random.Random) -> str:
    called = choose.random() < 0.4
    values: list[str] = []
    for number in range(len(NAMES)):
        if choose.random() < 0.5:
            values.append(f"Thing({number})")
        else:
            values.append(choose.choice(_CALLS if called and choose.random() < 0.5 else _VALUES))
    return f"({', '.join(values)},)"


class Refused(Exception):
    """A construct that is not taken."""


def differing(test: Program, seeds: Sequence[int] = (1,)) -> list[Difference]:
    """Where runs of a program differ from the reference; `Refused` where it is refused."""
    expected = reference(test)
    if expected.ended == "hung":
        raise Difficult("the reference run does not end")
    if "RecursionError" in expected.error or "MemoryError" in expected.error:
        raise Difficult("how much is too much depends on the machine")
    for seed in seeds:
        got = overlapped(test, seed)
        if got.ended == "rejected" and UnsupportedConstruct.__name__ in got.crash:
            raise Refused(got.crash)
        found = list(compare(expected, got, f"seed {seed}"))
        if any(told in expected.error and found_instead in got.error for told, found_instead in KNOWN):
            raise Difficult("a difference that is known")
        if "Call" in got.error + got.crash.rpartition("\n")[2]:
            raise Difficult("a declared call is no function, and an error says so")
        if found:
            return found
    return []


def small(test: Program, found: Sequence[Difference]) -> tuple[Program, list[Difference]]:
    """A smaller program that differs in the same way."""
    wanted = kinds(found)
    best, why = test, list(found)

    def still(source: str) -> bool:
        nonlocal best, why
        candidate = Program(source, test.arguments, test.salt, test.rate)
        try:
            now = differing(candidate)
        except (Difficult, Refused, RecursionError):
            return False
        if not kinds(now) & wanted:
            return False
        best, why = candidate, now
        return True

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if still(test.source):  # else it happens once in a while: it is shown as it is
            minimize(test.source, still)
    return best, why


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential.grammar", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="how many programs")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="which programs")
    parser.add_argument("--only", help="one program, by its name")
    parser.add_argument("--keep-going", action="store_true", help="one program for each kind of difference")
    options = parser.parse_args(arguments)
    names = [options.only] if options.only else [f"{options.seed}-{number}" for number in range(options.n)]
    counts: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    met: set[str] = set()
    for name in names:
        try:
            test = program(name)
            found = differing(test)
        except Difficult as error:
            counts["no use"] += 1
            if options.only:
                print(error)
            continue
        except Refused as error:
            counts["refused"] += 1
            refusals[str(error).partition("cannot hold ")[2].partition(" (yet)")[0]] += 1
            continue
        counts["differ" if found else "agree"] += 1
        if options.only and not found:
            print(f"{test}\n{reference(test)}")
        new = kinds(found) - met
        if found and new:
            met |= new
            less, why = small(test, found)
            print(f"--only {name}\n\n{report(less, why)}", flush=True)
            if not options.keep_going:
                return 1
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())), f"(seed {options.seed})")
    print("refused for:", ", ".join(f"{what} {count}" for what, count in refusals.most_common()))
    return 1 if counts["differ"] else 0


if __name__ == "__main__":
    sys.exit(main())
