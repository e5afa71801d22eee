"""An act of the demo: limits, a budget, and words as they come, in examples/headlines.py.

It runs overlapped on the model. Then it runs line by line, and is given the same answers: the outcome has to
be the same, and so has the note at which the budget ends.
"""

from __future__ import annotations

import io
import sys
import time
from contextlib import redirect_stdout
from typing import TextIO

from front import Front
from telling import say, yes_or_no


class _Watched(io.StringIO):
    """Shows what is written, and notes when.

    Attributes:
        words: when a piece of a line came; a line that is written whole is none.
    """

    def __init__(self, shown: TextIO) -> None:
        super().__init__()
        self._shown = shown
        self.words: list[float] = []

    def write(self, text: str) -> int:
        if text and not text.endswith("\n"):
            self.words.append(time.perf_counter())
        self._shown.write(text)
        return super().write(text)

    def flush(self) -> None:
        self._shown.flush()


def within_bounds(front: Front, folder: str) -> bool:
    """The act: whether the outcome was that of running the program line by line."""
    from headlines import LIMIT, TOKENS, headlines  # late: it makes the model, and knows by then where it is

    traffic = front.watch()
    began = time.perf_counter()
    with redirect_stdout(_Watched(sys.stdout)) as shown:
        found = headlines(folder)
    seconds = time.perf_counter() - began
    outcome = found, shown.getvalue()
    say(f"\n  {len(found) - 1} headlines and a letter in {seconds:.1f} s: {traffic.requests} requests.")
    say(f"  At once at the most, where the model has limit={LIMIT}: {traffic.most_at_once}.")
    ended = "ended it" if "budget(" in outcome[1] else "was enough"
    say(f"  Tokens for all headlines, as said in the program: {TOKENS}, which {ended}.")
    if shown.words:
        first, last = (moment - began for moment in (shown.words[0], shown.words[-1]))
        say(f"  The letter's first word was shown after {first:.1f} s, its last after {last:.1f} s.")

    front.watch(replay=traffic.answers)
    with redirect_stdout(io.StringIO()) as quiet:
        reference = headlines.sequential(folder), quiet.getvalue()
    same = reference == outcome
    say(f"  Line by line, on the same answers, it says the same to the letter: {yes_or_no(same)}.")
    return same and traffic.most_at_once <= LIMIT
