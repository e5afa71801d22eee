"""How the demo talks: plain lines, with colours where somebody looks at a terminal."""

from __future__ import annotations

import os
import sys

COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, flush=True)


def dot() -> None:
    say(".", end="")


def indented(text: str) -> str:
    return "".join(f"  | {line}\n" for line in text.splitlines())


def bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if COLOURS else text


def good(text: str) -> str:
    return f"\033[32m{text}\033[0m" if COLOURS else text


def bad(text: str) -> str:
    return f"\033[1;31m{text}\033[0m" if COLOURS else text


def yes_or_no(fine: bool) -> str:
    return good("yes") if fine else bad("NO")
