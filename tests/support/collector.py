"""A collector of traces: takes OTLP over HTTP and keeps what it got, as the real bytes say it. Also one that takes nothing."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Told:
    """A span as it arrived."""

    service: str
    name: str
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    took_ms: float
    attributes: dict[str, str]


@dataclass(slots=True)
class Collector:
    """What arrived."""

    endpoint: str
    bodies: list[bytes] = field(default_factory=list)

    def spans(self) -> list[Told]:
        """Give every span so far."""
        return [
            Told(
                service=next(one.value.string_value for one in of.resource.attributes if one.key == "service.name"),
                name=span.name,
                trace_id=span.trace_id,
                span_id=span.span_id,
                parent_id=span.parent_span_id,
                took_ms=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
                attributes={one.key: one.value.string_value for one in span.attributes},
            )
            for body in list(self.bodies)
            for of in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in of.scope_spans
            for span in scope.spans
        ]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on a free port of this computer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/v1/traces"
            assert self.headers["content-type"] == "application/x-protobuf"
            collector.bodies.append(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
