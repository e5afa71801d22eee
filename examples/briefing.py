"""A briefing about a folder of notes: read, summarise, check, sort by topic, write.

    python examples/briefing.py                      # the notes beside this file
    python examples/briefing.py ~/notes              # any folder with .md, .txt or .rst files
    stretto run examples/briefing.py:briefing examples/notes

It asks any OpenAI-compatible server: set OPENAI_BASE_URL, and OPENAI_API_KEY and OPENAI_MODEL as the
server needs them. Where neither address nor key is set, it starts a small model on this computer.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import model_server
from openai import AsyncOpenAI

from stretto import call, flow

NOTES = Path(__file__).parent / "notes"

# ---- What the flow does to the outside world, with what each call touches said above it.


@call.reads("file")
def find_notes(folder: str, out: str) -> list[str]:
    """The notes in a folder and below it, in alphabetical order, without the briefing itself."""
    if not Path(folder).is_dir():
        raise NotADirectoryError(f"{folder} is not a folder; expected one with .md, .txt or .rst files")
    found = (p for p in Path(folder).rglob("*") if p.suffix in {".md", ".txt", ".rst"} and p.is_file())
    return sorted(str(path) for path in found if path.resolve() != Path(out).resolve())


@call.reads("file:{path}")
def read_text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


@call.unordered
async def chat(prompt: str, one_of: list[str] | None = None) -> str:
    """Ask the model; with `one_of`, for JSON with three of these words."""
    options: dict[str, Any] = {"response_format": three_terms(one_of)} if one_of else {}
    answer = await client().chat.completions.create(
        model=os.environ.get("OPENAI_MODEL", model_server.MODEL),
        messages=[{"role": "user", "content": prompt}],
        max_tokens=40,
        temperature=0,
        seed=1,
        **options,
    )
    return (answer.choices[0].message.content or "").strip()


@call.writes("file:{path}", idempotent=True)  # writing the same text there twice is as good as once
def save(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="utf-8")


# ---- The flow: plain Python, one thing after the other.


@flow
def briefing(folder: str, out: str = "briefing.md") -> str:
    """Read every note in a folder and write a briefing about them, sorted by topic."""
    texts: dict[str, str] = {}
    summaries: dict[str, str] = {}
    terms: dict[str, list[str]] = {}
    skipped: list[str] = []
    for path in find_notes(folder, out):
        try:
            text = read_text(path)
        except UnicodeDecodeError:
            skipped.append(f"- {Path(path).name}: not UTF-8 text")
            continue
        if len(text.split()) < 20:
            skipped.append(f"- {Path(path).name}: too short")
            continue
        text = text[:3000]
        texts[path] = text
        summaries[path] = summarise(text)
        terms[path] = key_terms(text)

    topics: dict[str, list[str]] = {}
    for path, topic in sort_by_topic(texts, terms).items():
        topics.setdefault(topic, []).append(summaries[path])
    sections = [section(topic, topics[topic]) for topic in sorted(topics)]
    if skipped:
        sections.append("## Skipped\n\n" + "\n".join(skipped))
    page = f"# Briefing: {len(texts)} notes on {len(topics)} topics\n\n" + "\n\n".join(sections) + "\n"
    save(out, page)
    return page


def summarise(text: str) -> str:
    """One sentence about the text that the text bears out; the model has two tries."""
    summary = first_sentence(chat(f"{text}\n\nSummarise this text in one short sentence."))
    if not supported(summary, text):
        summary = first_sentence(chat(f"{text}\n\nRepeat the most important sentence of this text."))
    if not supported(summary, text):
        summary = first_sentence(text)
    return summary


def key_terms(text: str) -> list[str]:
    """Up to three words of the text that say what it is about."""
    answer = chat(f"{text}\n\nList the three most important nouns of this text.", frequent_words(text))
    try:
        return list(json.loads(answer)["terms"])
    except (ValueError, KeyError, TypeError):
        return []  # an answer that was cut short, or a server without JSON schemas


def section(topic: str, summaries: list[str]) -> str:
    """What the notes of one topic say, with a sentence about them all where there are several."""
    lines = [f"- {summary}" for summary in summaries]
    if len(summaries) > 1 and topic != "other":
        notes = "\n".join(lines)
        together = first_sentence(
            chat(f"{notes}\n\nWhat do these notes say about the {topic}? One sentence.")
        )
        if supported(together, notes):
            lines = [together, "", *lines]
    return f"## {topic.capitalize()}\n\n" + "\n".join(lines)


# ---- What it knows about words. No calls here, so all of this simply runs.

COMMON = set(
    "about above after also always another back because been before behind below between both cannot could "
    "does down each even every from have here into just kind like made main make makes many more most much "
    "must near only other over same says some such takes tell tells than that their them then there these "
    "they thing things this those through today under until upon very were what when where which while with "
    "would your".split()
)


def words_of(text: str) -> list[str]:
    """The words that carry meaning, in lower case and without the -s of a plural."""
    words = [word.removesuffix("s") for word in re.findall(r"[^\W\d_]{4,}", text.lower())]
    return [word for word in words if word not in COMMON and word + "s" not in COMMON]


def frequent_words(text: str) -> list[str]:
    return [word for word, _ in Counter(words_of(text)).most_common(8)]


def first_sentence(text: str) -> str:
    """The first sentence of prose: no headings, nothing after a line break."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return re.split(r"(?<=[.!?])\s", lines[0], maxsplit=1)[0] if lines else ""


def supported(summary: str, text: str) -> bool:
    """Whether a summary is a whole sentence that uses, nearly always, words of the text."""
    words, known = words_of(summary), set(words_of(text))
    if len(words) < 3 or not summary.endswith((".", "!", "?")):
        return False
    return sum(word in known for word in words) >= 0.8 * len(words)


@call.pure
def sort_by_topic(texts: dict[str, str], terms: dict[str, list[str]]) -> dict[str, str]:
    """A topic for each text: of the terms found in any text, the one it shares and uses most."""
    counts = {path: Counter(words_of(text)) for path, text in texts.items()}
    known = sorted({term for found in terms.values() for term in found})
    shared = [term for term in known if sum(term in count for count in counts.values()) > 1]
    return {
        path: max(shared, key=lambda term: counts[path][term], default="")
        if any(counts[path][term] for term in shared)
        else "other"
        for path in texts
    }


# ---- The model's client.


@functools.cache
def client() -> AsyncOpenAI:
    if not os.environ.get("OPENAI_BASE_URL") and not os.environ.get("OPENAI_API_KEY"):
        os.environ["OPENAI_BASE_URL"] = model_server.ModelServer().base_url
    return AsyncOpenAI(api_key=os.environ.get("OPENAI_API_KEY", "none"), max_retries=4)


def three_terms(words: list[str]) -> dict[str, Any]:
    """The JSON schema of an answer such as {"terms": ["moon", "tide", "coast"]}."""
    term = {"type": "string", "enum": words}
    terms = {"type": "array", "items": term, "minItems": 3, "maxItems": 3}
    schema = {
        "type": "object",
        "properties": {"terms": terms},
        "required": ["terms"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "terms", "strict": True, "schema": schema}}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a briefing about a folder of notes.")
    parser.add_argument("folder", nargs="?", default=str(NOTES))
    parser.add_argument("--out", default="briefing.md", help="the file to write (briefing.md)")
    parser.add_argument(
        "--sequential", action="store_true", help="one call after the other: the reference run"
    )
    options = parser.parse_args()
    run = briefing.sequential if options.sequential else briefing
    try:
        print(run(options.folder, options.out), end="")
    except (model_server.ServerError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
