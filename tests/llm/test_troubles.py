"""A server that fails: what is tried again, what is not, and what is said."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from stretto import flow, llm
from stretto.limits.overload import refusal
from tests.llm import serving
from tests.llm.conftest import made
from tests.llm.serving import Server, refuses


@pytest.mark.parametrize(
    "trouble",
    [
        refuses(429, retry_after="0"),
        refuses(500),
        refuses(529, {"type": "overloaded_error", "message": "too much"}),
        refuses(400, x_should_retry="true"),
        serving.malformed,
        serving.no_answer,
        serving.hangs_up,
    ],
    ids=["429", "500", "529", "says-so", "malformed", "no-answer", "hangs-up"],
)
def test_what_passes_is_tried_again(server: Server, model: llm.Model, trouble: Any) -> None:
    server.troubles = [trouble]

    @flow
    def ask() -> str:
        return model.chat("hello").text

    assert ask() == "answer to hello"
    assert len(server.asked) == 2
    server.troubles = [trouble]
    assert model.chat("hello").text == "answer to hello"  # outside of flows, too


@pytest.mark.parametrize(
    "trouble",
    [
        refuses(400, {"message": "no such thing"}),
        refuses(401, {"message": "wrong key: very-secret-key"}),
        refuses(429, {"message": "no such thing", "code": "insufficient_quota"}),
        refuses(500, x_should_retry="false"),
    ],
    ids=["400", "401", "no-money", "says-so"],
)
def test_what_stays_is_not(server: Server, model: llm.Model, trouble: Any) -> None:
    server.troubles = [trouble]
    with pytest.raises(llm.ModelError, match="the server has refused: ") as raised:
        model.chat("hello")
    assert not isinstance(raised.value, llm.Unavailable)
    assert "very-secret-key" not in str(raised.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "wrong", [{"temperature": float("nan")}, {"user": "\ud800"}], ids=["nan", "surrogate"]
)
def test_what_cannot_be_sent_is_not_tried_again(server: Server, model: llm.Model, wrong: Any) -> None:
    with pytest.raises(llm.ModelError, match="the request cannot be sent") as raised:
        model.chat("hello", **wrong)
    assert not isinstance(raised.value, llm.Unavailable)
    assert not server.asked


def test_no_attempts(model: llm.Model) -> None:
    with pytest.raises(llm.ModelError, match="at least 1; found 0"):
        model.chat("hello", attempts=0)


def test_fewer_vectors_than_texts(server: Server) -> None:
    def one(handler: serving.Handler) -> bool:
        handler.send(200, {"data": [{"index": 0, "embedding": [1.0]}]})
        return True

    server.troubles = [one]
    with pytest.raises(llm.Unavailable, match="1 vectors for 2 texts"):
        made(server, "openai", retries=0).embed(["a", "b"])


def test_retry_after_is_kept_to(server: Server, model: llm.Model) -> None:
    server.troubles = [refuses(429, retry_after="0.4")]
    began = time.monotonic()
    assert model.chat("hello").text == "answer to hello"
    assert time.monotonic() - began >= 0.4


def test_a_refusal_is_known_as_one(server: Server) -> None:
    model = made(server, "openai", retries=0)
    server.troubles = [refuses(429, retry_after_ms="70"), refuses(503)]
    with pytest.raises(llm.Unavailable) as raised:
        model.chat("hello")
    found = refusal(raised.value)
    assert found is not None and found.retry_after == pytest.approx(0.07)
    assert (raised.value.status_code, raised.value.body["message"]) == (429, "not now")
    with pytest.raises(llm.Unavailable) as raised:
        model.chat("hello")
    assert refusal(raised.value) is not None


def test_nobody_is_there(server: Server) -> None:
    for sdk in ("openai", "anthropic"):
        maker = getattr(llm, sdk)
        model = maker("m", base_url="http://127.0.0.1:9", retries=1)
        with pytest.raises(llm.Unavailable, match="could not be reached"):
            model.chat("hello")


def test_an_answer_that_takes_too_long(server: Server) -> None:
    model = made(server, "openai", timeout=1.0)
    over = threading.Event()
    server.troubles = [serving.waits_for(over)]
    try:
        assert model.chat("hello").text == "answer to hello"
        assert len(server.asked) >= 2
    finally:
        over.set()


def test_a_stream_is_made_again_as_long_as_nothing_has_come(server: Server, model: llm.Model) -> None:
    server.troubles = [refuses(500), serving.fails_within, serving.hangs_up]
    assert "".join(model.stream("hello")) == "answer to hello"
    assert len(server.asked) == 4


def test_a_stream_that_breaks_off_fails(server: Server, model: llm.Model) -> None:
    server.troubles = [serving.breaks_off]

    @flow
    def read() -> list[str]:
        found: list[str] = []
        try:
            for piece in model.stream("hello"):
                found.append(piece)
        except llm.Unavailable as error:
            found.append(str(error))
        return found

    *pieces, end = read()
    assert "".join(pieces) in ("one ", "one two", "one two three"[:8])
    assert "has broken off" in end
    assert len(server.asked) == 1


def test_a_loop_that_is_left_ends_the_request(server: Server, model: llm.Model) -> None:
    for piece in model.stream("hello"):
        assert piece == "answ"
        break
    assert model.chat("hello").text == "answer to hello"


def test_a_client_is_closed_with_its_loop(server: Server, model: llm.Model) -> None:
    """Else its connections would be left open, and Python would warn of it, which fails tests."""

    async def ask() -> str:
        return (await model.chat.aio("hello")).text

    for _ in range(3):
        assert asyncio.run(ask()) == "answer to hello"
