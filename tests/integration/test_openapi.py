"""The service against its own OpenAPI document: whatever the document allows is answered as the document says."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from serving.app import create_app
from serving.service import Parts
from serving.settings import ServingSettings
from tests.unit.serving.shop import FolderRegistry, MemoryLake, MemoryLog, MemoryStore, product

PARTS = Parts(
    log=MemoryLog(),
    features=MemoryStore(),
    lake=MemoryLake([product("sku-17"), product("sku-18")]),
    registry=FolderRegistry(Path("none")),
    settings=ServingSettings(body_limit_bytes=100_000),
    keys=(),
    markets=(),
    clock=lambda: datetime.now(UTC),
    new_id=lambda: "r1",
)
schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(PARTS))


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
def test_the_document_holds(case: Any) -> None:
    # Two things no JSON Schema says: ids may be sent as numbers, and rules across fields (a price needs its currency).
    case.call_and_validate(excluded_checks=[negative_data_rejection, positive_data_acceptance])
