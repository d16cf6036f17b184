"""What goes in and out over HTTP: acceptance, refusal, problems, keys."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from feature_repo.errors import Misconfigured, TryLater
from ingestion.contracts.event import ReceivedEvent
from ingestion.transports.log import EVENTS, PRODUCTS, TAXONOMY
from serving.recent_ids import RecentIds
from serving.security import check_binding
from tests.unit.serving.shop import NOW, Shop, customer, open_shop, product


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path, model=False, body_limit_bytes=200_000) as opened:
        yield opened


def an_event(**overrides: Any) -> dict[str, Any]:
    fields = {
        "event_id": "e1",
        "event_name": "view_item",
        "event_time": NOW.isoformat(),
        "user_id": "anna",
        "items": [{"item_id": "tea-1"}],
    } | overrides
    return {name: value for name, value in fields.items() if value is not None}


async def post(shop: Shop, *events: Any) -> tuple[int, Any]:
    answer = await shop.client.post("/v1/events", json={"events": list(events)})
    return answer.status_code, answer.json()


def is_problem(answer: Any, status: int) -> bool:
    document = answer.json()
    return (
        answer.status_code == status == document["status"]
        and answer.headers["content-type"] == "application/problem+json"
        and all(document[member] for member in ("type", "title", "detail", "instance"))
    )


class TestEvents:
    async def test_good_events_are_in_the_log_under_their_customers_key(self, shop: Shop) -> None:
        status, receipt = await post(shop, an_event(), an_event(event_id="e2", user_id=None, anonymous_id="d1"))
        assert (status, receipt) == (202, {"accepted": 2, "duplicates": 0, "rejected": []})
        assert [record.key for record in shop.log.records[EVENTS]] == [b"u:anna", b"a:d1"]
        stored = ReceivedEvent.model_validate_json(shop.log.values(EVENTS)[0])
        assert (stored.event_id, stored.received_at) == ("e1", NOW)

    async def test_a_bad_event_does_not_spoil_its_neighbours(self, shop: Shop) -> None:
        status, receipt = await post(shop, an_event(), an_event(event_id="e2", event_name="stare"), 17)
        assert (status, receipt["accepted"]) == (202, 1)
        refused = receipt["rejected"]
        assert [(r["index"], r["event_id"]) for r in refused] == [(1, "e2"), (2, None)]
        assert (refused[0]["errors"][0]["field"], refused[0]["errors"][0]["value"]) == ("event_name", "stare")

    async def test_an_event_of_broken_text_does_not_spoil_its_neighbours(self, shop: Shop) -> None:
        good = json.dumps(an_event()).encode()
        body = b'{"events": [' + good + b', {"event_id": "\xff"}]}'
        receipt = (await shop.client.post("/v1/events", content=body)).json()
        assert (receipt["accepted"], len(receipt["rejected"])) == (1, 1)

    @pytest.mark.parametrize(
        ("field", "overrides"),
        [
            ("event_name", {"event_name": "stare"}),
            ("event_time", {"event_time": None}),
            ("event_time", {"event_time": "2026-03-01T12:00:00"}),
            ("event_time", {"event_time": (NOW + timedelta(days=2)).isoformat()}),
            ("user_id", {"user_id": None}),
            ("currency", {"value": 3.5}),
            ("items.0.quantity", {"items": [{"item_id": "tea-1", "quantity": -1}]}),
            ("items", {"items": [{"item_id": "i"}] * 501}),
        ],
    )
    async def test_none_acceptable(self, shop: Shop, field: str, overrides: dict[str, Any]) -> None:
        answer = await shop.client.post("/v1/events", json={"events": [an_event(**overrides)]})
        assert is_problem(answer, 400)
        receipt = answer.json()
        assert (receipt["accepted"], receipt["duplicates"]) == (0, 0)
        assert receipt["rejected"][0]["errors"][0]["field"] == field
        assert not shop.log.values(EVENTS)

    async def test_a_retry_counts_once(self, shop: Shop) -> None:
        await post(shop, an_event())
        assert await post(shop, an_event()) == (202, {"accepted": 0, "duplicates": 1, "rejected": []})
        _, receipt = await post(shop, an_event(event_id="e2"), an_event(event_id="e2"))
        assert (receipt["accepted"], receipt["duplicates"]) == (1, 1)
        assert len(shop.log.values(EVENTS)) == 2

    async def test_an_item_that_the_catalogue_does_not_hold_is_flagged(self, shop: Shop) -> None:
        await post(shop, an_event(items=[{"item_id": "unheard-of"}]))
        assert ReceivedEvent.model_validate_json(shop.log.values(EVENTS)[0]).quality_flags == ("unknown_item",)

    async def test_a_market_is_refused_only_where_the_shop_named_its_own(self, shop: Shop, tmp_path: Path) -> None:
        assert (await post(shop, an_event(market="XX")))[0] == 202
        async with open_shop(tmp_path, model=False, markets=("DE", "CH")) as strict:
            status, receipt = await post(strict, an_event(market="XX"))
            assert status == 400
            assert "CH, DE" in receipt["rejected"][0]["errors"][0]["reason"]
            answer = await strict.client.get("/v1/recommendations", params={"placement": "home", "market": "XX"})
            assert is_problem(answer, 400)

    async def test_a_log_that_is_away_acknowledges_nothing(self, shop: Shop) -> None:
        shop.log.failing = TryLater("the disk is full", retry_after=2.5)
        answer = await shop.client.post("/v1/events", json={"events": [an_event()]})
        assert is_problem(answer, 503)
        assert answer.headers["retry-after"] == "3"
        assert "accepted" not in answer.json()
        shop.log.failing = None
        assert (await post(shop, an_event()))[1]["accepted"] == 1

    async def test_one_record_too_large_for_the_log_is_refused_alone(self, tmp_path: Path) -> None:
        long = [{"item_id": f"i{n}"} | dict.fromkeys(("item_name", "item_category"), "x" * 1024) for n in range(500)]
        async with open_shop(tmp_path, model=False) as shop:
            status, receipt = await post(shop, an_event(), an_event(event_id="e2", items=long))
        assert (status, receipt["accepted"]) == (202, 1)
        assert "bytes" in receipt["rejected"][0]["errors"][0]["reason"]


class TestBodies:
    @pytest.mark.parametrize("method_path", ["POST /v1/events", "POST /v1/recommendations", "PUT /v1/taxonomy"])
    async def test_malformed_json_is_located(self, shop: Shop, method_path: str) -> None:
        answer = await shop.client.request(*method_path.split(), content=b'{"events":\n [{]}')
        assert is_problem(answer, 400)
        assert "line 2 column 4" in answer.json()["detail"]

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{}", b'{"events": {}}', b'{"events": []}', b'{"events": [], "x": 1}']
    )
    async def test_a_body_that_is_no_batch(self, shop: Shop, body: bytes) -> None:
        assert is_problem(await shop.client.post("/v1/events", content=body), 400)

    async def test_a_body_over_the_limit_is_refused_while_it_streams(self, shop: Shop) -> None:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(1_000):
                sent += 1
                yield b" " * 10_000

        for method, path in (("POST", "/v1/events"), ("PUT", "/v1/products"), ("POST", "/v1/recommendations")):
            sent = 0
            assert is_problem(await shop.client.request(method, path, content=endless()), 413)
            assert sent < 30

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "/nothing", 404), ("PATCH", "/v1/events", 405), ("GET", "/v1/items/no-such/similar", 404)],
    )
    async def test_errors_of_the_route_are_problems(self, shop: Shop, method: str, path: str, status: int) -> None:
        assert is_problem(await shop.client.request(method, path), status)

    @pytest.mark.parametrize("question", [{}, {"placement": "cellar"}, {"placement": "home", "item_ids": "x"}])
    async def test_a_question_that_does_not_fit(self, shop: Shop, question: dict[str, Any]) -> None:
        answer = await shop.client.post("/v1/recommendations", json=question)
        assert is_problem(answer, 400)
        if question.get("placement") == "cellar":
            assert "buy-again" in answer.json()["detail"]


class TestCatalogueRoutes:
    async def test_products_one_by_one(self, shop: Shop) -> None:
        products = [{"item_id": "new"}, {"item_id": "bad", "price": 3}]
        answer = await shop.client.put("/v1/products", json={"products": products})
        assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
        assert answer.json()["rejected"][0]["errors"][0]["field"] == "currency"
        assert [record.key for record in shop.log.records[PRODUCTS]] == [b"new"]
        assert is_problem(await shop.client.put("/v1/products", json={"products": products[1:]}), 400)

    @pytest.mark.parametrize(
        "tree",
        [
            [{"category_id": "a", "parent_id": "b"}, {"category_id": "b", "parent_id": "a"}],
            [{"category_id": "a", "parent_id": "gone"}],
            [{"category_id": "a"}, {"category_id": "a"}],
        ],
        ids=["cycle", "orphan", "twice"],
    )
    async def test_no_tree_is_refused_whole(self, shop: Shop, tree: list[dict[str, str]]) -> None:
        answer = await shop.client.put("/v1/taxonomy", json={"categories": tree})
        assert is_problem(answer, 400)
        assert answer.json()["errors"][0]["field"].startswith("categories.")
        assert TAXONOMY not in shop.log.records

    async def test_all_nodes_of_a_tree_have_one_key(self, shop: Shop) -> None:
        tree = [{"category_id": "a"}, {"category_id": "b", "parent_id": "a"}]
        assert (await shop.client.put("/v1/taxonomy", json={"categories": tree})).json()["accepted"] == 2
        assert len({record.key for record in shop.log.records[TAXONOMY]}) == 1


class TestUsers:
    async def test_features_and_their_erasure(self, shop: Shop) -> None:
        shop.store.customers["u:anna"] = customer("tea-1")
        known = (await shop.client.get("/v1/users/anna/features")).json()
        assert (known["interactions"][0]["item_id"], known["interactions"][0]["action"]) == ("tea-1", "view")
        assert (await shop.client.delete("/v1/users/anna")).json()["erased_keys"] == ["u:anna"]
        assert is_problem(await shop.client.get("/v1/users/anna/features"), 404)

    async def test_a_store_that_is_down(self, shop: Shop) -> None:
        shop.store.failing = True
        for method in ("GET", "DELETE"):
            path = "/v1/users/anna/features" if method == "GET" else "/v1/users/anna"
            answer = await shop.client.request(method, path)
            assert is_problem(answer, 503)
            assert answer.headers["retry-after"] == "2"


class TestIdsOfAnyCharacters:
    """Ids as the contract allows them, percent-encoded into one part of the path."""

    IDS = ("shop/a/17", "/", "a%2Fb", "a?b#c", "zwölf \n", "anna/features", "tea/similar", "similar")

    @pytest.mark.parametrize("user_id", IDS)
    async def test_a_customer_is_found_and_erased(self, shop: Shop, user_id: str) -> None:
        shop.store.customers[f"u:{user_id}"] = customer("tea-1")
        path = f"/v1/users/{quote(user_id, safe='')}"
        assert (await shop.client.get(f"{path}/features")).json()["user_id"] == user_id
        assert (await shop.client.delete(path)).json()["erased_keys"] == [f"u:{user_id}"]
        assert not shop.store.customers

    @pytest.mark.parametrize("item_id", IDS)
    async def test_an_item_is_found(self, tmp_path: Path, item_id: str) -> None:
        async with open_shop(tmp_path, model=False, products=[product(item_id)]) as shop:
            for question in ("similar", "bought-together"):
                answer = await shop.client.get(f"/v1/items/{quote(item_id, safe='')}/{question}")
                assert answer.status_code == 200, answer.text  # any other id would be answered by 404

    async def test_who_erases_features_is_told_that_only_customers_are_erased(self, shop: Shop) -> None:
        shop.store.customers["u:anna"] = customer("tea-1")
        answer = await shop.client.delete("/v1/users/anna/features")
        assert is_problem(answer, 405)
        assert answer.headers["allow"] == "GET"

    async def test_an_id_that_is_too_long_is_refused(self, shop: Shop) -> None:
        assert is_problem(await shop.client.delete(f"/v1/users/{'a%2F' * 129}"), 400)

    async def test_metrics_and_document_show_the_pattern(self, shop: Shop) -> None:
        await shop.client.get("/v1/users/a%2Fb/features")
        await shop.client.get("/v1/items/a%2Fb/similar")
        text = (await shop.client.get("/metrics")).text
        routes = {line.split('route="')[1].split('"')[0] for line in text.splitlines() if 'route="' in line}
        paths = (await shop.client.get("/openapi.json")).json()["paths"]
        assert {"/v1/users/{user_id}/features", "/v1/items/{item_id}/similar"} <= routes <= paths.keys()


class TestOperation:
    async def test_each_part_is_named(self, shop: Shop) -> None:
        state = (await shop.client.get("/readyz")).json()
        assert state["status"] == "ready"
        assert set(state["parts"]) == {"log", "online", "catalogue", "model"}
        shop.store.failing = True
        state = (await shop.client.get("/readyz")).json()
        assert (state["status"], state["parts"]["online"]["state"]) == ("degraded", "failing")

    async def test_every_metric_stands_in_the_documented_list(self, shop: Shop) -> None:
        from serving import metrics

        await post(shop, an_event())
        text = (await shop.client.get("/metrics")).text
        shown = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
        documented = {line.split("|")[1].strip() for line in (metrics.__doc__ or "").splitlines() if "| shopf" in line}
        assert {name for name in shown if not name.endswith("_created")} == documented
        assert 'route="/v1/events"' in text

    async def test_keys_guard_all_but_the_probes(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path, model=False, keys=("first", "second")) as shop:
            get = shop.client.get
            for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic first"}):
                assert is_problem(await get("/metrics", headers=headers), 401)
            for key in ("first", "second"):
                assert (await get("/metrics", headers={"authorization": f"Bearer {key}"})).status_code == 200
            assert (await get("/healthz")).status_code == (await get("/readyz")).status_code == 200

    async def test_who_has_no_key_is_told_in_a_header_what_is_asked(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path, model=False, keys=("first",)) as shop:
            answer = await shop.client.get("/metrics")
        assert answer.headers["www-authenticate"] == 'Bearer realm="shopfloor"'
        assert set(answer.json()) == {"type", "title", "status", "detail", "instance"}

    @pytest.mark.parametrize("given", ["Bearer ", "Bearer", "Bearer  ", ""])
    async def test_an_empty_key_opens_nothing(self, tmp_path: Path, given: str) -> None:
        async with open_shop(tmp_path, model=False, keys=("first", "")) as shop:
            assert is_problem(await shop.client.get("/metrics", headers={"authorization": given}), 401)

    def test_only_loopback_may_go_without_keys(self) -> None:
        for host in ("127.0.0.1", "::1", "localhost"):
            check_binding(host, ())
        check_binding("0.0.0.0", ("key",))
        for host in ("0.0.0.0", "::", "10.0.0.7", "shop.example"):
            for keys in ((), ("",)):
                with pytest.raises(Misconfigured, match="SHOPFLOOR_KEYS"):
                    check_binding(host, keys)


class TestRecentIds:
    def test_the_newest_half_is_remembered_and_no_more_than_all(self) -> None:
        recent = RecentIds(10)
        for number in range(100):
            recent.add(str(number))
        assert all(str(number) in recent for number in range(95, 100))
        assert "89" not in recent
