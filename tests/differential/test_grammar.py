"""Programs over the whole grammar: as CPython, or refused.

``STRETTO_FUZZ=n`` runs n programs with new choices each time.
"""

from __future__ import annotations

import os
import time

import pytest

from .grammar import Refused, differing, program, small
from .harness import Difficult, report

JOBS = 4
PROGRAMS = int(os.environ.get("STRETTO_FUZZ", "400"))
SEED = f"new {time.time_ns()}" if "STRETTO_FUZZ" in os.environ else "fixed"


@pytest.mark.timeout(120 + PROGRAMS)
@pytest.mark.parametrize("job", range(JOBS))
def test_as_cpython_or_refused(job: int) -> None:
    agreed = 0
    for number in range(job, PROGRAMS, JOBS):
        name = f"{SEED}-{number}"
        try:
            test = program(name)
            found = differing(test)
        except (Difficult, Refused):
            continue
        if found:
            less, why = small(test, found)
            pytest.fail(f"--only '{name}'\n\n{report(less, why)}", pytrace=False)
        agreed += 1
    assert agreed >= PROGRAMS // JOBS // 3
