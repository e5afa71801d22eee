"""What holds for every test."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from stretto.engine import as_machine_code

#: For this process and those that it starts: no test makes a key in the home of who runs the tests.
os.environ["STRETTO_SECRET_KEY"] = secrets.token_hex(32)

if os.environ.get("STRETTO_MACHINE_CODE") == "1" and not as_machine_code():
    pytest.exit("these tests are for the engine as machine code, and it is not installed so", returncode=2)

# How long an example takes depends on the machine: none is too slow.
settings.register_profile(
    "unhurried", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Two language models at once are slower than one after the other: one worker has them all."""
    for item in items:
        if item.get_closest_marker("model"):
            item.add_marker(pytest.mark.xdist_group("model"))
        # xdist writes the group where pytest 9.2 does not look any more
        group = item.get_closest_marker("xdist_group")
        if group is not None and getattr(config.option, "loadgroup", False) and hasattr(item, "_id"):
            from _pytest.nodeid import coerce_node_id

            item._id = coerce_node_id(f"{item.nodeid}@{group.args[0]}")


def _skip_is_failure(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Where nobody looks at the skips, a test that did not run must not look like one that passed."""
    if not IN_CI or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"skipped in CI, where every test must run: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _skip_is_failure(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _skip_is_failure(report)
    return report
