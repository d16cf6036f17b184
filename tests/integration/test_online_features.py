"""Online features on SQLite and on a real Redis: one suite that both pass."""

import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from feature_repo.activity import EMPTY, Activity, Interaction, Kind, merged
from feature_repo.customer import CustomerFeatures, UserProfile, activity_row
from feature_repo.errors import Corrupt, Misconfigured, TryLater
from feature_repo.layout import CUSTOMER_KEY, USER_ACTIVITY, USER_PROFILE
from feature_repo.online import OnlineFeatures
from feature_repo.opening import feast_rows, open_online_features

HOUR_US = 3_600_000_000


@dataclass
class Place:
    address: str
    data: Path

    def open(self, **options: Any) -> OnlineFeatures:
        return open_online_features(self.address, self.data, **options)


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty online store."""
    if request.param == "sqlite":
        return Place(str(tmp_path / "online.db"), tmp_path)
    address = request.getfixturevalue("redis_url") + "/7"
    redis.Redis.from_url(address).flushdb()
    return Place(address, tmp_path)


@pytest.fixture
async def online(place: Place) -> AsyncIterator[OnlineFeatures]:
    features = place.open()
    yield features
    await features.close()


def clicks(*items: str, start_us: int = HOUR_US) -> tuple[Interaction, ...]:
    return tuple(Interaction(start_us + n, f"e-{start_us}-{n}", 0, item, Kind.VIEW) for n, item in enumerate(items))


def activity(*items: str, start_us: int = HOUR_US, **links: int) -> Activity:
    return merged(EMPTY, clicks(*items, start_us=start_us), links)


def items_of(features: CustomerFeatures) -> list[str]:
    return [interaction.item_id for interaction in features.activity.interactions]


def write_profile(place: Place, key: str, profile: dict[str, Any]) -> None:
    """A row of ``user_profile`` as materialisation writes it."""
    from feature_repo.definitions import definitions
    from feature_repo.store import OnlineRow, OnlineWriter, repo_config

    writer = OnlineWriter(repo_config(place.address, place.data), definitions(place.data / "features"))
    writer.write(USER_PROFILE, [OnlineRow(key, profile, HOUR_US)])
    writer.close()


PROFILE: dict[str, Any] = {
    "n_orders": 2,
    "n_items": 3,
    "spend": 30.5,
    "currency": "EUR",
    "first_order_time": HOUR_US,
    "last_order_time": 2 * HOUR_US,
    "days_since_first_order": 2.0,
    "days_since_last_order": 1.0,
    "mean_days_between_orders": 1.0,
    "bought_items": ["milk", "bread"],
    "bought_counts": [2, 1],
    "bought_last_times": [2 * HOUR_US, HOUR_US],
    "top_categories": ["dairy"],
    "top_category_shares": [0.75],
    "main_market": "DE",
    "price_level": 10.5,
}


class TestActivity:
    async def test_what_was_written_is_read(self, online: OnlineFeatures) -> None:
        rows = {"u:anna": activity("tent", "stove", phone=7), "a:phone": activity("lamp"), "u:ünï/😀": activity("tent")}
        online.write_activity(rows)
        assert online.read_activity([*rows, "u:nobody"]) == rows

    async def test_nothing_was_ever_written(self, online: OnlineFeatures) -> None:
        assert online.read_activity(["u:anna"]) == {}
        assert (await online.read_customer("anna", "phone")) == CustomerFeatures()

    async def test_an_activity_of_a_link_alone(self, online: OnlineFeatures) -> None:
        online.write_activity({"u:anna": Activity((), {"phone": 7})})
        assert online.read_activity(["u:anna"]) == {"u:anna": Activity((), {"phone": 7})}

    async def test_several_clicks_within_one_microsecond_all_count(self, online: OnlineFeatures) -> None:
        seen = EMPTY
        for number in range(5):
            seen = merged(seen, [Interaction(HOUR_US, f"e{number}", 0, "tent", Kind.VIEW)])
            online.write_activity({"u:anna": seen})
            assert online.read_activity(["u:anna"])["u:anna"] == seen

    async def test_a_late_event_counts_though_the_newest_event_stays(self, online: OnlineFeatures) -> None:
        online.write_activity({"u:anna": activity("tent")})
        with_late = merged(activity("tent"), clicks("stove", start_us=5))
        online.write_activity({"u:anna": with_late})
        assert online.read_activity(["u:anna"])["u:anna"] == with_late

    async def test_a_second_worker_goes_on_where_the_first_stopped(self, place: Place, online: OnlineFeatures) -> None:
        online.write_activity({"u:anna": activity("tent")})
        other = place.open()
        other.write_activity({"u:anna": merged(activity("tent"), clicks("stove", start_us=2))})
        assert len(online.read_activity(["u:anna"])["u:anna"].interactions) == 2
        await other.close()


class TestCustomer:
    async def test_linked_devices_count_up_to_their_last_login(self, online: OnlineFeatures) -> None:
        phone = activity("before", start_us=HOUR_US).interactions + clicks("after", start_us=3 * HOUR_US)
        online.write_activity(
            {
                "u:anna": activity("tent", start_us=2 * HOUR_US, phone=2 * HOUR_US),
                "a:phone": merged(EMPTY, phone),
            }
        )
        assert items_of(await online.read_customer("anna", None)) == ["before", "tent"]

    async def test_the_device_that_asks_counts_whole(self, online: OnlineFeatures) -> None:
        online.write_activity({"u:anna": activity("tent"), "a:laptop": activity("stove", start_us=9 * HOUR_US)})
        assert items_of(await online.read_customer("anna", "laptop")) == ["tent", "stove"]
        assert items_of(await online.read_customer(None, "laptop")) == ["stove"]

    async def test_the_profile_is_read_with_the_activity(self, place: Place, online: OnlineFeatures) -> None:
        write_profile(place, "u:anna", PROFILE)
        found = await online.read_customer("anna", None)
        assert found == CustomerFeatures(
            EMPTY,
            UserProfile(
                n_orders=2,
                n_items=3,
                spend=30.5,
                currency="EUR",
                first_order_us=HOUR_US,
                last_order_us=2 * HOUR_US,
                mean_days_between_orders=1.0,
                bought_items=("milk", "bread"),
                bought_counts=(2, 1),
                bought_last_us=(2 * HOUR_US, HOUR_US),
                top_categories=("dairy",),
                top_category_shares=(0.75,),
                main_market="DE",
                price_level=10.5,
            ),
        )

    async def test_an_activity_older_than_its_time_to_live_is_not_used(self, place: Place) -> None:
        now_us = int(datetime.now(UTC).timestamp() * 1_000_000)
        online = place.open(activity_ttl=timedelta(days=30))
        day_us = 24 * HOUR_US
        old, fresh = activity("old", start_us=now_us - 31 * day_us), activity("new", start_us=now_us - 29 * day_us)
        online.write_activity({"u:anna": old, "u:bert": fresh})
        assert items_of(await online.read_customer("anna", None)) == []
        assert items_of(await online.read_customer("bert", None)) == ["new"]
        assert online.read_activity(["u:anna"]) == {"u:anna": old}, "the worker goes on with what is stored"
        await online.close()


class TestFeast:
    """Feast reads what we write, and we read what Feast stores."""

    async def test_get_online_features_gives_the_same(self, place: Place, online: OnlineFeatures) -> None:
        from feature_repo.store import open_store

        stored = activity("tent", "stove", phone=7)
        online.write_activity({"u:anna": stored})
        write_profile(place, "u:anna", PROFILE)
        store, objects = open_store(place.address, place.data)
        store.apply(objects.objects())
        answer = store.get_online_features(
            features=[f"{view.name}:{name}" for view in (USER_ACTIVITY, USER_PROFILE) for name in view.features],
            entity_rows=[{CUSTOMER_KEY: "u:anna"}, {CUSTOMER_KEY: "u:nobody"}],
        ).to_dict()
        expected = activity_row(stored) | PROFILE
        assert {name: values[0] for name, values in answer.items()} == {CUSTOMER_KEY: "u:anna"} | expected
        assert all(answer[name][1] is None for name in expected)
        assert online.read_activity(["u:anna"]) == {"u:anna": stored}
        assert (await online.read_customer("anna", None)).profile is not None

    async def test_reading_through_feast_gives_the_same(self, place: Place, online: OnlineFeatures) -> None:
        online.write_activity({"u:anna": activity("tent", phone=2 * HOUR_US), "a:phone": activity("lamp", start_us=5)})
        write_profile(place, "u:anna", PROFILE)
        through_feast = OnlineFeatures(feast_rows(place.address, place.data), writer=lambda: pytest.fail("only reads"))
        keys = ["u:anna", "a:phone", "u:nobody"]
        assert through_feast.read_activity(keys) == online.read_activity(keys)
        for user, device in (("anna", None), ("anna", "phone"), (None, "phone"), ("nobody", None)):
            assert await through_feast.read_customer(user, device) == await online.read_customer(user, device)
        with pytest.raises(Misconfigured, match=r"install feast"):
            await through_feast.erase(["u:anna"])

    async def test_reading_needs_no_feast(self, place: Place, online: OnlineFeatures) -> None:
        online.write_activity({"u:anna": activity("tent")})
        program = (
            "import asyncio, sys; from pathlib import Path; from feature_repo.opening import open_online_features\n"
            "features = open_online_features(sys.argv[1], Path(sys.argv[2]))\n"
            "print(asyncio.run(features.read_customer('anna', None)).activity.interactions[0].item_id)\n"
            "sys.exit('feast' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, place.address, str(place.data)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "tent\n"), done.stderr


class TestErasure:
    async def test_an_erased_customer_leaves_no_byte(self, place: Place, online: OnlineFeatures) -> None:
        online.write_activity({"u:anna-secret-name": activity("tent"), "u:bert": activity("tent")})
        online.write_activity({"u:anna-secret-name": merged(activity("tent"), clicks("secret-item", start_us=9))})
        write_profile(place, "u:anna-secret-name", PROFILE | {"bought_items": ["secret-milk", "x"]})
        assert b"secret" in _bytes(place)
        await online.erase(["u:anna-secret-name"])
        assert b"secret" not in _bytes(place)
        assert await online.read_customer("anna-secret-name", None) == CustomerFeatures()
        assert list(online.read_activity(["u:bert"])) == ["u:bert"]

    async def test_a_customer_who_comes_back_starts_anew(self, online: OnlineFeatures) -> None:
        online.write_activity({"u:anna": activity("tent", start_us=9 * HOUR_US)})
        await online.erase(["u:anna"])
        online.write_activity({"u:anna": activity("stove")})
        assert items_of(await online.read_customer("anna", None)) == ["stove"]

    async def test_nobody_to_erase(self, online: OnlineFeatures) -> None:
        await online.erase([])
        await online.erase(["u:nobody"])


class TestOneWriterManyReaders:
    async def test_a_reader_never_sees_half_a_row(self, place: Place, online: OnlineFeatures) -> None:
        """Each row's items are as many as its number says; a torn row would break the parallel arrays."""
        rounds = 150
        online.write_activity({"u:anna": activity("0")})
        reader = place.open()
        failures: list[str] = []
        over = threading.Event()

        def read() -> None:
            while not over.is_set():
                items = [i.item_id for i in reader.read_activity(["u:anna"])["u:anna"].interactions]
                if items != [str(n) for n in range(len(items))]:
                    failures.append(str(items))

        thread = threading.Thread(target=read)
        thread.start()
        try:
            for number in range(rounds):
                online.write_activity({"u:anna": activity(*map(str, range(1 + number % 50)))})
        finally:
            over.set()
            thread.join()
        await reader.close()
        assert failures == []


