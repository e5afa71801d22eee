"""What the Trace Event Format asks of a trace ("Trace Event Format", the Chromium project), as far as Stretto
uses it, and what Perfetto's importer needs to draw all of it.

- The object form: a list ``traceEvents``; ``displayTimeUnit`` is "ms" or "ns".
- Every event has ``ph``, ``name``, ``pid`` and ``tid``, and all but metadata have ``ts`` in microseconds.
- Complete events (X) have ``dur``. On one thread they are apart, or one is within the other.
- Metadata (M) have the names that the format knows, and what these tell.
- Instants (i) have a scope: "g", "p" or "t".
- Flows (s, t, f) with the same ``cat``, ``name`` and ``id`` are one arrow, which begins and ends once. Each
  end is bound to the slice that is open on its thread at its time; one that ends there with ``bp`` "e". At
  one time, events count in the order of the file.
- Asynchronous slices (b, e) with the same ``cat`` and ``id`` begin before they end, both once.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

__all__ = ["breaches"]

_METADATA = {
    "process_name": ("name", str),
    "process_labels": ("labels", str),
    "process_sort_index": ("sort_index", int),
    "thread_name": ("name", str),
    "thread_sort_index": ("sort_index", int),
}
_PHASES = set("XMisftbe")
#: The names of colours that the format has; those that are used here.
_COLOURS = {"good", "bad", "terrible"}


def breaches(trace: Any) -> list[str]:
    """What is not as it has to be."""
    if not isinstance(trace, dict) or not isinstance(trace.get("traceEvents"), list):
        return ["it is no object with a list of events"]
    found = [] if trace.get("displayTimeUnit", "ms") in ("ms", "ns") else ["displayTimeUnit"]
    events: list[dict[str, Any]] = trace["traceEvents"]
    for event in events:
        found += [f"{what}: {event}" for what in _of(event)]
    if found:
        return found
    timed = sorted((e for e in events if e["ph"] != "M"), key=lambda e: e["ts"])  # stable, as Perfetto's
    return [*_nested(timed), *_paired(timed)]


def _of(event: Any) -> list[str]:
    """What is wrong with one event by itself."""
    if not isinstance(event, dict):
        return ["no object"]
    phase = event.get("ph")
    if phase not in _PHASES:
        return ["ph"]
    wrong = [name for name in ("pid", "tid") if type(event.get(name)) is not int or event[name] < 0]
    if type(event.get("name")) is not str:
        wrong.append("name")
    if not isinstance(event.get("args", {}), dict):
        wrong.append("args")
    if event.get("cname", "good") not in _COLOURS:
        wrong.append("cname")
    if phase == "M":
        what, kind = _METADATA.get(event.get("name", ""), ("", str))
        return wrong if what and type(event.get("args", {}).get(what)) is kind else [*wrong, "metadata"]
    if type(event.get("ts")) not in (int, float) or event["ts"] < 0:
        wrong.append("ts")
    if phase == "X" and (type(event.get("dur")) not in (int, float) or event["dur"] < 0):
        wrong.append("dur")
    if phase == "i" and event.get("s", "t") not in ("g", "p", "t"):
        wrong.append("scope")
    if phase in "sftbe" and (type(event.get("id")) not in (int, str) or type(event.get("cat")) is not str):
        wrong.append("id, cat")
    if phase == "f" and event.get("bp") != "e":
        wrong.append("bp")
    return wrong


def _nested(timed: list[dict[str, Any]]) -> list[str]:
    """Slices that overlap without the one being within the other, and ends of arrows outside of any slice."""
    found: list[str] = []
    stacks: dict[tuple[int, int], list[float]] = defaultdict(list)
    for event in timed:
        stack = stacks[event["pid"], event["tid"]]
        # what has ended is closed when the next slice begins, or is passed by
        while stack and (stack[-1] < event["ts"] or (event["ph"] == "X" and stack[-1] <= event["ts"])):
            stack.pop()
        if event["ph"] == "X":
            end = event["ts"] + event["dur"]
            if stack and end > stack[-1]:
                found.append(f"it overlaps what it is not within: {event}")
            stack.append(end)
        elif event["ph"] in "stf" and not stack:
            found.append(f"no slice is there: {event}")
    return found


def _paired(timed: list[dict[str, Any]]) -> list[str]:
    """Arrows, and asynchronous slices, that do not begin, or do not end, once."""
    found: list[str] = []
    phases: dict[tuple[str, str, str, Any], str] = defaultdict(str)
    for event in timed:
        name = event["name"] if event["ph"] in "stf" else ""
        if event["ph"] in "stfbe":
            phases["flow" if name else "slice", event["cat"], name, event["id"]] += event["ph"]
    for key, seen in phases.items():
        if seen.replace("t", "") not in ("sf", "be"):
            found.append(f"{key} has {seen}")
    return found
