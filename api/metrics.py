"""What the operator can watch: requests, streams, and how long the event loop was held up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LAG_EVERY_S: Final = 0.5
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The meters of one application, in a registry of its own: a second application in this process has another."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "autostack_http_requests", "Requests by route and status.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "autostack_http_request_seconds",
            "Time until the response began.",
            ["route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.loop_lag = Gauge(
            "autostack_loop_lag_seconds",
            "Longest time that the event loop was held up since the last reading.",
            registry=self.registry,
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A value that is asked for at each reading."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def count(self, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All meters in Prometheus' text format."""
        found = generate_latest(self.registry)
        self.loop_lag.set(0)
        return found

    async def watch_loop(self) -> None:
        """Measure, for ever, how late the loop comes back to one who sleeps."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_LAG_EVERY_S)
            lag = time.perf_counter() - began - _LAG_EVERY_S
            if lag > self._lag():
                self.loop_lag.set(lag)

    def _lag(self) -> float:
        return next((sample.value for metric in self.loop_lag.collect() for sample in metric.samples), 0.0)
