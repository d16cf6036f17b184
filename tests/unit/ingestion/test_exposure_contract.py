"""What the exposure contract refuses."""

import json
from typing import Any

import pytest

from ingestion.contracts.exposure import Exposure
from ingestion.contracts.parse import read_record
from ingestion.contracts.rejection import Rejection


def read(propensity: Any, **changes: Any) -> Exposure | Rejection:
    item = {"item_id": "tent", "position": 0, "score": 1.0, "propensity": propensity, "reason": ""}
    told = {"recommendation_id": "r1", "shown_at": "2026-03-01T12:00:00Z", "customer_key": "", "placement": "home"}
    return read_record(Exposure, json.dumps(told | {"items": [item]} | changes).encode(), "recommendation_id")


@pytest.mark.parametrize("propensity", [0, -0.5, 1.01, float("nan"), float("inf"), None])
def test_a_propensity_that_is_no_probability_above_zero(propensity: float | None) -> None:
    refused = read(propensity)
    assert isinstance(refused, Rejection)
    assert "propensity" in str(refused)


@pytest.mark.parametrize("propensity", [1e-9, 0.5, 1])
def test_any_other_is_kept(propensity: float) -> None:
    accepted = read(propensity)
    assert isinstance(accepted, Exposure)
    assert accepted.items[0].propensity == propensity


def test_an_exposure_of_before_the_contract_knew_what_was_asked_with() -> None:
    accepted = read(1)
    assert isinstance(accepted, Exposure)
    assert accepted.asked_with == ()
