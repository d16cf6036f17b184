"""Training sets: nothing from after the moment, neither what happened later nor what came in later."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from feature_repo.batch import compute_features
from feature_repo.errors import BadInput, NotFound
from feature_repo.store import open_store
from feature_repo.training_set import training_set
from ingestion.contracts.event import ReceivedEvent
from tests.unit.features.lake_files import at, event_at, lake_files, purchase_at


def _store(folder: Path, events: Sequence[ReceivedEvent]) -> Any:
    compute_features(lake_files(folder / "lake", events), folder / "features", at(20))
    store, objects = open_store(str(folder / "online.db"), folder)
    store.apply(objects.objects())
    return store


def _moments(*times: datetime, customer: str = "u:anna", **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"customer_key": customer, "event_timestamp": pd.to_datetime(list(times), utc=True), **columns})


def _orders(joined: pd.DataFrame) -> list[int | None]:
    numbers = joined.sort_values("event_timestamp")["user_profile__n_orders"]
    return [None if pd.isna(n) else int(n) for n in numbers]


def test_a_row_sees_only_the_days_that_were_over(tmp_path: Path) -> None:
    store = _store(tmp_path, [purchase_at(at(2), "milk"), purchase_at(at(5), "wine")])
    joined = training_set(store, _moments(at(2, 23), at(3), at(5, 23), at(6)), "recommendation_v1")
    assert _orders(joined) == [None, 1, 1, 2]


def test_a_row_does_not_see_an_order_that_came_in_late(tmp_path: Path) -> None:
    store = _store(tmp_path, [purchase_at(at(2), "milk"), purchase_at(at(3), "wine", received=at(9))])
    joined = training_set(store, _moments(at(4), at(8), at(10)), "recommendation_v1")
    assert _orders(joined) == [1, 1, 2]


def test_rows_without_features_and_further_columns_stay(tmp_path: Path) -> None:
    store = _store(tmp_path, [event_at(at(2)), purchase_at(at(2), "milk")])
    known, unknown = _moments(at(4), label=1), _moments(at(4), customer="u:nobody", label=0)
    joined = training_set(store, pd.concat([known, unknown], ignore_index=True), "recommendation_v1")
    assert joined.set_index("customer_key")["label"].to_dict() == {"u:anna": 1, "u:nobody": 0}
    by_customer = joined.set_index("customer_key")
    assert list(by_customer.loc["u:anna", "user_activity__item_ids"]) == ["tent-1", "milk"]
    assert pd.isna(by_customer.loc["u:nobody", "user_profile__n_orders"])


def test_a_frame_that_does_not_fit(tmp_path: Path) -> None:
    store = _store(tmp_path, [purchase_at(at(2), "milk")])
    with pytest.raises(BadInput, match=r"lacks customer_key"):
        training_set(store, _moments(at(4)).drop(columns="customer_key"), "recommendation_v1")
    naive = pd.DataFrame({"customer_key": ["u:anna"], "event_timestamp": [datetime(2026, 3, 4)]})  # noqa: DTZ001
    with pytest.raises(BadInput, match=r"with a zone"):
        training_set(store, naive, "recommendation_v1")
    with pytest.raises(BadInput, match=r"no rows"):
        training_set(store, _moments(at(4)).iloc[:0], "recommendation_v1")
    with pytest.raises(NotFound, match=r"recommendation_v9"):
        training_set(store, _moments(at(4)), "recommendation_v9")
