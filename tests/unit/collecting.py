"""An OpenTelemetry collector's stand-in: takes OTLP over HTTP on loopback, and keeps what it was sent."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Told:
    """A span, or what was measured under one set of attributes."""

    name: str
    attributes: dict[str, Any]
    id: bytes = b""
    parent: bytes = b""
    trace: bytes = b""
    began: int = 0
    ended: int = 0
    error: bool = False
    says: str = ""
    links: list[Told] = field(default_factory=list["Told"])
    events: list[Told] = field(default_factory=list["Told"])
    value: Any = None
    bounds: list[float] = field(default_factory=list[float])


class Collector(ThreadingHTTPServer):
    """Listens from when it is made.

    Attributes:
        sent: what came, as it came, by path.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[tuple[str, dict[str, str], bytes]] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def spans(self) -> list[Told]:
        found: list[Told] = []
        for body in self._bodies("/v1/traces"):
            request = ExportTraceServiceRequest.FromString(body)
            found += [
                _span(s) for r in request.resource_spans for scope in r.scope_spans for s in scope.spans
            ]
        return found

    def by_place(self) -> dict[str, Told]:
        """The spans by the place of their call; that of the run is at "run"."""
        return {span.attributes.get("stretto.place", "run"): span for span in self.spans()}

    def services(self) -> set[str]:
        return {
            _values(r.resource.attributes)["service.name"]
            for body in self._bodies("/v1/traces")
            for r in ExportTraceServiceRequest.FromString(body).resource_spans
        }

    def measured(self, name: str) -> list[Told]:
        """The last that was sent of a metric."""
        found: list[Told] = []
        for body in self._bodies("/v1/metrics"):
            request = ExportMetricsServiceRequest.FromString(body)
            for r in request.resource_metrics:
                for scope in r.scope_metrics:
                    found = [p for m in scope.metrics if m.name == name for p in _points(m)] or found
        return found

    def _bodies(self, path: str) -> list[bytes]:
        return [
            gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
            for at, headers, body in list(self.sent)
            if at == path
        ]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.sent.append((self.path, headers, body))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is written of it."""


def _span(span: Any) -> Told:
    return Told(
        span.name, _values(span.attributes), span.span_id, span.parent_span_id, span.trace_id,
        span.start_time_unix_nano, span.end_time_unix_nano, span.status.code == 2, span.status.message,
        [Told("", _values(link.attributes), link.span_id) for link in span.links],
        [Told(event.name, _values(event.attributes), began=event.time_unix_nano) for event in span.events],
    )  # fmt: skip


def _points(metric: Any) -> Iterator[Told]:
    if metric.HasField("histogram"):
        for point in metric.histogram.data_points:
            yield Told(
                metric.unit, _values(point.attributes), value=(point.count, point.sum),
                bounds=list(point.explicit_bounds),
            )  # fmt: skip
    else:
        for point in metric.sum.data_points:
            value = point.as_int if point.HasField("as_int") else point.as_double
            yield Told(metric.unit, _values(point.attributes), value=value)


def _values(attributes: Any) -> dict[str, Any]:
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)
