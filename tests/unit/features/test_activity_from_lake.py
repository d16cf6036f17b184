"""Activities recomputed from the lake: they must equal what the stream folds, in whatever order it got the events."""

import random
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq

from feature_repo.activity import EMPTY, Activity
from feature_repo.batch import compute_features, recompute_activity
from feature_repo.customer import activity_of
from feature_repo.layout import USER_ACTIVITY
from feature_repo.tables import table_path
from ingestion.contracts.event import ReceivedEvent
from ingestion.sinks.online import folded
from tests.unit.features.lake_files import at, event_at, lake_files

NAMES = ("view_item", "select_item", "add_to_wishlist", "add_to_cart", "purchase", "search", "login", "view_item_list")


def _events(count: int, seed: int) -> list[ReceivedEvent]:
    """Events of few customers and devices, many of them in the same second, some without consent."""
    chance = random.Random(seed)
    events = []
    for number in range(count):
        name = chance.choice(NAMES)
        user = chance.choice([None, "anna", "bert"]) if name != "login" else "anna"
        device = chance.choice([None, *(f"d{n}" for n in range(7))])
        if user is None and device is None:
            device = "d0"
        items = [{"item_id": f"i{chance.randrange(30)}"} for _ in range(chance.randrange(1, 4))]
        events.append(
            event_at(
                at(1) + timedelta(seconds=chance.randrange(5 * 86400)),
                event_id=f"e{number}",
                event_name=name,
                user_id=user,
                anonymous_id=device,
                items=items,
                transaction_id="o" if name == "purchase" else None,
                search_term="tent" if name == "search" else None,
                consent={"personalisation": False} if chance.random() < 0.1 else None,
            )
        )
    return events


def _folded(events: list[ReceivedEvent], seed: int) -> dict[str, Activity]:
    """What the features group makes of the events when they come in disorder, in batches, and partly twice."""
    chance = random.Random(seed)
    arriving = events + chance.sample(events, len(events) // 3)
    chance.shuffle(arriving)
    online: dict[str, Activity] = {}
    for event in arriving:
        after = folded(online.get(event.customer_key, EMPTY), [event])
        if after != EMPTY:
            online[event.customer_key] = after
    return online


def test_the_lake_and_the_stream_agree_on_every_activity(tmp_path: Path) -> None:
    events = _events(600, seed=1)
    from_lake = recompute_activity(lake_files(tmp_path, events).events, tmp_path / "scratch", at(20))
    assert from_lake == _folded(events, seed=2)
    assert len(from_lake["u:anna"].interactions) == 50
    assert len(from_lake["u:anna"].links) == 5


def test_the_offline_table_holds_the_activity_of_each_day(tmp_path: Path) -> None:
    events = _events(300, seed=3)
    compute_features(lake_files(tmp_path, events), tmp_path / "features", at(20))
    rows = pq.read_table(table_path(tmp_path / "features", USER_ACTIVITY)).to_pylist()
    for row in rows:
        known = [event for event in events if event.event_time < row["event_timestamp"]]
        assert activity_of(row) == _folded(known, seed=4)[row["customer_key"]]
    assert len({row["event_timestamp"] for row in rows}) == 6, "five days and a half, from noon to noon"
