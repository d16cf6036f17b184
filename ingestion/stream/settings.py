"""How the stream worker batches."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class StreamSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    lake_batch_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """A Delta commit is made at the latest when this many records wait."""
    lake_batch_seconds: Annotated[float, Field(gt=0)] = 2.0
    """… or when the oldest of them has waited this long."""
    features_batch_rows: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    log_keep_hours: Annotated[float, Field(ge=24)] = 7 * 24.0
    """How long the embedded log keeps what both groups have read. Kafka has its own retention."""
    features_metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Where the features worker serves its Prometheus metrics, on loopback; 0 for nowhere."""
    lake_metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Where the lake worker serves them. A second worker of a group on one machine needs ``work --metrics-port``."""
    dedupe_hours: Annotated[float, Field(ge=24)] = 48.0
    """A repeated ``event_id`` is dropped when the first came no longer ago than this."""
