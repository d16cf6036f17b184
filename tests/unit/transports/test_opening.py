"""From an address to a log."""

import sys

import pytest

from feature_repo.errors import Misconfigured
from ingestion.transports.opening import open_log


async def test_kafka_without_its_client_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("ingestion.transports.kafka")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiokafka", None)
    with pytest.raises(Misconfigured, match=r"no Kafka client.*pip install 'shopfloor\[kafka\]'"):
        await open_log("kafka://localhost:9092", "shop")


async def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(Misconfigured, match="unknown kind"):
        await open_log("carrier-pigeon://loft", "shop")
