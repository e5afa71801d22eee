"""advanced-rag-framework, as published: a retrieval pipeline, from a question to documents with summaries.

It embeds, searches, looks for keywords, sorts what it found, asks a model where it is not sure, tries again
with other words, goes up to what the documents are parts of, and has them summed up. Users of the package
give it the functions that do these things. They are the seam: they answer by a digest of what they are given,
after as long as servers and models take. Several questions are answered, one after the other, by an ordinary
loop.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from stretto import call, flow
from stretto.testing import VirtualClock
from tests.differential.world import digest

from .declared import declared
from .fetch import RETRIEVAL
from .published import importable

__all__ = ["EFFECTS", "by_hand", "run"]

#: What is said of the package.
EFFECTS = """
"arf.score_parser.adjust_score" = { effect = "pure", returns = "float" }
"arf.pipeline.Pipeline.run" = { effect = "changes nothing; reads index; writes log", returns = "list" }
"""

PARTS = 9


async def _answer(seconds: float, *about: object) -> int:
    """A number, after about as many seconds."""
    number = int(digest(*about), 16)
    await asyncio.sleep(seconds * (0.5 + number % 1000 / 1000))
    return number


@call.unordered
async def embed(text: str) -> list[float]:
    number = await _answer(0.2, "embed", text)
    return [number % 89 / 89, number % 97 / 97, number % 83 / 83]


def _document(number: int) -> dict[str, Any]:
    name = f"part {number % 40}"
    parent = None if number % 40 < 3 else f"part {number % 40 // 3}"
    return {"_id": name, "title": f"About {name}", "text": f"Text of {name}.", "parent_id": parent}


@call.reads("index")
async def search(embedding: list[float], top_k: int) -> list[tuple[dict[str, Any], float]]:
    number = await _answer(0.3, "search", embedding)
    if number % 4 == 0:
        return []
    found = [(_document(number // (i + 1)), 0.95 - 0.03 * i - number % 7 / 100) for i in range(PARTS)]
    return found[:top_k]


@call.reads("index")
async def keywords(query: str) -> list[tuple[dict[str, Any], float]]:
    number = await _answer(0.1, "keywords", query)
    return [(_document(number // (i + 3)), 0.8) for i in range(number % 3)]


@call.unordered
async def relevance(query: str, document: dict[str, Any]) -> str:
    """How well a document answers, as a model says it."""
    number = await _answer(1.5, "relevance", query, document["_id"])
    return (f"Score: {number % 10}", f'{{"score": {number % 10}}}', str(number % 10), "I cannot say")[
        number % 4
    ]


@call.unordered
async def reworded(query: str, before: list[str]) -> str:
    number = await _answer(1.0, "reworded", query, len(before))
    return f"{query.split(',')[0]}, in other words ({number % 1000})"


@call.reads("index")
async def document(name: str) -> dict[str, Any] | None:
    await _answer(0.1, "document", name)
    return _document(int(name.split()[1]))


@call.unordered
async def summary(query: str, found: Any, context: list[Any]) -> str:
    above = [document.title for document in context]
    number = await _answer(2.0, "summary", query, found.title, above)
    return f"{found.title}, below {' and '.join(above)}, says {number % 1000} of {query}"


def run(questions: int, *, overlapped: bool, effects: str = EFFECTS) -> tuple[Any, float]:
    """What is found for so many questions, and the virtual seconds it takes."""
    with importable(RETRIEVAL, "arf", {}), declared(effects, "arf.pipeline"):
        pipeline = importlib.import_module("arf").Pipeline(
            embed_fn=embed, search_fn=search, keyword_fn=keywords, llm_fn=relevance, rephrase_fn=reworded,
            resolve_fn=document, summarize_fn=summary,
        )  # fmt: skip

        @flow
        def every(pipeline: Any, count: int) -> list[Any]:
            return [pipeline.run(f"question {number}", top_k=8) for number in range(count)]

        with VirtualClock(seed=1) as clock:
            found = (every if overlapped else every.sequential)(pipeline, questions)
            return [_told(entries) for entries in found], clock.now


def _told(entries: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (e["document"].id, round(e["score"], 6), [c.id for c in e["context"]], e["summary"]) for e in entries
    ]


def by_hand(questions: int) -> float:
    """The virtual seconds of the best asyncio version: questions side by side, and whatever one needs as soon
    as it can."""
    with importable(RETRIEVAL, "arf", {}):
        arf = importlib.import_module("arf")
        triage = arf.Triage()

        async def ranked(query: str) -> list[Any]:
            async def found() -> list[Any]:
                return await search.fn(await embed.fn(query), 8)

            searched, by_words = await asyncio.gather(found(), keywords.fn(query))
            if not searched:
                return []
            sorted_out = triage.classify(triage.dedupe(searched, by_words) if by_words else searched)
            said = await asyncio.gather(*[relevance.fn(query, item) for item, _ in sorted_out.needs_review])
            verified = []
            for (item, score), text in zip(sorted_out.needs_review, said, strict=True):
                try:
                    adjusted = arf.adjust_score(score, text)
                except ValueError:
                    adjusted = score
                if adjusted >= triage.accept_threshold:
                    verified.append((item, adjusted))
            merged = triage.dedupe(sorted_out.accepted, verified)
            return triage.gap_filter(merged)[:8] if merged else []

        async def entry(query: str, item: dict[str, Any]) -> None:
            found = arf.Document.from_dict(item)
            above: list[Any] = []
            name, seen = found.parent_id, set[str]()
            while name and name not in seen and len(seen) < 5:
                seen.add(name)
                raw = await document.fn(name)
                assert raw is not None
                above.insert(0, arf.Document.from_dict(raw))
                name = raw["parent_id"]
            await summary.fn(query, found, above)

        async def question(query: str) -> None:
            original, before = query, list[str]()
            for attempt in range(3):
                results = await ranked(query)
                if results or attempt == 2:
                    break
                before, query = [*before, query], await reworded.fn(query, before)
            await asyncio.gather(*[entry(original, item) for item, _ in results])

        async def every() -> None:
            await asyncio.gather(*[question(f"question {number}") for number in range(questions)])

        with VirtualClock(seed=1) as clock:
            clock.run(every())
            return clock.now
