"""The options of calls and of flows: which there are, what they say, and what they may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from .amounts import is_amount, is_count
from .errors import DeclarationError
from .executors import option_ok
from .limits.breaker import is_threshold
from .limits.rates import is_rate
from .limits.rules import limit_ok
from .secrecy import OPTION as SECRET
from .secrecy import takes

__all__ = ["PLACES", "check_options"]

_OF_CALLS = {
    "name": "a string: what the call is named in traces and in the journal",
    "timeout": "seconds after which an attempt raises TimeoutError, a positive number",
    "limit": 'how many run at once at the most, a positive integer; "adaptive" to have that found out',
    "rate": "how many are started in a time, as in '600/min' or '5/s'",
    "tokens": "how many tokens they use in a time, as in '90_000/min'",
    "tokens_of": "a function of the same arguments: how many tokens the call is going to use, about",
    "breaker": "how many failures in a row, and how long it is not called after them, as in '5/30s' or 5",
    "hedge": "made once more if it takes longer than that part of such calls did, a number between 0 and 1",
    "usd": "US dollars that it costs at most, a number from 0 or a function of the same arguments",
    "per": "what is counted together, if not this call: a name such as 'openai' or 'openai:{model}'",
    "fails": "False: the call promises that it never raises",
    "retries": "how many times a failed call is made again, an integer from 0",
    "retry_on": "the exception class, or a tuple of them, after which it is made again (Exception)",
    "idempotent": "True: making the call twice with the same arguments is the same as making it once",
    "check": "a function of the same arguments: False if the call was not made, True or Done(x) if it was",
    "secret": SECRET,
    "pickle": "True: a result that cannot be recorded otherwise is pickled; to read it runs what it says",
    "buffer": "of a stream, how many items may wait to be taken, an integer from 0 (16)",
    "on": "where it runs: 'thread', 'process' (which can be killed) or 'ray' (many machines)",
    "cpus": "with on='process' or on='ray', how many cores it takes, a positive number (1)",
    "gpus": "with on='process' or on='ray', how many graphics processors it takes, a positive number (none)",
    "memory": "with on='process' or on='ray', how much memory it takes, as in '2GB'",
}
_OF_FLOWS = {
    "name": "a string: what the flow is named in traces and in the journal",
    "timeout": "seconds after which a run raises TimeoutError, a positive number",
    "limit": "how many operations may be in flight, a positive integer (10,000 if it is not given)",
    "secret": SECRET,
}
#: Those that are about where a call runs.
PLACES = ("on", "cpus", "gpus", "memory")


def check_options(options: Mapping[str, Any], *, flow: bool = False) -> None:
    """Raise `DeclarationError` unless there are such options, of a call or a flow, and they may be that."""
    known = _OF_FLOWS if flow else _OF_CALLS
    for name, value in options.items():
        if name not in known:
            there_are = "; ".join(f"{n}= ({text})" for n, text in known.items())
            what = "flow" if flow else "call"
            raise DeclarationError(f"there is no option {name!r} for a {what}. There are: {there_are}")
        if not (_count_of_flow(value) if flow and name == "limit" else _option_ok(name, value)):
            raise DeclarationError(f"the option {name}= is {known[name]}; found {value!r}")


def _count_of_flow(value: object) -> bool:
    return value is None or is_count(value)


def _option_ok(name: str, value: object) -> bool:
    if name in ("fails", "idempotent", "pickle"):
        return isinstance(value, bool)
    if name == "secret":
        return takes(value)
    if name in ("check", "tokens_of"):
        return callable(value)
    if name in PLACES:
        return option_ok(name, value)
    if name == "usd":
        return callable(value) or is_amount(value)
    if name == "limit":
        return value is None or limit_ok(value)
    if name == "hedge":
        return value is None or (isinstance(value, float) and 0 < value < 1)
    if name in ("retries", "buffer"):
        return is_count(value, least=0)
    if name == "retry_on":
        kinds = cast("tuple[Any, ...]", value if isinstance(value, tuple) else (value,))
        return all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds)
    if value is None:
        return name not in ("name", "per")
    if name in ("name", "per"):
        return isinstance(value, str) and bool(value)
    if name in ("rate", "tokens"):
        return is_rate(value)
    if name == "breaker":
        return is_threshold(value)
    return is_amount(value) and value > 0
