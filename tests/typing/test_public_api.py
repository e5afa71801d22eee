"""The names that users may rely on. A change here is a change for them: it goes to the changelog."""

from __future__ import annotations

import stretto
import stretto.testing

PUBLIC = {
    "Budget",
    "Call",
    "Current",
    "Done",
    "Flow",
    "Route",
    "Run",
    "__version__",
    "assume_pure",
    "budget",
    "call",
    "configure",
    "current",
    "errors",
    "explain",
    "flow",
    "fork",
    "resume",
    "route",
    "way",
}

TESTING = {
    "VirtualClock",
    "without",
}


def test_names_of_stretto() -> None:
    assert set(stretto.__all__) == PUBLIC
    for name in stretto.__all__:
        assert getattr(stretto, name) is not None


def test_names_of_testing() -> None:
    assert set(stretto.testing.__all__) == TESTING
    for name in stretto.testing.__all__:
        assert getattr(stretto.testing, name) is not None


def test_errors_are_listed() -> None:
    for name in stretto.errors.__all__:
        assert issubclass(getattr(stretto.errors, name), stretto.errors.StrettoError)
