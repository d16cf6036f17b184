"""Every metric of the service, in one list. ``GET /metrics`` shows them in Prometheus text format.

| name                                   | type      | labels                | what it counts                          |
|----------------------------------------|-----------|-----------------------|-----------------------------------------|
| shopfloor_http_request_seconds         | histogram | route, method, status | time to answer                          |
| shopfloor_events_total                 | counter   | outcome               | events accepted, duplicate, rejected    |
| shopfloor_recommendations_total        | counter   | placement             | answers                                 |
| shopfloor_degraded_total               | counter   | step                  | answers that took this fallback step    |
| shopfloor_exposures_written_total      | counter   |                       | exposures in the log                    |
| shopfloor_exposures_dropped_total      | counter   |                       | exposures lost: queue full, or shutdown |
| shopfloor_exposures_waiting            | gauge     |                       | exposures not yet in the log            |
| shopfloor_catalogue_products           | gauge     |                       | products in memory                      |
| shopfloor_catalogue_refused_total      | counter   |                       | catalogue records that did not parse    |
| shopfloor_model_loaded                 | gauge     | version               | 1 for the model that answers            |
| shopfloor_model_swaps_total            | counter   |                       | models taken over                       |
| shopfloor_model_refused_total          | counter   |                       | bundles refused as corrupt or unusable  |
| shopfloor_feature_drift                | gauge     | feature               | stability index against the training    |
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Metrics:
    """The service's metrics in a registry of their own, so that two services in one process do not mix."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.request_seconds = Histogram(
            "shopfloor_http_request_seconds",
            "Time to answer",
            ("route", "method", "status"),
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
        )
        self.events = Counter("shopfloor_events", "Events by outcome", ("outcome",), registry=registry)
        self.recommendations = Counter(
            "shopfloor_recommendations", "Answers by placement", ("placement",), registry=registry
        )
        self.degraded = Counter("shopfloor_degraded", "Answers that took this step", ("step",), registry=registry)
        self.exposures_written = Counter("shopfloor_exposures_written", "Exposures in the log", registry=registry)
        self.exposures_dropped = Counter("shopfloor_exposures_dropped", "Exposures lost", registry=registry)
        self.exposures_waiting = Gauge("shopfloor_exposures_waiting", "Exposures not yet logged", registry=registry)
        self.catalogue_products = Gauge("shopfloor_catalogue_products", "Products in memory", registry=registry)
        self.catalogue_refused = Counter(
            "shopfloor_catalogue_refused", "Catalogue records that did not parse", registry=registry
        )
        self.model_loaded = Gauge("shopfloor_model_loaded", "1 for the model in use", ("version",), registry=registry)
        self.model_swaps = Counter("shopfloor_model_swaps", "Models taken over", registry=registry)
        self.model_refused = Counter("shopfloor_model_refused", "Bundles refused", registry=registry)
        self.feature_drift = Gauge(
            "shopfloor_feature_drift", "Stability index against the training", ("feature",), registry=registry
        )

    def answered(self, placement: str, degraded: Iterable[str]) -> None:
        """Count an answer and the steps of the fallback ladder that it took."""
        self.recommendations.labels(placement).inc()
        for step in degraded:
            self.degraded.labels(step).inc()


class MeasureRequests:
    """ASGI middleware: how long each route takes. The route's pattern is the label, never the path asked for."""

    def __init__(self, app: ASGIApp, metrics: Metrics, plain: Mapping[Any, str]) -> None:
        """``plain`` maps endpoints to their patterns, for routes that FastAPI does not name in the scope."""
        self.app = app
        self._plain = plain
        self._histogram = metrics.request_seconds
        self._children: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            route = self._plain.get(scope.get("endpoint"))
            if route is None:
                route = str(getattr(scope.get("route"), "path_format", "(none)"))
            labels = (route, scope["method"] if route != "(none)" else "-", status)
            child = self._children.get(labels)
            if child is None:
                child = self._children[labels] = self._histogram.labels(*labels)
            child.observe(time.perf_counter() - started)
