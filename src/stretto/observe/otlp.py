"""Where telemetry goes that nobody but the environment says anything about: what ``stretto run --otel`` uses.

The variables are those of OpenTelemetry (``OTEL_...``), and are read by its own packages. What of them is for
the one who puts providers together, is read here: which exporters, and by which protocol.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable
from importlib import metadata
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .telemetry import exporting, missing

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ["sending"]

#: Seconds that what is left may take to be sent, once the runs are over; where something could not be before.
_PATIENCE = 5.0
_NO_PATIENCE = 0.5
#: So many spans may wait to be sent: those of a quick run all at once. The SDK's own number is 2,048.
_WAITING = 20_000


@contextlib.contextmanager
def sending(tell: Callable[[str], None]) -> Generator[None]:
    """Inside the ``with``, runs are exported as the environment says, or with the providers of the process if
    it has some already.

    No collector is no reason for a run to fail, or to take longer: `tell` is told of it, once.

    Raises `TelemetryMissing` and `ConfigurationError`.
    """
    try:
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.metrics import MeterProvider as SDKMeters
        from opentelemetry.sdk.trace import TracerProvider as SDKSpans
    except ImportError as error:
        raise missing(error) from None
    if isinstance(trace.get_tracer_provider(), SDKSpans) or isinstance(
        metrics.get_meter_provider(), SDKMeters
    ):
        with exporting():  # somebody else has seen to it, `opentelemetry-instrument` for one
            yield
        return
    troubles = _Troubles(tell)
    with troubles:
        exporters: list[Any] = []
        spans, measured = _spans(exporters), _measured(exporters)
        # what else is instrumented in this process goes the same way, and nests below the calls
        trace.set_tracer_provider(spans)
        metrics.set_meter_provider(measured)
        try:
            with exporting(spans, measured):
                yield
        finally:
            _close((spans.shutdown, measured.shutdown), exporters, troubles)


def _spans(exporters: list[Any]) -> TracerProvider:
    from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_QUEUE_SIZE
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(shutdown_on_exit=False)
    waiting = None if OTEL_BSP_MAX_QUEUE_SIZE in os.environ else _WAITING
    for make in _chosen("traces"):
        exporter = make()
        exporters.append(exporter)
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=waiting))
    return provider


def _measured(exporters: list[Any]) -> MeterProvider:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader

    readers: list[Any] = []
    for make in _chosen("metrics"):
        exporter = make()
        if not isinstance(exporter, MetricReader):
            exporters.append(exporter)
            exporter = PeriodicExportingMetricReader(exporter)
        readers.append(exporter)
    return MeterProvider(readers, shutdown_on_exit=False)


def _chosen(signal: str) -> list[Callable[[], Any]]:
    """The exporters that the environment names for "traces" or "metrics"; OTLP over HTTP if it names none."""
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    found: list[Callable[[], Any]] = []
    for name in os.environ.get(variable, "otlp").split(","):
        name = name.strip() or "otlp"
        if name == "none":
            continue
        entry = _protocol(signal) if name == "otlp" else name
        known = metadata.entry_points(group=f"opentelemetry_{signal}_exporter", name=entry)
        if not known:
            raise ConfigurationError(
                f"{variable}: there is no exporter {entry!r} here: the package that has it is not installed"
            )
        found.append(next(iter(known)).load())
    return found


def _protocol(signal: str) -> str:
    for variable in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        said = os.environ.get(variable, "").strip()
        if said == "grpc":
            return "otlp_proto_grpc"
        if said not in ("", "http/protobuf"):
            raise ConfigurationError(f"{variable} is grpc or http/protobuf; found {said!r}")
    return "otlp_proto_http"


class _Troubles(logging.Handler):
    """Hears what OpenTelemetry's packages complain about, and tells the first of it."""

    _LOGGERS = ("opentelemetry.exporter", "opentelemetry.sdk")

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell
        #: Something could not be sent.
        self.heard = False
        self._before: list[bool] = []

    def __enter__(self) -> None:
        for name in self._LOGGERS:
            logger = logging.getLogger(name)
            self._before.append(logger.propagate)
            logger.propagate = False
            logger.addHandler(self)

    def __exit__(self, *_: object) -> None:
        for name, before in zip(self._LOGGERS, self._before, strict=True):
            logger = logging.getLogger(name)
            logger.removeHandler(self)
            logger.propagate = before

    def emit(self, record: logging.LogRecord) -> None:
        if not self.heard:
            self.complain(record.getMessage().splitlines()[0])

    def complain(self, message: str) -> None:
        if not self.heard:
            self.heard = True
            self._tell(f"telemetry cannot be sent; the run is not touched by that: {message}")


def _close(works: Iterable[Callable[[], None]], exporters: list[Any], troubles: _Troubles) -> None:
    """Send what is left, within bounds: a collector may be dead, or take a message and never answer."""
    threads = [threading.Thread(target=work, daemon=True, name="stretto-telemetry") for work in works]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    while any(thread.is_alive() for thread in threads):
        if time.monotonic() - began > (_NO_PATIENCE if troubles.heard else _PATIENCE):
            break
        time.sleep(0.01)
    else:
        return
    troubles.complain(f"no answer within {_PATIENCE:.0f} seconds")
    for exporter in exporters:
        with contextlib.suppress(Exception):
            exporter.shutdown()  # it waits for its next attempt no longer
    until = time.monotonic() + _NO_PATIENCE
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))
