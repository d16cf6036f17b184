"""What the stream workers count, by Prometheus name. Each worker gives its counters a registry of its own.

A worker serves them on loopback, ``http://127.0.0.1:<port>/metrics``, where ``stream.features_metrics_port`` or
``stream.lake_metrics_port`` is set, or ``shopfloor work --metrics-port`` given.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge


class StreamCounters:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.written = Counter("shopfloor_lake_rows", "Rows committed to a lake table", ["table"], registry=registry)
        self.duplicates = Counter(
            "shopfloor_duplicates", "Records dropped because their id came before", ["topic"], registry=registry
        )
        self.dead_lettered = Counter(
            "shopfloor_dead_letters", "Records that their contract refused", ["topic"], registry=registry
        )
        self.folded = Counter("shopfloor_folded_events", "Events folded into customers' activity", registry=registry)
        self.passed_over = Counter(
            "shopfloor_passed_over_events", "Events that the features group could not read", registry=registry
        )
        self.interruptions = Counter(
            "shopfloor_stream_interruptions",
            "Times a group paused because log or store was away",
            ["group"],
            registry=registry,
        )
        self.freshness = Gauge(
            "shopfloor_feature_freshness_seconds",
            "Age of the last event when its features were written",
            registry=registry,
        )
