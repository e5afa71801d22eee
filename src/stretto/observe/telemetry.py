"""What happens in runs, as OpenTelemetry has it: traces, and metrics (docs/telemetry.md).

The packages that this takes come with the extra ``otel``. Where spans go is decided by the providers, as
everywhere in OpenTelemetry: this makes spans, and others send them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING

from ..errors import StrettoError
from .live import listening

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["TelemetryMissing", "exporting", "missing"]


class TelemetryMissing(StrettoError, ImportError):
    """The packages of OpenTelemetry are not installed; the message says how to install them."""


def missing(error: ImportError) -> TelemetryMissing:
    """What is told where one of the packages is not there."""
    return TelemetryMissing(
        f"OpenTelemetry needs {error.name or 'a package'}, which is not installed: "
        "pip install 'stretto[otel]'"
    )


@contextlib.contextmanager
def exporting(
    tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> Generator[None]:
    """Inside the ``with``, runs that begin in this process are told as traces and metrics.

    Args:
        tracer_provider, meter_provider: what makes spans and measurements, and sends them; those of the
            process if none is given.

    Raises `TelemetryMissing`, an ImportError, where the extra ``otel`` is not installed.
    """
    try:
        from opentelemetry import metrics, trace

        from .meters import Meters
        from .spans import Spans
    except ImportError as error:
        raise missing(error) from None
    from .. import __version__

    tracer = trace.get_tracer("stretto", __version__, tracer_provider)
    meter = metrics.get_meter("stretto", __version__, meter_provider)
    with listening(Spans(tracer)), listening(Meters(meter)):
        yield
