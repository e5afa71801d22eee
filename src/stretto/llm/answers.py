"""What models answer: frozen, recorded in journals, and taken back as messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

__all__ = ["Answer", "Embeddings", "Piece", "ToolCall", "ToolResult", "Usage", "as_text", "number", "total"]

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Usage:
    """Tokens that were used.

    Attributes:
        input_tokens: all of the input, whether it was read from a cache or not.
        output_tokens: all of the output, what the model thought to itself included.
        cache_read_tokens: the part of the input that the server had already.
        cache_write_tokens: the part of the input that it has kept, where it asks a price for that.
        reasoning_tokens: the part of the output that the model thought to itself.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def told(self) -> bool:
        """Whether the server has said what was used: no question takes no tokens at all."""
        return self.total_tokens > 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True)
class ToolCall:
    """The model wants a tool called.

    Attributes:
        id: what the result is to be sent back with.
        name: of the tool.
        arguments: its arguments as JSON text, as the model wrote it; nobody has looked whether they fit.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class ToolResult:
    """What a tool gave, to be sent back to the model.

    Attributes:
        id: of the `ToolCall`.
        content: what the model is told.
        failed: whether it is what went wrong.
    """

    id: str
    content: str
    failed: bool = False


@dataclass(frozen=True)
class Answer(Generic[T_co]):
    """What a model has answered. It may be put back into the messages of the next question.

    Attributes:
        text: its words; empty if it only calls tools.
        value: what `into=` asked for, validated; without `into=` the same as `text`.
        tool_calls: the tools that it wants called.
        usage: the tokens used, over all attempts at a valid answer.
        cost: US dollars for these; None where the price is not known.
        model: which one answered, as the server says.
        finish_reason: why it ended: "stop", "length", "tools", "filter", or what else the server says.
        attempts: how often it was asked until its answer was valid.
        raw: the server's (last) answer, as it came.
    """

    text: str
    value: T_co
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    cost: float | None = None
    model: str = ""
    finish_reason: str = "stop"
    attempts: int = 1
    raw: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Piece:
    """A piece of a streamed answer.

    Attributes:
        text: what has come since the piece before.
        answer: in the last piece, whose text is empty, the answer as a whole.
    """

    text: str
    answer: Answer[str] | None = None


@dataclass(frozen=True)
class Embeddings:
    """Vectors, one for each text.

    Attributes:
        vectors: in the order of the texts.
        usage: the tokens used.
        cost: US dollars for these; None where the price is not known.
        model: which one made them, as the server says.
    """

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage = Usage()
    cost: float | None = None
    model: str = ""


def total(costs: Iterable[float | None]) -> float | None:
    """A sum of costs: not known where one of them is not."""
    known = 0.0
    for cost in costs:
        if cost is None:
            return None
        known += cost
    return known


def number(said: Any, *path: str) -> int:
    """A number somewhere in what a server says; 0 if it does not."""
    for name in path:
        said = cast("Mapping[str, Any]", said).get(name) if isinstance(said, Mapping) else None
    return said if isinstance(said, int) and not isinstance(said, bool) and said >= 0 else 0


def as_text(value: Any) -> str:
    """What a tool gave, as a model reads it: a text as it is, all else as JSON where it can be."""
    if isinstance(value, str):
        return value
    import pydantic_core

    try:
        return pydantic_core.to_json(value, indent=None).decode()
    except (pydantic_core.PydanticSerializationError, ValueError):
        return str(value)
