"""Counters and gauges of one node, served for Prometheus on a port of their own."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS: Final = tuple(round(0.001 * 1.25**step, 4) for step in range(42))
"""Bounds of what is timed, from 1 ms to 9.4 s, close enough for percentiles."""


class Metrics:
    """`outcome` is one of accepted, earlier, refused, malformed, unsigned, overloaded,
    read_only."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.envelopes = Counter("suyuan_envelopes", "Envelopes by outcome", ["outcome"], registry=self.registry)
        self.records = Counter("suyuan_records", "Records accepted", registry=self.registry)
        self.calls = Counter(
            "suyuan_calls", "gRPC calls by method and code", ["method", "code"], registry=self.registry
        )
        self.open_calls = Gauge(
            "suyuan_open_calls", "gRPC calls under way by method", ["method"], registry=self.registry
        )
        self.final_seconds = Histogram(
            "suyuan_final_seconds",
            "From an envelope's admission until its block is on disk here",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.submit_seconds = Histogram(
            "suyuan_submit_seconds",
            "From an envelope's admission to its receipt: in a network, until the quorum cosigned it",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.http_requests = Counter(
            "suyuan_http_requests", "HTTP answers by route and status", ["route", "status"], registry=self.registry
        )
        self.http_connections = Gauge("suyuan_http_connections", "Open HTTP connections", registry=self.registry)
        self.height = Gauge("suyuan_height", "Height of the last block", registry=self.registry)
        self.size = Gauge("suyuan_log_leaves", "Leaves of the log", registry=self.registry)
        self.read_only = Gauge("suyuan_read_only", "1 while the node takes no envelopes", registry=self.registry)
        self.ready = Gauge("suyuan_ready", "1 while the node takes envelopes and keeps up", registry=self.registry)
        self.free_bytes = Gauge("suyuan_free_bytes", "Free on the fullest disk it writes to", registry=self.registry)
        self.certificate_ends = Gauge(
            "suyuan_certificate_end_seconds", "When the server's certificate ends (Unix time)", registry=self.registry
        )
        self.waiting = Gauge("suyuan_waiting_envelopes", "Envelopes that wait for a block", registry=self.registry)
        self.waiting_openings = Gauge(
            "suyuan_waiting_openings", "Private openings that wait for other nodes", registry=self.registry
        )
