"""Bad input gets an exception of Stretto's own, as early as it can be known."""

from __future__ import annotations

from typing import Any

import pytest

from stretto import call, errors, flow


def test_constructs_that_are_not_taken() -> None:
    def generator() -> Any:
        try:
            yield 1
        except* ValueError:
            pass

    async def async_generator() -> Any:
        yield 1

    def framed() -> Any:
        return locals()

    for function, word in [
        (generator, "yield in a try with except*"),
        (async_generator, "yield in an async def"),
        (framed, "locals()"),
    ]:
        with pytest.raises(errors.UnsupportedConstruct) as caught:
            flow(function)  # type: ignore[arg-type]
        assert caught.value.construct == word
        assert caught.value.lineno
        assert __file__ in str(caught.value)


def test_source_that_cannot_be_found() -> None:
    namespace: dict[str, Any] = {}
    exec("def made(): return 1", namespace)
    with pytest.raises(errors.SourceNotFound):
        flow(namespace["made"])
    with pytest.raises(errors.SourceNotFound, match="lambda"):
        flow(lambda: 1)


def test_declarations() -> None:
    def send(to: str) -> None: ...

    with pytest.raises(errors.DeclarationError, match="'who'.*to"):
        call.writes("mail:{who}")(send)
    with pytest.raises(errors.DeclarationError, match="contradictory"):
        call.pure.reads("x")
    with pytest.raises(errors.DeclarationError, match="contradictory"):
        call.reads("x").pure  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(errors.DeclarationError, match="no option 'retrys'"):
        call.reads("x", retrys=3)
    with pytest.raises(errors.DeclarationError, match="timeout"):
        call.unordered(timeout=-1)
    with pytest.raises(errors.DeclarationError, match="no option"):
        flow(speed=3)  # type: ignore[call-overload]
    with pytest.raises(errors.DeclarationError):
        call.reads("")
    with pytest.raises(errors.DeclarationError, match="already"):
        call(call(send))


def test_a_return_type_that_the_value_breaks() -> None:
    @call.unordered
    async def wrong() -> list[str]:
        return [1]  # type: ignore[list-item]

    @flow
    def main() -> list[str]:
        return wrong()

    for way in (main, main.sequential, wrong):
        with pytest.raises(errors.ReturnTypeError, match=r"declared to return list\[str\]"):
            way()


def test_a_coroutine_from_a_sync_function() -> None:
    async def hidden() -> int:
        return 1

    @call.unordered
    def sneaky() -> Any:
        return hidden()

    @flow
    def main() -> Any:
        return sneaky()

    for way in (main, sneaky):
        with pytest.raises(errors.DeclarationError, match="coroutine"):
            way()


def test_arguments_that_do_not_fit() -> None:
    @flow
    def main(a: int) -> int:
        return a

    for args in ((), (1, 2)):
        with pytest.raises(errors.FlowArgumentError, match="main"):
            main(*args)
    with pytest.raises(TypeError):
        main(b=1)  # type: ignore[call-arg]
