"""A model of some provider: its calls, and what holds for all of them."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypedDict, TypeVar, overload
from urllib.parse import urlsplit

from ..calls import Call, CallHolder, call
from ..compiler.checkers import Checker
from ..errors import DeclarationError
from ..journal.codecs import codec
from ..streams import Stream
from .answers import Answer, Embeddings, Piece, Usage, total
from .anthropic_words import MOST_TOKENS, AnthropicWords
from .asked import Asked, Messages, Reply, sequence
from .clients import SDK, Client
from .errors import InvalidAnswer, ModelError, Unavailable
from .estimates import estimate, most
from .openai_words import EMBEDDINGS, OpenAIWords, usage_of
from .prefixes import Prefixes, is_near
from .prices import cost, provider_at
from .recording import way_of
from .schemas import form_of
from .tools import spec_of

__all__ = ["Model", "anthropic", "model", "openai"]

T = TypeVar("T")

#: Seconds that an answer may take, and how often a call is made again that a server was not fit to answer.
TIMEOUT, RETRIES = 600.0, 6
_OPENAI, _ANTHROPIC = "https://api.openai.com/v1", "https://api.anthropic.com"


class Chat(Protocol):
    """``model.chat``."""

    @overload
    def __call__(
        self, messages: Messages, *, into: None = None, tools: Iterable[Any] = ..., system: str | None = ...,
        attempts: int = ..., **options: Any,
    ) -> Answer[str]: ...  # fmt: skip
    @overload
    def __call__(
        self, messages: Messages, *, into: type[T], system: str | None = ..., attempts: int = ...,
        **options: Any,
    ) -> Answer[T]: ...  # fmt: skip
    def __call__(self, messages: Messages, **options: Any) -> Answer[Any]: ...

    @overload
    async def aio(
        self, messages: Messages, *, into: None = None, tools: Iterable[Any] = ..., system: str | None = ...,
        attempts: int = ..., **options: Any,
    ) -> Answer[str]: ...  # fmt: skip
    @overload
    async def aio(
        self, messages: Messages, *, into: type[T], system: str | None = ..., attempts: int = ...,
        **options: Any,
    ) -> Answer[T]: ...  # fmt: skip
    async def aio(self, messages: Messages, **options: Any) -> Answer[Any]: ...


class Texts(Protocol):
    """``model.stream``."""

    def __call__(self, messages: Messages, *, system: str | None = ..., **options: Any) -> Stream[str]: ...


class Pieces(Protocol):
    """``model.pieces``."""

    def __call__(
        self, messages: Messages, *, tools: Iterable[Any] = ..., system: str | None = ..., **options: Any
    ) -> Stream[Piece]: ...


class Embed(Protocol):
    """``model.embed``."""

    def __call__(self, texts: str | Sequence[str], **options: Any) -> Embeddings: ...
    async def aio(self, texts: str | Sequence[str], **options: Any) -> Embeddings: ...


class Limited(TypedDict, total=False):
    """What is said of all calls of a model, as of any call."""

    timeout: float | None
    retries: int
    limit: int | Literal["adaptive"] | None
    rate: str | None
    tokens: str | None
    per: str
    hedge: float | None
    usd: float | None
    secret: bool


class Model(CallHolder):
    """A model, whose methods are calls: in a flow they overlap.

    Attributes:
        name: as the server calls it.
        provider: whose prices hold; None if nobody knows them.
        chat: asks a question, or goes on with a conversation: an `Answer`.
        stream: the same, for the words of the answer as they come.
        pieces: the same, for pieces of it, of which the last one has the answer as a whole.
        embed: makes vectors of texts: `Embeddings`.
    """

    chat: Chat
    stream: Texts
    pieces: Pieces
    embed: Embed

    def __init__(
        self, sdk: SDK, name: str, base_url: str | None, provider: str | None, client: Mapping[str, Any],
        limited: Mapping[str, Any], defaults: Mapping[str, Any], shares: bool = False,
    ) -> None:  # fmt: skip
        self.name = name
        self.provider = provider
        self._key = (sdk, name, base_url and _public(base_url))
        self._defaults = dict(defaults)
        self._client = Client(sdk, client)
        self._words = OpenAIWords(hosted=base_url is None) if sdk == "openai" else AnthropicWords()
        self._prefixes: Prefixes | None = None
        if shares:
            self._prefixes = Prefixes(lambda: self._client.get("/models"), limited.get("timeout"))
        said = {key: value for key, value in limited.items() if value is not None}
        if said.keys() & {"limit", "rate", "tokens"}:
            said.setdefault("per", f"llm:{_host(sdk, base_url)}:{_part(name)}")
        said["tokens_of"] = self._estimate
        said.setdefault("retry_on", (Unavailable, TimeoutError))
        asked: dict[str, Any] = {"usd": self._most, **said}
        texts: dict[str, Any] = {"usd": self._most_of_texts, **said}
        streamed = {key: value for key, value in asked.items() if key != "hedge"}
        made: dict[str, Call[..., Any]] = {
            "chat": call.unordered(**asked, name=f"{name}.chat")(self._chat),
            "stream": call.unordered(**streamed, name=f"{name}.stream")(self._stream),
            "pieces": call.unordered(**streamed, name=f"{name}.pieces")(self._pieces),
            "embed": call.pure(**texts, name=f"{name}.embed")(self._embed),
        }
        made["chat"].told = _told
        made["chat"].settled = frozenset({"into"})
        self.__dict__.update(made)
        _made[self._key] = self

    def __repr__(self) -> str:
        return f"<model {self.name}>"

    # -- the functions of the calls ----------------------------------------------------------------------

    async def _chat(
        self, messages: Messages, *, into: Any = None, tools: Iterable[Any] = (), system: str | None = None,
        attempts: int = 3, **options: Any,
    ) -> Answer[Any]:  # fmt: skip
        if attempts < 1:
            raise ModelError(
                f"{self.name}: attempts= is how often it is asked, at least 1; found {attempts!r}"
            )
        form = None if into is None else form_of(into)
        asked = self._asked(messages, system, tools, None if form is None else form.schema, options)
        replies: list[Reply] = []
        wrong = ""
        while len(replies) < attempts:
            raw = await self._sent(self._words.body(asked))
            reply = self._reply(raw)
            replies.append(reply)
            if form is None:
                return self._answer(replies, reply.text)
            if reply.tool_calls:
                return self._answer(replies, None)
            try:
                return self._answer(replies, form.read(reply.said or ""))
            except ValueError as error:
                wrong = str(error)
            if reply.finish_reason == "length":
                wrong += "\n(The answer was cut off, as it was too long.)"
            asked.messages += self._words.repair(reply, f"{_REPAIR}\n{wrong}")
        answer = self._answer(replies, None)
        raise InvalidAnswer(
            f"{self.name} was asked {len(replies)} times, and its last answer is not as it was asked for:\n"
            f"{wrong}\nThe answer was:\n{answer.text or answer.raw}",
            answer=answer, wrong=wrong,
        )  # fmt: skip

    async def _stream(
        self, messages: Messages, *, system: str | None = None, **options: Any
    ) -> AsyncIterator[str]:
        async for piece in self._pieces(messages, system=system, **options):
            if piece.text:
                yield piece.text

    async def _pieces(
        self, messages: Messages, *, tools: Iterable[Any] = (), system: str | None = None, **options: Any
    ) -> AsyncIterator[Piece]:
        asked = self._asked(messages, system, tools, None, options)
        events = self._words.events()
        source = way_of(self._client).events(self._words.path, self._words.streamed(self._words.body(asked)))
        try:
            async for event in source:
                try:
                    text = events.take(event)
                except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
                    raise _nonsense(error, event) from None
                if text:
                    yield Piece(text)
        finally:
            await source.aclose()
        if not events.done:
            raise Unavailable("the server has broken off: the stream has ended before the answer has")
        reply = self._reply(events.raw)
        yield Piece("", self._answer([reply], reply.text))

    async def _embed(self, texts: str | Sequence[str], **options: Any) -> Embeddings:
        if not isinstance(self._words, OpenAIWords):
            raise ModelError(f"{self.name}: its provider makes no embeddings")
        body = {
            "model": self.name,
            "input": [texts] if isinstance(texts, str) else list(texts),
            "encoding_format": "float",
            **options,
        }
        raw = await way_of(self._client).post(EMBEDDINGS, body)
        try:
            rows = sorted(raw["data"], key=lambda row: row["index"])
            vectors = tuple(tuple(map(float, row["embedding"])) for row in rows)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _nonsense(error, raw) from None
        if len(vectors) != len(body["input"]):
            raise _nonsense(ValueError(f"{len(vectors)} vectors for {len(body['input'])} texts"), raw)
        usage = usage_of(raw.get("usage"))
        return Embeddings(vectors, usage, self._cost(usage), raw.get("model") or self.name)

    # -- their parts -------------------------------------------------------------------------------------

    def _asked(
        self, messages: Messages, system: str | None, tools: Iterable[Any], form: Any, options: dict[str, Any]
    ) -> Asked:
        return Asked(
            self.name, sequence(messages), system, [spec_of(tool) for tool in tools], form,
            {**self._defaults, **options},
        )  # fmt: skip

    async def _sent(self, body: dict[str, Any]) -> dict[str, Any]:
        way = way_of(self._client)
        if self._prefixes is None or way is not self._client:
            return await way.post(self._words.path, body)
        return await self._prefixes.send(body, lambda: way.post(self._words.path, body))

    def _reply(self, raw: dict[str, Any]) -> Reply:
        try:
            return self._words.reply(raw)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise _nonsense(error, raw) from None

    def _answer(self, replies: list[Reply], value: T) -> Answer[T]:
        last = replies[-1]
        usage = functools.reduce(lambda a, b: a + b, (reply.usage for reply in replies))
        costs = [self._cost(reply.usage) for reply in replies]
        return Answer(
            last.text, value, last.tool_calls, usage, total(costs), last.model or self.name,
            last.finish_reason, len(replies), last.raw,
        )  # fmt: skip

    def _cost(self, usage: Usage) -> float | None:
        return cost(self.name, usage, self.provider or "") if usage.told else None

    def _estimate(self, messages: Any = (), **options: Any) -> float:
        return estimate(messages, **{**self._defaults, **options})

    def _most(self, messages: Any = (), **options: Any) -> float:
        """What a call costs at most: what budgets reserve."""
        unsaid = {"max_tokens": MOST_TOKENS} if isinstance(self._words, AnthropicWords) else {}
        return most(self.name, self.provider, messages, **{**unsaid, **self._defaults, **options})

    def _most_of_texts(self, texts: str | Sequence[str], **options: Any) -> float:
        return most(self.name, self.provider, texts, max_tokens=0)


_REPAIR = "That answer is not as it was asked for. Answer again, with valid JSON only. What is wrong:"
#: The models that were made, the newest of each sort: a flow that was given one is given it again.
_made: dict[tuple[SDK, str, str | None], Model] = {}


def openai(
    name: str, *, base_url: str | None = None, api_key: str | None = None, provider: str | None = None,
    client: Mapping[str, Any] | None = None, timeout: float | None = TIMEOUT, retries: int = RETRIES,
    limit: int | Literal["adaptive"] | None = None, rate: str | None = None, tokens: str | None = None,
    per: str | None = None, hedge: float | None = None, usd: float | None = None, secret: bool = False,
    prefixes: bool | None = None, **defaults: Any,
) -> Model:  # fmt: skip
    """A model behind a server that speaks as OpenAI's do: their own, or vLLM, SGLang, llama.cpp, Ollama, ...

    Args:
        name: of the model.
        base_url: of the server, as in ``"http://127.0.0.1:8080/v1"``; OpenAI's own without.
        api_key: what the server wants to be shown; the variable ``OPENAI_API_KEY`` without. It is in no
            journal and no recording.
        provider: whose prices hold, where the address does not say it.
        client: what else `openai.AsyncOpenAI` is told: ``{"default_headers": {...}, "organization": ...}``.
        timeout, retries, limit, rate, tokens, per, hedge, secret: as of any call (docs/limits.md). All calls
            of the model share its limits.
        usd: what a call costs at most, for budgets: 0 for a server of your own. Without, the price list says.
        prefixes: whether requests that begin alike wait for each other, where the server (llama.cpp's) reads
            the beginning only once then; so it is without being told, if the server is near.
        defaults: what the server is told with each request, unless the call says otherwise:
            ``temperature=0``.
    """
    if base_url is None:
        base_url = _variable("OPENAI_BASE_URL")
    if base_url == _OPENAI:
        base_url = None
    told = _client(client, timeout)
    if base_url is not None:
        told["base_url"] = base_url
        api_key = api_key or _variable("OPENAI_API_KEY") or "none"
        provider = provider or provider_at(base_url)
    if api_key is not None:
        told["api_key"] = api_key
    limited = Limited(
        timeout=timeout, retries=retries, limit=limit, rate=rate, tokens=tokens, hedge=hedge, usd=usd
    )
    shares = is_near(base_url) if prefixes is None else prefixes
    return Model("openai", name, base_url, _whose(base_url, provider, "openai"), told,
                 _said(limited, per, secret), defaults, shares)  # fmt: skip


def anthropic(
    name: str, *, base_url: str | None = None, api_key: str | None = None, provider: str | None = None,
    client: Mapping[str, Any] | None = None, timeout: float | None = TIMEOUT, retries: int = RETRIES,
    limit: int | Literal["adaptive"] | None = None, rate: str | None = None, tokens: str | None = None,
    per: str | None = None, hedge: float | None = None, usd: float | None = None, secret: bool = False,
    **defaults: Any,
) -> Model:  # fmt: skip
    """A model of Anthropic's, or behind a server that speaks as theirs does; see `openai`. The key is in the
    variable ``ANTHROPIC_API_KEY`` if not said."""
    told = _client(client, timeout)
    if base_url == _ANTHROPIC:
        base_url = None
    if base_url is not None:
        told["base_url"] = base_url
        api_key = api_key or _variable("ANTHROPIC_API_KEY") or "none"
        provider = provider or provider_at(base_url)
    if api_key is not None:
        told["api_key"] = api_key
    limited = Limited(
        timeout=timeout, retries=retries, limit=limit, rate=rate, tokens=tokens, hedge=hedge, usd=usd
    )
    return Model("anthropic", name, base_url, _whose(base_url, provider, "anthropic"), told,
                 _said(limited, per, secret), defaults)  # fmt: skip


def model(spec: str, **options: Any) -> Model:
    """A model by the provider and its name: ``model("openai:gpt-5-mini")``. The options are those of
    `openai` and `anthropic`."""
    provider, _, name = spec.partition(":")
    makers = {"openai": openai, "anthropic": anthropic}
    if provider not in makers or not name:
        raise DeclarationError(
            f"a model is named 'openai:NAME' or 'anthropic:NAME'; found {spec!r}. Other servers that speak "
            "as OpenAI's do are 'openai:NAME' with base_url="
        )
    return makers[provider](name, **options)


def _told(named: Mapping[str, Any]) -> Checker:
    """What a flow may build on of an answer that has still to come: its fields, and what is in its value."""
    into = named.get("into")
    try:
        return _checker(str if into is None else into)
    except TypeError:  # it is no type, or none that can be kept
        return _checker(Any)


@functools.lru_cache(maxsize=256)
def _checker(into: Any) -> Checker:
    return Checker(Answer[into])


def _client(said: Mapping[str, Any] | None, timeout: float | None) -> dict[str, Any]:
    """What the client of the package is told: it must not give up before the call does."""
    told = dict(said or {})
    if timeout is not None and timeout > TIMEOUT:
        told.setdefault("timeout", timeout)
    return told


def _said(limited: Limited, per: str | None, secret: bool) -> Limited:
    if per is not None:
        limited["per"] = per
    if secret:
        limited["secret"] = True
    return limited


def _whose(base_url: str | None, provider: str | None, own: str) -> str | None:
    return provider if base_url is not None or provider is not None else own


def _variable(name: str) -> str | None:
    import os

    return os.environ.get(name) or None


def _host(sdk: str, base_url: str | None) -> str:
    return sdk if base_url is None else _part(urlsplit(base_url).netloc or base_url)


def _public(base_url: str) -> str:
    """An address without what nobody else must know."""
    found = urlsplit(base_url)
    return found._replace(netloc=found.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _part(name: str) -> str:
    """A name as a part of what calls are counted by."""
    return "".join("-" if c in ":{}" or c.isspace() else c for c in name)


def _nonsense(error: Exception, said: Any) -> Unavailable:
    told = f"{type(error).__name__}: {error}"
    return Unavailable(f"the server's answer makes no sense ({told}): {said!r:.300}", body=said)


def _again(key: list[Any]) -> Model:
    """The model that a flow was given, in another process."""
    sdk, name, base_url = key
    found = _made.get((sdk, name, base_url))
    if found is not None:
        return found
    maker = openai if sdk == "openai" else anthropic
    return maker(name, base_url=base_url)


codec(Model, name="stretto.llm.Model", encode=lambda model: list(model._key), decode=_again)
