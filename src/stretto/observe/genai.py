"""Calls of language models, in the words of OpenTelemetry's conventions for generative AI.

The names are written out: the package that has them marks them as unstable, and has moved them once.
"""

from __future__ import annotations

from .events import Finished

__all__ = ["DURATIONS", "TOKENS", "is_model", "metric_attributes", "span_attributes", "span_name"]

#: The bounds of buckets that the conventions want, for tokens and for seconds.
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
DURATIONS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)


def is_model(event: Finished) -> bool:
    """Whether a result says that it comes from a language model."""
    return event.model is not None or event.input_tokens is not None or event.output_tokens is not None


def _operation(call: str) -> str:
    """What was asked of it. Where the call's name does not tell it is taken for a chat, as most are."""
    name = call.rpartition(":")[2].rpartition(".")[2].lower()
    return "embeddings" if name.startswith("embed") else "chat"


def metric_attributes(event: Finished, call: str) -> dict[str, str]:
    """What measurements of it go by."""
    found = {"gen_ai.operation.name": _operation(call), "gen_ai.provider.name": "_OTHER"}
    if event.model:
        found["gen_ai.response.model"] = event.model
    return found


def span_attributes(event: Finished, call: str) -> dict[str, str | int | float]:
    """What is told at the span of a call; nothing if it is none of a model, and says nothing of a cost."""
    found: dict[str, str | int | float] = {}
    if is_model(event):
        found.update(metric_attributes(event, call))
        if event.input_tokens is not None:
            found["gen_ai.usage.input_tokens"] = event.input_tokens
        if event.output_tokens is not None:
            found["gen_ai.usage.output_tokens"] = event.output_tokens
    if event.usd is not None:
        found["stretto.cost.usd"] = event.usd
    return found


def span_name(event: Finished, call: str) -> str:
    """As the conventions have it, such as "chat gpt-5"; empty if it is no call of a model."""
    return f"{_operation(call)} {event.model or ''}".rstrip() if is_model(event) else ""
