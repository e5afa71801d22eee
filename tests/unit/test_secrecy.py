"""What can be declared secret, and what is said of a declaration that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from stretto import call, errors, flow


def named(user: str, *tokens: str, pin: int = 0, **options: str) -> None: ...


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("pasword", r'test_secrecy\.py:\d+: .*named names "?\'pasword\'.*"user", "tokens", "pin", "options"'),
        (["user", "nothing"], "'nothing', which is not one of its arguments"),
        ("note", r"'options' is for all that \*\*options takes"),
        (3, "the option secret= is what is kept out of the journal.*found 3"),
        ([3], "the option secret="),
        ({"user": True}, "the option secret="),
    ],
)
def test_wrong_declarations(secret: Any, says: str) -> None:
    with pytest.raises(errors.DeclarationError, match=says):
        call.reads("r", secret=secret)(named)


def test_wrong_declarations_of_flows() -> None:
    with pytest.raises(errors.DeclarationError, match=r"test_secrecy\.py:\d+: .*'pasword'.*\"password\""):

        @flow(secret="pasword")
        def main(password: str) -> None: ...


@pytest.mark.parametrize("secret", [True, "to"])
def test_a_resource_must_not_be_named_after_a_secret(secret: Any) -> None:
    with pytest.raises(errors.DeclarationError, match=r"named after 'to', which is secret"):

        @call.writes("mail:{to}", secret=secret)
        def send(to: str) -> None: ...


def test_a_function_whose_signature_nobody_knows() -> None:
    assert call(secret=True)(print).secret is not None
    assert call(secret="return")(dict.fromkeys).secret is not None
    with pytest.raises(errors.DeclarationError, match=r"signature of .* cannot be read.*secret=True"):
        call(secret="key")(dict.pop)


@pytest.mark.parametrize(
    ("secret", "args", "kwargs", "masked"),
    [
        ("user", ("a", "b"), {"pin": 1, "x": "y"}, "('-', 'b') {'pin': 1, 'x': 'y'}"),
        ("tokens", ("a", "b", "c"), {"pin": 1}, "('a', '-', '-') {'pin': 1}"),
        (("pin", "options"), ("a",), {"pin": 1, "x": "y"}, "('a',) {'pin': '-', 'x': '-'}"),
        ("return", ("a",), {"pin": 1}, "('a',) {'pin': 1}"),
        (True, ("a",), {"pin": 1}, "('-',) {'pin': '-'}"),
        ({"user"}, (), {"user": "a"}, "() {'user': '-'}"),
    ],
)
def test_which_arguments_are_secret(secret: Any, args: Any, kwargs: Any, masked: str) -> None:
    secrecy = call(secret=secret)(named).secret
    assert secrecy is not None and secrecy.result == (secret in (True, "return"))
    assert "{} {}".format(*secrecy.masked(args, kwargs, lambda _: "-")) == masked


def test_a_call_that_does_not_fit_tells_nothing() -> None:
    def takes_one(pin: int) -> None: ...

    secrecy = call(secret="pin")(takes_one).secret
    assert secrecy is not None
    assert secrecy.masked((1, 2), {"pim": 3}, lambda _: "-") == (("-", "-"), {"pim": "-"})


def test_nothing_secret() -> None:
    assert call(secret=False)(named).secret is None and call(secret=())(named).secret is None
