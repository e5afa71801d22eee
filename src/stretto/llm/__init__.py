"""Language models as calls; see `docs/models.md`."""

from __future__ import annotations

from .agents import agent
from .answers import Answer, Embeddings, Piece, ToolCall, ToolResult, Usage
from .errors import InvalidAnswer, ModelError, NotRecorded, StepsExceeded, Unavailable
from .estimates import estimate
from .models import Model, anthropic, model, openai
from .prices import at_most, cost
from .recording import Replay, replay

__all__ = [
    "Answer",
    "Embeddings",
    "InvalidAnswer",
    "Model",
    "ModelError",
    "NotRecorded",
    "Piece",
    "Replay",
    "StepsExceeded",
    "ToolCall",
    "ToolResult",
    "Unavailable",
    "Usage",
    "agent",
    "anthropic",
    "at_most",
    "cost",
    "estimate",
    "model",
    "openai",
    "replay",
]
