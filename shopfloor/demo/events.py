"""Visits told as events of the contract: what the shop's web site and app would have sent."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from shopfloor.demo.assortment import MARKETS
from shopfloor.demo.behaviour import Behaviour
from shopfloor.demo.visits import AGAIN, FRESH, DayOfVisits

LIST_LENGTH: Final = 6
SHOW_LIST: Final = 0.55
SEARCH: Final = 0.45
SELECT: Final = 0.5
WISH: Final = 0.05
PUT_BACK: Final = 0.06
LOGIN_WITHOUT_ORDER: Final = 0.2
LOGGED_OUT: Final = 0.1
REFUND: Final = 0.05

Draft = dict[str, Any]
"""An event as a JSON object, except that ``event_time`` is still in seconds since 1970."""


@dataclass(slots=True)
class Storyteller:
    """Tells visits in the order of time. It remembers which devices are known and which refunds are still to come."""

    behaviour: Behaviour
    rng: np.random.Generator
    known_devices: set[str] = field(default_factory=set)
    refunds: list[tuple[float, int, Draft]] = field(default_factory=list)
    n_visits: int = 0
    n_events: int = 0

    def tell(self, day: DayOfVisits) -> Iterator[Draft]:
        """The events of a day, visit by visit, and the refunds that fall due before its end."""
        for row in range(len(day.customer)):
            yield from self._visit(day, row)
        end = day.midnight.timestamp() + 86_400
        while self.refunds and self.refunds[0][0] < end:
            yield heapq.heappop(self.refunds)[2]

    def _visit(self, day: DayOfVisits, row: int) -> Iterator[Draft]:
        rng, people = self.rng, self.behaviour.population
        customer = int(day.customer[row])
        device = people.device_id(customer, int(rng.integers(people.n_devices[customer])))
        account = None if people.guest[customer] else people.customer_id(customer)
        place = MARKETS[people.market[customer]]
        self.n_visits += 1
        visit: Draft = {
            "anonymous_id": device,
            "session_id": f"s{self.n_visits}",
            "market": place.market,
            "language": place.language,
            "producer": {"name": "web-shop" if device.endswith("-0") else "app", "version": "1"},
        }
        if device in self.known_devices and rng.random() > LOGGED_OUT:
            visit["user_id"] = account
        time = day.midnight.timestamp() + float(day.start[row])
        cart: dict[int, int] = {}
        for step in range(int((day.item[row] >= 0).sum())):
            item = int(day.item[row, step])
            for draft in self._step(visit, item, int(day.came_from[row, step]), place.currency):
                time += float(rng.exponential(6.0)) + 0.5
                yield self._stamped(draft, time)
            if day.carted[row, step]:
                cart[item] = cart.get(item, 0) + (2 if rng.random() < 0.15 else 1)
                time += float(rng.exponential(20.0)) + 1
                yield self._stamped(self._with_items(visit, "add_to_cart", cart, (item,)), time)
            time += float(rng.exponential(35.0)) + 2
        yield from self._end(visit, account, cart, bool(day.bought[row]), time)

    def _step(self, visit: Draft, item: int, came_from: int, currency: str) -> Iterator[Draft]:
        """How the visitor got to a product, and the look at it."""
        rng = self.rng
        if came_from != AGAIN and rng.random() < SHOW_LIST:
            leaf = int(self.behaviour.catalogue.leaf[item])
            searched = came_from == FRESH and rng.random() < SEARCH
            if searched:
                term = self.behaviour.catalogue.leaves[leaf].noun.lower()
                yield {"event_name": "search", "search_term": term, **visit}
            where = "search" if searched else "category"
            shown = self._list(leaf, item)
            ids = self.behaviour.catalogue.item_ids
            entries = [{"item_id": ids[i], "index": n, "item_list_id": where} for n, i in enumerate(shown)]
            yield {"event_name": "view_item_list", "items": entries, **visit}
            if rng.random() < SELECT:
                yield {"event_name": "select_item", "items": [entries[shown.index(item)]], **visit}
        yield self._with_items(visit, "view_item", {}, (item,))
        if rng.random() < WISH:
            yield self._with_items(visit, "add_to_wishlist", {}, (item,))

    def _end(self, visit: Draft, account: str | None, cart: dict[int, int], buys: bool, time: float) -> Iterator[Draft]:
        rng = self.rng
        if len(cart) > 1 and rng.random() < PUT_BACK:
            item, _ = cart.popitem()
            time += 5
            yield self._stamped(self._with_items(visit, "remove_from_cart", {}, (item,)), time)
        wants_account = buys or rng.random() < LOGIN_WITHOUT_ORDER
        if account is not None and "user_id" not in visit and wants_account:
            visit["user_id"] = account
            self.known_devices.add(visit["anonymous_id"])
            time += 15
            yield self._stamped({"event_name": "login", **visit}, time)
        if not buys:
            return
        yield self._stamped(self._with_items(visit, "begin_checkout", cart, tuple(cart)), time + 10)
        order = f"o{self.n_visits}"
        purchase = self._with_items(visit, "purchase", cart, tuple(cart)) | {"transaction_id": order}
        purchase["value"] = round(sum(line["price"] * line["quantity"] for line in purchase["items"]), 2)
        yield self._stamped(purchase, time + 60 + float(rng.exponential(60.0)))
        if rng.random() < REFUND:
            back = time + 86_400 * float(rng.uniform(2, 12))
            line = purchase["items"][0]
            refund = {"event_name": "refund", **visit, "currency": purchase["currency"], "transaction_id": order}
            refund |= {"items": [line], "value": round(line["price"] * line["quantity"], 2)}
            heapq.heappush(self.refunds, (back, self.n_visits, self._stamped(refund, back)))

    def _list(self, leaf: int, item: int) -> list[int]:
        """What the page showed around the product: others of its category, the popular ones higher up."""
        goods = self.behaviour.catalogue
        row = self.behaviour.items_of_leaf[leaf]
        others = row[(row >= 0) & (row != item)]
        noise = self.rng.gumbel(size=len(others))
        shown = [*others[np.argsort(-(goods.popularity[others, 0] + noise))[: LIST_LENGTH - 1]].tolist()]
        shown.insert(min(int(self.rng.geometric(0.4)) - 1, len(shown)), item)
        return shown

    def _with_items(self, visit: Draft, name: str, cart: dict[int, int], items: tuple[int, ...]) -> Draft:
        goods = self.behaviour.catalogue
        market = next(m for m, place in enumerate(MARKETS) if place.market == visit["market"])
        lines: list[Draft] = []
        for item in items:
            path = goods.paths[goods.leaf[item]]
            line: Draft = {
                "item_id": goods.item_ids[item],
                "item_name": goods.names[item],
                "item_category": path[0],
                "item_category2": path[1],
                "item_category3": path[2],
                "price": float(goods.local_price[item, market]),
            }
            if item in cart:
                line["quantity"] = cart[item]
            lines.append(line)
        return {"event_name": name, "items": lines, "currency": MARKETS[market].currency, **visit}

    def _stamped(self, draft: Draft, time: float) -> Draft:
        self.n_events += 1
        return {"event_id": f"e{self.n_events:07d}", "event_time": time, **draft}
