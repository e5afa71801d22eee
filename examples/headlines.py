"""A headline for each note of a folder, within bounds: limits, a budget, and words as they come.

    python examples/headlines.py                      # the notes beside this file
    python examples/headlines.py ~/notes --tokens 5000

It asks the server that OPENAI_BASE_URL names; where none is named, a small model on this computer. No more
than three questions are under way at once, all headlines together use no more than so many tokens, and the
letter at the end is shown word by word.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import model_server

from stretto import budget, call, flow, llm
from stretto.errors import BudgetExceeded

NOTES = Path(__file__).parent / "notes"
#: Questions that may be under way at once.
LIMIT = 3
#: A budget that is enough for some of the notes beside this file.
TOKENS = 600

model = llm.openai(
    os.environ.get("OPENAI_MODEL", model_server.MODEL),
    api_key=os.environ.get("OPENAI_API_KEY", "none"),
    limit=LIMIT,
    retries=4,
    temperature=0,
    seed=1,
    max_tokens=24,
)


@call.reads("file")
def read_notes(folder: str) -> list[str]:
    """The texts of a folder, in the order of their files' names."""
    if not Path(folder).is_dir():
        raise NotADirectoryError(f"{folder} is not a folder; expected one with .md files")
    return [path.read_text(encoding="utf-8", errors="replace") for path in sorted(Path(folder).rglob("*.md"))]


@call.writes("terminal")
def show(text: str) -> None:
    print(text, end="", flush=True)


@flow
def headlines(folder: str, tokens: int = TOKENS) -> list[str]:
    """A headline for each note as far as the tokens go, and a letter about them."""
    found: list[str] = []
    try:
        with budget(tokens=tokens):
            for text in read_notes(folder):
                answer = model.chat(f"{text[:1000]}\n\nWrite a short headline for this text.")
                headline = first_line(answer.text)
                found.append(headline)
                show(f"  {headline}\n")
    except BudgetExceeded as error:
        show(f"  ({error})\n")
    letter = "  "
    for piece in model.stream("Write a friend what is new:\n" + "\n".join(found), max_tokens=60):
        show(piece)
        letter += piece
    show("\n")
    return [*found, letter]


def first_line(text: str) -> str:
    for line in text.splitlines():
        words = line.strip("# ")
        if words:
            return words
    return "(nothing)"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a headline for each note, within a budget.")
    parser.add_argument("folder", nargs="?", default=str(NOTES))
    parser.add_argument("--tokens", type=int, default=TOKENS, help=f"for all headlines ({TOKENS})")
    options = parser.parse_args()
    try:
        if not os.environ.get("OPENAI_BASE_URL") and not os.environ.get("OPENAI_API_KEY"):
            os.environ["OPENAI_BASE_URL"] = model_server.ModelServer().base_url
        headlines(options.folder, options.tokens)
    except (model_server.ServerError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
