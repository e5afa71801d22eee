"""Hypothesis settings of the differential tests.

``STRETTO_FUZZ=n`` runs n generated programs with new choices each time; without it (as ``make test``
does) the same programs are run each time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

_COMMON = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "print_blob": False,
    "phases": (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
}

settings.register_profile("differential", derandomize=True, database=None, **_COMMON)
settings.register_profile("differential-fuzz", derandomize=False, **_COMMON)
settings.load_profile("differential-fuzz" if "STRETTO_FUZZ" in os.environ else "differential")


def pytest_configure(config: pytest.Config) -> None:
    """A program that fails leaves coroutines behind, as it would in asyncio; whichever test runs when they
    are collected would hear of it."""
    config.addinivalue_line("filterwarnings", "ignore:coroutine '.*' was never awaited:RuntimeWarning")