class TestStoreAway:
    async def test_a_redis_that_does_not_answer_is_no_hang(self, tmp_path: Path, redis_url: str) -> None:
        """A port where nobody listens, and one that accepts and never speaks."""
        import socket

        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            for address in (f"redis://127.0.0.1:{silent.getsockname()[1]}", "redis://127.0.0.1:1"):
                online = open_online_features(address, tmp_path)
                with pytest.raises(TryLater, match=r"cannot be reached"):
                    online.read_activity(["u:anna"])
                with pytest.raises(TryLater):
                    await online.read_customer("anna", None)
                with pytest.raises(TryLater):
                    online.write_activity({"u:anna": activity("tent")})

    async def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "online.db").write_bytes(os.urandom(8192))
        with pytest.raises(Corrupt, match=r"move it away"):
            open_online_features(str(tmp_path / "online.db"), tmp_path)

    @pytest.mark.parametrize("address", ["mongodb://host", "redis://host:port"])
    async def test_an_address_we_cannot_open(self, tmp_path: Path, address: str) -> None:
        with pytest.raises(Misconfigured, match=r"redis://host:port"):
            open_online_features(address, tmp_path)

    async def test_a_locked_sqlite_file(self, tmp_path: Path) -> None:
        import sqlite3

        online = open_online_features(str(tmp_path / "online.db"), tmp_path)
        online.write_activity({"u:anna": activity("tent")})
        other = sqlite3.connect(tmp_path / "online.db")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TryLater):
            online.write_activity({"u:anna": activity("stove")})
        assert list(online.read_activity(["u:anna"])) == ["u:anna"], "readers go on"
        other.rollback()
        other.close()


def _bytes(place: Place) -> bytes:
    """Everything the store holds, as bytes."""
    if not place.address.startswith("redis"):
        return b"".join(path.read_bytes() for path in place.data.glob("online.db*"))
    client = redis.Redis.from_url(place.address)
    return b"".join(key + b"".join(a + b for a, b in client.hgetall(key).items()) for key in client.keys("*"))
