"""One customer of the demo shop, played over HTTP: asks for recommendations, clicks, and looks when they change."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import httpx
import numpy as np

from feature_repo.errors import ShopfloorError, TryLater
from shopfloor.demo.assortment import MARKETS
from shopfloor.demo.behaviour import Memory
from shopfloor.demo.catalogue import category_id_of
from shopfloor.demo.shop import DemoShop

SHOWN: Final = 10
ASKED: Final = 30
"""A click moves something among this many, if not always among those that are shown."""
PATIENCE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Recommended:
    item_id: str
    name: str
    price: float | None
    currency: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered, best first."""

    model_version: str | None
    degraded: tuple[str, ...]
    items: tuple[Recommended, ...]


@dataclass(slots=True)
class Visitor:
    """A logged-in customer. ``clock`` tells the time of events, ``new_id`` makes their ids."""

    http: httpx.AsyncClient
    shop: DemoShop
    customer: int
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    @property
    def user_id(self) -> str:
        return self.shop.population.customer_id(self.customer)

    @property
    def market(self) -> str:
        return MARKETS[self.shop.population.market[self.customer]].market

    async def recommendations(self) -> Answer:
        """The home page."""
        return await self._ask({"placement": "home", "limit": ASKED})

    async def category_page(self, leaf: int) -> list[int]:
        """The products, best first, that the page of a category shows."""
        goods = self.shop.catalogue
        filters = {"category_ids": [category_id_of(goods.paths[leaf])]}
        answer = await self._ask({"placement": "category", "limit": SHOWN, "filters": filters})
        number = {item_id: i for i, item_id in enumerate(goods.item_ids)}
        return [number[item.item_id] for item in answer.items if goods.leaf[number[item.item_id]] == leaf]

    async def _ask(self, question: dict[str, Any]) -> Answer:
        question |= {"user_id": self.user_id, "market": self.market}
        answer = _read(await self.http.post("/v1/recommendations", json=question), 200)
        return Answer(
            model_version=answer["model_version"],
            degraded=tuple(answer["degraded"]),
            items=tuple(
                Recommended(i["item_id"], i.get("name") or "", i.get("price"), i.get("currency"), i["reason"])
                for i in answer["items"]
            ),
        )

    async def click(self, item: int) -> None:
        """Look at a product; returns once the service has the event durably."""
        goods, people = self.shop.catalogue, self.shop.population
        place = int(people.market[self.customer])
        line = {"item_id": goods.item_ids[item], "price": float(goods.local_price[item, place])}
        event = {
            "event_id": self.new_id(),
            "event_name": "view_item",
            "event_time": self.clock().isoformat(),
            "user_id": self.user_id,
            "anonymous_id": people.device_id(self.customer, 0),
            "session_id": f"demo-{self.user_id}",
            "market": MARKETS[place].market,
            "currency": MARKETS[place].currency,
            "items": [line],
            "producer": {"name": "web-shop", "version": "1"},
        }
        receipt = _read(await self.http.post("/v1/events", json={"events": [event]}), 202)
        if receipt["accepted"] != 1:
            raise ShopfloorError(f"the service refused the click on {goods.names[item]}: {receipt}")

    async def changed(self, before: Answer) -> tuple[Answer, float]:
        """The first answer with other products than ``before``, and the seconds until it came.

        Asks again as soon as it has an answer. Raises TryLater when nothing changes for PATIENCE_SECONDS.
        """
        began = time.perf_counter()
        while (waited := time.perf_counter() - began) < PATIENCE_SECONDS:
            answer = await self.recommendations()
            if [i.item_id for i in answer.items] != [i.item_id for i in before.items]:
                return answer, time.perf_counter() - began
        raise TryLater(f"the recommendations of {self.user_id} are the same {waited:.0f} s after the click")

    async def next_clicks(self, now: datetime, avoid: Answer, n: int) -> list[int]:
        """Products of a category that this customer truly likes and of whose kind the answer ``avoid`` shows none."""
        behaviour, goods = self.shop.behaviour, self.shop.catalogue
        memory = Memory.blank(len(self.shop.population), len(goods.leaves))
        liked = behaviour.leaf_probabilities(np.array([self.customer]), behaviour.days, now, memory)[0]
        leaf_of = dict(zip(goods.item_ids, goods.leaf, strict=True))
        shown = {int(goods.middle[leaf_of[item.item_id]]) for item in avoid.items[:SHOWN]}
        for leaf in np.argsort(-liked):
            if int(goods.middle[leaf]) not in shown and len(page := await self.category_page(int(leaf))) >= n:
                return page[:n]
        raise ShopfloorError(f"no category page shows {self.user_id} {n} products of a kind not recommended already")


def _read(response: httpx.Response, expected: int) -> dict[str, Any]:
    if response.status_code != expected:
        raise ShopfloorError(
            f"{response.request.method} {response.request.url} answered {response.status_code}: {response.text[:300]}"
        )
    return cast(dict[str, Any], response.json())
